"""The k largest elements of each row: blocks ordered by counting, then merged pair by pair."""

from __future__ import annotations

import math

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..ir.shapes.indexing import top_k_shape
from ..registry import kernel
from ..tensor import Tensor

# Rows up to the first length are one block: two draws order them. Counting costs its square.
_ONE_BLOCK = 256
_BLOCK = 64


@kernel("TopK")
def top_k(x: Tensor, *, k: int = 1, sorted: bool = True) -> list[Tensor]:
    """[values, int32 indices] of the ``k`` largest elements along the last axis, the largest first.

    Of equal elements the one with the lower index comes first; NaN counts as the
    largest. The order is the same without ``sorted``.
    """
    shape = top_k_shape(x.shape, k)
    if x.dtype not in ("float32", "int32", "bool"):
        raise InvalidArgumentError(f"topk() takes numbers; got {x.dtype}")
    places = _places(x, k).view(shape)
    values: dict[str, ParameterValue] = {"kept_size": k, "row_size": x.shape[-1]}
    return [x.engine.emit("topk_values", {"x": x, "places": places}, shape, x.dtype, values), places]


def _places(x: Tensor, k: int) -> Tensor:
    engine, size = x.engine, x.shape[-1]
    if not x.size or not k:
        return engine.emit("fill", {}, (*x.shape[:-1], k), "int32", {"fill_value": 0})
    rows = x.size // size
    block = size if size <= _ONE_BLOCK else _BLOCK
    runs, span, length = math.ceil(size / block), block, min(block, k)
    values: dict[str, ParameterValue] = {"row_size": size, "block_size": block}
    ranks = engine.emit("topk_ranks", {"x": x}, (rows, size), "int32", values)
    values |= {"run_count": runs, "run_length": length}
    places = engine.emit("topk_slots", {"ranks": ranks}, (rows, runs, length), "int32", values)
    while runs > 1:
        merged, kept = math.ceil(runs / 2), min(2 * span, k)
        values = {
            "row_size": size,
            "run_count": runs,
            "run_length": length,
            "run_span": span,
            "merged_count": merged,
            "merged_length": kept,
        }
        places = engine.emit("topk_merge", {"x": x, "places": places}, (rows, merged, kept), "int32", values)
        runs, span, length = merged, 2 * span, kept
    return places
