"""How element-wise kernels find their operands: one program for each way they broadcast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tfgl_shaders.assembly import Access, ParameterValue

from ..dtypes import DType
from ..errors import InvalidArgumentError
from ..ir.shapes import broadcast_shapes
from ..tensor import Shape, Tensor

_NAMES = "abcd"
_MAX_RANK = 6


def emit_elementwise(
    operands: Sequence[Tensor],
    expression: str,
    dtype: DType,
    *,
    includes: str = "",
    parameters: Mapping[str, ParameterValue] | None = None,
) -> Tensor:
    """A tensor of the operands' broadcast shape: ``expression`` over the vectors a, b, c, d.

    ``includes`` names the GLSL files that the expression needs, ``parameters``
    the numbers it uses. Tiled operands give a tiled result when every other
    operand has the same shape, one element, or one value a channel.
    """
    shape = broadcast_shapes(*(operand.shape for operand in operands))
    named = dict(zip(_NAMES, operands, strict=False))
    defines: dict[str, object] = {"OPERANDS": len(operands), "EXPRESSION": f"({expression})"}
    if includes:
        defines["INCLUDES"] = includes
    engine = operands[0].engine
    tiled = _tiled_access(operands, shape)
    if tiled is not None:
        in_tiles = [name for name, how in zip(named, tiled, strict=True) if how == "same"]
        access = dict(zip(named, tiled, strict=True))
        return engine.emit(
            "elementwise", named, shape, dtype, parameters, defines, layout="tiles", tiled=in_tiles, access=access
        )
    values: dict[str, ParameterValue] = dict(parameters or {})
    flat = [_flat_access(operand.shape, shape) for operand in operands]
    if "broadcast" in flat:
        dims, strides = merged_strides([operand.shape for operand in operands], shape)
        values |= {"out_rank": len(dims), "out_dims": _padded(dims, 1)}
        for name, how, steps in zip(named, flat, strides, strict=True):
            if how == "broadcast":
                values[f"{name}_strides"] = _padded(steps, 0)
    for name, how, operand in zip(named, flat, operands, strict=True):
        if how == "channels":
            values[f"{name}_texels"] = operand.size // 4
    return engine.emit("elementwise", named, shape, dtype, values, defines, access=dict(zip(named, flat, strict=True)))


def _flat_access(shape: Shape, out: Shape) -> Access:
    size = math.prod(shape)
    if size == math.prod(out):
        return "same"
    if size == 1:
        return "scalar"
    trimmed = shape[next(k for k, n in enumerate(shape) if n != 1) :]
    if size % 4 == 0 and trimmed == out[len(out) - len(trimmed) :]:
        return "channels"
    return "broadcast"


def _tiled_access(operands: Sequence[Tensor], out: Shape) -> list[Access] | None:
    """How a tiled result reads its operands; None when the result is better flat."""
    if not any(t.is_tiled and t.shape == out for t in operands) or not math.prod(out):
        return None
    modes: list[Access] = []
    for operand in operands:
        if operand.shape == out:
            modes.append("same")
        elif operand.size == 1:
            modes.append("scalar")
        elif operand.size == out[-1] and operand.shape[-1:] == out[-1:]:
            modes.append("channels")
        else:
            return None
    return modes


def merged_strides(shapes: Sequence[Shape], out: Shape) -> tuple[list[int], list[list[int]]]:
    """Output extents and each operand's strides, neighbouring axes merged where all agree.

    >>> merged_strides([(4, 1, 1), (2, 3)], (4, 2, 3))
    ([4, 6], [[1, 0], [0, 1]])
    """
    rank = len(out)
    strides: list[list[int]] = []
    for shape in shapes:
        padded = (1,) * (rank - len(shape)) + shape
        steps, step = [0] * rank, 1
        for axis in reversed(range(rank)):
            steps[axis] = 0 if padded[axis] == 1 else step
            step *= padded[axis]
        strides.append(steps)
    dims: list[int] = []
    merged: list[list[int]] = [[] for _ in shapes]
    for axis in range(rank):
        if out[axis] == 1:
            continue
        if dims and all(m[-1] == s[axis] * out[axis] for m, s in zip(merged, strides, strict=True)):
            dims[-1] *= out[axis]
            for m, s in zip(merged, strides, strict=True):
                m[-1] = s[axis]
        else:
            dims.append(out[axis])
            for m, s in zip(merged, strides, strict=True):
                m.append(s[axis])
    if len(dims) > _MAX_RANK:
        raise InvalidArgumentError(f"broadcasting needs more than {_MAX_RANK} distinct axes: {list(shapes)} to {out}")
    return dims, merged


def _padded(values: Sequence[int], filler: int) -> tuple[int, ...]:
    return tuple(values) + (filler,) * (_MAX_RANK - len(values))
