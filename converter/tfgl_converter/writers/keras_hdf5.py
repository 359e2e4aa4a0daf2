"""Keras HDF5 files, as Keras 2 reads them, from Keras models of any origin."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from typing import Any

import h5py
import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.keras.files.model import Config, KerasModel, KerasWeight, layer_name, leaves_of
from tfgl.keras.files.variables import is_trained, layers_model_variable, variable_names

from ..formats.keras_classes import refuse_custom_layers
from ..formats.keras_hdf5 import METADATA
from .dataset import write_dataset
from .keras_spelling import for_keras_2
from .keras_training import training_for_keras_2
from .whole_file import whole_file

# HDF5 keeps attributes in headers of 64 KiB; Keras splits longer lists of names.
_MAX_ATTRIBUTE_BYTES = 64_000
_UNKNOWN_VERSION = "2.15.0"


def write_keras_hdf5(
    model: KerasModel, target: str | os.PathLike[str], *, custom_objects: Collection[str] = ()
) -> None:
    """Write a whole model as Keras' ``model.save("model.h5")`` does.

    Weights are read and written one by one. Raises ModelFormatError for a model without configuration, for Lambda
    layers and unknown classes, and for layers whose weights Keras 2 could not find; nothing appears at ``target`` then.
    """
    if model.config is None:
        raise ModelFormatError(
            f"{model.source} holds weights without a model, and a Keras file needs both; give the whole model"
        )
    refuse_custom_layers(model, custom_objects)
    config = for_keras_2(model.config, model.source, model.keras_version)
    version = model.keras_version
    if version is None or not version.startswith("2"):
        version = _UNKNOWN_VERSION
    with whole_file(target) as path, h5py.File(path, "w") as file:
        for name, text in {
            "backend": "tensorflow",
            "keras_version": version,
            "model_config": _json(config, model),
        }.items():
            file.attrs[name] = text
        training = training_for_keras_2(model)
        if training is not None:
            file.attrs["training_config"] = _json(training, model)
        if model.user_defined_metadata is not None:
            # Keras has no place for it, and passes over what it does not know.
            file.attrs[METADATA] = _json(model.user_defined_metadata, model)
        group = file.create_group("model_weights")
        group.attrs["backend"], group.attrs["keras_version"] = "tensorflow", version
        layers = _layers_with_groups(config)
        _write_names(group, "layer_names", layers)
        for layer in layers:
            _write_layer(group.create_group(layer), in_keras_order(model, layer), model)
        _write_names(group.create_group("top_level_model_weights"), "weight_names", [])


def in_keras_order(model: KerasModel, layer: str) -> list[KerasWeight]:
    """The weights of a layer of the outermost model in the order of Keras' ``layer.weights``.

    Of a nested model, those that training changes come first, then the others, each in the order of its layers.
    """
    assert model.config is not None
    found: dict[tuple[str, ...], dict[str, KerasWeight]] = {}
    for weight in model.weights.get(layer, ()):
        found.setdefault(weight.layer, {})[weight.variable] = weight
    first: list[KerasWeight] = []
    then: list[KerasWeight] = []
    for leaf in leaves_of(model.config):
        own = found.get(leaf.path)
        if own is None or leaf.path[0] != layer:
            continue
        names = variable_names(leaf.layer) or []
        order = [*(name for name in names if name in own), *(name for name in own if name not in names)]
        for name in order:
            (first if leaf.trainable and is_trained(name) else then).append(own[name])
    return first + then


def _layers_with_groups(config: Config) -> list[str]:
    layers = config["config"]["layers"]
    if config["class_name"] == "Sequential":
        layers = [layer for layer in layers if layer["class_name"] != "InputLayer"]
    return [layer_name(layer) for layer in layers]


def _write_layer(group: h5py.Group, weights: Sequence[KerasWeight], model: KerasModel) -> None:
    assert model.config is not None
    leaves = {leaf.path: leaf for leaf in leaves_of(model.config)}
    names: list[str] = []
    for weight in weights:
        leaf = leaves[weight.layer]
        variable = layers_model_variable(leaf.layer, weight.variable)
        name = f"{weight.layer[-1]}/{variable}:0"
        if name in names:
            name = f"{'/'.join(weight.layer)}/{variable}:0"
        names.append(name)
        write_dataset(group, name, weight.value)
    _write_names(group, "weight_names", names)


def _write_names(group: h5py.Group, attribute: str, names: Sequence[str]) -> None:
    encoded = [name.encode() for name in names]
    width = max(map(len, encoded), default=1)
    count = max(1, _MAX_ATTRIBUTE_BYTES // width)
    if len(encoded) <= count:
        group.attrs[attribute] = np.array(encoded, dtype=f"S{width}")
        return
    for number, start in enumerate(range(0, len(encoded), count)):
        group.attrs[f"{attribute}{number}"] = np.array(encoded[start : start + count], dtype=f"S{width}")


def _json(value: Any, model: KerasModel) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"{model.source}: the configuration cannot be written as JSON: {error}") from None
