"""Ops that make tensors out of shapes and numbers."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from .arrange import axis_of, broadcast, full, transpose
from .call import Call, Value
from .registry import lower


@lower("Fill", inputs=2, kernels=("Fill", "Tile", "Reshape"), host=(0, 1))
def fill(call: Call) -> Value:
    """One value everywhere."""
    shape, value = call.host_integers(0), call.inputs[1]
    if value.dtype == "complex64":
        return broadcast(call, value, shape)
    return full(call, shape, call.host_scalar(1), value.dtype)


@lower("Ones", "Zeros", inputs=1, kernels=("Fill",), host=(0,))
def ones(call: Call) -> Value:
    """Ones or zeros of a shape."""
    value = 1 if call.node.op == "Ones" else 0
    return full(call, call.host_integers(0), value, call.dtype("dtype", call.dtype("T", "float32")))


@lower("Empty", inputs=1, kernels=("Fill",), host=(0,))
def empty(call: Call) -> Value:
    """Zeros, where TensorFlow promises nothing."""
    dtype = call.dtype("dtype")
    return full(call, call.host_integers(0), b"" if dtype == "string" else 0, dtype)


@lower("Range", inputs=3, kernels=("Range",), host=(0, 1, 2))
def range_op(call: Call) -> Value:
    """start, start + delta, ... below limit (above it when delta is negative)."""
    start, stop, step = (call.host_scalar(i) for i in range(3))
    if step == 0:
        raise InvalidArgumentError("delta must not be 0")
    return call.one("Range", {}, start=start, stop=stop, step=step, dtype=call.dtype("Tidx", call.inputs[0].dtype))


@lower("LinSpace", inputs=3, kernels=("LinSpace",), host=(0, 1, 2))
def lin_space(call: Call) -> Value:
    """``num`` numbers from start to stop, both included."""
    return call.one("LinSpace", {}, start=call.host_scalar(0), stop=call.host_scalar(1), num=call.host_integer(2))


@lower("OneHot", inputs=4, kernels=("OneHot", "Transpose"), host=(1, 2, 3))
def one_hot(call: Call) -> Value:
    """The kernel puts the new axis last; it moves to ``axis`` from there."""
    indices, _, on, _ = call.inputs
    rank = len(indices.shape) + 1
    axis = axis_of(call.integer("axis", -1), rank)
    result = call.one(
        "OneHot",
        {"indices": indices},
        depth=call.host_integer(1),
        onValue=call.host_scalar(2),
        offValue=call.host_scalar(3),
        dtype=on.dtype,
    )
    perm = list(range(rank - 1))
    perm.insert(axis, rank - 1)
    return transpose(call, result, perm)


@lower("Shape", inputs=1)
def shape_op(call: Call) -> Value:
    """The sizes of the axes, int32."""
    return call.constant(np.array(call.inputs[0].shape, np.int32))


@lower("ShapeN", inputs=(1, None))
def shape_n(call: Call) -> list[Value]:
    """The shape of each input, int32."""
    return [call.constant(np.array(x.shape, np.int32)) for x in call.inputs]


@lower("Size", inputs=1)
def size(call: Call) -> Value:
    """How many elements there are, int32."""
    return call.constant(np.array(np.prod(call.inputs[0].shape, dtype=np.int64), np.int32))


@lower("Rank", inputs=1)
def rank_op(call: Call) -> Value:
    """How many axes there are, int32."""
    return call.constant(np.array(len(call.inputs[0].shape), np.int32))
