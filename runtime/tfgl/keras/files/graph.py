"""The graph of a Keras model, from what its files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import ModelFormatError
from ..configuration import reading_configuration
from ..model import KerasGraph, build_keras
from .model import KerasModel


def build_model(
    model: KerasModel,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    *,
    warn: Callable[[str], None] = lambda text: None,
    loops: bool = False,
    keep_layers: bool = False,
) -> KerasGraph:
    """The graph and the layers of a model, its weights as constants; options are those of `build_keras`.

    Raises ModelFormatError for files without a configuration, UnsupportedOpError for layers that have no ops.

    >>> layer = {"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 2, 3]}}
    >>> config = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}
    >>> build_model(KerasModel(config, {}, "here")).graph.outputs["f"].shape
    (-1, 6)
    """
    if model.config is None:
        raise ModelFormatError(
            f"{model.source} holds weights alone, no layers; the whole model is needed (model.save in Keras)"
        )
    weights: dict[str, Mapping[str, Any]] = {
        "/".join(path): dict(variables) for path, variables in model.layer_weights().items()
    }
    with reading_configuration(model.source):
        return build_keras(
            model.config,
            weights,
            keras_version=model.keras_version,
            input_shapes=input_shapes,
            warn=warn,
            loops=loops,
            keep_layers=keep_layers,
        )
