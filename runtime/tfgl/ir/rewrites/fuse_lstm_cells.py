"""The step of an LSTM, written out as products, gates and sums, becomes one node."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Edge, Graph, Node, unused_name
from .readers import reader_counts, sole_source

Array = np.ndarray[Any, Any]
CELL = "_LSTMCell"
_STATE = 2  # of the outputs of a cell
_GATES = 4
_LANES = 4  # of a texel
_SUMS = ("Add", "AddV2", "BiasAdd")
_Product = tuple[Edge, Edge]  # what is multiplied, and the constant matrix


def fuse_lstm_cells(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with each step of an LSTM as one node, and how many there were.

    A step is h = sigmoid(o) tanh(c), c = sigmoid(f) c' + sigmoid(i) tanh(g) with i, f, g, o the parts, in any order, of
    a Split of x W + h' U + b; W, U and b are constants, the units divide by 4. Steps hand on their state as it is; one
    that begins with zeros makes them itself. Steps over a sequence that is unpacked read the sequence.
    """
    finder = _Finder(graph, protected)
    nodes, constants = dict(graph.nodes), dict(graph.constants)
    states: dict[_Product, Edge] = {}
    packed: dict[tuple[object, ...], tuple[Edge, ...]] = {}
    count = 0
    for node in graph.topological_order():
        cell = finder.cell(node)
        if cell is None:
            continue
        # Which product is that of the output before, the first step may leave open.
        orders = [pair for pair in (cell.products, cell.products[::-1]) if finder.has_units(pair[1][1])]
        if not orders:
            continue
        (x, kernel), (h, recurrent) = max(
            orders, key=lambda pair: ((pair[1][0], cell.c) in states, finder.zeros(pair[1][0]))
        )
        arrays = [graph.constants[edge.node] for edge in (kernel, recurrent, cell.bias)]
        features, units = arrays[0].shape[0], arrays[1].shape[0]
        if [array.shape[-1] for array in arrays] != [_GATES * units] * len(arrays):
            continue
        key = (kernel, recurrent, cell.bias, cell.order)
        if key not in packed:
            made = _packed(np.asarray(arrays[0]), np.asarray(arrays[1]), np.asarray(arrays[2]), cell.order)
            packed[key] = tuple(
                _constant(nodes, constants, f"{node.name}/{name}", values)
                for name, values in zip(("weights", "bias"), made, strict=True)
            )
        x, step = finder.unpacked(x)
        before = states.get((h, cell.c))
        given = (before,) if before else () if finder.zeros(h) and finder.zeros(cell.c) else (h, cell.c)
        attrs = {"step": step, "features": int(features), "units": int(units)}
        for name in cell.inside:
            nodes.pop(name, None)
        nodes[node.name] = Node(node.name, CELL, (x, *packed[key], *given), (), attrs)
        nodes[cell.new_c.node] = Node(cell.new_c.node, "Identity", (Edge(node.name, 1),))
        states[Edge(node.name), cell.new_c] = Edge(node.name, _STATE)
        count += 1
    return graph.replace(nodes=nodes, constants=constants), count


def _packed(kernel: Array, recurrent: Array, bias: Array, order: tuple[int, ...]) -> tuple[Array, Array]:
    """Weights and bias as the kernel `_LSTMCell` takes them; ``order`` says where which gate stands."""
    units = recurrent.shape[0]
    filled = np.zeros((-len(kernel) % _LANES, kernel.shape[1]), np.float32)

    def by_gate(values: Array) -> Array:
        blocks = values.reshape(*values.shape[:-1], _GATES, units // _LANES, _LANES)[..., order, :, :]
        return np.ascontiguousarray(np.swapaxes(blocks, -3, -2), np.float32)

    return by_gate(np.concatenate([kernel, filled, recurrent])), by_gate(bias)


def _constant(nodes: dict[str, Node], constants: dict[str, Any], wanted: str, value: Array) -> Edge:
    name = unused_name(wanted, nodes)
    constants[name] = value
    nodes[name] = Node(name, "Const")
    return Edge(name)


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a step reads and makes; ``order`` has the parts of the split that are input, forget, candidate, output."""

    products: tuple[_Product, _Product]
    bias: Edge
    c: Edge
    new_c: Edge
    order: tuple[int, ...]
    inside: tuple[str, ...]


class _Finder:
    """Looks for steps in a graph; what others read too, or is ``protected``, is never inside one."""

    def __init__(self, graph: Graph, protected: Collection[str]) -> None:
        self.graph = graph
        self.protected = protected
        self.readers = reader_counts(graph)

    def cell(self, node: Node) -> _Cell | None:
        """The step whose output ``node`` is."""
        for shown, squashed in self._factors(node, "Sigmoid", "Tanh"):
            new_c = squashed.inputs[0]
            total = self.graph.nodes[new_c.node]
            if total.op not in ("Add", "AddV2"):
                continue
            for side in (0, 1):
                added, forgotten = (self._sole(edge) for edge in (total.inputs[side], total.inputs[1 - side]))
                if added is None or forgotten is None or forgotten.op != "Mul":
                    continue
                for taken, candidate in self._factors(added, "Sigmoid", "Tanh"):
                    for place, edge in enumerate(forgotten.inputs):
                        kept = self._sole(edge)
                        if kept is not None and kept.op == "Sigmoid":
                            inside = [shown, squashed, added, forgotten, taken, candidate, kept]
                            gates = [taken, kept, candidate, shown]
                            found = self._gated(gates, forgotten.inputs[1 - place], new_c, inside)
                            if found is not None:
                                return found
        return None

    def _gated(self, gates: list[Node], c: Edge, new_c: Edge, inside: list[Node]) -> _Cell | None:
        parts = [gate.inputs[0] for gate in gates]
        split = self.graph.nodes[parts[0].node]
        order = tuple(edge.index for edge in parts)
        whole = (
            split.op == "Split"
            and {edge.node for edge in parts} == {split.name}
            and split.attrs.get("num_split") == _GATES
            and sorted(order) == list(range(_GATES))
            and split.name not in self.protected
            and all(self.readers.get(edge) == 1 for edge in parts)
        )
        axis = self.graph.constants.get(split.inputs[0].node) if whole else None
        if axis is None or int(np.asarray(axis).reshape(-1)[0]) not in (1, -1):
            return None
        products: list[_Product] = []
        biases: list[Edge] = []
        inside.append(split)
        if not self._summed(split.inputs[1], products, biases, inside) or (len(products), len(biases)) != (2, 1):
            return None
        names = tuple(node.name for node in inside)
        return _Cell((products[0], products[1]), biases[0], c, new_c, order, names)

    def _summed(self, edge: Edge, products: list[_Product], biases: list[Edge], inside: list[Node]) -> bool:
        """Whether ``edge`` is a sum of products with constant matrices and of constant vectors, which it lists."""
        constant = self.graph.constants.get(edge.node)
        if constant is not None:
            biases.append(edge)
            return bool(constant.ndim == 1)
        node = self._sole(edge)
        if node is None:
            return False
        inside.append(node)
        if node.op in _SUMS and node.attrs.get("data_format", b"NHWC") == b"NHWC":
            return all(self._summed(source, products, biases, inside) for source in node.inputs)
        fused = node.op == "_FusedMatMul" and node.attrs.get("fused_ops") == [b"BiasAdd"]
        if not (fused or node.op == "MatMul") or node.attrs.get("transpose_a") or node.attrs.get("transpose_b"):
            return False
        matrix = self.graph.constants.get(node.inputs[1].node)
        products.append((node.inputs[0], node.inputs[1]))
        if matrix is None or matrix.ndim != 2 or matrix.dtype != np.float32:
            return False
        return all(self._summed(bias, products, biases, inside) for bias in node.inputs[2:])

    def has_units(self, matrix: Edge) -> bool:
        """Whether the constant ``matrix`` may be that of the output before: a line a unit, which fill texels."""
        rows, columns = self.graph.constants[matrix.node].shape
        return bool(rows * _GATES == columns and rows % _LANES == 0)

    def zeros(self, edge: Edge) -> bool:
        """Whether ``edge`` is known to hold zeros."""
        node = self.graph.nodes[edge.node]
        if node.op == "ZerosLike":
            return True
        source = node.inputs[1] if node.op == "Fill" else edge
        value = self.graph.constants.get(source.node)
        return value is not None and not np.asarray(value).any()

    def unpacked(self, x: Edge) -> tuple[Edge, int]:
        """The sequence that ``x`` is a step of and which one; ``x`` itself and 0 where it is none."""
        node = self.graph.nodes[x.node]
        if node.op == "Unpack" and node.attrs.get("axis", 0) == 0:
            return node.inputs[0], x.index
        return x, 0

    def _sole(self, edge: Edge) -> Node | None:
        return sole_source(edge, self.graph, self.readers, self.protected)

    def _factors(self, node: Node, one: str, other: str) -> Iterator[tuple[Node, Node]]:
        """The factors of a product of nodes of the ops ``one`` and ``other``, in that order."""
        if node.op == "Mul":
            found = [self._sole(edge) for edge in node.inputs]
            for first, second in (found, found[::-1]):
                if first is not None and second is not None and (first.op, second.op) == (one, other):
                    yield first, second
