"""Conv2D, alone and with bias and activation."""

from __future__ import annotations

from ..errors import InvalidArgumentError
from ..ir.shapes import Convolution, conv2d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel
from ..tensor import Shape, Tensor
from .epilogue import Epilogue, epilogue
from .matmul import FEW_ROWS, product
from .packing import Matrices, column_block_steps, filter_defines, in_column_blocks, sum_defines
from .tiles import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    dilation_parameters,
    in_batches,
    in_parameters,
    last_shape,
    transposed,
    window_parameters,
)


@kernel("Conv2D")
def conv2d(
    x: Tensor,
    filter: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """``x`` convolved with ``filter`` (height, width, in channels, out channels)."""
    return fused_conv2d(
        x,
        filter,
        strides=strides,
        pad=pad,
        data_format=data_format,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
    )


@kernel("FusedConv2D")
def fused_conv2d(
    x: Tensor,
    filter: Tensor,
    bias: Tensor | None = None,
    prelu_activation_weights: Tensor | None = None,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
    activation: str | None = "linear",
    leakyrelu_alpha: float | None = None,
) -> Tensor:
    """A convolution, then the bias, then the activation."""
    check_dtypes(x, filter)
    geometry = conv2d_geometry(
        x.shape,
        filter.shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
    )
    channels = geometry.out_channels
    after = epilogue(
        filter,
        channels,
        bias,
        activation,
        leakyrelu_alpha,
        prelu_activation_weights,
        channel_axis=-1 if geometry.channels_last else -3,
    )
    if 0 in geometry.out_shape:
        return zeros(x, geometry.out_shape)
    if geometry.in_channels == 0:
        x, filter = _one_zero_channel(x, filter, geometry)
    if not geometry.channels_last:
        x = transposed(x, TO_CHANNELS_LAST)
    result = _convolved(x, filter, geometry, after)
    return after.finish(result if geometry.channels_last else transposed(result, TO_CHANNELS_FIRST))


def check_dtypes(x: Tensor, filter: Tensor) -> None:
    """Raise InvalidArgumentError unless both are float32 or both int32."""
    if x.dtype != filter.dtype or x.dtype not in ("float32", "int32"):
        raise InvalidArgumentError(
            f"{x.engine.node} takes a float32 input and filter (or both int32), got {x.dtype} and {filter.dtype}"
        )


def zeros(x: Tensor, shape: Shape) -> Tensor:
    """Zeros of ``shape`` in the dtype of ``x``."""
    return x.engine.emit("fill", {}, shape, x.dtype, {"fill_value": 0.0 if x.kind == "float" else 0})


def _one_zero_channel(x: Tensor, filter: Tensor, geometry: Convolution) -> tuple[Tensor, Tensor]:
    """A convolution over no channels is a sum of nothing; a channel of zeros gives the same."""
    where = 3 if geometry.channels_last else 1
    shape = (*x.shape[:where], 1, *x.shape[where + 1 :])
    filter_shape = (*filter.shape[:2], 1, filter.shape[3])
    return zeros(x, shape), zeros(x, filter_shape)


def _convolved(x: Tensor, filter: Tensor, geometry: Convolution, after: Epilogue) -> Tensor:
    """The convolution of an input with channels last, none of its extents 0."""
    height, width, in_channels, out_channels = filter.shape
    out_shape = last_shape(geometry)
    padless = not any((*geometry.pads_before, *geometry.pads_after))
    pointwise = (height, width) == (1, 1) and padless and geometry.strides == (1, 1)
    covers = padless and geometry.filter_spatial == geometry.in_spatial and geometry.dilations == (1, 1)
    places = geometry.batch * geometry.out_height * geometry.out_width
    if places <= FEW_ROWS and (pointwise or (covers and geometry.out_spatial == (1, 1))):
        terms = height * width * in_channels
        a = x.view((places, terms))
        b = filter.view((terms, out_channels)) if (height, width) != (1, 1) else filter
        weights = Matrices(b, terms, out_channels, out_channels, 1, (1,), (0,))
        return product(Matrices(a, places, terms, terms, 1, (1,), (0,)), weights, (), after).view(out_shape)
    step = in_channels * out_channels
    taps = Matrices(filter, in_channels, out_channels, out_channels, 1, (height * width,), (step,))
    weight = in_column_blocks(taps)
    if pointwise:
        body, places_of_filter, defines = "pointwise", column_block_steps(taps), sum_defines(in_channels)
    else:
        body, places_of_filter = "convolution", window_parameters(geometry) | dilation_parameters(geometry)
        defines = filter_defines(taps)
    defines |= after.defines

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | after.parameters | places_of_filter
        inputs = {"x": part, "filter": weight, **after.inputs}
        return x.engine.emit(body, inputs, shape, x.dtype, values, defines, layout="tiles", tiled=("x",))

    return in_batches(x, out_shape, draw)
