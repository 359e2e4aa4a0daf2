"""Cumulative sums and products: within short blocks, then over what the blocks come to."""

from __future__ import annotations

import math

from tfgl_shaders.assembly import ParameterValue

from ..dtypes import DType
from ..ir.shapes.axes import normalize_axis
from ..registry import kernel
from ..tensor import Tensor
from .reductions import PRODUCT, SUM, Reduction

# What is read for one result in each draw, in elements or texels.
_BLOCK = 8


@kernel("Cumsum", complex_parts=True)
def cumsum(x: Tensor, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Sum of the elements up to each along ``axis``; bool counts in int32, int32 wraps."""
    return _scan(x, SUM, axis, exclusive, reverse)


@kernel("Cumprod")
def cumprod(x: Tensor, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Product of the elements up to each along ``axis``; bool counts in int32, int32 wraps."""
    return _scan(x, PRODUCT, axis, exclusive, reverse)


def _scan(x: Tensor, rule: Reduction, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    shape = x.shape or (1,)
    at = normalize_axis(axis, len(shape))
    dtype: DType = "float32" if x.kind == "float" else "int32"
    size, inner = shape[at], math.prod(shape[at + 1 :])
    outer = math.prod(shape[:at])
    if not x.size:
        return x.engine.emit("fill", {}, x.shape, dtype, {"fill_value": 0})
    line = x.view((outer, size, inner)) if x.shape != (outer, size, inner) else x
    return _level(line, rule, dtype, exclusive, reverse).view(x.shape)


def _level(x: Tensor, rule: Reduction, dtype: DType, exclusive: bool, reverse: bool) -> Tensor:
    outer, size, inner = x.shape
    path = 1 if inner == 1 and size % 4 == 0 else 2 if inner % 4 == 0 else 0
    # In texels where the path takes whole ones.
    places, lanes = (size // 4 if path == 1 else size), (inner // 4 if path == 2 else inner)
    block = places if places <= 2 * _BLOCK else _BLOCK
    blocks = math.ceil(places / block)
    values: dict[str, ParameterValue] = {
        "scan_path": path,
        "axis_size": places,
        "axis_inner": lanes,
        "scan_block": block,
        "scan_blocks": blocks,
        "scan_reverse": int(reverse),
        "scan_exclusive": int(exclusive),
        "scan_whole": 0,
        "scan_prefix": int(blocks > 1),
    }
    prefix = x
    defines = rule.defines(x.kind)
    if blocks > 1:
        whole = {**values, "scan_whole": 1, "scan_prefix": 0}
        totals = x.engine.emit("scan", {"x": x, "prefix": x}, (outer, blocks, inner), dtype, whole, defines)
        # Blocks count in the direction of the scan already.
        prefix = _level(totals, rule, dtype, True, False)
    return x.engine.emit("scan", {"x": x, "prefix": prefix}, x.shape, dtype, values, defines)
