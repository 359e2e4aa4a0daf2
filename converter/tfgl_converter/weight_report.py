"""What quantising did to the weights: bytes saved and the largest error of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfgl.io import ModelArtifacts


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


def weight_report(written: ModelArtifacts, largest_errors: Mapping[str, float]) -> WeightReport:
    """The report on ``written``, as it was read back; ``largest_errors`` is what quantising did to each weight."""
    entries = []
    for spec in written.weight_specs:
        if spec.quantization is not None and spec.name in largest_errors:
            size = spec.quantization.stored_dtype.itemsize * spec.size
            error = largest_errors[spec.name]
            entries.append(QuantizedWeight(spec.name, spec.quantization.dtype, 4 * spec.size, size, error))
    return WeightReport(len(written.weights), entries)
