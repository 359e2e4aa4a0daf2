"""Normalisation and softmax spelt out in several nodes become kernels of one or two draws."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from ..graph import AttrValue, Edge, Graph, Node, unused_name
from .formulas import ADD, Formulas


@dataclass(frozen=True, slots=True)
class _Spread:
    """1 / sqrt(variance of x over axes + epsilon), and the mean that belongs to it."""

    x: Edge
    mean: Edge
    axes: tuple[int, ...]
    epsilon: float


@dataclass(frozen=True, slots=True)
class _Normalized:
    """(x - mean) / sqrt(variance + epsilon), times ``scale``, plus ``offset``, where there are any."""

    spread: _Spread
    scale: Edge | None = None
    offset: Edge | None = None


def recognize_standardized(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each (x - mean) / sqrt(variance + epsilon), and how many.

    Found as (x - mean) f, as x f - mean f with a scale in f and an offset, both as frameworks write them, and as batch
    normalisation in training mode of one image with channels first, which Keras 2 makes of rows.
    """
    formulas = Formulas(graph, protected)
    nodes = dict(graph.nodes)
    count = 0
    for node in reversed(graph.topological_order()):
        found = _normalized(formulas, node) if node.name in nodes else None
        if found is None:
            continue
        spread = found.spread
        operands = [edge for edge in (spread.x, found.scale, found.offset) if edge is not None]
        ops = [op for op, edge in (("Mul", found.scale), ("AddV2", found.offset)) if edge is not None]
        attrs: dict[str, AttrValue] = {"axes": list(spread.axes), "epsilon": spread.epsilon}
        names = [unused_name(f"{node.name}/standardized_{k}", nodes) for k in range(len(ops))] + [node.name]
        nodes[names[0]] = Node(names[0], "_Standardize", (spread.x,), (), attrs, node.device)
        for at, (op, edge) in enumerate(zip(ops, operands[1:], strict=True)):
            nodes[names[at + 1]] = Node(names[at + 1], op, (Edge(names[at]), edge), (), {}, node.device)
        formulas.drop_steps(nodes, node, *operands)
        count += 1
    return graph.replace(nodes=nodes) if count else graph, count


def recognize_softmax(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with one node for each exp(x - max(x)) / sum(exp(x - max(x))) along one axis, and how many."""
    formulas = Formulas(graph, protected)
    nodes = dict(graph.nodes)
    count = 0
    for node in reversed(graph.topological_order()):
        found = _softmax(formulas, node) if node.op == "RealDiv" and node.name in nodes else None
        if found is not None:
            x, axis = found
            nodes[node.name] = Node(node.name, "_Softmax", (x,), (), {"axis": axis}, node.device)
            formulas.drop_steps(nodes, node, x)
            count += 1
    return graph.replace(nodes=nodes) if count else graph, count


def _softmax(formulas: Formulas, node: Node) -> tuple[Edge, int] | None:
    powers = formulas.at(node.inputs[0], "Exp")
    total = formulas.at(node.inputs[1], "Sum")
    if powers is None or total is None or formulas.at(total.inputs[0], "Exp") is not powers:
        return None
    shifted = formulas.at(powers.inputs[0], "Sub")
    largest = formulas.at(shifted.inputs[1], "Max") if shifted is not None else None
    if shifted is None or largest is None:
        return None
    x = formulas.behind(shifted.inputs[0])
    axes = {formulas.reduced(total), formulas.reduced(largest)}
    if formulas.behind(largest.inputs[0]) != x or None in axes or len(axes) != 1:
        return None
    (where,) = axes
    return (x, where[0]) if where is not None and len(where) == 1 else None


def _normalized(formulas: Formulas, node: Node) -> _Normalized | None:
    if node.op in ADD:
        for first, second in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
            found = _moved(formulas, first, second)
            if found is not None:
                return found
    elif node.op == "Sub":
        return _moved(formulas, node.inputs[0], node.inputs[1], negative=True)
    elif node.op in ("Mul", "RealDiv"):
        return _centred(formulas, node)
    elif node.op == "FusedBatchNormV3":
        return _of_batch_norm(formulas, node)
    return None


def _centred(formulas: Formulas, node: Node) -> _Normalized | None:
    """(x - mean) f, where f may have a scale in it."""
    if node.op == "RealDiv":
        root = formulas.at(node.inputs[1], "Sqrt")
        spread = _variance(formulas, root.inputs[0]) if root is not None else None
        return _Normalized(spread) if spread is not None and _is_centred(formulas, node.inputs[0], spread) else None
    for centre, factor in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        found = _factor(formulas, factor)
        if found is not None and _is_centred(formulas, centre, found[0]):
            return _Normalized(*found)
    return None


def _moved(formulas: Formulas, scaled: Edge, rest: Edge, *, negative: bool = False) -> _Normalized | None:
    """x f + offset - mean f, with the sum of the last two in ``rest``; ``negative``: with mean f there, subtracted."""
    product = formulas.at(scaled, "Mul")
    if product is None:
        return None
    for x, factor in ((product.inputs[0], product.inputs[1]), (product.inputs[1], product.inputs[0])):
        found = _factor(formulas, factor)
        if found is None or formulas.behind(x) != found[0].x:
            continue
        offset = _offset(formulas, rest, found[0].mean, formulas.behind(factor), negative)
        if offset is not None:
            return _Normalized(*found, *offset)
    return None


def _offset(formulas: Formulas, rest: Edge, mean: Edge, factor: Edge, negative: bool) -> tuple[Edge | None] | None:
    """What stands beside the mean times the factor in ``rest``; None where that product is not there."""
    if formulas.is_product(rest, 1.0 if negative else -1.0, mean, factor):
        return (None,)
    total = None if negative else formulas.at(rest, "Sub", *ADD)
    if total is None:
        return None
    first, second = total.inputs
    if total.op == "Sub":
        return (first,) if formulas.is_product(second, 1.0, mean, factor) else None
    for product, offset in ((first, second), (second, first)):
        if formulas.is_product(product, -1.0, mean, factor):
            return (offset,)
    return None


def _factor(formulas: Formulas, edge: Edge) -> tuple[_Spread, Edge | None] | None:
    """1 / sqrt(variance + epsilon) at ``edge``, and a scale that it is multiplied by."""
    spread = _inverse_root(formulas, edge)
    if spread is not None:
        return spread, None
    product = formulas.at(edge, "Mul")
    for root, scale in (product.inputs, product.inputs[::-1]) if product is not None else ():
        spread = _inverse_root(formulas, root)
        if spread is not None:
            return spread, scale
    return None


def _inverse_root(formulas: Formulas, edge: Edge) -> _Spread | None:
    root = formulas.at(edge, "Rsqrt")
    return _variance(formulas, root.inputs[0]) if root is not None else None


def _variance(formulas: Formulas, edge: Edge) -> _Spread | None:
    """The variance plus epsilon at ``edge``."""
    total = formulas.at(edge, *ADD)
    added = formulas.with_number(total) if total is not None else None
    mean_of_squares = formulas.at(added[0], "Mean") if added is not None else None
    axes = formulas.reduced(mean_of_squares) if mean_of_squares is not None else None
    if added is None or mean_of_squares is None or axes is None:
        return None
    squares = formulas.at(mean_of_squares.inputs[0], "SquaredDifference", "Square", "Mul", "Pow")
    if squares is None:
        return None
    difference = squares if squares.op == "SquaredDifference" else formulas.at(squares.inputs[0], "Sub")
    if squares.op == "Mul" and formulas.behind(squares.inputs[0]) != formulas.behind(squares.inputs[1]):
        return None
    if squares.op == "Pow" and formulas.number(squares.inputs[1]) != 2:
        return None
    if difference is None:
        return None
    x, mean = (formulas.behind(side) for side in difference.inputs)
    node = formulas.at(mean, "Mean")
    if node is None or formulas.behind(node.inputs[0]) != x or formulas.reduced(node) != axes:
        return None
    return _Spread(x, mean, axes, added[1])


def _is_centred(formulas: Formulas, edge: Edge, spread: _Spread) -> bool:
    node = formulas.at(edge, "Sub")
    return node is not None and tuple(map(formulas.behind, node.inputs)) == (spread.x, spread.mean)


def _of_batch_norm(formulas: Formulas, node: Node) -> _Normalized | None:
    """Rows as channels of one image: [1, rows, elements, 1], each with a scale of 1 and an offset of 0."""
    if node.attrs.get("is_training") is not True or node.attrs.get("data_format") != b"NCHW":
        return None
    if any(formulas.is_read(Edge(node.name, index)) for index in range(1, 6)):
        return None
    if formulas.filled_with(node.inputs[1]) != 1 or formulas.filled_with(node.inputs[2]) != 0:
        return None
    image = formulas.at(node.inputs[0], "Reshape")
    if image is None or formulas.first_extent(image.inputs[1]) != 1:
        return None
    epsilon = node.attrs.get("epsilon")
    held = float(epsilon) if isinstance(epsilon, (int, float)) and not isinstance(epsilon, bool) else 1e-4
    return _Normalized(_Spread(node.inputs[0], node.inputs[0], (2, 3), held)) if math.isfinite(held) else None
