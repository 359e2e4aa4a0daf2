"""Keras models and weights in HDF5: whole models, weights alone, written by Keras 2 (TensorFlow 1 and 2) or 3."""

from __future__ import annotations

import os

from tfgl.errors import ModelFormatError
from tfgl.keras.files.assignment import Named, assign_by_name, assign_without_config
from tfgl.keras.files.model import Config, KerasModel, KerasWeight
from tfgl.keras.files.normalization import normalized, parse_config

from .hdf5_file import Hdf5File

# Where the Keras files that are written here keep the userDefinedMetadata of a layers model.
METADATA = "user_defined_metadata"


def read_keras_hdf5(path: str | os.PathLike[str]) -> KerasModel:
    """The model of a ``.h5`` file; its weights are read when they are asked for.

    Raises ModelFormatError for a file that is missing, damaged, no HDF5, or no Keras model.
    """
    where = os.fspath(path)
    file = Hdf5File(where, where)
    if file.has("model_weights") or file.text("", "model_config") is not None:
        return _whole_model(file)
    if file.names("", "layer_names") is not None:
        weights = assign_by_name(None, _groups(file, ""), where)
        return KerasModel(
            None, weights, where, keras_version=file.text("", "keras_version"), backend=file.text("", "backend")
        )
    if any(file.has(name) for name in ("layers", "_layer_checkpoint_dependencies")):
        arrays, groups = file.tree()
        return KerasModel(None, assign_without_config(arrays, group_names(file, groups), where), where)
    raise ModelFormatError(
        f"{where}: the HDF5 file holds no Keras model: there is neither 'model_weights' (a whole model) nor "
        "'layer_names' or 'layers' (weights); was it written by model.save or model.save_weights?"
    )


def _whole_model(file: Hdf5File) -> KerasModel:
    where = file.where
    text = file.text("", "model_config")
    if text is None:
        raise ModelFormatError(
            f"{where}: the file has weights but no 'model_config'; save the whole model with model.save"
        )
    topology: Config = {}
    for name in ("keras_version", "backend"):
        value = file.text("", name) or file.text("model_weights", name)
        if value is not None:
            topology[name] = value
    topology["model_config"] = parse_config(text, f"{where}, 'model_config'")
    metadata = file.text("", METADATA)
    training = file.text("", "training_config")
    if training is not None:
        topology["training_config"] = parse_config(training, f"{where}, 'training_config'")
    config = normalized(topology["model_config"], f"{where}, 'model_config'")
    return KerasModel(
        config,
        assign_by_name(config, _groups(file, "model_weights"), where),
        where,
        topology=topology,
        training_config=topology.get("training_config"),
        keras_version=topology.get("keras_version"),
        backend=topology.get("backend"),
        optimizer_weights=_optimizer(file),
        user_defined_metadata=None if metadata is None else parse_config(metadata, f"{where}, {METADATA!r}"),
    )


def _groups(file: Hdf5File, base: str) -> dict[str, list[Named]]:
    """The weights of each layer's group that has any; a layer called ``conv1/bn`` lies in a group within a group."""
    found: dict[str, list[Named]] = {}
    members = file.members(base) or []
    listed = [name for name in file.names(base, "layer_names") or [] if "/" in name]
    for group in [*members, *listed]:
        path = f"{base}/{group}".strip("/")
        weights = [(_plain(name), file.array(f"{path}/{name}")) for name in file.names(path, "weight_names") or []]
        if weights:
            found[group] = weights
    return found


def _optimizer(file: Hdf5File) -> list[KerasWeight]:
    names = file.names("optimizer_weights", "weight_names") or []
    return [
        KerasWeight(_plain(name), file.array(f"optimizer_weights/{name}"), ("optimizer",), _plain(name))
        for name in names
    ]


def group_names(file: Hdf5File, groups: list[str]) -> dict[str, str]:
    """The names of layers that Keras 3 notes at the groups of their variables, by the path of those groups."""
    found = {}
    for group in groups:
        if group == "vars" or group.endswith("/vars"):
            name = file.text(group, "name")
            if name is not None:
                found[group] = name
    return found


def _plain(name: str) -> str:
    return name.removesuffix(":0")
