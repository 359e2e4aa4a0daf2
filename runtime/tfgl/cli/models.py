"""The MODEL of a command line, loaded."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .command import Settings

if TYPE_CHECKING:
    from ..graph.model import GraphModel
    from ..io import ModelArtifacts
    from ..layers.model import LayersModel

_DEFAULT_SIGNATURES = ("serving_default", "default", "predict")


def load(settings: Settings, place: str, signature: str | None = None) -> GraphModel | LayersModel:
    """The model at ``place``, of either kind, on the calling thread's engine.

    ``signature`` is the key of the one that is meant, for graph models that hold
    several in their metadata; a file with one takes the default key alone.
    """
    from ..loading import load as load_model

    if signature is None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            model = load_model(place, progress=settings.progress)
        for warning in caught:
            settings.note(f"warning: {warning.message}")
        return model
    from ..graph.model import GraphModel
    from ..graph.reading import read_model

    artifacts, read_ms = read_model(place, None, progress=settings.progress)
    if artifacts.format == "layers-model":
        raise click.UsageError(f"{place} is a layers model, which has no signatures; leave --signature out")
    return GraphModel(choose_signature(artifacts, signature), read_ms=read_ms)


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
