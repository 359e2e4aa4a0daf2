"""What a layers model consists of: its ends, layers and weights, from its files and without a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import NUMPY, check_dtype
from ..errors import ModelFormatError
from ..graph.runner import ModelTensorInfo
from ..io import ModelArtifacts, check_format
from ..ir.graph import TensorInfo
from ..keras.files.graph import build_model
from ..keras.files.layers_model import keras_model_of
from ..keras.files.model import KerasModel
from ..keras.model import KerasGraph
from ..tables import make_table, shape_text
from .layer import Layer, LayerWeight, layers_of, weights_of

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class LayersDescription:
    """The parts of a layers model: its ends by the names of their layers, its weights as `weights_of` orders them.

    ``warnings`` says what of the layers' behaviour a graph does not have, such as states kept between calls.
    """

    name: str
    inputs: Sequence[ModelTensorInfo]
    outputs: Sequence[ModelTensorInfo]
    layers: Sequence[Layer]
    weights: Sequence[LayerWeight]
    warnings: Sequence[str] = ()

    @property
    def parameters(self) -> int:
        """The number of elements of all weights."""
        return sum(weight.size for weight in self.weights)

    @property
    def trainable_parameters(self) -> int:
        """The number of elements of the weights that training changes."""
        return sum(weight.size for weight in self.weights if weight.trainable)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain texts, numbers, lists and dicts, for JSON."""
        return {
            "name": self.name,
            "inputs": [_end_as_dict(info) for info in self.inputs],
            "outputs": [_end_as_dict(info) for info in self.outputs],
            "layers": [layer.as_dict() for layer in self.layers],
            "parameters": self.parameters,
            "trainable_parameters": self.trainable_parameters,
            "warnings": list(self.warnings),
        }

    def table(self, *, expand_nested: bool = False) -> Table:
        """Name, class, output shape and parameters of each layer, and their sums, to be printed by rich."""
        table = layer_table(self.name, self.as_dict()["layers"], expand_nested=expand_nested)
        table.add_section()
        fixed = self.parameters - self.trainable_parameters
        for what, count in (("all", self.parameters), ("trainable", self.trainable_parameters), ("fixed", fixed)):
            table.add_row(what, "", "", str(count))
        return table


def read_layers(artifacts: ModelArtifacts, *, strict: bool = True) -> tuple[KerasGraph, LayersDescription]:
    """The graph of a layers model's artifacts, and the parts of the model.

    Raises ModelFormatError for another kind of model, for weights that no layer has (unless not ``strict``), that are
    missing or do not fit; UnsupportedOpError for layers that have no ops.
    """
    check_format(artifacts, "layers-model")
    if artifacts.model_topology is None:
        raise ModelFormatError(
            f"{artifacts.source}: the file holds weights alone (modelTopology is null), and no layers to run; save or "
            "convert the whole model"
        )
    model = keras_model_of(artifacts, strict=strict)
    warnings: list[str] = []
    built = build_model(model, warn=warnings.append, keep_layers=True)
    if strict:
        _check_all_used(model, built)
    weights, graph = weights_of(model), built.graph
    description = LayersDescription(
        built.root.name,
        [_end(key, info) for key, info in graph.inputs.items()],
        [_end(key, info) for key, info in graph.outputs.items()],
        layers_of(built, weights),
        weights,
        warnings,
    )
    return built, description


# Their variables say again what their configuration does (idf_weights).
_CONFIGURED = frozenset({"IntegerLookup", "StringLookup", "TextVectorization"})


def _check_all_used(model: KerasModel, built: KerasGraph) -> None:
    nodes = [built.root]
    for node in nodes:
        nodes += node.children.values()
    used = {id(value) for node in nodes for value in node.values.values()}
    configured = {node.name for node in nodes if node.class_name in _CONFIGURED}
    for weight in model.all_weights():
        if id(weight.value) not in used and weight.layer[-1] not in configured:
            raise ModelFormatError(
                f"{model.source}: weight {weight.name!r} is none that layer {'/'.join(weight.layer)!r} has by its "
                "configuration; load with strict=False to leave it out"
            )


def describe_unread(artifacts: ModelArtifacts) -> LayersDescription:
    """The parts of a model whose weights were not read: their manifest tells the shapes.

    >>> from tfgl.io import WeightSpec
    >>> dense = {"class_name": "Dense", "config": {"name": "d", "use_bias": False, "batch_input_shape": [None, 2]}}
    >>> topology = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}
    >>> artifacts = ModelArtifacts("layers-model", topology, [WeightSpec("d/kernel", (2, 3), "float32")])
    >>> describe_unread(artifacts).layers
    [Layer('d', Dense, 6 parameters)]
    """
    # Views of one number each, which take no memory however large the manifest says that they are.
    stand_ins = {
        spec.name: np.broadcast_to(np.zeros((), NUMPY[check_dtype(spec.tensor_dtype)]), spec.shape)
        for spec in artifacts.weight_specs
    }
    return read_layers(replace(artifacts, weights=stand_ins))[1]


def _end(key: str, info: TensorInfo) -> ModelTensorInfo:
    return ModelTensorInfo(key, info.shape, str(info.dtype))


def _end_as_dict(info: ModelTensorInfo) -> dict[str, Any]:
    shape = None if info.shape is None else list(info.shape)
    return {"key": info.name, "name": info.name, "dtype": info.dtype, "shape": shape}


def layer_table(title: str, layers: Sequence[Mapping[str, Any]], *, expand_nested: bool) -> Table:
    """A table of layers as `Layer.as_dict` gives them, to be printed by rich.

    >>> dense = {"name": "d", "class": "Dense", "output_shapes": [[[-1, 3]]], "parameters": 6, "layers": []}
    >>> layer_table("model", [dense], expand_nested=False).row_count
    1
    """
    columns = ["layer", "class", "output", "parameters"]
    return make_table(title, columns, list(_rows(layers, expand_nested, "")), right=["parameters"])


def _rows(
    layers: Sequence[Mapping[str, Any]], expand_nested: bool, indent: str
) -> Iterator[tuple[str, str, str, str]]:
    for layer in layers:
        calls = [", ".join(map(shape_text, shapes)) for shapes in layer["output_shapes"]]
        # One for all calls, unless they differ.
        shapes = " / ".join(dict.fromkeys(calls))
        yield f"{indent}{layer['name']}", layer["class"], shapes, str(layer["parameters"])
        if expand_nested:
            yield from _rows(layer["layers"], expand_nested, indent + "  ")
