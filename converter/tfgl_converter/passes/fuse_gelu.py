"""The Gaussian error linear unit, exact or by its tanh formula, in its shortest form."""

from __future__ import annotations

import math

import numpy as np

from tfgl.ir.graph import AttrValue, Edge, Graph, Node

from .editing import Editor
from .patterns import Expected, Formula
from .rewriting import PassContext, Rewritten

_HALF = 1 / math.sqrt(2)
_ERF = Expected({1: _HALF})
# 2 sqrt(2 / pi) (x + 0.044715 x^3) under the sigmoid is sqrt(2 / pi) (...) under the tanh.
_LINEAR = math.sqrt(2 / math.pi)
_CUBIC = _LINEAR * 0.044715
_TANH = Expected({1: _LINEAR, 3: _CUBIC})
# What is written, and left alone when it is there already.
_EXACT = ["AddV2", "Erf", "Mul", "Mul", "Mul"]
_BY_TANH = ["AddV2", "Mul", "Mul", "Mul", "Sigmoid", "Square"]
_ONE_MORE = Expected({0: 1.0, 1: 1.0})


def fuse_gelu(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with x/2 (1 + erf(x/sqrt 2)), also written with erfc, as five ops, and the tanh formula as six.

    The latter is x sigmoid(x (a + b x^2)). Products and sums may stand in any order; nothing else may read
    what is between.
    """
    if not any(node.op in ("Erf", "Erfc", "Tanh") for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    editor = Editor(graph, context.protected)
    count = 0
    gone: set[str] = set()
    for node in reversed(graph.topological_order()):
        if node.op not in ("Mul", "RealDiv") or node.name in gone:
            continue
        formula = Formula(graph)
        x = _gelu(node, formula)
        if x is None or not formula.enclosed(node, context.protected):
            continue
        written = sorted(graph.nodes[name].op for name in {node.name, *formula.inside})
        if written == (_EXACT if x[1] else _BY_TANH):
            continue
        gone |= formula.inside
        _write(node, x[0], x[1], editor)
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _gelu(node: Node, formula: Formula) -> tuple[Edge, bool] | None:
    """x, and whether the function is the exact one."""
    half, factors = formula.factors(Edge(node.name))
    if len(factors) != 2 or abs(half - 0.5) > 1e-6:
        return None
    outer = frozenset(formula.inside)
    for x, other in (factors, factors[::-1]):
        formula.starting_from(outer)
        tail = formula.node(other, "Erfc")
        if tail is not None:
            if Expected({1: -_HALF}).fits(formula.polynomial(tail.inputs[0], x)):
                return x, True
            continue
        total = formula.node(other, "Add", "AddV2", "Sub")
        before = frozenset(formula.inside)
        for edge in () if total is None else total.inputs:
            formula.starting_from(before)
            sign, inner = formula.factors(edge)
            step = formula.node(inner[0], "Erf", "Tanh") if len(inner) == 1 and abs(sign) == 1 else None
            share = None if step is None else formula.polynomial(other, Edge(step.name))
            inside = None if step is None else formula.polynomial(step.inputs[0], x)
            if step is None or share is None or inside is None:
                continue
            # Both functions are odd: 1 - erf(-u) is 1 + erf(u).
            turned = {power: value * share.get(1, 0.0) for power, value in inside.items()}
            wanted = _ERF if step.op == "Erf" else _TANH
            if abs(share.get(1, 0.0)) == 1 and _ONE_MORE.fits({**share, 1: 1.0}) and wanted.fits(turned):
                return x, step.op == "Erf"
    return None


def _write(node: Node, x: Edge, exact: bool, editor: Editor) -> None:
    types: dict[str, AttrValue] = {"T": node.attrs["T"]} if "T" in node.attrs else {}

    def op(name: str, *inputs: Edge | float) -> Edge:
        edges = [
            part if isinstance(part, Edge) else editor.constant(f"{node.name}/constant", np.float32(part))
            for part in inputs
        ]
        return editor.add(f"{node.name}/{name}", name, edges, types)

    if exact:
        share = op("AddV2", op("Erf", op("Mul", x, _HALF)), 1.0)
        inputs = op("Mul", x, 0.5), share
    else:
        inside = op("AddV2", op("Mul", op("Square", x), 2 * _CUBIC), 2 * _LINEAR)
        inputs = x, op("Sigmoid", op("Mul", x, inside))
    editor.put(Node(node.name, "Mul", inputs, (), types))

