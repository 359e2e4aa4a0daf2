"""Conv2DBackpropInput: the gradient of a convolution by its input, a transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.shapes import conv2d_geometry, conv2d_transpose_geometry
from ..ir.shapes.convolution import Extents, Pad, Rounding
from ..registry import kernel
from ..tensor import Shape, Tensor
from .convolution import check_dtypes, zeros
from .epilogue import epilogue
from .packing import Matrices, filter_defines, in_column_blocks
from .tiles import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    in_batches,
    in_parameters,
    last_shape,
    transposed,
    window_parameters,
)


@kernel("Conv2DBackpropInput")
def conv2d_backprop_input(
    dy: Tensor,
    filter: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    input_shape: Sequence[int],
    data_format: str = "NHWC",
    dim_rounding_mode: Rounding = None,
    dilations: Extents | None = 1,
) -> Tensor:
    """The input, of ``input_shape``, that a convolution's gradient ``dy`` gives back.

    ``filter`` is the forward one: (height, width, channels of the result, channels of ``dy``).
    """
    check_dtypes(dy, filter)
    geometry = conv2d_transpose_geometry(
        _used(dy.shape, filter.shape, tuple(input_shape), strides, pad, dim_rounding_mode, data_format, dilations),
        filter.shape,
        tuple(input_shape),
        strides,
        pad,
        dim_rounding_mode=dim_rounding_mode,
        data_format=data_format,
        dilations=dilations,
    )
    if 0 in geometry.in_shape or 0 in dy.shape:
        return zeros(dy, geometry.in_shape)
    height, width, out_channels, in_channels = filter.shape
    # Each tap's matrix turned over, from the channels of dy to those of the result.
    taps = Matrices(filter, in_channels, out_channels, 1, in_channels, (height * width,), (in_channels * out_channels,))
    weight = in_column_blocks(taps)
    after = epilogue(filter, out_channels)
    if not geometry.channels_last:
        dy = transposed(dy, TO_CHANNELS_LAST)
    # Seen from the result, the window reaches back: the forward one's steps and padding, negated.
    window = window_parameters(geometry) | {
        "pad_top": -geometry.pad_top,
        "pad_left": -geometry.pad_left,
        "dilation_height": -geometry.dilation_height,
        "dilation_width": -geometry.dilation_width,
    }

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window | after.parameters
        values |= {"in_height": geometry.out_height, "in_width": geometry.out_width}
        inputs = {"x": part, "filter": weight, **after.inputs}
        defines = {**filter_defines(taps), "TRANSPOSED": 1, **after.defines}
        return dy.engine.emit("convolution", inputs, shape, dy.dtype, values, defines, layout="tiles", tiled=("x",))

    result = in_batches(dy, last_shape(geometry, of_input=True), draw)
    return result if geometry.channels_last else transposed(result, TO_CHANNELS_FIRST)


def _used(
    dy: Shape,
    filter: Shape,
    input_shape: Shape,
    strides: Extents,
    pad: Pad,
    rounding: Rounding,
    data_format: str,
    dilations: Extents | None,
) -> Shape:
    """The part of a gradient of shape ``dy`` that is used: TensorFlow.js leaves out rows and columns too many."""
    if len(dy) != 4 or len(input_shape) != 4:
        return dy
    forward = conv2d_geometry(
        input_shape,
        filter,
        strides,
        pad,
        dim_rounding_mode=rounding,
        data_format=data_format,
        dilations=dilations,
    )
    first = 1 if forward.channels_last else 2
    spatial = tuple(map(min, dy[first : first + 2], forward.out_spatial))
    return (*dy[:first], *spatial, *dy[first + 2 :])
