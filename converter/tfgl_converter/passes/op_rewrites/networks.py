"""Products, pools, norms and scatters."""

from __future__ import annotations

from tfgl.ir.graph import DataType, Edge

from .layouts import channels_first
from .registry import BOOL, INT32, Place, Unfit, rewrite


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


@rewrite("TensorScatterMax", "TensorScatterMin")
def tensor_scatter_extreme(place: Place) -> Edge | Unfit:
    """Each row beside those updates that have its index; for indices of rows."""
    indices = place.known_shape(1)
    if place.dtype.stored not in ("float32", "int32") or indices is None or indices[-1:] != (1,):
        return Unfit("real numbers and indices of whole rows")
    kind = place.node.op.removeprefix("TensorScatter")
    x, at, updates = place.inputs
    least = float("-inf") if place.dtype.stored == "float32" else -(2**31)
    rest = place.constant(least if kind == "Max" else -least - (place.dtype.stored == "int32"))
    rows = place.size(0, 0)
    ids = place.op("Reshape", at, place.integers(1, -1), dtype=INT32, Tshape=INT32)
    mine = place.op("Equal", place.expand(place.range(rows), 1, INT32), ids, dtype=INT32)
    row = place.beyond(place.shape(x), 1)
    inner = place.op("Prod", row, place.integers(0), dtype=INT32, Tidx=INT32, keep_dims=False)
    count = place.op("Size", ids, dtype=INT32, out_type=INT32)
    flat = place.op("Reshape", updates, place.pack(place.scalar(1), count, inner), Tshape=INT32)
    chosen = place.op("SelectV2", place.expand(mine, 2, BOOL), flat, rest)
    best = place.op(kind, chosen, place.integers(1), Tidx=INT32, keep_dims=False)
    shaped = place.op("Reshape", best, place.shape(x), Tshape=INT32)
    return place.op("Maximum" if kind == "Max" else "Minimum", x, shaped)
