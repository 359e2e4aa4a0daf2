"""Ragged tensors: TensorFlow.js has kernels for the first three, which its graph models do not reach."""

from __future__ import annotations

from ..reference.ragged import ragged_to_sparse
from .call import Call, Value
from .registry import lower


@lower("RaggedRange", inputs=3, kernels=("RaggedRange",))
def ragged_range(call: Call) -> list[Value]:
    """Row splits and values of ranges."""
    return call.many("RaggedRange", dict(zip(("starts", "limits", "deltas"), call.inputs, strict=True)))


@lower("RaggedGather", inputs=(3, None), kernels=("RaggedGather",))
def ragged_gather(call: Call) -> list[Value]:
    """Row splits and values of gathered rows."""
    *splits, values, indices = call.inputs
    return call.many(
        "RaggedGather",
        {"paramsNestedSplits": splits, "paramsDenseValues": values, "indices": indices},
        outputRaggedRank=call.integer("OUTPUT_RAGGED_RANK", 0),
    )


@lower("RaggedTensorToTensor", inputs=(4, None), kernels=("RaggedTensorToTensor",))
def ragged_to_dense(call: Call) -> Value:
    """The dense tensor, filled up with a default."""
    shape, values, default, *partitions = call.inputs
    return call.one(
        "RaggedTensorToTensor",
        {"shape": shape, "values": values, "defaultValue": default, "rowPartitionTensors": partitions},
        rowPartitionTypes=call.texts("row_partition_types"),
    )


@lower("RaggedTensorToSparse", inputs=(2, None), host=(0, -1))
def to_sparse(call: Call) -> list[Value]:
    """Indices, values and dense shape."""
    *splits, values = [call.data(i) for i in range(len(call.inputs))]
    return [call.constant(result) for result in ragged_to_sparse(splits, values)]
