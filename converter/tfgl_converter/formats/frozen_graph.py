"""Frozen graphs: a GraphDef without variables, binary (``.pb``) or as text (``.pbtxt``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.graph import Edge, Signature, TensorInfo, placeholder_info

from .graph_def import GraphReader
from .message_file import MessageFile
from .source_model import SourceModel
from .variable_values import VARIABLE_OPS


def read_frozen_graph(path: str | os.PathLike[str], output_nodes: Sequence[str] = ()) -> SourceModel:
    """The part of the GraphDef in file ``path`` that ``output_nodes`` (``node`` or ``node:index``) need.

    Without names: whatever nothing else reads. Inputs are the placeholders that remain. Raises ModelFormatError
    for a file that is damaged, or holds variables; InvalidArgumentError for names that the graph does not have.
    """
    file = MessageFile(Path(path), "GraphDef")
    if not file.message.node:
        raise ModelFormatError(f"{path}: holds no node, so it is no GraphDef")
    reader = GraphReader(file.message, file, where=str(path))
    outputs = _outputs(reader, output_nodes, str(path))
    graph = reader.graph([info.edge.node for info in outputs.values()], Signature({}, outputs))
    inputs = {
        node.name: TensorInfo(f"{node.name}:0", info.dtype, info.shape)
        for node in graph.placeholders
        for info in (placeholder_info(node),)
    }
    graph = graph.replace(signature=Signature(inputs, outputs))
    for node in graph.nodes.values():
        if node.op in VARIABLE_OPS:
            raise ModelFormatError(
                f"{path}: {node} is a variable, so the graph is not frozen; convert its SavedModel instead"
            )
    return SourceModel(graph=graph, origin=str(path))


def _outputs(reader: GraphReader, names: Sequence[str], where: str) -> dict[str, TensorInfo]:
    if not names:
        read = {text.removeprefix("^").partition(":")[0] for node in reader.nodes.values() for text in node.input}
        ends = [
            name
            for name, node in reader.nodes.items()
            if name not in read and node.op not in ("Const", "Placeholder", "NoOp", "Assert")
        ]
        return {name: TensorInfo(f"{name}:0") for name in ends}
    outputs: dict[str, TensorInfo] = {}
    for name in names:
        edge = Edge.parse(name.strip())
        if edge.node not in reader.nodes:
            ends = list(_outputs(reader, (), where))[-8:]
            raise InvalidArgumentError(
                f"{where}: no node {edge.node!r}; nodes that nothing reads are {', '.join(map(repr, ends)) or 'none'}"
            )
        outputs[str(edge)] = TensorInfo(f"{edge.node}:{edge.index}")
    return outputs
