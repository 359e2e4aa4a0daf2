"""relu(x) + (-a) relu(-x), which exporters write for PReLU, becomes Prelu."""

from __future__ import annotations

import numpy as np

from tfgl.ir.graph import Edge, Graph, Node

from .editing import Editor, reader_counts, sole_reader
from .rewriting import PassContext, Rewritten


def fuse_prelu(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with each such sum as one Prelu(x, a); slopes of one number a channel become vectors."""
    counts = reader_counts(graph)
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.nodes.values():
        if node.op not in ("Add", "AddV2", "Sub") or len(node.inputs) != 2:
            continue
        sides = ((0, 1), (1, 0)) if node.op != "Sub" else ((0, 1),)
        for positive, negative in sides:
            parts = (node.inputs[positive], node.inputs[negative])
            found = _parts(parts, graph, counts, context)
            if found is None:
                continue
            x, slope, used = found
            value = np.asarray(graph.constants[slope.node])
            value = value if node.op == "Sub" else -value
            if value.ndim > 1 and value.size == value.shape[-1]:
                value = value.reshape(-1)
            alpha = editor.constant(f"{node.name}/alpha", value)
            attrs = {"T": node.attrs["T"]} if "T" in node.attrs else {}
            editor.put(Node(node.name, "Prelu", (x, alpha), (), attrs))
            for name in used:
                editor.remove(name)
            count += 1
            break
    return Rewritten(editor.graph() if count else graph, count)


def _parts(
    sides: tuple[Edge, Edge], graph: Graph, counts: dict[Edge, int], context: PassContext
) -> tuple[Edge, Edge, list[str]] | None:
    """(x, constant factor, nodes that go) of Relu(x) and factor · Relu(Neg(x))."""
    relu, product = (sole_reader(graph, edge, counts, context.protected) for edge in sides)
    if relu is None or product is None or relu.op != "Relu" or product.op != "Mul" or len(product.inputs) != 2:
        return None
    for at in (0, 1):
        factor = product.inputs[1 - at]
        mirrored = sole_reader(graph, product.inputs[at], counts, context.protected)
        if factor.node not in graph.constants or mirrored is None or mirrored.op != "Relu":
            continue
        negated = sole_reader(graph, mirrored.inputs[0], counts, context.protected)
        if negated is not None and negated.op == "Neg" and negated.inputs[0] == relu.inputs[0]:
            return relu.inputs[0], factor, [relu.name, product.name, mirrored.name, negated.name]
    return None
