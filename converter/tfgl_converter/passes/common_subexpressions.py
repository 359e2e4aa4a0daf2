"""Nodes that compute the same from the same become one."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from tfgl.ir.graph import Edge, Graph, Node

from .editing import Editor
from .rewriting import PassContext, Rewritten

# Whose result differs from call to call, or is an object that others change.
_OWN = frozenset(
    {"Placeholder", "PlaceholderWithDefault", "RandomUniform", "RandomUniformInt", "RandomStandardNormal",
     "TruncatedNormal", "Multinomial", "EmptyTensorList", "HashTable", "HashTableV2", "MutableHashTableV2", "NoOp",
     "Assert", "Print", "PrintV2", "Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond", "While", "If",
     "StatelessWhile", "StatelessIf", "VarHandleOp", "VariableV2"}
)  # fmt: skip
_OWN_PREFIXES = ("TensorList", "TensorArray", "LookupTable", "InitializeTable", "Assign", "Read", "Random", "Stateless")
# Constants up to this size are compared by value.
_COMPARED_BYTES = 1 << 16


def merge_common_subexpressions(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with equal pure nodes merged into the first of them, and how many went."""
    editor = Editor(graph, context.protected)
    known: dict[object, str] = {}
    merged: dict[str, str] = {}
    count = 0
    for node in graph.topological_order():
        if node.op in _OWN or node.op.startswith(_OWN_PREFIXES) or node.control_inputs:
            continue
        key = _constant_key(node, graph) if node.op == "Const" else _key(node, merged)
        if key is None:
            continue
        first = known.setdefault(key, node.name)
        if first == node.name or node.name in context.protected:
            continue
        merged[node.name] = first
        count += 1
        for index in _read_outputs(graph, node):
            editor.redirect(Edge(node.name, index), Edge(first, index))
        editor.remove(node.name)
    return Rewritten(editor.graph() if count else graph, count)


def _read_outputs(graph: Graph, node: Node) -> set[int]:
    return {edge.index for reader in graph.consumers[node.name] for edge in reader.inputs if edge.node == node.name} | {
        0
    }


def _key(node: Node, merged: dict[str, str]) -> object:
    inputs = tuple((merged.get(edge.node, edge.node), edge.index) for edge in node.inputs)
    attrs = tuple(sorted((name, _frozen(value)) for name, value in node.attrs.items() if not name.startswith("_")))
    return (node.op, inputs, attrs) if inputs else None


def _constant_key(node: Node, graph: Graph) -> object:
    value = graph.constants.get(node.name)
    if value is None or value.nbytes > _COMPARED_BYTES or not isinstance(value, np.ndarray):
        return None
    data = repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes()
    return ("Const", str(value.dtype), value.shape, str(node.attrs.get("dtype")), hashlib.sha256(data).digest())


def _frozen(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tolist()!r}"
    return f"{type(value).__name__}:{value!r}"
