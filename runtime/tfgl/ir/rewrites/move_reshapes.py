"""Bias and activation behind a Reshape of a matrix product go before it, where they can go into the product."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..graph import Edge, Graph, Node
from .readers import reader_counts, sole_source
from .repetition import repeated

_PRODUCTS = ("MatMul", "_FusedMatMul")
# Those that cost a product nothing; long functions are computed on flat tensors.
_ACTIVATIONS = ("Relu", "Relu6", "LeakyRelu")


def move_reshapes(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with such biases and activations before the Reshape, and how many were moved.

    A layer on rows of more than two axes is a product of two, a Reshape, then bias
    and activation. The Reshape takes the name of what went before it, and the other way round.
    """
    return repeated(graph, lambda current: _once(current, protected))


def _once(graph: Graph, protected: Collection[str]) -> tuple[Graph, int]:
    readers = reader_counts(graph)
    nodes: dict[str, Node] = {}
    moved: set[str] = set()
    for node in graph.nodes.values():
        found = _reshape_before(node, graph, readers, protected)
        if found is None or found[0].name in moved:
            nodes[node.name] = node
            continue
        reshape, side = found
        inputs = (*node.inputs[:side], reshape.inputs[0], *node.inputs[side + 1 :])
        del nodes[reshape.name]
        nodes[reshape.name] = Node(reshape.name, node.op, inputs, node.control_inputs, node.attrs, node.device)
        shaped = (Edge(reshape.name), *reshape.inputs[1:])
        nodes[node.name] = Node(
            node.name, reshape.op, shaped, reshape.control_inputs, reshape.attrs, reshape.device
        )
        moved |= {node.name, reshape.name}
    return graph.replace(nodes=nodes), len(moved) // 2


def _reshape_before(
    node: Node, graph: Graph, readers: Mapping[Edge, int], protected: Collection[str]
) -> tuple[Node, int] | None:
    """The Reshape that ``node`` can go before, and which input it is."""
    if node.op not in ("BiasAdd", "Add", "AddV2", *_ACTIVATIONS):
        return None
    for side in (0, 1) if node.op in ("Add", "AddV2") else (0,):
        reshape = sole_source(node.inputs[side], graph, readers, protected)
        if reshape is None or reshape.op != "Reshape":
            continue
        source = sole_source(reshape.inputs[0], graph, readers, protected)
        if source is None:
            continue
        if node.op in _ACTIVATIONS:
            if source.op in (*_PRODUCTS, "BiasAdd", "Add", "AddV2"):
                return reshape, side
        elif source.op in _PRODUCTS and _is_bias(node, node.inputs[1 - side], reshape, source, graph):
            return reshape, side
    return None


def _is_bias(node: Node, operand: Edge, reshape: Node, product: Node, graph: Graph) -> bool:
    """Whether ``operand`` is one number for each column of ``product``, and the Reshape keeps the columns."""
    bias, kernel = (graph.constants.get(edge.node) for edge in (operand, product.inputs[1]))
    if bias is None or kernel is None or bias.ndim != 1 or kernel.ndim != 2 or product.attrs.get("fused_ops"):
        return False
    if bias.size != kernel.shape[0 if product.attrs.get("transpose_b") is True else 1]:
        return False
    if node.op == "BiasAdd":  # takes nothing but one number for each place on the last axis
        return node.attrs.get("data_format", b"NHWC") == b"NHWC"
    extents = graph.constants.get(reshape.inputs[1].node)
    return extents is not None and extents.size > 1 and int(extents.reshape(-1)[-1]) == bias.size
