"""Reading a model's files with a progress bar, timed, and what they say of how weights were stored."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from ..io import ModelArtifacts, ModelFormat, read_artifacts
from ..progress import progress_bar
from ..tensor import OFF_GRID, ByteCodes

# What float32 multiplies by 255 without losing any of it.
_SCALES = (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max) / 256)


def read_model(
    source: Any,
    expected_format: ModelFormat | None,
    *,
    progress: bool | None,
    on_progress: Callable[[float], None] | None = None,
    **options: Any,
) -> tuple[ModelArtifacts, float]:
    """The artifacts at ``source`` and the milliseconds that reading took; ``options`` are those of read_artifacts.

    ``progress`` shows a bar; None shows one on a terminal. ``on_progress`` gets the fraction read, from 0 to 1.
    Raises as `tfgl.io.read_artifacts` does.

    >>> artifacts, elapsed_ms = read_model({"modelTopology": {"node": []}}, "graph-model", progress=False)
    >>> artifacts.format, elapsed_ms > 0
    ('graph-model', True)
    """
    start = perf_counter()
    with progress_bar("loading", progress) as advance:

        def report(fraction: float) -> None:
            advance(fraction)
            if on_progress is not None:
                on_progress(fraction)

        artifacts = read_artifacts(source, expected_format=expected_format, on_progress=report, **options)
    return artifacts, (perf_counter() - start) * 1e3


def byte_codes(artifacts: ModelArtifacts) -> dict[int, ByteCodes]:
    """How bytes stand for each weight that the file stores as uint8, by the identity of its array.

    Left out are weights for whose zero, which pads them, no byte stands.

    >>> from tfgl.io.manifest import WeightSpec
    >>> from tfgl.io.quantization import Quantization
    >>> w = np.zeros(2, np.float32)
    >>> specs = [WeightSpec("w", (2,), "float32", Quantization("uint8", scale=0.5, minimum=-1.0))]
    >>> byte_codes(ModelArtifacts("graph-model", None, specs, {"w": w}))[id(w)]
    ByteCodes(scale=0.5, zero=2)
    """
    found: dict[int, ByteCodes] = {}
    for spec in artifacts.weight_specs:
        how = spec.quantization
        if how is None or how.dtype != "uint8" or spec.dtype != "float32" or not _SCALES[0] <= how.scale <= _SCALES[1]:
            continue
        zero = round(-how.minimum / how.scale)
        on_grid = abs(how.minimum + zero * how.scale) <= OFF_GRID * how.scale
        if 0 <= zero <= 255 and on_grid and spec.name in artifacts.weights:
            found[id(artifacts.weights[spec.name])] = ByteCodes(how.scale, zero)
    return found
