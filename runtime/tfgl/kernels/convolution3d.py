"""Conv3D and its gradient by the input: images are planes of volumes, so the programs are those of Conv2D."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfgl_shaders.assembly import ParameterValue

from ..ir.shapes import Convolution, conv3d_geometry, conv3d_transpose_geometry
from ..ir.shapes.convolution import Extents, Pad
from ..registry import kernel, run_one
from ..tensor import Shape, Tensor
from .convolution import check_dtypes, zeros
from .epilogue import epilogue
from .packing import Matrices, filter_defines, in_column_blocks
from .tiles import (
    VOLUMES_TO_CHANNELS_FIRST,
    VOLUMES_TO_CHANNELS_LAST,
    dilation_parameters,
    in_batches,
    in_parameters,
    last_shape,
    transposed,
    window_parameters,
)
from .windows import depth_defines, depth_parameters


@kernel("Conv3D")
def conv3d(
    x: Tensor,
    filter: Tensor,
    *,
    strides: Extents,
    pad: Pad,
    data_format: str = "NDHWC",
    dilations: Extents | None = 1,
) -> Tensor:
    """Volumes ``x`` convolved with ``filter`` (depth, height, width, in channels, out channels)."""
    check_dtypes(x, filter)
    geometry = conv3d_geometry(x.shape, filter.shape, strides, pad, dilations=dilations, data_format=data_format)
    if 0 in geometry.out_shape or geometry.in_channels == 0:
        return zeros(x, geometry.out_shape)
    if not geometry.channels_last:
        x = transposed(x, VOLUMES_TO_CHANNELS_LAST)
    depth_pads = geometry.pads_before[0] + geometry.pads_after[0]
    if geometry.filter_spatial[0] == geometry.strides[0] == 1 and not depth_pads:
        result = _by_planes(x, filter, geometry)
    else:
        result = _convolved(x, filter, last_shape(geometry), geometry, transpose=False)
    return result if geometry.channels_last else transposed(result, VOLUMES_TO_CHANNELS_FIRST)


@kernel("Conv3DBackpropInputV2")
def conv3d_backprop_input(
    dy: Tensor, filter: Tensor, *, strides: Extents, pad: Pad, input_shape: Sequence[int]
) -> Tensor:
    """The volumes, of ``input_shape``, that a 3-D convolution's gradient ``dy`` gives back.

    ``filter`` is the forward one: (depth, height, width, channels of the result, channels of ``dy``).
    """
    check_dtypes(dy, filter)
    geometry = conv3d_transpose_geometry(dy.shape, filter.shape, tuple(input_shape), strides, pad)
    if 0 in geometry.in_shape or 0 in dy.shape:
        return zeros(dy, geometry.in_shape)
    return _convolved(dy, filter, last_shape(geometry, of_input=True), geometry, transpose=True)


def _by_planes(x: Tensor, filter: Tensor, geometry: Convolution) -> Tensor:
    """A filter of one plane: a convolution of each plane alone."""
    planes = x.view((geometry.batch * geometry.in_spatial[0], *x.shape[2:]))
    attrs = {
        "strides": geometry.strides[1:],
        "dilations": geometry.dilations[1:],
        "pad": [[0, 0], *zip(geometry.pads_before[1:], geometry.pads_after[1:], strict=True), [0, 0]],
    }
    result = run_one("Conv2D", {"x": planes, "filter": filter.view(filter.shape[1:])}, attrs)
    return result.view(last_shape(geometry))


def _convolved(x: Tensor, filter: Tensor, out_shape: Shape, geometry: Convolution, *, transpose: bool) -> Tensor:
    """The convolution of an input with channels last, or its transpose, none of the extents 0."""
    ins, outs = filter.shape[3:]
    taps, step = math.prod(filter.shape[:3]), ins * outs
    matrices = Matrices(filter, ins, outs, outs, 1, (taps,), (step,))
    window = window_parameters(geometry) | dilation_parameters(geometry) | depth_parameters(geometry)
    defines = depth_defines(geometry)
    if transpose:
        # Seen from the result, the window reaches back: the forward one's steps and padding, negated.
        negated = ("pad_front", "pad_top", "pad_left", "dilation_depth", "dilation_height", "dilation_width")
        window |= {name: -_whole(window[name]) for name in negated}
        window |= {"in_depth": geometry.out_spatial[0], "out_depth": geometry.in_spatial[0]}
        matrices = Matrices(filter, outs, ins, 1, outs, (taps,), (step,))
        defines["TRANSPOSED"] = 1
    weight = in_column_blocks(matrices)
    defines |= filter_defines(matrices)
    after = epilogue(filter, out_shape[-1])

    def draw(part: Tensor, shape: Shape) -> Tensor:
        values = in_parameters(part) | window | after.parameters
        inputs = {"x": part, "filter": weight, **after.inputs}
        every = defines | after.defines
        return x.engine.emit("convolution", inputs, shape, x.dtype, values, every, layout="tiles", tiled=("x",))

    return in_batches(x, out_shape, draw)


def _whole(value: ParameterValue) -> int:
    assert isinstance(value, int)
    return value
