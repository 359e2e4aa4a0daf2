"""Keras models in SavedModels of Keras 2: layers from Keras' own notes, weights by the object graph.

Keras notes each layer as JSON: in ``keras_metadata.pb`` since TensorFlow 2.5, before in the objects of
``saved_model.pb``. Nothing of the model's functions is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import LazyArray
from tfgl.keras.files.assignment import leaf_variables
from tfgl.keras.files.model import (
    Config,
    KerasModel,
    KerasWeight,
    LayerPath,
    Leaf,
    inner_layer,
    is_model,
    layer_name,
)
from tfgl.keras.files.normalization import normalized, parse_config
from tfgl.keras.files.variables import variable_names

from .message_file import MessageFile
from .saved_model import bundle_of, model_file
from .signatures import choose_meta_graph
from .tensor_bundle import TensorBundle


def read_keras_saved_model(path: str | os.PathLike[str], tags: Sequence[str] = ("serve",)) -> KerasModel:
    """The Keras model in the SavedModel folder ``path``; its weights are read when they are asked for.

    Raises ModelFormatError for files that are missing or damaged, for SavedModels that Keras 2 did not write, and for
    subclassed models, whose layers no file lists; InvalidArgumentError for tags that the model does not have.

    >>> read_keras_saved_model("missing")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: missing: no such folder; expected a SavedModel folder with saved_model.pb
    """
    folder = Path(path)
    if folder.is_file() and folder.name.startswith("saved_model.pb"):
        folder = folder.parent
    where = str(folder)
    file = MessageFile(model_file(folder), "SavedModel")
    objects = choose_meta_graph(file.message.meta_graphs, tags, str(file.path)).object_graph_def
    notes = _notes(folder, objects)
    root = notes.get(0)
    if root is None:
        raise ModelFormatError(
            f"{where}: the SavedModel has no notes of Keras 2 on its layers (model.export of Keras 3 and "
            "tf.saved_model.save write none); convert it to a graph model (--output_format=tfjs_graph_model), or save "
            "the model as .keras or .h5"
        )
    raw = _topology(root)
    if not isinstance(raw.get("config"), dict) or "layers" not in raw["config"]:
        raise ModelFormatError(
            f"{where}: the model is of class {raw.get('class_name')!r}, a subclass of keras.Model, whose layers only "
            "its code knows; convert it to a graph model: --output_format=tfjs_graph_model"
        )
    config = normalized(raw, f"{where}, notes of Keras")
    weights = _Weights(objects, notes, bundle_of(folder), where).read(config)
    topology: Config = {key: root[key] for key in ("keras_version", "backend") if isinstance(root.get(key), str)}
    topology["model_config"] = raw
    training = root.get("training_config")
    if isinstance(training, dict):
        topology["training_config"] = training
    return KerasModel(
        config,
        weights,
        where,
        topology=topology,
        training_config=topology.get("training_config"),
        keras_version=topology.get("keras_version"),
        backend=topology.get("backend"),
    )


def _topology(note: Config) -> Config:
    """What an HDF5 file calls ``model_config``."""
    stated = note.get("model_config")
    if isinstance(stated, dict) and "class_name" in stated:
        return stated
    return {"class_name": note.get("class_name"), "config": note.get("config")}


def _notes(folder: Path, objects: Any) -> dict[int, Config]:
    """What Keras noted of its layers and models, by the number of their object."""
    texts: dict[int, str] = {}
    file = folder / "keras_metadata.pb"
    if file.is_file():
        for node in MessageFile(file, "KerasMetadata").message.nodes:
            texts[node.node_id] = node.metadata
    else:
        for number, item in enumerate(objects.nodes):
            if item.WhichOneof("kind") == "user_object" and item.user_object.identifier.startswith("_tf_keras_"):
                texts[number] = item.user_object.metadata
    where = str(file if file.is_file() else folder / "saved_model.pb")
    return {number: _plain(parse_config(text, f"{where}, object {number}")) for number, text in texts.items() if text}


def _plain(value: Any) -> Any:
    """JSON as Keras' HDF5 files have it, where tuples and shapes are lists."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        if value.get("class_name") in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
            return [_plain(one) for one in value["items"]]
        return {key: _plain(one) for key, one in value.items() if key != "shared_object_id"}
    return value


class _Weights:
    """The weights of each layer, from the objects that hold their variables."""

    def __init__(self, objects: Any, notes: Mapping[int, Config], bundle: TensorBundle | None, where: str) -> None:
        self._objects = objects
        self._notes = notes
        self._bundle = bundle
        self._where = where
        self._keys = {} if bundle is None else bundle.variable_keys()

    def read(self, config: Config) -> dict[str, list[KerasWeight]]:
        """The weights of the outermost layers; layers and their weights in the order of an HDF5 file."""
        found: dict[str, list[KerasWeight]] = {}
        for layer, number in sorted(self._layers(config, 0, ()), key=lambda pair: layer_name(pair[0])):
            name = layer_name(layer)
            weights = dict(self._inside(layer, number, (name,)))
            order = {variable: place for place, variable in enumerate(self._variables(number))}
            if weights:
                found[name] = [weights[one] for one in sorted(weights, key=lambda one: order.get(one, len(order)))]
        return found

    def _layers(self, config: Config, number: int, path: LayerPath) -> Iterator[tuple[Config, int]]:
        """Each layer of a model that has an object, with the number of that."""
        names: dict[str, int] = {}
        for local_name, child in self._children(number).items():
            if local_name.startswith("layer") and child in self._notes:
                names.setdefault(str(self._notes[child].get("name")), child)
        for layer in config["config"]["layers"]:
            its = names.get(layer_name(layer))
            if its is not None:
                yield layer, its
            elif is_model(layer) or variable_names(layer):
                place = "/".join([*path, layer_name(layer)])
                raise ModelFormatError(
                    f"{self._where}: the SavedModel has no object for layer {place!r}; save the model again"
                )

    def _inside(self, layer: Config, number: int, path: LayerPath) -> Iterator[tuple[int, KerasWeight]]:
        """The weights of a layer and of all that it holds, each with the number of its variable."""
        if is_model(layer):
            for child, its in self._layers(layer, number, path):
                yield from self._inside(child, its, (*path, layer_name(child)))
            return
        inner = inner_layer(layer)
        if inner is not None and is_model(inner):
            held = self._children(number).get("layer")
            if held is not None:
                yield from self._inside(inner, held, (*path, layer_name(inner)))
            return
        numbers = list(dict.fromkeys(self._variables(number)))
        if not numbers and variable_names(layer):
            raise ModelFormatError(f"{self._where}: layer {'/'.join(path)!r} has no variables in the SavedModel")
        named = [(self._item(one).variable.name.removesuffix(":0"), self._value(one, path)) for one in numbers]
        variables = leaf_variables(Leaf(path, layer, True), named)
        for one, (name, value), variable in zip(numbers, named, variables, strict=True):
            yield one, KerasWeight(name, value, path, variable)

    def _variables(self, number: int) -> list[int]:
        """The variables of a layer, those that training changes first, as Keras lists its weights."""
        children = self._children(number)
        if "variables" not in children:
            # Layers of preprocessing have no lists, only the variables themselves, at times under two names.
            own = [child for child in children.values() if self._item(child).WhichOneof("kind") == "variable"]
            return list(dict.fromkeys(own))
        trainable = self._listed(children.get("trainable_variables"))
        return [*trainable, *(one for one in self._listed(children.get("variables")) if one not in trainable)]

    def _listed(self, number: int | None) -> list[int]:
        if number is None:
            return []
        members = {name: child for name, child in self._children(number).items() if name.isdigit()}
        listed = [members[name] for name in sorted(members, key=int)]
        return [one for one in listed if self._item(one).WhichOneof("kind") == "variable"]

    def _value(self, number: int, path: LayerPath) -> LazyArray:
        key = self._keys.get(number)
        if key is None or self._bundle is None:
            name = self._item(number).variable.name
            raise ModelFormatError(
                f"{self._where}: layer {'/'.join(path)!r} has a variable {name!r} whose value is not among the saved "
                "ones; save the model again"
            )
        return self._bundle.array(key)

    def _children(self, number: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self._item(number).children}

    def _item(self, number: int) -> Any:
        if not 0 <= number < len(self._objects.nodes):
            raise ModelFormatError(
                f"{self._where}: refers to object {number} of {len(self._objects.nodes)}; the file is damaged"
            )
        return self._objects.nodes[number]
