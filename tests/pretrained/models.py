"""The models that are compared with TensorFlow.js: the digits example and .pretrained/models.

Published models are not part of this repository. One that you have goes into `.pretrained/models/NAME/`, as
model.json and its shards. `case.json` beside it is needed only for what the model does not say itself:

    {"inputs": {"image": {"shape": [1, 224, 224, 3], "range": [-1, 1]}}, "index_of": {"classes": "scores"}}

`range` is that of the input's values, 0..1 where nothing is said; `index_of` names, for an output of indices
into the last axis of another one, that other output.
"""

from __future__ import annotations

import json
import pathlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import tfgl_converter
from tfgl.io import read_artifacts
from tfgl.layers.description import describe_unread

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".pretrained"
GOLDEN = WORK / "golden"
DTYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool"}


@dataclass(frozen=True)
class Input:
    """One Placeholder or input layer: its name, shape (an unknown batch is 1), dtype and the range of its values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Model:
    """One model: folder, inputs, which outputs are indices into which, and its ops or the classes of its layers."""

    name: str
    path: pathlib.Path
    inputs: tuple[Input, ...]
    index_of: dict[str, str] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)


def read(folder: pathlib.Path) -> Model:
    """The model in `folder`; raises ValueError where a shape or a dtype has to be given in case.json."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    extra_file = folder / "case.json"
    extra: dict[str, Any] = json.loads(extra_file.read_text(encoding="utf-8")) if extra_file.exists() else {}
    nodes = document["modelTopology"].get("node")
    if nodes is None:
        return _layers(folder, extra)
    inputs = tuple(
        _input(folder, node, extra.get("inputs", {}).get(node["name"], {}))
        for node in nodes
        if node["op"] == "Placeholder"
    )
    ops = Counter(node["op"] for node in nodes)
    return Model(folder.name, folder, inputs, extra.get("index_of", {}), ops)


def _layers(folder: pathlib.Path, extra: dict[str, Any]) -> Model:
    description = describe_unread(read_artifacts(folder, with_weights=False))
    inputs = []
    for info in description.inputs:
        said = extra.get("inputs", {}).get(info.name, {})
        shape = tuple(said.get("shape", [max(1, size) for size in info.shape or ()]))
        inputs.append(Input(info.name, shape, info.dtype, *map(float, said.get("range", (0.0, 1.0)))))
    return Model(folder.name, folder, tuple(inputs), ops=Counter(layer.class_name for layer in description.layers))


def _input(folder: pathlib.Path, node: dict[str, Any], extra: dict[str, Any]) -> Input:
    dimensions = node["attr"].get("shape", {}).get("shape", {}).get("dim", [])
    shape = [int(dimension["size"]) for dimension in dimensions]
    if shape and shape[0] == -1:
        shape[0] = 1
    shape = list(extra.get("shape", shape))
    dtype = DTYPES.get(node["attr"]["dtype"]["type"])
    if dtype is None or any(size < 0 for size in shape):
        raise ValueError(
            f"{folder}: input {node['name']!r} has dtype {node['attr']['dtype']['type']} and shape {shape}; "
            f"expected one of {', '.join(DTYPES)} and known sizes: give the shape in {folder / 'case.json'}"
        )
    low, high = extra.get("range", (0.0, 1.0))
    return Input(node["name"], tuple(shape), dtype, float(low), float(high))


def models() -> list[Model]:
    """The digits example, then every folder of .pretrained/models that holds a model.json, by name."""
    digits = WORK / "digits"
    source = ROOT / "examples" / "digits" / "model.h5"
    tfgl_converter.convert(source, digits, input_format="keras", output_format="tfjs_graph_model")
    found = sorted(file.parent for file in (WORK / "models").glob("*/model.json"))
    first = read(digits)
    return [Model("digits", first.path, first.inputs, first.index_of, first.ops), *map(read, found)]
