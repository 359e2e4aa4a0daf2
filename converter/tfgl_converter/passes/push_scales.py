"""A constant factor before convolutions and matrix products goes into their weights, also from further above."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tfgl.ir.graph import Edge, Graph, Node
from tfgl.ir.lazy_array import LazyArray, scaled

from .editing import Array, Editor, reader_counts
from .rewriting import PassContext, Rewritten

# Which axis of the weights meets the channels of the input.
_PRODUCTS = {"Conv2D": 2, "DepthwiseConv2dNative": 2, "MatMul": 0}
# f(c x) = c f(x), for the first input.
_LINEAR_OPS = """
    AvgPool ExpandDims Identity Mean Neg Reshape Reverse ReverseV2 Slice SpaceToBatchND BatchToSpaceND Squeeze
    StridedSlice Sum Transpose
"""
_LINEAR = frozenset(_LINEAR_OPS.split())
_FARTHEST = 24
_MOST_NODES = 200


def push_scales(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without Mul and RealDiv by one number whose every way on ends in constant weights.

    On the way there may be pools, means, rearrangements and products with other tensors, as in the hard swish
    x · relu6(x + 3) / 6. A factor for each channel goes into the product that reads it and nothing else.
    """
    editor = Editor(graph, context.protected)
    search = _Search(graph, context)
    count = 0
    for node in graph.nodes.values():
        found = _factor(node, graph)
        if found is None or node.name in context.protected:
            continue
        source, factor = found
        targets = search.from_node(node.name, far=factor.size == 1)
        if not targets:
            continue
        changed = {name: _scaled(graph.nodes[name], factor, search) for name in targets}
        if any(weights is None for weights in changed.values()):
            continue
        for name, weights in changed.items():
            assert weights is not None
            product = editor.nodes[name]
            edge = editor.constant(f"{name}/scaled_weights", weights)
            editor.put(dataclasses.replace(product, inputs=(product.inputs[0], edge, *product.inputs[2:])))
            search.weights[name] = weights
        editor.replace_node(node, [source])
        count += 1
    return Rewritten(editor.graph() if count else graph, count)


def _factor(node: Node, graph: Graph) -> tuple[Edge, Array] | None:
    """What the node multiplies by a constant, and that constant."""
    if node.op not in ("Mul", "RealDiv") or len(node.inputs) != 2:
        return None
    for side in (0, 1) if node.op == "Mul" else (0,):
        edge = node.inputs[1 - side]
        value = None if edge.index else graph.constants.get(edge.node)
        if value is None or value.dtype.kind != "f" or (value.size != 1 and value.shape[-1:] != (value.size,)):
            continue
        factor = np.asarray(value).astype(np.float64).reshape(-1)
        if not factor.size or not np.isfinite(factor).all() or (factor == 0).any():
            continue
        # A constant of more axes than what it meets would add some; what products read has at least two.
        if value.ndim <= 2:
            return node.inputs[side], factor if node.op == "Mul" else 1 / factor
    return None


class _Search:
    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.context = context
        self.counts: Mapping[Edge, int] = reader_counts(graph)
        # Those that were scaled already.
        self.weights: dict[str, Array | LazyArray] = {}
        self._left = 0
        self._read_by_products: dict[str, int] = {}
        for node in graph.nodes.values():
            if node.op in _PRODUCTS and len(node.inputs) > 1:
                name = node.inputs[1].node
                self._read_by_products[name] = self._read_by_products.get(name, 0) + 1

    def held(self, product: Node) -> Array | LazyArray | None:
        """The product's weights as they are now."""
        if product.name in self.weights:
            return self.weights[product.name]
        edge = product.inputs[1]
        value = None if edge.index else self.graph.constants.get(edge.node)
        # Weights that several products share would have to be there twice.
        if value is None or value.dtype.kind != "f" or self._read_by_products.get(edge.node) != 1:
            return None
        return value

    def from_node(self, name: str, *, far: bool) -> list[str]:
        """The products that all readers lead to, or are when not ``far``; none when one leads elsewhere."""
        self._left = _MOST_NODES
        found = self._targets(name, 0 if far else _FARTHEST)
        return found if len(set(found)) == len(found) else []

    def _targets(self, name: str, distance: int) -> list[str]:
        found: list[str] = []
        readers = self.graph.consumers[name]
        self._left -= len(readers)
        if self._left < 0:
            return []
        for reader in readers:
            if sum(edge.node == name for edge in reader.inputs) != 1:
                return []
            if reader.op in _PRODUCTS and reader.inputs[0] == Edge(name):
                if reader.attrs.get("data_format", b"NHWC") != b"NHWC" or reader.attrs.get("transpose_a") is True:
                    return []
                found.append(reader.name)
                continue
            passes = reader.op in _LINEAR and reader.inputs[0] == Edge(name)
            passes |= reader.op == "Mul" and Edge(name) in reader.inputs
            if not passes or reader.name in self.context.protected or distance == _FARTHEST:
                return []
            more = self._targets(reader.name, distance + 1)
            if not more:
                return []
            found += more
        return found


def _scaled(product: Node, factor: Array, search: _Search) -> Array | LazyArray | None:
    weights = search.held(product)
    if weights is None:
        return None
    axis = _PRODUCTS[product.op]
    if product.op == "MatMul" and product.attrs.get("transpose_b") is True:
        axis = 1
    if factor.size > 1 and factor.size != weights.shape[axis]:
        return None
    shape = [1] * weights.ndim
    shape[axis] = factor.size
    return scaled(weights, factor.reshape(shape))
