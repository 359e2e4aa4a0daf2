"""Distinct slices, on the host."""

from __future__ import annotations

from ..ir.reference.unique import unique as distinct
from ..registry import kernel
from ..tensor import Tensor


@kernel("Unique", runs_on="host")
def unique(x: Tensor, *, axis: int = 0) -> list[Tensor]:
    """[distinct slices of ``x`` along ``axis`` by first occurrence, int32 of which each slice is]."""
    return [x.engine.tensor(result) for result in distinct(x.numpy(), axis=axis)]
