"""Constants of old loops and branches wait by a Switch where TensorFlow lets them wait by a control edge."""

from __future__ import annotations

import dataclasses

from tfgl.ir.graph import AttrValue, Edge, Graph, Node

from .editing import Editor
from .rewriting import PassContext, Rewritten

# What begins as soon as its inputs are there, and must not begin early.
_TIMED = ("Enter", "Merge", "NextIteration", "TensorListFromTensor", "TensorListReserve", "EmptyTensorList")
Pivot = tuple[Edge, int]  # a predicate, and the side on which the constant is wanted


def gate_constants(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with constants behind a Switch where a loop's or a branch's own machinery reads them.

    TensorFlow.js has every constant from the start, so that an inner loop would begin before the outer one, or a
    branch that returns a constant would count as taken.
    """
    if not any(node.op == "Switch" for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    fixed: set[str] = set()
    pivots: dict[str, Pivot] = {}
    editor = Editor(graph, context.protected)
    gates: dict[tuple[Edge, Pivot], Edge] = {}
    count = 0
    for node in graph.topological_order():
        constant = node.op == "Const" or (bool(node.inputs) and all(edge.node in fixed for edge in node.inputs))
        if constant and node.op not in (*_TIMED, "Switch"):
            fixed.add(node.name)
            pivot = _pivot(node, graph, pivots)
            if pivot is not None:
                pivots[node.name] = pivot
        if node.op not in _TIMED:
            continue
        inputs = []
        for edge in node.inputs:
            pivot = pivots.get(edge.node)
            if pivot is not None:
                if (edge, pivot) not in gates:
                    gates[edge, pivot] = editor.add(f"{edge.node}/gate", "Switch", (edge, pivot[0]), _typed(node))
                edge = Edge(gates[edge, pivot].node, pivot[1])
                count += 1
            inputs.append(edge)
        editor.put(dataclasses.replace(node, inputs=tuple(inputs)))
    return Rewritten(editor.graph() if count else graph, count)


def _typed(node: Node) -> dict[str, AttrValue]:
    return {"T": node.attrs["T"]} if "T" in node.attrs else {}


def _pivot(node: Node, graph: Graph, pivots: dict[str, Pivot]) -> Pivot | None:
    """The choice that ``node`` waits for, itself or through the constants that it reads."""
    for name in (*node.control_inputs, *(edge.node for edge in node.inputs)):
        if name in pivots:
            return pivots[name]
    for name in node.control_inputs:
        source = graph.nodes.get(name)
        for _ in range(8):
            if source is None or source.op != "Identity" or not source.inputs:
                break
            edge = source.inputs[0]
            source = graph.nodes.get(edge.node)
            if source is not None and source.op == "Switch":
                return source.inputs[1], edge.index
    return None
