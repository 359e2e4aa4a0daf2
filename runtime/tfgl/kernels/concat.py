"""Concat and Pack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes import shape_text
from ..registry import kernel
from ..tensor import Tensor, tiling

_PARTS = 4


@kernel("Concat", complex_parts=True, strings=True)
def concat(tensors: Sequence[Tensor], *, axis: int) -> Tensor:
    """``tensors`` one after the other along ``axis``; their other extents agree."""
    if not tensors:
        raise InvalidArgumentError("Pass at least one tensor to concat")
    rank = tensors[0].ndim
    if not -rank <= axis < max(rank, 1):
        raise InvalidArgumentError(f"Concat: axis {axis} is outside [{-rank}, {rank})")
    at = axis % rank if rank else 0
    for k, tensor in enumerate(tensors):
        if tensor.ndim != rank:
            raise InvalidArgumentError(
                f"Error in concat{rank}D: rank of tensors[{k}] must be the same as the rank of the rest ({rank})"
            )
        for other in range(rank):
            if other != at and tensor.shape[other] != tensors[0].shape[other]:
                raise InvalidArgumentError(
                    f"Error in concat{rank}D: Shape of tensors[{k}] ({shape_text(tensor.shape)}) does not match the "
                    f"shape of the rest ({shape_text(tensors[0].shape)}) along the non-concatenated axis {k}."
                )
        if tensor.dtype != tensors[0].dtype:
            raise InvalidArgumentError(f"Concat: tensors[{k}] is {tensor.dtype}, the first one {tensors[0].dtype}")
    return concat_along(tensors, at)


def concat_along(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """``tensors`` of one dtype joined along ``axis``; in the tiled layout where they are in it already."""
    kept = [tensor for tensor in tensors if tensor.size]
    if not kept:
        shape = list(tensors[0].shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        return tensors[0].view(shape)
    while len(kept) > 1:
        tiled = _tiled_pair(kept[0], kept[1], axis)
        if tiled is not None:
            kept[:2] = [tiled]
        elif len(kept) > _PARTS:
            kept = [_flat(kept[at : at + _PARTS], axis) for at in range(0, len(kept), _PARTS)]
        else:
            kept = [_flat(kept, axis)]
    return kept[0].view(kept[0].shape) if any(kept[0] is tensor for tensor in tensors) else kept[0]


def _tiled_pair(a: Tensor, b: Tensor, axis: int) -> Tensor | None:
    """Two tiled tensors joined on channels without leaving the layout; None where that cannot be."""
    if not (a.is_tiled and b.is_tiled and a.ndim == 4 and axis == 3 and a.shape[3] % 4 == 0):
        return None
    shape = (*a.shape[:3], a.shape[3] + b.shape[3])
    if a.engine.tiles_buffer(tiling(shape, a.engine.device.layers), a.kind) is None:
        return None
    parameters: dict[str, ParameterValue] = {"first_blocks": a.shape[3] // 4}
    return a.engine.emit("concat_tiles", {"a": a, "b": b}, shape, a.dtype, parameters, layout="tiles", tiled=("a", "b"))


def _flat(tensors: Sequence[Tensor], axis: int) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    inner = math.prod(shape[axis + 1 :])
    ends = list(accumulate(tensor.shape[axis] * inner for tensor in tensors))
    parts = 2 if len(tensors) == 2 else _PARTS
    aligned = all(end % 4 == 0 for end in ends)
    if aligned:
        ends = [end // 4 for end in ends]
    ends += [ends[-1]] * (parts - len(ends))
    # Absent parts are empty: the shader never reaches them, and reads the last tensor in their place.
    padded = [*tensors, *[tensors[-1]] * (parts - len(tensors))]
    if parts == _PARTS and len(tensors) == 3:
        padded = [*tensors, tensors[-1]]
    defines: dict[str, object] = {"PARTS": parts}
    if aligned:
        defines["ALIGNED"] = ""
    named = dict(zip("abcd", padded, strict=False))
    return tensors[0].engine.emit("concat", named, shape, tensors[0].dtype, {"part_ends": tuple(ends)}, defines)


@kernel("Pack", complex_parts=True, strings=True)
def pack(tensors: Sequence[Tensor], *, axis: int) -> Tensor:
    """``tensors`` of one shape stacked along a new axis ``axis``."""
    if not tensors:
        raise InvalidArgumentError("Pass at least one tensor to tf.stack")
    first = tensors[0]
    if not -(first.ndim + 1) <= axis <= first.ndim:
        raise InvalidArgumentError(f"Axis must be <= rank of the tensor; got {axis} for rank {first.ndim}")
    for tensor in tensors:
        if tensor.shape != first.shape:
            raise InvalidArgumentError(
                f"All tensors passed to stack must have matching shapes: {first.shape} and {tensor.shape}"
            )
        if tensor.dtype != first.dtype:
            raise InvalidArgumentError(
                f"All tensors passed to stack must have matching dtypes: {first.dtype} and {tensor.dtype}"
            )
    at = axis % (first.ndim + 1)
    shape = (*first.shape[:at], 1, *first.shape[at:])
    joined = concat_along([tensor.view(shape) for tensor in tensors], at)
    return joined
