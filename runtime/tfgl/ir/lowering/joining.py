"""Ops that join, split, gather and scatter."""

from __future__ import annotations

from ...errors import InvalidArgumentError
from .arrange import axis_of, binary
from .call import Call, Value
from .registry import lower

# Each output is a draw of its own: a model that asks for millions of them would run for minutes.
MOST_OUTPUTS = 1 << 14


def check_count(count: int) -> None:
    """InvalidArgumentError for more outputs than a node may have."""
    if count > MOST_OUTPUTS:
        raise InvalidArgumentError(f"a node may have up to {MOST_OUTPUTS} outputs, this one would have {count}")


@lower("Concat", inputs=(2, None), kernels=("Concat",), host=(0,))
def concat(call: Call) -> Value:
    """The axis is the first input."""
    return _concat(call, list(call.inputs[1:]), call.host_integer(0))


@lower("ConcatV2", inputs=(2, None), kernels=("Concat",), host=(-1,))
def concat_v2(call: Call) -> Value:
    """The axis is the last input."""
    return _concat(call, list(call.inputs[:-1]), call.host_integer(len(call.inputs) - 1))


def _concat(call: Call, tensors: list[Value], axis: int) -> Value:
    if len(tensors) == 1:
        return tensors[0]
    return call.one("Concat", {"tensors": tensors}, axis=axis_of(axis, len(tensors[0].shape)))


@lower("Pack", inputs=(1, None), kernels=("Pack",))
def pack(call: Call) -> Value:
    """Tensors of one shape along a new axis."""
    tensors = list(call.inputs)
    axis = axis_of(call.integer("axis", 0), len(tensors[0].shape) + 1)
    return call.one("Pack", {"tensors": tensors}, axis=axis)


@lower("Unpack", inputs=1, kernels=("Unpack",))
def unpack(call: Call) -> list[Value]:
    """One output for each index of an axis."""
    x = call.inputs[0]
    if not x.shape:
        raise InvalidArgumentError("a scalar has no axis to unpack")
    axis = axis_of(call.integer("axis", 0), len(x.shape))
    count = call.integer("num", x.shape[axis])
    if count != x.shape[axis]:
        raise InvalidArgumentError(f"axis {axis} of shape {list(x.shape)} has not {count} elements")
    check_count(count)
    return call.many("Unpack", {"value": x}, axis=axis)


@lower("Split", inputs=2, kernels=("SplitV",), host=(0,))
def split(call: Call) -> list[Value]:
    """``num_split`` parts of one size; the axis is the first input."""
    x = call.inputs[1]
    axis, count = axis_of(call.host_integer(0), len(x.shape)), call.integer("num_split")
    # An empty axis splits into any number of parts; a file must not choose a billion.
    check_count(count)
    if not 1 <= count <= max(x.shape[axis], 1024) or x.shape[axis] % count:
        raise InvalidArgumentError(f"axis {axis} of shape {list(x.shape)} cannot be split into {count} equal parts")
    if count == 1:
        return [x]
    return call.many("SplitV", {"x": x}, numOrSizeSplits=[x.shape[axis] // count] * count, axis=axis)


@lower("SplitV", inputs=3, kernels=("SplitV",), host=(1, 2))
def split_v(call: Call) -> list[Value]:
    """Parts of given sizes, one of which may be -1."""
    x, sizes = call.inputs[0], call.host_integers(1)
    axis = axis_of(call.host_integer(2), len(x.shape))
    check_count(len(sizes))
    extent = x.shape[axis] if x.shape else 0
    if sizes.count(-1) == 1:
        rest = extent - sum(size for size in sizes if size != -1)
        sizes = [rest if size == -1 else size for size in sizes]
    if min(sizes, default=0) < 0 or sum(sizes) != extent:
        raise InvalidArgumentError(f"sizes {sizes} do not add up to axis {axis} of shape {list(x.shape)}")
    return [x] if len(sizes) == 1 else call.many("SplitV", {"x": x}, numOrSizeSplits=sizes, axis=axis)


@lower("Gather", inputs=2, kernels=("GatherV2",))
def gather(call: Call) -> Value:
    """Rows by index."""
    x, indices = call.inputs
    return call.one("GatherV2", {"x": x, "indices": indices}, axis=0, batchDims=0)


@lower("GatherV2", inputs=3, kernels=("GatherV2",), host=(2,))
def gather_v2(call: Call) -> Value:
    """Slices of an axis by index."""
    x, indices, _ = call.inputs
    batch = call.integer("batch_dims", 0)
    if batch < 0:
        batch += len(indices.shape)
    axis = axis_of(call.host_integer(2), len(x.shape))
    return call.one("GatherV2", {"x": x, "indices": indices}, axis=axis, batchDims=batch)


@lower("GatherNd", inputs=2, kernels=("GatherNd",))
def gather_nd(call: Call) -> Value:
    """Slices by index tuples."""
    params, indices = call.inputs
    return call.one("GatherNd", {"params": params, "indices": indices})


@lower("ScatterNd", inputs=3, kernels=("ScatterNd",), host=(2,))
def scatter_nd(call: Call) -> Value:
    """Zeros with updates added at index tuples."""
    indices, updates, _ = call.inputs
    return call.one("ScatterNd", {"indices": indices, "updates": updates}, shape=call.host_integers(2))


@lower("TensorScatterUpdate", inputs=3, kernels=("TensorScatterUpdate",))
def tensor_scatter_update(call: Call) -> Value:
    """A tensor with slices replaced at index tuples."""
    tensor, indices, updates = call.inputs
    return call.one("TensorScatterUpdate", {"tensor": tensor, "indices": indices, "updates": updates})


@lower("TensorScatterAdd", inputs=3, kernels=("ScatterNd", "Add"))
@lower("TensorScatterSub", inputs=3, kernels=("ScatterNd", "Sub"))
def tensor_scatter_add(call: Call) -> Value:
    """A tensor with updates added to, or subtracted from, slices at index tuples."""
    tensor, indices, updates = call.inputs
    change = call.one("ScatterNd", {"indices": indices, "updates": updates}, shape=list(tensor.shape))
    return binary(call, "Add" if call.node.op == "TensorScatterAdd" else "Sub", tensor, change)


@lower("SparseToDense", inputs=4, kernels=("SparseToDense",), host=(1,))
def sparse_to_dense(call: Call) -> Value:
    """A tensor of the default value with values at index tuples."""
    indices, _, values, default = call.inputs
    return call.one(
        "SparseToDense",
        {"sparseIndices": indices, "sparseValues": values, "defaultValue": default},
        outputShape=call.host_integers(1),
    )
