"""Reading a written model back: shards, manifest and graph or layers must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfgl.dtypes import dtype_of
from tfgl.errors import ModelFormatError, TfglError
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.ir.attributes import decode_dtype, decode_shape
from tfgl.ir.graph import Graph, TensorInfo
from tfgl.ir.graphdef import graph_from_json
from tfgl.keras.configuration import batch_shape
from tfgl.keras.files.graph import build_model
from tfgl.keras.files.layers_model import keras_model_of
from tfgl.keras.files.model import KerasModel, layer_name, leaves_of
from tfgl.keras.files.variables import variable_names

Array = np.ndarray[Any, Any]

# A tensor's dtype and shape; None for what the files do not state.
TensorSpec = tuple[str | None, tuple[int, ...] | None]


@dataclass(frozen=True)
class Contents:
    """What a written model has: its ends, and how many nodes of each op or layers of each class."""

    inputs: dict[str, TensorSpec] = field(default_factory=dict)
    outputs: dict[str, TensorSpec] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)


def read_back(folder: Path, *, own: bool = True) -> tuple[ModelArtifacts, Contents]:
    """The model in ``folder`` and what it has, once its parts have been compared.

    The shards must have the bytes that the manifest says, each constant of a graph its weight in dtype and shape,
    each layer its variables, and no weight may be left over; of a graph that was not made here (``own`` False) only
    that it can be read. Raises ModelFormatError where they do not agree.
    """
    try:
        artifacts = read_artifacts(folder, lazy_weights=True)
        contents = _graph(artifacts, own) if artifacts.format == "graph-model" else _layers(artifacts)
    except TfglError as error:
        raise ModelFormatError(f"what was written does not read back: {error}; please report it") from error
    return artifacts, contents


def read_back_keras(source: KerasModel, written: KerasModel) -> Contents:
    """What a written Keras file has; ModelFormatError unless it has every weight of ``source`` in its shape.

    >>> read_back_keras(KerasModel(None, {}, "in"), KerasModel(None, {}, "out")).ops
    Counter()
    """
    before, after = source.layer_weights(), written.layer_weights()
    for path, own in before.items():
        for variable, value in own.items():
            again = after.get(path, {}).get(variable)
            if again is None or tuple(again.shape) != tuple(value.shape):
                raise ModelFormatError(
                    f"what was written does not read back: layer {'/'.join(path)!r} has no {variable!r} of shape "
                    f"{list(value.shape)}; please report it"
                )
    return describe_layers(written)


def check_graph(artifacts: ModelArtifacts) -> Graph:
    """The graph of a graph model, whose initialiser can be read too. Raises ModelFormatError, which names the place.

    >>> list(check_graph(ModelArtifacts("graph-model", {"node": [{"name": "x", "op": "Placeholder"}]})).nodes)
    ['x']
    """
    graph = graph_from_json(artifacts.model_topology, artifacts.weights, artifacts.signature)
    if artifacts.model_initializer is not None:
        graph_from_json(artifacts.model_initializer, artifacts.weights, artifacts.initializer_signature)
    return graph


def _graph(artifacts: ModelArtifacts, own: bool) -> Contents:
    weights = artifacts.weights
    graph = check_graph(artifacts)
    if own:
        for key, info in graph.inputs.items():
            if info.edge.node not in graph.nodes:
                raise ModelFormatError(f"signature, input {key!r}: the graph has no node {info.edge.node!r}")
        used = _compare_constants(artifacts.model_topology or {}, weights)
        used |= _compare_constants(artifacts.model_initializer or {}, weights)
        left_over = sorted(set(weights) - used)
        if left_over:
            raise ModelFormatError(f"no constant of the graph takes the weight {left_over[0]!r}")
    return Contents(_specs(graph.inputs), _specs(graph.outputs), Counter(node.op for node in graph.nodes.values()))


def _specs(infos: Mapping[str, TensorInfo]) -> dict[str, TensorSpec]:
    return {key: (None if info.dtype is None else str(info.dtype), info.shape) for key, info in infos.items()}


def _compare_constants(topology: Mapping[str, Any], weights: Mapping[str, Array]) -> set[str]:
    """The names of the weights that the constants of a graph and its functions take."""
    used = set()
    for name, node in _constants(topology):
        if name not in weights:
            continue  # graph_from_json has found its value in the node
        used.add(name)
        place = f"node {name!r}"
        tensor = node["attr"]["value"]["tensor"]
        shape, stated = decode_shape(tensor["tensorShape"], place), decode_dtype(tensor["dtype"], place)
        dtype = "string" if stated == "string" else dtype_of(np.empty(0, stated))
        value = weights[name]
        if shape != value.shape or dtype != dtype_of(value):
            raise ModelFormatError(
                f"{place} states {stated} {list(shape or ())}, its weight is {value.dtype} {list(value.shape)}"
            )
    return used


def _constants(topology: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each Const and the name of its weight."""
    parts = [topology.get("node", ())]
    parts += [function.get("nodeDef", ()) for function in topology.get("library", {}).get("function", ())]
    for nodes in parts:
        yield from ((node["name"], node) for node in nodes if node["op"] == "Const")


def _layers(artifacts: ModelArtifacts) -> Contents:
    model = keras_model_of(artifacts)
    if model.config is not None:
        found = model.layer_weights()
        for leaf in leaves_of(model.config):
            missing = sorted(set(variable_names(leaf.layer) or ()) - set(found.get(leaf.path, ())))
            # A layer that stands in two models has its weights once.
            if missing and found.get(leaf.path):
                raise ModelFormatError(f"layer {'/'.join(leaf.path)!r} ({leaf.class_name}) has no {missing[0]!r}")
    return describe_layers(model)


def describe_layers(model: KerasModel) -> Contents:
    """What a model of layers has, its outputs with their shapes where all its layers are known here.

    >>> layer = {"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 2, 3]}}
    >>> config = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}
    >>> describe_layers(KerasModel(config, {}, "here")).outputs
    {'f': ('float32', (-1, 6))}
    """
    contents = contents_of_layers(model)
    try:
        return replace(contents, outputs=_specs(build_model(model, loops=True).graph.signature.outputs))
    except TfglError:
        return contents  # custom layers, weights alone


def contents_of_layers(model: KerasModel) -> Contents:
    """The ends of the outermost model, the inputs with the shapes that it states, and all its layers by class.

    >>> contents_of_layers(KerasModel(None, {}, "weights alone"))
    Contents(inputs={}, outputs={}, ops=Counter())
    """
    if model.config is None:
        return Contents()
    layers = model.config["config"]["layers"]
    entries = {layer_name(layer): layer for layer in layers}
    if model.config["class_name"] == "Sequential" or "input_layers" not in model.config["config"]:
        inputs, outputs = list(entries)[:1], list(entries)[-1:]
    else:
        ends = model.config["config"]
        inputs, outputs = ([str(reference[0]) for reference in ends[key]] for key in ("input_layers", "output_layers"))
    return Contents(
        {name: _stated(entries[name]) for name in inputs if name in entries},
        {name: (None, None) for name in outputs},
        Counter(leaf.class_name for leaf in leaves_of(model.config)),
    )


def _stated(layer: Mapping[str, Any]) -> TensorSpec:
    shape = batch_shape(layer["config"])
    dtype = layer["config"].get("dtype")
    return (dtype if isinstance(dtype, str) else None), shape
