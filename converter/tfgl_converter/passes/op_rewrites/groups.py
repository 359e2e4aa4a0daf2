"""Convolutions in groups, which TensorFlow writes as Conv2D with a shallower filter and TensorFlow.js refuses."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, Edge

from .layouts import channels_first, channels_last, to_channels_first, to_channels_last, with_channels_last
from .registry import INT32, Place, Results, Unfit, rewrite

_MOST_GROUPS = 256


@rewrite("Conv2D")
def convolution(place: Place) -> Results:
    """One group a channel is a depthwise convolution; else each group has a convolution of its own."""
    known, kernel = place.known_shape(0), place.known_shape(1)
    first = channels_first(place)
    depth = -1 if known is None or len(known) != 4 else known[1 if first else 3]
    if kernel is None or len(kernel) != 4 or min(kernel) <= 0 or depth <= 0 or depth == kernel[2]:
        return channels_last(place)
    height, width, share, outputs = kernel
    groups = depth // share
    if depth % share or outputs % groups or not 1 < groups <= max(_MOST_GROUPS, depth if share == 1 else 0):
        return Unfit(f"a filter whose depth divides that of the input into at most {_MOST_GROUPS} groups")
    x = to_channels_last(place, place.inputs[0]) if first else place.inputs[0]
    attrs = with_channels_last(place) if first else place.node.attrs
    attrs = {key: value for key, value in attrs.items() if key != "_output_shapes"}
    if share == 1:
        shape = place.integers(height, width, depth, outputs // depth)
        weights = place.op("Reshape", place.inputs[1], shape, Tshape=INT32)
        found = place.plain("DepthwiseConv2dNative", x, weights, attrs=attrs)
    else:
        found = _grouped(place, x, groups, attrs)
    return to_channels_first(place, found) if first else found


def _grouped(place: Place, x: Edge, groups: int, attrs: dict[str, AttrValue]) -> Edge:
    axis = place.scalar(3)
    inputs, kernels = (place.op("Split", axis, edge, num_split=groups) for edge in (x, place.inputs[1]))
    parts = [
        place.plain("Conv2D", Edge(inputs.node, number), Edge(kernels.node, number), attrs=attrs)
        for number in range(groups)
    ]
    return place.op("ConcatV2", *parts, axis, N=groups, Tidx=INT32)
