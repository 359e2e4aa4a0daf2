"""Transposed convolutions of volumes, which TensorFlow.js has as a kernel but not as an op of graphs."""

from __future__ import annotations

from collections.abc import Sequence

from tfgl.ir.graph import Edge

from .layouts import channels_first
from .registry import INT32, Place, Unfit, rewrite


@rewrite("Conv3DBackpropInputV2")
def transposed_convolution(place: Place) -> Edge | Unfit:
    """A Conv3D with the filter turned round over a gradient that has zeros between its voxels and around them."""
    first = channels_first(place)
    space = slice(2, 5) if first else slice(1, 4)
    wanted = place.shapes.elements(place.node.inputs[0]) or ()
    given, taps = place.known_shape(2) or (), place.known_shape(1) or ()
    if {len(wanted), len(given), len(taps)} != {5}:
        return Unfit("a result, a gradient and a filter of known sizes")
    results, sizes, window, channels = wanted[space], given[space], taps[:3], taps[4]
    if min(*results, *sizes, *window, channels) < 0:
        return Unfit("a result, a gradient and a filter of known sizes")
    strides, dilations = (list(place.attr(name, [1] * 5))[space] for name in ("strides", "dilations"))
    x = place.inputs[2]
    if first:
        x = place.op("Transpose", x, place.integers(0, 2, 3, 4, 1), Tperm=INT32)
    now = [*sizes, channels]
    for axis in range(3):
        size, reach = results[axis], (window[axis] - 1) * dilations[axis]
        before = _padding_before(place, size, reach, strides[axis])
        x, now[axis] = _spread(place, x, now, axis, strides[axis], reach - before, size + before)
    x = place.op("Reshape", x, place.integers(-1, *now), Tshape=INT32)
    turned = place.op("ReverseV2", place.inputs[1], place.integers(0, 1, 2), Tidx=INT32)
    turned = place.op("Transpose", turned, place.integers(0, 1, 2, 4, 3), Tperm=INT32)
    made = place.op(
        "Conv3D", x, turned,
        strides=[1] * 5, dilations=[1, *dilations, 1], padding=b"VALID", data_format=b"NDHWC",
    )  # fmt: skip
    return place.op("Transpose", made, place.integers(0, 4, 1, 2, 3), Tperm=INT32) if first else made


def _padding_before(place: Place, size: int, reach: int, stride: int) -> int:
    """What the forward convolution puts before ``size`` voxels."""
    if place.attr("padding", b"VALID") != b"SAME":
        return 0
    return max((-(-size // stride) - 1) * stride + reach + 1 - size, 0) // 2


def _spread(
    place: Place, x: Edge, now: Sequence[int], axis: int, stride: int, before: int, end: int
) -> tuple[Edge, int]:
    """``x`` of the sizes ``now`` with zeros between the entries of ``axis``, ``before`` of them and up to ``end``.

    Three axes at a time: backends of TensorFlow.js do not pad more than four.
    """
    size, inner = now[axis], 1
    for extent in now[axis + 1 :]:
        inner *= extent
    if stride > 1:
        x = place.op("Reshape", x, place.integers(-1, 1, inner), Tshape=INT32)
        x = place.op("Pad", x, place.constant([[0, 0], [0, stride - 1], [0, 0]], INT32), Tpaddings=INT32)
        size *= stride
    x = place.op("Reshape", x, place.integers(-1, size, inner), Tshape=INT32)
    if end < size:
        x = place.op("Slice", x, place.integers(0, 0, 0), place.integers(-1, end, inner), Index=INT32)
        size = end
    if before or end > size:
        x = place.op("Pad", x, place.constant([[0, 0], [before, end - size], [0, 0]], INT32), Tpaddings=INT32)
    return x, before + end
