"""Channels first, as exports for GPUs have them: TensorFlow.js ignores or misreads the layout in most of its ops."""

from __future__ import annotations

from typing import Any

from tfgl.ir.graph import AttrValue, Edge

from .registry import INT32, Place, Results, Unfit, rewrite

_TO_LAST = {"NCHW": (0, 2, 3, 1), "NCDHW": (0, 2, 3, 4, 1)}
# Attributes with one entry an axis, and with a pair for each.
_BY_AXIS = ("strides", "ksize", "dilations")


def channels_first(place: Place) -> bool:
    """Whether the node's data has its channels before its rows."""
    return _layout(place) in _TO_LAST


@rewrite("DepthwiseConv2dNative", "AvgPool", "MaxPool", "BiasAdd", "DepthToSpace", "Conv3D", "AvgPool3D", "MaxPool3D")
def channels_last(place: Place) -> Results:
    """The same op with channels last, between two transpositions that neighbours of its kind cancel."""
    if not channels_first(place):
        return None
    known = place.known_shape(0)
    order = _TO_LAST[_layout(place)]
    if known is not None and len(known) != len(order):
        if place.node.op == "BiasAdd":
            return _biased(place, len(known))
        return Unfit(f"an input of rank {len(order)}")
    if known is None and place.node.op == "BiasAdd":
        return Unfit("an input of known rank")
    return moved(place, place.node.op)


def to_channels_last(place: Place, edge: Edge) -> Edge:
    """``edge`` with its channels last."""
    return place.op("Transpose", edge, place.integers(*_TO_LAST[_layout(place)]), Tperm=INT32)


def to_channels_first(place: Place, edge: Edge) -> Edge:
    """``edge``, which has its channels last, in the node's own layout."""
    order = _TO_LAST[_layout(place)]
    return place.op("Transpose", edge, place.integers(*(order.index(axis) for axis in range(len(order)))), Tperm=INT32)


def moved(place: Place, op: str) -> list[Edge]:
    """The results of ``op`` with channels last, the first of them put back."""
    x = to_channels_last(place, place.inputs[0])
    run = place.plain(op, x, *place.inputs[1:], attrs=with_channels_last(place))
    back = to_channels_first(place, run)
    more = 6 if op.startswith("FusedBatchNorm") else 1
    return [back, *(Edge(run.node, index) for index in range(1, more))]


@rewrite("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(place: Place) -> Results:
    """In training by the statistics of the batch: TensorFlow.js takes those that are given, and none are."""
    if place.attr("is_training", True) is False:
        return channels_last(place)
    first = channels_first(place)
    known = place.known_shape(0)
    if known is None:
        return Unfit("an input of known rank")
    channel = 1 if first else len(known) - 1
    axes = place.integers(*(axis for axis in range(len(known)) if axis != channel))
    spread = place.integers(-1, *([1] * (len(known) - 2 if first else 0)))

    def along(vector: Edge) -> Edge:
        return place.op("Reshape", vector, spread, Tshape=INT32) if first else vector

    def mean(x: Edge, keep_dims: bool) -> Edge:
        return place.op("Mean", x, axes, Tidx=INT32, keep_dims=keep_dims)

    x, scale, offset = place.inputs[:3]
    average = mean(x, False)
    difference = place.op("Sub", x, along(average))
    variance = mean(place.op("Square", difference), False)
    epsilon = float(place.attr("epsilon", 1e-4))
    factor = place.op("Mul", place.op("Rsqrt", place.op("AddV2", variance, place.constant(epsilon))), scale)
    result = place.op("AddV2", place.op("Mul", difference, along(factor)), along(offset))
    # The reported variance is that of the population: n / (n - 1) of the batch's.
    count = place.op("Size", x, out_type=INT32)
    count = place.op("FloorDiv", count, place.op("Size", average, out_type=INT32), dtype=INT32)
    number = place.cast(count, INT32, place.dtype)
    less = place.op("Maximum", place.op("Sub", number, place.constant(1)), place.constant(1))
    population = place.op("Mul", variance, place.op("RealDiv", number, less))
    return [result, average, population, average, variance, place.op("ZerosLike", average)]


@rewrite("Conv2DBackpropInput")
def transposed_convolution(place: Place) -> Edge | Unfit | None:
    """The sizes of the result change their order too."""
    if not channels_first(place):
        return None
    order = _TO_LAST["NCHW"]
    sizes = place.value(0)
    if sizes is None:
        attrs: dict[str, AttrValue] = {"Tparams": INT32, "Tindices": INT32, "Taxis": INT32, "batch_dims": 0}
        wanted = place.plain("GatherV2", place.inputs[0], place.integers(*order), place.scalar(0), attrs=attrs)
    else:
        wanted = place.integers(*(int(sizes[axis]) for axis in order))
    gradient = place.op("Transpose", place.inputs[2], place.integers(*order), Tperm=INT32)
    run = place.plain(place.node.op, wanted, place.inputs[1], gradient, attrs=with_channels_last(place))
    return place.op("Transpose", run, place.integers(0, 3, 1, 2), Tperm=INT32)


def _biased(place: Place, rank: int) -> list[Edge]:
    """One number for each entry of the second axis, of any rank."""
    shape = [-1] + [1] * (rank - 2)
    bias = place.op("Reshape", place.inputs[1], place.integers(*shape), Tshape=INT32)
    return [place.op("AddV2", place.inputs[0], bias)]


def _layout(place: Place) -> str:
    return bytes(place.attr("data_format", b"NHWC")).decode("ascii", "replace")


def with_channels_last(place: Place) -> dict[str, AttrValue]:
    """The attributes that the node has with channels last."""
    order = _TO_LAST[_layout(place)]
    attrs = {key: value for key, value in place.node.attrs.items() if key != "_output_shapes"}
    attrs["data_format"] = b"NHWC" if len(order) == 4 else b"NDHWC"
    for key in _BY_AXIS:
        value: Any = attrs.get(key)
        if isinstance(value, list) and len(value) == len(order):
            attrs[key] = [value[axis] for axis in order]
    pads: Any = attrs.get("explicit_paddings")
    if isinstance(pads, list) and len(pads) == 2 * len(order):
        attrs["explicit_paddings"] = [pads[2 * axis + side] for axis in order for side in (0, 1)]
    return attrs
