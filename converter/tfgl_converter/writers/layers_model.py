"""TensorFlow.js layers models from Keras models: model.json and shards as the original converter writes them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.io import (
    DEFAULT_SHARD_BYTES,
    ModelArtifacts,
    QuantizedDType,
    WeightSpec,
    quantization_by_name,
    save_artifacts,
)
from tfgl.keras.files.model import Config, KerasModel, KerasWeight, Leaf, leaves_of
from tfgl.keras.files.variables import layers_model_variable

from ..formats.keras_classes import refuse_custom_layers
from ..version import CONVERTED_BY
from .implicit_masks import without_implicit_masks
from .layers_topology import is_plain, layers_topology

Array = np.ndarray[Any, Any]


@dataclass
class LayersModel:
    """A layers model ready to be written.

    ``artifacts.weights`` are read from the source one by one while they are written. ``groups`` are the weight
    groups by layer. ``renamed`` maps the file's name of a weight to the one in the layers model, where they differ.
    ``changes`` says what the configuration spells otherwise than the source, ``unsupported`` what official
    TensorFlow.js will refuse or compute wrongly; a graph model does not have such limits.
    """

    artifacts: ModelArtifacts
    groups: list[list[str]] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)


def layers_model_of(
    model: KerasModel, *, custom_objects: Collection[str] = (), user_defined_metadata: Config | None = None
) -> LayersModel:
    """The layers model of a Keras model, or of a file of weights alone (``modelTopology`` is null then).

    Raises ModelFormatError for Lambda layers and for classes that are neither Keras' own nor ``custom_objects``.
    """
    refuse_custom_layers(model, custom_objects)
    metadata = {**(model.user_defined_metadata or {}), **(user_defined_metadata or {})} or None
    artifacts = ModelArtifacts(
        "layers-model",
        None,
        generated_by=_generator(model),
        converted_by=CONVERTED_BY,
        user_defined_metadata=metadata,
        source=model.source,
    )
    result = LayersModel(artifacts)
    if model.config is None:
        counts = Counter(weight.name for weight in model.all_weights())
        _add_weights(
            result,
            model,
            {
                weight: weight.name if counts[weight.name] == 1 else f"{weight.layer[0]}/{weight.name}"
                for weight in model.all_weights()
            },
        )
        return result
    keras_3 = str(model.keras_version or "").startswith("3")
    raw = (model.topology or {}).get("model_config")
    config: Config = raw if raw is not None and is_plain(raw) and not keras_3 else model.config
    if keras_3:
        config = without_implicit_masks(config)
    topology = layers_topology(config, model.layer_weights(), keras_3, model.source)
    result.changes, result.unsupported = topology.changes, topology.unsupported
    leaves = {old.path: new for old, new in zip(leaves_of(config), leaves_of(topology.config), strict=True)}
    names = {
        weight: _name(weight, leaves.get(weight.layer), weight.layer in topology.renamed or keras_3)
        for weight in model.all_weights()
    }
    members = {key: value for key, value in (model.topology or {}).items() if key != "model_config"}
    training = members.pop("training_config", None)
    artifacts.model_topology = {**members, "model_config": topology.config}
    if training is not None:
        artifacts.model_topology["training_config"] = training
    _add_weights(result, model, names)
    return result


def write_layers_model(
    model: KerasModel,
    target: str | os.PathLike[str],
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    quantization: Mapping[QuantizedDType, bool | Sequence[str]] | None = None,
    split_weights_by_layer: bool = False,
    user_defined_metadata: Config | None = None,
    custom_objects: Collection[str] = (),
) -> LayersModel:
    """Write a Keras model as a layers model into the folder ``target``; what was written.

    ``quantization`` maps a stored dtype to wildcards over weight names, or to True for all others.

    Raises as layers_model_of and tfgl.io.save_artifacts do; nothing appears at ``target`` then.
    """
    result = layers_model_of(model, custom_objects=custom_objects, user_defined_metadata=user_defined_metadata)
    save_artifacts(
        result.artifacts,
        target,
        shard_bytes=shard_bytes,
        quantization=quantization_by_name(list(result.artifacts.weights), quantization or {}),
        weight_groups=result.groups if split_weights_by_layer else None,
    )
    return result


def _name(weight: KerasWeight, leaf: Leaf | None, anew: bool) -> str:
    """The name that TensorFlow.js looks for: the file's own where that will do."""
    if leaf is None:
        return weight.name
    wanted = f"{leaf.path[-1]}/{layers_model_variable(leaf.layer, weight.variable)}"
    parts = weight.name.split("/")
    # TensorFlow.js drops the piece before the last, where TensorFlow puts the name of a cell.
    shortened = "/".join([*parts[:-2], parts[-1]])
    return weight.name if not anew and wanted in (weight.name, shortened) else wanted


def _add_weights(result: LayersModel, model: KerasModel, names: Mapping[KerasWeight, str]) -> None:
    origins: dict[str, str] = {}
    for weights in model.weights.values():
        group = []
        for weight in weights:
            name = names[weight]
            origin = f"{'/'.join(weight.layer)}:{weight.name}"
            if name in origins:
                raise ModelFormatError(
                    f"{model.source}: weights {origins[name]!r} and {origin!r} would both be called {name!r} in a "
                    "layers model; give the layers names of their own, or convert to a graph model"
                )
            origins[name] = origin
            if name != weight.name:
                result.renamed[origin] = name
            result.artifacts.weights[name] = cast(Array, weight.value)
            earlier = model.quantized.get(weight.name)
            if earlier is not None:
                spec = WeightSpec(name, earlier.shape, earlier.dtype, earlier.quantization, earlier.group)
                result.artifacts.weight_specs.append(spec)
            group.append(name)
        if group:
            result.groups.append(group)


def _generator(model: KerasModel) -> str | None:
    version = model.keras_version
    if version is None:
        return None
    if version.startswith("tfjs-layers"):
        return f"TensorFlow.js {version}"
    return f"keras v{version}"
