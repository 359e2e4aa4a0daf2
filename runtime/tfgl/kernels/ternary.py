"""Element-wise kernels of three tensors and more."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType, upcast
from ..errors import InvalidArgumentError
from ..registry import kernel
from ..tensor import Tensor
from .binary import emit_binary
from .elementwise import emit_elementwise
from .unary import as_floats, cast_to

_MOST = 4  # operands of one draw of `emit_elementwise`


@kernel("Select", complex_parts=True)
def select(condition: Tensor, t: Tensor, e: Tensor) -> Tensor:
    """``t`` where ``condition`` holds, else ``e``.

    A condition of rank 1 with operands of higher rank chooses whole rows;
    otherwise the three broadcast.
    """
    if condition.dtype == "string":
        raise InvalidArgumentError("Select: condition is a string tensor; expected bool")
    if condition.ndim == 1 and max(t.ndim, e.ndim) > 1:
        rows = (t if t.ndim >= e.ndim else e).shape
        if rows[0] != condition.shape[0]:
            raise InvalidArgumentError(
                "The first dimension of `a` must match the size of `condition`: "
                f"{rows[0]} and {condition.shape[0]}"
            )
        condition = condition.view((condition.shape[0], *(1,) * (len(rows) - 1)))
    dtype: DType = t.dtype if t.dtype == e.dtype else upcast(t.dtype, e.dtype)
    if dtype == "string":
        raise InvalidArgumentError("Select: string tensors are not supported")
    ints = [name for name, tensor in (("b", t), ("c", e)) if dtype == "float32" and tensor.kind == "int"]
    expression = as_floats("choose(truth(a), b, c)", *ints)
    return emit_elementwise([condition, t, e], expression, dtype, includes="arithmetic")


@kernel("AddN")
def add_n(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of all ``tensors``, which have one shape."""
    if not tensors:
        raise InvalidArgumentError("Must pass at least one tensor to tf.addN()")
    shape = tensors[0].shape
    for at, tensor in enumerate(tensors):
        if tensor.shape != shape:
            raise InvalidArgumentError(
                "All tensors passed to tf.addN() must have the same shape: "
                f"tensor 0 has {list(shape)}, tensor {at} {list(tensor.shape)}"
            )
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = upcast(dtype, tensor.dtype)
    if len(tensors) == 1:
        return tensors[0].view(shape)
    if dtype == "complex64":
        total = tensors[0]
        for tensor in tensors[1:]:
            total = emit_binary("Add", total, tensor)
        return total
    alike = [cast_to(tensor, dtype) if tensor.dtype != dtype else tensor for tensor in tensors]
    left = list(alike)
    total = left.pop(0)
    while left:
        taken, left = left[: _MOST - 1], left[_MOST - 1 :]
        expression = " + ".join("abcd"[: len(taken) + 1])
        total = emit_elementwise([total, *taken], expression, "float32" if dtype == "float32" else "int32")
    return total
