"""Products, pools, norms and scatters."""

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
