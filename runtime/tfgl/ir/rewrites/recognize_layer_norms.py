"""Layer normalization spelt out in several nodes becomes one node."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ..graph import AttrValue, Edge, Graph, Node
from .formulas import ADD, Formulas

LAYER_NORM = "_LayerNormalization"


def recognize_layer_norms(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each layer norm with constant vectors as scale and offset, and how many.

    Either (x - mean) r scale + offset, or x r scale + (offset - mean r scale) as tf.nn.batch_normalization has it, with
    r the reciprocal root of variance + epsilon, both over one and the same axis.
    """
    formulas = Formulas(graph, protected)
    nodes = dict(graph.nodes)
    count = 0
    for node in reversed(graph.topological_order()):
        found = next(_norms(formulas, node), None) if node.op in ADD and node.name in nodes else None
        if found is not None:
            operands = (found.measured.x, found.scale, found.offset)
            attrs: dict[str, AttrValue] = {"axis": found.measured.axis, "epsilon": found.measured.epsilon}
            nodes[node.name] = Node(node.name, LAYER_NORM, operands, (), attrs, node.device)
            formulas.drop_steps(nodes, node, *operands)
            count += 1
    return graph.replace(nodes=nodes) if count else graph, count


@dataclass(frozen=True, slots=True)
class _Measured:
    """1 / sqrt(variance + epsilon) of ``x`` over ``axis``; ``mean`` is where its mean is."""

    x: Edge
    mean: Edge
    axis: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class _Norm:
    measured: _Measured
    scale: Edge
    offset: Edge


def _norms(formulas: Formulas, node: Node) -> Iterator[_Norm]:
    for first, second in _pairs(formulas, node):
        if _is_vector(formulas, second):
            yield from _from_deviation(formulas, first, second)
        else:
            yield from _from_parts(formulas, first, second)


def _from_deviation(formulas: Formulas, product: Edge, offset: Edge) -> Iterator[_Norm]:
    """(x - mean) r scale + offset, in either order of the factors."""
    for normal, scale in _pairs(formulas, _node(formulas, product), "Mul"):
        if _is_vector(formulas, scale):
            for deviation, root in _pairs(formulas, _node(formulas, normal), "Mul"):
                measured = _measured(formulas, root)
                if measured is not None and _is_deviation(formulas, deviation, measured):
                    yield _Norm(measured, scale, offset)
        else:
            for root, vector in _pairs(formulas, _node(formulas, scale), "Mul"):
                measured = _measured(formulas, root) if _is_vector(formulas, vector) else None
                if measured is not None and _is_deviation(formulas, normal, measured):
                    yield _Norm(measured, vector, offset)


def _from_parts(formulas: Formulas, product: Edge, rest: Edge) -> Iterator[_Norm]:
    """x r scale + (offset - mean r scale)."""
    difference = _node(formulas, rest)
    if difference is None or difference.op != "Sub" or not _is_vector(formulas, difference.inputs[0]):
        return
    offset, subtracted = (formulas.behind(edge) for edge in difference.inputs)
    for x, factor in _pairs(formulas, _node(formulas, product), "Mul"):
        for root, scale in _pairs(formulas, _node(formulas, factor), "Mul"):
            measured = _measured(formulas, root) if _is_vector(formulas, scale) else None
            if measured is None or measured.x != x:
                continue
            if (measured.mean, factor) in _pairs(formulas, _node(formulas, subtracted), "Mul"):
                yield _Norm(measured, scale, offset)


def _measured(formulas: Formulas, root: Edge) -> _Measured | None:
    """What the reciprocal root at ``root`` measures."""
    node = _node(formulas, root)
    total = _node(formulas, node.inputs[0]) if node is not None and node.op == "Rsqrt" else None
    return _variance(formulas, total)


def _variance(formulas: Formulas, total: Node | None) -> _Measured | None:
    """What variance + epsilon measures."""
    found = formulas.with_number(total) if total is not None and total.op in ADD else None
    if found is None:
        return None
    variance, epsilon = found
    averaged = _mean(formulas, variance)
    squares = _node(formulas, averaged[0]) if averaged is not None else None
    if averaged is None or squares is None:
        return None
    axis = averaged[1]
    if squares.op == "SquaredDifference":
        sides = list(_pairs(formulas, squares))
    else:
        # The square of a difference, or its product with itself.
        operands = {formulas.behind(edge) for edge in squares.inputs}
        difference = _node(formulas, operands.pop()) if squares.op in ("Square", "Mul") and len(operands) == 1 else None
        if difference is None or difference.op != "Sub":
            return None
        sides = [(formulas.behind(difference.inputs[0]), formulas.behind(difference.inputs[1]))]
    for x, mean in sides:
        if _mean(formulas, mean) == (x, axis):
            return _Measured(x, mean, axis, epsilon)
    return None


def _mean(formulas: Formulas, edge: Edge) -> tuple[Edge, int] | None:
    """What the mean at ``edge`` is of, and over which one axis, which stays with extent 1."""
    node = _node(formulas, edge)
    if node is None or node.op != "Mean" or node.attrs.get("keep_dims") is not True:
        return None
    axes = formulas.graph.constants.get(formulas.behind(node.inputs[1]).node)
    if axes is None or axes.size != 1:
        return None
    return formulas.behind(node.inputs[0]), int(np.asarray(axes).reshape(-1)[0])


def _is_deviation(formulas: Formulas, edge: Edge, measured: _Measured) -> bool:
    node = _node(formulas, edge)
    operands = [formulas.behind(source) for source in node.inputs] if node is not None and node.op == "Sub" else []
    return operands == [measured.x, measured.mean]


def _pairs(formulas: Formulas, node: Node | None, *ops: str) -> Iterator[tuple[Edge, Edge]]:
    """The two operands of ``node`` in either order, when its op is among ``ops``; of any node without ops."""
    if node is not None and len(node.inputs) == 2 and (not ops or node.op in ops):
        first, second = (formulas.behind(edge) for edge in node.inputs)
        yield first, second
        yield second, first


def _node(formulas: Formulas, edge: Edge) -> Node | None:
    edge = formulas.behind(edge)
    return None if edge.index else formulas.graph.nodes.get(edge.node)


def _is_vector(formulas: Formulas, edge: Edge) -> bool:
    value = None if edge.index else formulas.graph.constants.get(formulas.behind(edge).node)
    return value is not None and value.ndim == 1 and value.dtype == np.float32
