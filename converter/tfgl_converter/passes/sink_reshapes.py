"""A Reshape behind a matrix product moves behind its bias and activation, so that these can be fused."""

from __future__ import annotations

from tfgl.ir.graph import AttrValue, DataType, Edge, Graph, Node

from .editing import Editor, reader_counts
from .known_shapes import KnownShapes
from .rewriting import PassContext, Rewritten

_SUMS = ("Add", "AddV2", "BiasAdd")
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu")


def sink_reshapes(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with MatMul, Reshape, bias, activation as MatMul, bias, activation, Reshape.

    Exporters write a dense layer over more than two axes so. The Reshape must leave the last axis as it is, and
    nothing else may read it.
    """
    if not any(node.op == "MatMul" for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    counts = dict(reader_counts(graph))
    shapes = KnownShapes(graph)
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.topological_order():
        found = _operands(node, editor)
        if found is None:
            continue
        edge, other = found
        reshape = editor.nodes.get(edge.node)
        if reshape is None or reshape.op != "Reshape" or edge.index or counts.get(edge) != 1:
            continue
        if reshape.name in context.protected or not _from_product(reshape, editor, counts):
            continue
        inside, outside = _product_shape(reshape, editor, shapes), shapes.of(edge)
        if other is not None and not _same_channels(inside, outside, other, editor):
            continue
        source = editor.resolve(reshape.inputs[0])
        attrs = {key: value for key, value in node.attrs.items() if key != "_output_shapes"}
        moved = editor.fresh(f"{node.name}/moved")
        inputs = (source,) if other is None else (source, other)
        editor.put(Node(moved, node.op, inputs, (), attrs, node.device))
        types: dict[str, AttrValue] = {"Tshape": reshape.attrs.get("Tshape", DataType("int32"))}
        if "T" in attrs:
            types["T"] = attrs["T"]
        editor.put(Node(node.name, "Reshape", (Edge(moved), reshape.inputs[1]), (), types))
        editor.remove(reshape.name)
        counts[Edge(moved)] = 1
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _operands(node: Node, editor: Editor) -> tuple[Edge, Edge | None] | None:
    """What may be a Reshape, and the constant beside it."""
    if node.op in _ACTIVATIONS and len(node.inputs) == 1:
        return editor.resolve(node.inputs[0]), None
    if node.op not in _SUMS or len(node.inputs) != 2 or node.attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    for side in (0, 1) if node.op != "BiasAdd" else (0,):
        other = editor.resolve(node.inputs[1 - side])
        if not other.index and other.node in editor.constants:
            return editor.resolve(node.inputs[side]), other
    return None


def _from_product(reshape: Node, editor: Editor, counts: dict[Edge, int]) -> bool:
    """Whether a MatMul lies above, with nothing but a bias between."""
    edge = editor.resolve(reshape.inputs[0])
    node = editor.nodes.get(edge.node)
    while node is not None and node.op in _SUMS and counts.get(edge) == 1:
        edge = editor.resolve(node.inputs[0])
        node = editor.nodes.get(edge.node)
    return node is not None and node.op == "MatMul" and counts.get(edge) == 1


def _product_shape(reshape: Node, editor: Editor, shapes: KnownShapes) -> tuple[int, ...] | None:
    """The shape of the product above, which a bias between does not change."""
    node = editor.nodes.get(editor.resolve(reshape.inputs[0]).node)
    while node is not None and node.op in _SUMS:
        node = editor.nodes.get(editor.resolve(node.inputs[0]).node)
    return None if node is None else shapes.of(Edge(node.name))


def _same_channels(
    inside: tuple[int, ...] | None, outside: tuple[int, ...] | None, other: Edge, editor: Editor
) -> bool:
    value = editor.constants[other.node]
    if value.size == 1 and value.ndim <= 1:
        return True
    return bool(inside and outside and value.ndim == 1 and inside[-1] == outside[-1] == value.size)
