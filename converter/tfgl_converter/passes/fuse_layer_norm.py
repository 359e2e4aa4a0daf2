"""Layer norms and the like, which TensorFlow.js has no op for, in one short form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfgl.ir.graph import AttrValue, DataType, Edge, Graph, Node

from .editing import Editor
from .known_shapes import KnownShapes
from .patterns import Formula
from .rewriting import PassContext, Rewritten

_NORMS = ("FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm")


@dataclass(frozen=True)
class _Norm:
    """(x - mean) / sqrt(variance + epsilon), over ``axes``, times ``scale``, plus ``offset``."""

    x: Edge
    axes: tuple[int, ...]
    epsilon: float
    scale: Edge | None
    offset: Edge | None


def fuse_layer_norm(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with each norm over axes of one tensor as d = x - mean x, d · (rsqrt(mean d² + ε) · scale) + offset.

    Keras writes x · f + (offset - mean · f), or a batch norm in training over a reshaped tensor, whose statistics
    TensorFlow.js does not compute.
    """
    nodes = graph.nodes.values()
    if not any(node.op in ("Rsqrt", "FusedBatchNormV3") for node in nodes):
        return Rewritten(graph, 0)
    shapes = KnownShapes(graph)
    editor = Editor(graph, context.protected)
    count = 0
    gone: set[str] = set()
    # Roots first: the sum with the offset takes in what is a norm without one.
    for node in reversed(graph.topological_order()):
        if node.op not in ("Add", "AddV2", "Mul", "Reshape") or node.name in gone:
            continue
        formula = Formula(graph)
        norm = _written_out(node, formula, shapes) if node.op != "Reshape" else None
        if norm is None:
            formula = Formula(graph)
            norm = _in_training(node, formula, shapes)
        if norm is None or not formula.enclosed(node, context.protected):
            continue
        gone |= formula.inside
        _write(node, norm, editor)
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _written_out(node: Node, formula: Formula, shapes: KnownShapes) -> _Norm | None:
    """x · f + (offset - mean · f), or without offset x · f - mean · f, with f = rsqrt(...) · scale."""
    if node.op == "Mul":
        return None
    outer = frozenset(formula.inside)
    for product, rest in (node.inputs, node.inputs[::-1]):
        formula.starting_from(outer)
        left, right = formula.node(product, "Mul"), formula.node(rest, "Sub")
        shift = None if right is None else formula.node(right.inputs[1], "Mul")
        if left is None or right is None or shift is None:
            continue
        for x, factor in (left.inputs, left.inputs[::-1]):
            other = [edge for edge in shift.inputs if edge != factor]
            if factor not in shift.inputs or len(other) != 1:
                continue
            found = _root(factor, formula, shapes)
            if found is not None and found[0] == x and found[1] == other[0]:
                return _Norm(x, found[2], found[3], found[4], right.inputs[0])
    return None


def _root(
    factor: Edge, formula: Formula, shapes: KnownShapes
) -> tuple[Edge, Edge, tuple[int, ...], float, Edge | None] | None:
    """x, its mean, the axes, epsilon and the scale of rsqrt(mean (x - mean x)² + ε) [· scale]."""
    scale: Edge | None = None
    root = formula.node(factor, "Rsqrt")
    if root is None:
        product = formula.node(factor, "Mul")
        for inner, other in () if product is None else (product.inputs, product.inputs[::-1]):
            root = formula.node(inner, "Rsqrt")
            if root is not None:
                scale = other
                break
    total = None if root is None else formula.node(root.inputs[0], "Add", "AddV2")
    for inner, other in () if total is None else (total.inputs, total.inputs[::-1]):
        epsilon, variance = formula.number(other), formula.node(inner, "Mean")
        square = None if variance is None else formula.node(variance.inputs[0], "SquaredDifference")
        if epsilon is None or variance is None or square is None:
            continue
        for x, mean in (square.inputs, square.inputs[::-1]):
            average = formula.node(mean, "Mean")
            if average is None or average.inputs[0] != x:
                continue
            axes = [_axes(one, shapes) for one in (average, variance)]
            if axes[0] is not None and axes[0] == axes[1]:
                return x, mean, axes[0], epsilon, scale
    return None


def _axes(mean: Node, shapes: KnownShapes) -> tuple[int, ...] | None:
    axes = shapes.whole(mean, 1)
    return None if axes is None or mean.attrs.get("keep_dims") is not True else tuple(axes)


def _in_training(node: Node, formula: Formula, shapes: KnownShapes) -> _Norm | None:
    """Reshape to [1, rows, columns, 1], batch norm with its own statistics, Reshape back [, · scale] [, + offset]."""
    offset: Edge | None = None
    scale: Edge | None = None
    edge = Edge(node.name)
    total = formula.node(edge, "Add", "AddV2")
    for inner, other in () if total is None else (total.inputs, total.inputs[::-1]):
        if other.node in formula.graph.constants:
            edge, offset = inner, other
    product = formula.node(edge, "Mul")
    for inner, other in () if product is None else (product.inputs, product.inputs[::-1]):
        if other.node in formula.graph.constants:
            edge, scale = inner, other
    back = formula.node(edge, "Reshape")
    norm = None if back is None else formula.node(back.inputs[0], *_NORMS)
    laid = None if norm is None else formula.node(norm.inputs[0], "Reshape")
    if norm is None or laid is None or norm.attrs.get("is_training") is False:
        return None
    if len(formula.graph.consumers[norm.name]) != 1:
        return None
    x = laid.inputs[0]
    before, flat, after = shapes.of(x), shapes.of(Edge(laid.name)), shapes.of(Edge(node.name))
    if before is None or flat is None or len(flat) != 4 or norm.attrs.get("data_format") != b"NCHW" or after is None:
        return None
    columns = before[-1]
    # One row a "channel": the statistics of each are over the last axis.
    if flat[0] != 1 or flat[3] != 1 or flat[2] != columns or columns <= 0 or len(after) != len(before):
        return None
    if not (_filled(norm, 1, 1.0, formula) and _filled(norm, 2, 0.0, formula)):
        return None
    epsilon = norm.attrs.get("epsilon", 1e-4)
    return _Norm(x, (-1,), float(epsilon) if isinstance(epsilon, (int, float)) else 1e-4, scale, offset)


def _filled(norm: Node, i: int, value: float, formula: Formula) -> bool:
    """Whether input ``i`` holds nothing but ``value``: a constant, or a Fill of unknown size."""
    edge = norm.inputs[i]
    fill = formula.node(edge, "Fill")
    held = formula.graph.constants.get(edge.node if fill is None else fill.inputs[1].node)
    return held is not None and bool((np.asarray(held) == value).all())


def _write(node: Node, norm: _Norm, editor: Editor) -> None:
    types: dict[str, AttrValue] = {"T": node.attrs["T"]} if "T" in node.attrs else {}
    int32 = DataType("int32")

    def op(name: str, inputs: Sequence[Edge], **attrs: AttrValue) -> Edge:
        return editor.add(f"{node.name}/{name}", name, inputs, {**types, **attrs})

    axes = editor.constant(f"{node.name}/axes", np.array(norm.axes, np.int32))
    mean = op("Mean", (norm.x, axes), Tidx=int32, keep_dims=True)
    difference = op("Sub", (norm.x, mean))
    variance = op("Mean", (op("Square", (difference,)), axes), Tidx=int32, keep_dims=True)
    epsilon = editor.constant(f"{node.name}/epsilon", np.float32(norm.epsilon))
    factor = op("Rsqrt", (op("AddV2", (variance, epsilon)),))
    if norm.scale is not None:
        factor = op("Mul", (factor, norm.scale))
    if norm.offset is None:
        editor.put(Node(node.name, "Mul", (difference, factor), (), types))
        return
    scaled = op("Mul", (difference, factor))
    editor.put(Node(node.name, "AddV2", (scaled, norm.offset), (), types))
