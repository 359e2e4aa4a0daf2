"""Transpositions move behind elementwise ops, joins, pads and sums, until they meet their inverse."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from tfgl.ir.graph import AttrValue, DataType, Edge, Graph, Node

from .editing import Editor
from .rewriting import PassContext, Rewritten

Order = tuple[int, ...]
_UNARY_OPS = """
    Abs Cast Ceil ClipByValue Cos Elu Erf Exp Expm1 Floor Identity LeakyRelu Log Log1p Neg Reciprocal Relu Relu6 Round
    Rsqrt Selu Sigmoid Sign Sin Softplus Sqrt Square Tanh
"""
_BINARY_OPS = "Add AddV2 Div FloorDiv Maximum Minimum Mul Pow RealDiv SquaredDifference Sub"
_UNARY = frozenset(_UNARY_OPS.split())
_BINARY = frozenset(_BINARY_OPS.split())
_REDUCTIONS = frozenset(("Max", "Mean", "Min", "Prod", "Sum"))


def sink_transposes(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with transpositions of sole readers moved behind them; two that undo each other are gone.

    A graph whose convolutions are written channels first has them around each; between a convolution and the next
    none remains.
    """
    if not any(node.op == "Transpose" for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    return _Sinking(graph, context).run()


class _Sinking:
    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.context = context
        self.editor = Editor(graph, context.protected)
        self.reads = Counter(edge for node in graph.nodes.values() for edge in node.inputs)
        self.count = 0

    def run(self) -> Rewritten:
        for node in self.graph.topological_order():
            if node.op == "Transpose":
                self._cancel(node)
            elif node.op in _UNARY:
                self._unary(node)
            elif node.op in _BINARY and len(node.inputs) == 2:
                self._binary(node)
            elif node.op == "ConcatV2":
                self._concat(node)
            elif node.op in ("Pad", "PadV2", "MirrorPad"):
                self._pad(node)
            elif node.op in _REDUCTIONS:
                self._reduce(node)
        return Rewritten(self.editor.graph() if self.count else self.graph, self.count)

    def _transposed(self, edge: Edge) -> tuple[Edge, Order] | None:
        """What the transposition at ``edge`` reads, and its order."""
        edge = self.editor.resolve(edge)
        node = self.editor.nodes.get(edge.node)
        if node is None or node.op != "Transpose" or len(node.inputs) != 2:
            return None
        perm = self.editor.value(self.editor.resolve(node.inputs[1]))
        if perm is None or perm.ndim != 1:
            return None
        return self.editor.resolve(node.inputs[0]), tuple(int(axis) % perm.size for axis in perm)

    def _movable(self, edge: Edge) -> tuple[Edge, Order] | None:
        """The same, when only one node reads it and nobody needs its name."""
        at = self.editor.resolve(edge)
        if at.node in self.context.protected or self.reads[at] != 1:
            return None
        return self._transposed(at)

    def _cancel(self, node: Node) -> None:
        outer = self._transposed(Edge(node.name))
        inner = None if outer is None else self._transposed(node.inputs[0])
        if outer is None or inner is None or node.name in self.context.protected:
            return
        source, first = inner
        if [first[axis] for axis in outer[1]] != list(range(len(first))):
            return
        self.reads[self.editor.resolve(node.inputs[0])] -= 1
        self.reads[source] += self.reads[Edge(node.name)]
        self.editor.replace_node(node, [source])
        self.count += 1

    def _unary(self, node: Node) -> None:
        found = self._movable(node.inputs[0]) if node.inputs else None
        if found is not None:
            self._sink(node, (found[0], *node.inputs[1:]), found[1])

    def _binary(self, node: Node) -> None:
        sides = [self._movable(edge) for edge in node.inputs]
        left, right = sides
        if left is not None and right is not None:
            if left[1] == right[1] and node.inputs[0] != node.inputs[1]:
                self._sink(node, (left[0], right[0]), left[1])
            return
        at = 0 if left is not None else 1
        moved = sides[at]
        value = self.editor.value(self.editor.resolve(node.inputs[1 - at]))
        if moved is None or value is None or value.ndim > len(moved[1]):
            return
        source, order = moved
        other = self.editor.resolve(node.inputs[1 - at])
        if value.size > 1:
            full = value.reshape((1,) * (len(order) - value.ndim) + value.shape)
            back = full.transpose([order.index(axis) for axis in range(len(order))])
            # Fewer axes where the first ones are 1, as biases are written.
            while back.ndim > 1 and back.shape[0] == 1:
                back = back[0]
            other = self.editor.constant(f"{node.name}/moved_operand", np.ascontiguousarray(back))
        elif value.ndim:
            other = self.editor.constant(f"{node.name}/moved_operand", value.reshape(()))
        self._sink(node, (source, other) if at == 0 else (other, source), order)

    def _concat(self, node: Node) -> None:
        axis = self.editor.value(self.editor.resolve(node.inputs[-1]))
        found = [self._movable(edge) for edge in node.inputs[:-1]]
        orders = {None if one is None else one[1] for one in found}
        if axis is None or len(orders) != 1 or None in orders or len(set(node.inputs[:-1])) < len(found):
            return
        (order,) = orders
        assert order is not None
        place = self.editor.constant(f"{node.name}/moved_axis", np.int32(order[int(axis.reshape(-1)[0]) % len(order)]))
        self._sink(node, (*(one[0] for one in found if one is not None), place), order)

    def _pad(self, node: Node) -> None:
        found = self._movable(node.inputs[0])
        frame = self.editor.value(self.editor.resolve(node.inputs[1]))
        if found is None or frame is None or frame.shape != (len(found[1]), 2):
            return
        source, order = found
        back = frame[[order.index(axis) for axis in range(len(order))]].astype(np.int32)
        moved = self.editor.constant(f"{node.name}/moved_paddings", back)
        self._sink(node, (source, moved, *node.inputs[2:]), order, Tpaddings=DataType("int32"))

    def _reduce(self, node: Node) -> None:
        found = self._movable(node.inputs[0])
        axes = self.editor.value(self.editor.resolve(node.inputs[1]))
        if found is None or axes is None:
            return
        source, order = found
        gone = [int(axis) % len(order) for axis in axes.reshape(-1)]
        keep = node.attrs.get("keep_dims", node.attrs.get("keepdims")) is True
        moved = self.editor.constant(f"{node.name}/moved_axes", np.array([order[axis] for axis in gone], np.int32))
        attrs: dict[str, AttrValue] = {"Tidx": DataType("int32")}
        if keep:
            self._sink(node, (source, moved), order, **attrs)
            return
        left = [order[axis] for axis in range(len(order)) if axis not in gone]
        rank = {axis: place for place, axis in enumerate(sorted(left))}
        self._sink(node, (source, moved), tuple(rank[axis] for axis in left), **attrs)

    def _sink(self, node: Node, inputs: tuple[Edge, ...], order: Order, **attrs: AttrValue) -> None:
        """``node`` over ``inputs``, and what read it reads it through a transposition."""
        self.count += 1
        kept = {key: value for key, value in node.attrs.items() if key != "_output_shapes"} | attrs
        straight = order == tuple(range(len(order)))
        readers = self.reads[Edge(node.name)]
        if straight:
            self.editor.put(dataclasses.replace(node, inputs=inputs, attrs=kept))
            return
        name = self.editor.fresh(f"{node.name}/moved")
        self.editor.put(Node(name, node.op, inputs, (), kept, node.device))
        perm = self.editor.constant(f"{node.name}/perm", np.array(order, np.int32))
        dtype = node.attrs.get("DstT" if node.op == "Cast" else "T")
        types: dict[str, AttrValue] = {"Tperm": DataType("int32")}
        if isinstance(dtype, DataType):
            types["T"] = dtype
        # The transposition takes the name, which outputs may know.
        self.editor.put(Node(node.name, "Transpose", (Edge(name), perm), (), types))
        self.reads[Edge(name)] = 1
        self.reads[Edge(node.name)] = readers
