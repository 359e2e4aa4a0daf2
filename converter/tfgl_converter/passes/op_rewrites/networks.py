"""Products, pools, norms, scatters and segments."""

from __future__ import annotations

from tfgl.ir.graph import DataType, Edge

from .layouts import channels_first
from .registry import INT32, Place, Unfit, rewrite


@rewrite("BatchMatMulV3")
def batch_matmul(place: Place) -> Edge | Unfit:
    """BatchMatMulV2, when all dtypes are one."""
    left, right, out = (place.attr(name) for name in ("Ta", "Tb", "Tout"))
    if left != right or left != out or not isinstance(left, DataType):
        return Unfit("operands and result of one dtype")
    attrs = {"adj_x": place.attr("adj_x", False), "adj_y": place.attr("adj_y", False)}
    return place.op("BatchMatMulV2", *place.inputs, dtype=left, **attrs)


@rewrite("MaxPoolV2")
def max_pool(place: Place) -> Edge | Unfit:
    """MaxPool, when window and strides are constants."""
    window, strides = place.value(1), place.value(2)
    if window is None or strides is None:
        return Unfit("a constant window and strides")
    if channels_first(place):
        return Unfit("the layout NHWC")
    return place.op(
        "MaxPool", place.inputs[0], ksize=[int(n) for n in window], strides=[int(n) for n in strides],
        padding=place.attr("padding", b"VALID"), data_format=b"NHWC", explicit_paddings=[],
    )  # fmt: skip


@rewrite("BatchNormWithGlobalNormalization")
def global_batch_norm(place: Place) -> Edge | Unfit:
    """FusedBatchNormV3 of the same statistics; without scaling, by ones."""
    x, mean, variance, offset, scale = place.inputs
    if not place.attr("scale_after_normalization", True):
        size = place.value(1)
        if size is None:
            return Unfit("constant statistics")
        scale = place.constant([1.0] * size.size)
    epsilon = float(place.attr("variance_epsilon", 1e-3))
    return place.op(
        "FusedBatchNormV3", x, scale, offset, mean, variance,
        epsilon=epsilon, data_format=b"NHWC", is_training=False, U=DataType("float32"),
    )  # fmt: skip


@rewrite("TensorScatterAdd", "TensorScatterSub")
def tensor_scatter(place: Place) -> Edge | Unfit:
    """The sum with, or the difference from, the updates scattered into zeros."""
    if place.dtype.stored not in ("float32", "int32"):
        return Unfit("real numbers")
    x, indices, updates = place.inputs
    scattered = place.op("ScatterNd", indices, updates, place.shape(x), Tindices=INT32)
    return place.op("AddV2" if place.node.op == "TensorScatterAdd" else "Sub", x, scattered)


def _segments(place: Place, data: Edge, ids: Edge, count: Edge, rank: int = 1) -> Edge:
    """Sums of the rows of equal id; ScatterNd adds up what lands in one place."""
    inner = place.beyond(place.shape(data), rank)
    shape = place.op("ConcatV2", place.expand(count, 0, INT32), inner, place.scalar(0), dtype=INT32, N=2, Tidx=INT32)
    return place.op("ScatterNd", place.expand(ids, -1, INT32), data, shape, Tindices=INT32)


@rewrite("SegmentSum", "SegmentMean")
def segment_sum(place: Place) -> Edge | Unfit:
    """Sums or means of the rows of each segment, as many as the largest id says."""
    if place.dtype.stored not in ("float32", "int32"):
        return Unfit("real numbers")
    data, ids = place.inputs
    largest = place.op("Max", ids, place.integers(0), dtype=INT32, Tidx=INT32, keep_dims=False)
    count = place.op("AddV2", largest, place.scalar(1), dtype=INT32)
    sums = _segments(place, data, ids, count)
    if place.node.op == "SegmentSum":
        return sums
    counted = _segments(place, place.op("OnesLike", data), ids, count)
    return place.op("RealDiv", sums, place.op("Maximum", counted, place.constant(1)))


@rewrite("UnsortedSegmentSum")
def unsorted_segment_sum(place: Place) -> Edge | Unfit:
    """Sums by id; rows of a negative id go into one more segment, which is cut off."""
    known = place.known_shape(1)
    if known is None or place.dtype.stored not in ("float32", "int32"):
        return Unfit("real numbers")
    data, ids, count = place.inputs
    ids = place.op("SelectV2", place.op("Less", ids, place.scalar(0), dtype=INT32), count, ids, dtype=INT32)
    more = place.op("AddV2", count, place.scalar(1), dtype=INT32)
    sums = _segments(place, data, ids, more, len(known))
    return place.op(
        "StridedSlice", sums, place.integers(0), place.expand(count, 0, INT32), place.integers(1), Index=INT32,
        begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip
