"""Activations spelt out in several nodes become one node, which the convolution before it can take in."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from ..graph import AttrValue, Edge, Graph, Node
from .formulas import ADD, Formulas

# What a node computes when it is the last one of a formula: the op that does it alone, its operand, its factor.
Found = tuple[str, Edge] | tuple[str, Edge, float]
Match = Callable[[Formulas, Node], Found | None]


def recognize_clips(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with Relu and Relu6 where minima and maxima with 0 and 6 spell them, and how many."""
    return _recognized(graph, protected, _clip)


def recognize_swish(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each x sigmoid(x), and how many."""
    return _recognized(graph, protected, _swish)


def recognize_hard_swish(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each relu6(x + 3) / 6 and x relu6(x + 3) / 6, and how many."""
    return _recognized(graph, protected, _hard)


def recognize_gelu(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each gelu, with erf, erfc or tanh, and how many."""
    return _recognized(graph, protected, _gelu)


def _recognized(graph: Graph, protected: Collection[str], match: Match) -> tuple[Graph, int]:
    formulas = Formulas(graph, protected)
    nodes = dict(graph.nodes)
    count = 0
    # From the results on: an activation may be part of a larger one.
    for node in reversed(graph.topological_order()):
        found = match(formulas, node) if node.op in _LAST and node.name in nodes else None
        if found is not None:
            op, operand, *factor = found
            attrs: dict[str, AttrValue] = {"factor": factor[0]} if factor else {}
            nodes[node.name] = Node(node.name, op, (operand,), (), attrs, node.device)
            formulas.drop_steps(nodes, node, operand)
            count += 1
    return graph.replace(nodes=nodes) if count else graph, count


_LAST = ("Mul", "RealDiv", "Minimum", "Maximum", "ClipByValue", "Relu6")


def _clip(formulas: Formulas, node: Node) -> Found | None:
    found = ("Relu6", node.inputs[0]) if node.op == "Relu6" else _bounded(formulas, node)
    if found is None:
        return None
    op, x = found
    # Once is enough.
    inner = formulas.step(x, "Relu", op)
    if inner is not None:
        return op, inner.inputs[0]
    return None if node.op == op else found


def _bounded(formulas: Formulas, node: Node) -> tuple[str, Edge] | None:
    if node.op == "ClipByValue":
        low, high = (formulas.number(edge) for edge in node.inputs[1:3])
        return ("Relu6", node.inputs[0]) if (low, high) == (0.0, 6.0) else None
    outer = formulas.with_number(node) if node.op in _BOUNDS else None
    if outer is None:
        return None
    x, bound = outer
    inside = formulas.step(x, *_BOUNDS)
    inner = formulas.with_number(inside) if inside is not None and inside.op != node.op else None
    if inside is not None and inner is not None:
        if {node.op: bound, inside.op: inner[1]} == _BOUNDS:
            return "Relu6", inner[0]
        return None
    return ("Relu", x) if node.op == "Maximum" and bound == 0 else None


_BOUNDS = {"Maximum": 0.0, "Minimum": 6.0}


def _swish(formulas: Formulas, node: Node) -> Found | None:
    if node.op != "Mul":
        return None
    product = formulas.product(node)
    for edge in product.factors:
        gate = formulas.step(edge, "Sigmoid")
        if gate is not None:
            inside = formulas.product_at(gate.inputs[0])
            for x in inside.factors:
                if inside.is_(1.0, x) and product.is_(1.0, x, edge):
                    return "_Swish", x
    return None


def _hard(formulas: Formulas, node: Node) -> Found | None:
    if node.op not in ("Mul", "RealDiv"):
        return None
    product = formulas.product(node) if node.op == "Mul" or formulas.number(node.inputs[1]) else None
    for edge in product.factors if product is not None else ():
        gate = formulas.step(edge, "Relu6")
        shift = formulas.step(gate.inputs[0], *ADD) if gate is not None else None
        shifted = formulas.with_number(shift) if shift is not None else None
        if product is None or shifted is None or shifted[1] != 3:
            continue
        # Weights of files that are rounded to float16 make it a little less than a sixth.
        if math.isclose(product.scale, 1 / 6, rel_tol=1e-3):
            if product.is_(product.scale, edge):
                return "_HardSigmoid", shifted[0], product.scale
            if product.is_(product.scale, edge, shifted[0]):
                return "_HardSwish", shifted[0], product.scale
    return None


def _gelu(formulas: Formulas, node: Node) -> Found | None:
    if node.op != "Mul":
        return None
    product = formulas.product(node)
    for edge in product.factors:
        for x in product.factors:
            if x == edge or not product.is_(0.5, x, edge):
                continue
            complement = formulas.step(edge, "Erfc")
            if complement is not None and formulas.product_at(complement.inputs[0]).is_(-math.sqrt(0.5), x):
                return "_Gelu", x
            op = _distribution(formulas, edge, x)
            if op is not None:
                return op, x
    return None


def _distribution(formulas: Formulas, edge: Edge, x: Edge) -> str | None:
    """Which gelu has 1 + ``edge``'s function of ``x`` as its factor."""
    total = formulas.step(edge, *ADD)
    one = formulas.with_number(total) if total is not None else None
    if one is None or one[1] != 1:
        return None
    function = formulas.step(one[0], "Erf", "Tanh")
    if function is None:
        return None
    inside = formulas.product_at(function.inputs[0])
    if function.op == "Erf":
        return "_Gelu" if inside.is_(math.sqrt(0.5), x) else None
    for factor in inside.factors:
        if not inside.is_(math.sqrt(2 / math.pi), factor):
            if inside.is_(math.sqrt(2 / math.pi), x, factor) and _one_more(formulas, factor, x):
                return "_GeluTanh"
            continue
        cubic = formulas.step(factor, *ADD)
        if cubic is None:
            continue
        for plain, other in (cubic.inputs, cubic.inputs[::-1]):
            if formulas.behind(plain) == x and formulas.product_at(other).is_(0.044715, x, x, x):
                return "_GeluTanh"
    return None


def _one_more(formulas: Formulas, edge: Edge, x: Edge) -> bool:
    """Whether ``edge`` is 1 + 0.044715 x^2."""
    total = formulas.step(edge, *ADD)
    one = formulas.with_number(total) if total is not None else None
    return one is not None and one[1] == 1 and formulas.product_at(one[0]).is_(0.044715, x, x)
