"""A model's graph for other runtimes: TensorFlow's own operations, constants as files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tfgl_converter
from tfgl.io import ModelArtifacts, read_artifacts

Node = dict[str, Any]

# What the converter of TensorFlow.js fuses, and what it was.
_UNFUSED = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}
_OF_FUSIONS = {"fused_ops", "num_args", "epsilon", "leakyrelu_alpha"}


def write_plain_graph(folder: Path, target: Path) -> None:
    """Write graph.json and weights.npz of the model in ``folder`` into ``target``; layers models become graphs.

    graph.json has "nodes" in the protobuf JSON of TensorFlow, and the tensors
    that are "inputs" and "outputs" by key.
    """
    artifacts = read_artifacts(folder)
    if artifacts.format != "graph-model":
        converted = target / "graph model"
        tfgl_converter.convert(
            folder / "model.json", converted, input_format="tfjs_layers_model", output_format="tfjs_graph_model"
        )
        artifacts = read_artifacts(converted)
    assert artifacts.model_topology is not None
    nodes = [part for node in artifacts.model_topology["node"] for part in unfused(node)]
    graph = {"nodes": nodes, "inputs": _ends(artifacts, "inputs"), "outputs": _ends(artifacts, "outputs")}
    (target / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    weights: dict[str, Any] = dict(artifacts.weights)
    np.savez(target / "weights.npz", **weights)


def unfused(node: Mapping[str, Any]) -> Iterator[Node]:
    """The nodes that a node of TensorFlow.js stands for, of which the last has its name.

    >>> fused = {"name": "c", "op": "_FusedMatMul", "input": ["x", "w", "b"],
    ...     "attr": {"fused_ops": {"list": {"s": ["Qmlhc0FkZA==", "UmVsdQ=="]}}}}
    >>> [(part["name"], part["op"], part["input"]) for part in unfused(fused)]
    [('c/0', 'MatMul', ['x', 'w']), ('c/1', 'BiasAdd', ['c/0', 'b']), ('c', 'Relu', ['c/1'])]
    """
    name, attrs, inputs = node["name"], node.get("attr", {}), list(node.get("input", []))
    if node["op"] == "Prelu":
        yield from _prelu(name, *inputs)
        return
    if node["op"] not in _UNFUSED:
        yield dict(node)
        return
    steps = [base64.b64decode(step).decode() for step in attrs["fused_ops"]["list"]["s"]]
    arguments = iter(inputs[2:])
    kept = {key: value for key, value in attrs.items() if key not in _OF_FUSIONS}
    parts: list[Node] = [{"name": name, "op": _UNFUSED[node["op"]], "input": inputs[:2], "attr": kept}]
    for step in steps:
        parts[-1]["name"] = f"{name}/{len(parts) - 1}"
        source = parts[-1]["name"]
        if step == "Prelu":
            parts += _prelu(name, source, next(arguments))
            continue
        more = [next(arguments)] if step == "BiasAdd" else []
        alpha = {"alpha": attrs["leakyrelu_alpha"]} if step == "LeakyRelu" and "leakyrelu_alpha" in attrs else {}
        parts.append({"name": name, "op": step, "input": [source, *more], "attr": alpha})
    yield from parts


def _prelu(name: str, x: str, alpha: str) -> list[Node]:
    """max(x, 0) - alpha max(-x, 0)."""
    steps = {
        "positive": ("Relu", [x]),
        "turned": ("Neg", [x]),
        "negative": ("Relu", [f"{name}/turned"]),
        "scaled": ("Mul", [alpha, f"{name}/negative"]),
    }
    parts = [{"name": f"{name}/{step}", "op": op, "input": inputs, "attr": {}} for step, (op, inputs) in steps.items()]
    return [*parts, {"name": name, "op": "Sub", "input": [f"{name}/positive", f"{name}/scaled"], "attr": {}}]


def _ends(artifacts: ModelArtifacts, side: str) -> dict[str, str]:
    """The tensors of a side by key, as GraphModel names them."""
    said = (artifacts.signature or {}).get(side)
    if said:
        return {key: info["name"] for key, info in said.items()}
    assert artifacts.model_topology is not None
    nodes = artifacts.model_topology["node"]
    if side == "inputs":
        return {node["name"]: node["name"] for node in nodes if node["op"] == "Placeholder"}
    read = {name.lstrip("^").partition(":")[0] for node in nodes for name in node.get("input", [])}
    return {node["name"]: node["name"] for node in nodes if node["name"] not in read and node["op"] != "Const"}
