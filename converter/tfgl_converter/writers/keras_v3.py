"""``.keras`` files, as Keras 3 reads them, from Keras models of any origin."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator

import h5py

from tfgl.errors import ModelFormatError
from tfgl.keras.files.model import Config, KerasModel, LayerPath, inner_layer, is_model, layer_name
from tfgl.keras.files.variables import numbered, snake_case, stored_paths

from ..formats.keras_classes import refuse_custom_layers
from ..formats.keras_hdf5 import METADATA
from .dataset import write_dataset
from .keras_spelling import for_keras_3
from .keras_training import training_for_keras_3
from .whole_file import whole_file

_UNKNOWN_VERSION = "3.0.0"
# The same model always gives the same bytes: every date is the zip format's first.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_keras_v3(model: KerasModel, target: str | os.PathLike[str], *, custom_objects: Collection[str] = ()) -> None:
    """Write a whole model as Keras 3's ``model.save("model.keras")`` does.

    Weights are read and written one by one. Raises ModelFormatError for a model without configuration, for Lambda
    layers and unknown classes, and for what Keras 3 cannot be told; nothing appears at ``target`` then.
    """
    if model.config is None:
        raise ModelFormatError(
            f"{model.source} holds weights without a model, and a .keras file needs both; give the whole model"
        )
    refuse_custom_layers(model, custom_objects)
    config = for_keras_3(model.config, model.source, model.keras_version)
    version = model.keras_version
    if version is None or not version.startswith("3"):
        version = _UNKNOWN_VERSION
    compiled = training_for_keras_3(model)
    if compiled is not None:
        config["compile_config"] = compiled
    metadata: Config = {"keras_version": version, "date_saved": "1980-01-01@00:00:00"}
    if model.user_defined_metadata is not None:
        # Keras has no place for it, and passes over what it does not know.
        metadata[METADATA] = model.user_defined_metadata
    with whole_file(target) as path, tempfile.TemporaryDirectory(prefix=".tfgl-", dir=path.parent) as folder:
        weights = os.path.join(folder, "model.weights.h5")
        with h5py.File(weights, "w") as file:
            _write_weights(file, model)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry("metadata.json"), _json(metadata, model))
            archive.writestr(_entry("config.json"), _json(config, model))
            with (
                open(weights, "rb") as source,
                archive.open(_entry("model.weights.h5"), "w", force_zip64=True) as stream,
            ):
                shutil.copyfileobj(source, stream, 1 << 20)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    return entry


def _write_weights(file: h5py.File, model: KerasModel) -> None:
    assert model.config is not None
    values = model.layer_weights()
    for group, name, path, layer in _places(model.config, "", ()):
        variables = file.create_group(f"{group}/vars".strip("/"))
        variables.attrs["name"] = name
        own = values.get(path, {})
        if layer is None or not own:
            continue
        paths = stored_paths(layer)
        if paths is None or {variable for _, variable in paths} != set(own):
            raise ModelFormatError(
                f"{model.source}: layer {'/'.join(path)!r} ({layer['class_name']}) has weights {', '.join(own)}; how "
                "Keras 3 keeps them is not known; write Keras HDF5 instead"
            )
        for place, variable in paths:
            write_dataset(file, f"{group}/{place}", own[variable])


def _places(model: Config, group: str, path: LayerPath) -> Iterator[tuple[str, str, LayerPath, Config | None]]:
    """The group, name, path and configuration of each layer; models have no configuration here."""
    yield group, layer_name(model), path, None
    layers = model["config"]["layers"]
    if model["class_name"] == "Sequential":
        layers = [layer for layer in layers if layer["class_name"] != "InputLayer"]
    kinds = ["functional" if layer["class_name"] == "Model" else snake_case(layer["class_name"]) for layer in layers]
    for layer, member in zip(layers, numbered(kinds), strict=True):
        place = f"{group}/layers/{member}".strip("/")
        here = (*path, layer_name(layer))
        inner = inner_layer(layer)
        if is_model(layer):
            yield from _places(layer, place, here)
        elif inner is not None and is_model(inner):
            yield place, here[-1], here, None
            yield from _places(inner, f"{place}/layer", (*here, layer_name(inner)))
        else:
            yield place, here[-1], here, layer


def _json(value: Config, model: KerasModel) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelFormatError(f"{model.source}: the configuration cannot be written as JSON: {error}") from None
