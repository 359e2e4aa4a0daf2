"""What quantising did to the weights: bytes saved and the largest error of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfgl.io import ModelArtifacts, QuantizedDType


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight that was quantised: what it took before and after, and how far a value moved at most."""

    name: str
    dtype: str
    bytes_before: int
    bytes_after: int
    largest_error: float

    @property
    def bytes_saved(self) -> int:
        """The bytes that are no longer stored."""
        return self.bytes_before - self.bytes_after


@dataclass(frozen=True)
class WeightReport:
    """How many weights a written model has, and those that were quantised."""

    count: int
    quantized: list[QuantizedWeight] = field(default_factory=list)


def weight_report(
    source: ModelArtifacts, written: ModelArtifacts, quantized: Mapping[str, QuantizedDType]
) -> WeightReport:
    """The report on ``written``, as it was read back, against the weights that went in."""
    entries = []
    for name, dtype in quantized.items():
        before, after = np.asarray(source.weights[name]), written.weights[name]
        if before.dtype.kind != "f" or after.dtype != np.float32:
            continue
        moved = 0.0
        if before.size:
            with np.errstate(invalid="ignore", over="ignore"):
                moved = float(np.nanmax(np.abs(before.astype(np.float64) - after), initial=0.0))
        size = 1 if dtype == "uint8" else 2
        entries.append(QuantizedWeight(name, dtype, 4 * before.size, size * before.size, moved))
    return WeightReport(len(written.weights), entries)
