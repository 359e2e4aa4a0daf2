"""DepthwiseConv2dNative, alone and with bias and activation."""

from __future__ import annotations

from ..ir.shapes import conv2d_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel
from ..tensor import Shape, Tensor
from .convolution import check_dtypes, zeros
from .epilogue import epilogue
from .packing import Matrices, packed
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

# Filters of these heights get a program in which neighbouring results share the lines they read.
_SHARED_HEIGHTS = (3, 5)


@kernel("DepthwiseConv2dNative")
def depthwise_conv2d_native(
    x: Tensor,
    filter: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NHWC",
    dilations: Extents | None = 1,
    dim_rounding_mode: Rounding = None,
) -> Tensor:
    """Each channel of ``x`` convolved with its own filters; ``filter`` is (height, width, channels, multiplier)."""
    return fused_depthwise_conv2d(
        x,
        filter,
        strides=strides,
        pad=pad,
        data_format=data_format,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
    )


@kernel("FusedDepthwiseConv2D")
def fused_depthwise_conv2d(
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
    """A depthwise convolution, then the bias, then the activation."""
    check_dtypes(x, filter)
    geometry = conv2d_geometry(
        x.shape,
        filter.shape,
        strides,
        pad,
        dilations=dilations,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
        depthwise=True,
    )
    channels, multiplier = geometry.out_channels, filter.shape[3]
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
    if not geometry.channels_last:
        x = transposed(x, TO_CHANNELS_LAST)
    taps = Matrices(filter, geometry.filter_height * geometry.filter_width, channels, channels, 1, (1,), (0,))
    weight = packed(taps, pad_rows=False, pad_columns=True)
    defines = dict(after.defines)
    if multiplier > 1:
        defines["MULTIPLIED"] = 1
    elif geometry.filter_height in _SHARED_HEIGHTS and geometry.stride_height <= 2 and geometry.dilation_height == 1:
        defines |= {"FILTER_HEIGHT": geometry.filter_height, "STRIDE_HEIGHT": geometry.stride_height}

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window_parameters(geometry) | dilation_parameters(geometry)
        values |= after.parameters
        if multiplier > 1:
            values["multiplier"] = multiplier
        inputs = {"x": part, "filter": weight, **after.inputs}
        return x.engine.emit("depthwise", inputs, shape, x.dtype, values, defines, layout="tiles", tiled=("x",))

    result = in_batches(x, last_shape(geometry), draw)
    return after.finish(result if geometry.channels_last else transposed(result, TO_CHANNELS_FIRST))
