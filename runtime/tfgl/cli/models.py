"""The MODEL of a command line, loaded."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from .command import Settings

if TYPE_CHECKING:
    from ..graph.model import GraphModel
    from ..io import ModelArtifacts

_DEFAULT_SIGNATURES = ("serving_default", "default", "predict")


def load(settings: Settings, place: str, signature: str | None = None) -> GraphModel:
    """The graph model at ``place`` on the calling thread's engine.

    ``signature`` is the key of the one that is meant, for files that hold
    several in their metadata; a file with one takes the default key alone.
    """
    from ..graph.model import GraphModel, load_graph_model

    if signature is None:
        return load_graph_model(place, progress=settings.progress)
    from ..io import read_artifacts
    from ..progress import progress_bar

    start = perf_counter()
    with progress_bar("loading", settings.progress) as advance:
        artifacts = read_artifacts(place, expected_format="graph-model", on_progress=advance)
    return GraphModel(choose_signature(artifacts, signature), read_ms=(perf_counter() - start) * 1e3)


def choose_signature(artifacts: ModelArtifacts, key: str) -> ModelArtifacts:
    """``artifacts`` with the signature called ``key``; UsageError when there is none of that name."""
    from dataclasses import replace

    metadata = artifacts.user_defined_metadata or {}
    several = metadata.get("signatures")
    if isinstance(several, Mapping) and several:
        chosen: Any = several.get(key)
        if not isinstance(chosen, dict):
            raise click.UsageError(f"the model has no signature {key!r}; it has {', '.join(map(repr, several))}")
        return replace(artifacts, signature=chosen, user_defined_metadata={**metadata, "signature": chosen})
    if key in _DEFAULT_SIGNATURES[:1]:
        return artifacts
    raise click.UsageError(
        f"the model has no signature {key!r}; model.json holds a single one, called {_DEFAULT_SIGNATURES[0]!r}"
    )
