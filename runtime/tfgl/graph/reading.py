"""Reading a model's files with a progress bar, timed."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from ..io import ModelArtifacts, ModelFormat, read_artifacts
from ..progress import progress_bar


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
