"""Arithmetic on shapes that are tensors."""

from __future__ import annotations

from ..errors import InvalidArgumentError
from ..ir.shapes import broadcast_shapes
from ..registry import kernel
from ..tensor import Tensor
from .elementwise import emit_elementwise
from .padding import pad_v2


@kernel("BroadcastArgs")
def broadcast_args(s0: Tensor, s1: Tensor) -> Tensor:
    """The int32 shape that the shapes ``s0`` and ``s1`` broadcast to.

    Raises InvalidArgumentError for shapes that do not, where the host knows both.
    """
    for shape in (s0, s1):
        if shape.ndim != 1 or shape.dtype != "int32":
            raise InvalidArgumentError(
                f"broadcastArgs(): a shape must be an int32 vector, got {shape.dtype} {list(shape.shape)}"
            )
    if s0.host is not None and s1.host is not None:
        broadcast_shapes(s0.host.tolist(), s1.host.tolist())
    rank = max(s0.size, s1.size)
    padded = [pad_v2(s, paddings=[[rank - s.size, 0]], constant_value=1) for s in (s0, s1)]
    return emit_elementwise(padded, "select_int(equal(a, ivec4(1)), b, a)", "int32", includes="math/integer")
