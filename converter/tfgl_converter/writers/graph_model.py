"""A graph, its tables and its signature -> the artifacts of a TensorFlow.js graph model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgl.errors import InvalidArgumentError
from tfgl.io import ModelArtifacts
from tfgl.ir.attributes import encode_dtype
from tfgl.ir.graph import AttrValue, DataType, Edge, Graph, Node, Signature, TensorInfo

from ..formats.source_model import Table
from .graph_def import encode_shape, graph_to_json

_RESOURCE = DataType("resource")


def graph_artifacts(
    graph: Graph,
    *,
    tables: Mapping[str, Table] | None = None,
    metadata: Mapping[str, Any] | None = None,
    structured_outputs: Sequence[str] | None = None,
    generated_by: str = "",
    converted_by: str | None = None,
    source: str = "memory",
) -> ModelArtifacts:
    """The model.json's members and the weights of ``graph``.

    Each of ``tables`` that the graph uses becomes an input of dtype resource and is filled by the model's
    initialiser; input and initialiser output share a ``resourceId``. ``metadata`` and ``structured_outputs`` go into
    ``userDefinedMetadata``.

    >>> graph = Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Neg", (Edge("x"),))})
    >>> graph_artifacts(graph).model_topology["node"][1]
    {'name': 'y', 'op': 'Neg', 'input': ['x']}
    """
    used = {name: table for name, table in (tables or {}).items() if name in graph.nodes}
    graph, resources = _with_table_inputs(graph, used)
    topology, weights = graph_to_json(graph)
    initializer = initializer_signature = None
    if used:
        initializer_graph = _initializer(graph, used, resources)
        initializer, filling = graph_to_json(initializer_graph)
        initializer_signature = signature_to_json(initializer_graph.signature)
        doubled = sorted(set(filling) & set(weights))
        if doubled:
            raise InvalidArgumentError(f"two constants are called {doubled[0]!r}")
        weights |= filling
    user_defined = dict(metadata or {})
    if structured_outputs is not None:
        user_defined["structuredOutputKeys"] = sorted(structured_outputs)
    return ModelArtifacts(
        format="graph-model",
        model_topology=topology,
        weights=weights,
        generated_by=generated_by,
        converted_by=converted_by,
        signature=signature_to_json(graph.signature) or None,
        user_defined_metadata=user_defined or None,
        model_initializer=initializer,
        initializer_signature=initializer_signature,
        source=source,
    )


def signature_to_json(signature: Signature) -> dict[str, Any]:
    """The SignatureDef: entries with name, dtype, tensorShape and resourceId.

    >>> signature_to_json(Signature({"x": TensorInfo("x", DataType("float32"), (-1,))}))["inputs"]["x"]["name"]
    'x:0'
    """
    sides = {"inputs": signature.inputs, "outputs": signature.outputs}
    return {side: {key: _entry(info) for key, info in infos.items()} for side, infos in sides.items() if infos}


def _entry(info: TensorInfo) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": f"{info.edge.node}:{info.edge.index}"}
    if info.dtype is not None:
        fields["dtype"] = encode_dtype(info.dtype)
    if info.dtype is not None or info.shape is not None:
        fields["tensorShape"] = encode_shape(info.shape)
    if info.resource_id is not None:
        fields["resourceId"] = info.resource_id
    return fields


def _with_table_inputs(graph: Graph, tables: Mapping[str, Table]) -> tuple[Graph, dict[str, int]]:
    """The graph with a resource Placeholder for each table's node, and the tables' ids."""
    resources = {name: number for number, name in enumerate(sorted(tables), start=1)}
    if not tables:
        return graph, resources
    nodes = dict(graph.nodes)
    inputs = dict(graph.inputs)
    for name, number in resources.items():
        nodes[name] = Node(name, "Placeholder", attrs={"dtype": _RESOURCE, "shape": ()})
        inputs.setdefault(f"{name}:0", TensorInfo(f"{name}:0", _RESOURCE, (), number))
    signature = Signature(inputs, graph.outputs)
    return graph.replace(nodes=nodes, signature=signature), resources


def _initializer(graph: Graph, tables: Mapping[str, Table], resources: Mapping[str, int]) -> Graph:
    """The graph that makes the tables and fills them."""
    nodes: dict[str, Node] = {}
    constants: dict[str, np.ndarray[Any, Any]] = {}
    outputs: dict[str, TensorInfo] = {}
    for name, number in resources.items():
        table = tables[name]
        types: dict[str, AttrValue] = {"key_dtype": table.key_dtype, "value_dtype": table.value_dtype}
        base = f"{name}/table_init"
        for part, values, dtype in (
            ("keys", table.keys, table.key_dtype),
            ("values", table.values, table.value_dtype),
        ):
            nodes[f"{base}/{part}"] = Node(f"{base}/{part}", "Const", attrs={"dtype": dtype})
            constants[f"{base}/{part}"] = np.asarray(values)
        nodes[f"{base}/table"] = Node(
            f"{base}/table", "HashTableV2", attrs={**types, "container": b"", "shared_name": name.encode(),
            "use_node_name_sharing": True},
        )  # fmt: skip
        nodes[f"{base}/import"] = Node(
            f"{base}/import", "LookupTableImportV2",
            (Edge(f"{base}/table"), Edge(f"{base}/keys"), Edge(f"{base}/values")),
            attrs={"Tin": table.key_dtype, "Tout": table.value_dtype},
        )  # fmt: skip
        nodes[f"{base}/handle"] = Node(
            f"{base}/handle", "Identity", (Edge(f"{base}/table"),), (f"{base}/import",), {"T": _RESOURCE}
        )
        outputs[f"{base}/handle"] = TensorInfo(f"{base}/handle:0", _RESOURCE, (), number)
    return dataclasses.replace(graph, nodes=nodes, constants=constants, functions={}, signature=Signature({}, outputs))
