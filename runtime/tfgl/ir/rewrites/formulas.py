"""What rewrites that recognise formulas read a graph by: numbers, operands, products taken apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from ..graph import Edge, Graph, Node
from .readers import reader_counts, sole_source

_PASSING = ("Identity", "StopGradient", "Snapshot")
ADD = ("Add", "AddV2")


@dataclass(slots=True)
class Product:
    """``scale`` times the values at ``factors``, each as often as it counts."""

    scale: float = 1.0
    factors: Counter[Edge] = field(default_factory=Counter)

    def is_(self, scale: float, *factors: Edge) -> bool:
        """Whether it is just that, the scale to within rounding."""
        return math.isclose(self.scale, scale, rel_tol=1e-6) and self.factors == Counter(factors)


class Formulas:
    """A graph as formulas: what a node computes from what, as far as nothing else reads the steps between."""

    def __init__(self, graph: Graph, protected: Collection[str]) -> None:
        self.graph = graph
        self._protected = protected
        self._readers = reader_counts(graph)
        self._uses = Counter(edge.node for node in graph.nodes.values() for edge in node.inputs)
        self._uses.update(name for node in graph.nodes.values() for name in node.control_inputs)

    def drop_steps(self, nodes: dict[str, Node], last: Node, *operands: Edge) -> None:
        """Take out of ``nodes`` what only ``last`` needed, now that it reads nothing but ``operands``."""
        self._uses.update(edge.node for edge in operands)
        waiting = [last]
        while waiting:
            for name in [*(edge.node for edge in waiting[-1].inputs), *waiting.pop().control_inputs]:
                self._uses[name] -= 1
                node = nodes.get(name)
                # Constants and placeholders stay: others may know them by name.
                if node is not None and node.inputs and not self._uses[name] and name not in self._protected:
                    waiting.append(nodes.pop(name))

    def behind(self, edge: Edge) -> Edge:
        """``edge``, or where its values come from when nodes only pass them on."""
        node = self.graph.nodes.get(edge.node)
        while node is not None and node.op in _PASSING and not edge.index and node.inputs:
            edge = node.inputs[0]
            node = self.graph.nodes.get(edge.node)
        return edge

    def step(self, edge: Edge, *ops: str) -> Node | None:
        """The node at ``edge`` when its op is among ``ops``, one input alone reads it and nobody may ask for it."""
        node = sole_source(edge, self.graph, self._readers, self._protected)
        while node is not None and node.op in _PASSING and node.inputs:
            node = sole_source(node.inputs[0], self.graph, self._readers, self._protected)
        return node if node is not None and node.op in ops else None

    def at(self, edge: Edge, *ops: str) -> Node | None:
        """The node at ``edge`` when its op is among ``ops``, whoever else reads it."""
        edge = self.behind(edge)
        node = None if edge.index else self.graph.nodes.get(edge.node)
        return node if node is not None and node.op in ops else None

    def is_read(self, edge: Edge) -> bool:
        """Whether a node reads ``edge``, or somebody may ask for its node."""
        return edge.node in self._protected or self._readers.get(edge, 0) > 0

    def reduced(self, node: Node) -> tuple[int, ...] | None:
        """The axes that a reduction keeps with extent 1; None where it drops them or they are no constant."""
        axes = self.graph.constants.get(self.behind(node.inputs[1]).node)
        if axes is None or node.attrs.get("keep_dims") is not True or axes.dtype.kind != "i":
            return None
        return tuple(int(axis) for axis in np.asarray(axes).reshape(-1))

    def filled_with(self, edge: Edge) -> float | None:
        """The one value that all elements at ``edge`` have, where that is known."""
        fill = self.at(edge, "Fill")
        if fill is not None:
            return self.number(fill.inputs[1])
        value = self.graph.constants.get(self.behind(edge).node)
        array = np.asarray(value) if value is not None and value.dtype.kind == "f" and value.size else None
        return float(array.flat[0]) if array is not None and bool((array == array.flat[0]).all()) else None

    def first_extent(self, edge: Edge) -> int | None:
        """The first number of a shape at ``edge``, where that is known."""
        pack = self.at(edge, "Pack")
        shape = self.graph.constants.get(self.behind(pack.inputs[0] if pack is not None else edge).node)
        return int(np.asarray(shape).reshape(-1)[0]) if shape is not None and shape.size else None

    def is_product(self, edge: Edge, sign: float, a: Edge, b: Edge) -> bool:
        """Whether ``a`` times ``b``, each one factor whatever makes it, is at ``edge``, with that sign."""
        node = self.at(edge, "Mul", "Neg")
        if node is None:
            return False
        if node.op == "Neg":
            return self.is_product(node.inputs[0], -sign, a, b)
        sides = [self._without_sign(side) for side in node.inputs]
        return sides[0][0] * sides[1][0] == sign and sorted(map(str, (a, b))) == sorted(str(side) for _, side in sides)

    def _without_sign(self, edge: Edge) -> tuple[float, Edge]:
        node = self.at(edge, "Neg")
        return (1.0, self.behind(edge)) if node is None else (-1.0, self.behind(node.inputs[0]))

    def number(self, edge: Edge) -> float | None:
        """The value of a float constant of rank 0; a constant of another rank may change the rank of a result."""
        value = None if edge.index else self.graph.constants.get(self.behind(edge).node)
        if value is None or value.ndim or value.dtype.kind != "f":
            return None
        return float(value)

    def with_number(self, node: Node) -> tuple[Edge, float] | None:
        """The operand and the number of a node of two inputs, one of which is a number, in either order."""
        for at in (1, 0):
            number = self.number(node.inputs[at]) if len(node.inputs) == 2 else None
            if number is not None:
                return self.behind(node.inputs[1 - at]), number
        return None

    def product(self, node: Node) -> Product:
        """What ``node`` multiplies, with products among its operands taken apart."""
        found = Product()
        self._multiply(found, node, 1)
        return found

    def product_at(self, edge: Edge) -> Product:
        """The product that is computed at ``edge``; a factor of its own where none is."""
        found = Product()
        self._factor(found, edge, 1)
        return found

    def _multiply(self, found: Product, node: Node, power: int) -> None:
        first = node.inputs[0]
        if node.op == "Neg":
            found.scale *= (-1) ** power
            self._factor(found, first, power)
        elif node.op == "Square":
            self._factor(found, first, 2 * power)
        elif node.op == "Pow":
            self._factor(found, first, int(self.number(node.inputs[1]) or 1) * power)
        elif node.op == "RealDiv":
            found.scale /= (self.number(node.inputs[1]) or 1.0) ** power
            self._factor(found, first, power)
        else:
            for edge in node.inputs:
                self._factor(found, edge, power)

    def _factor(self, found: Product, edge: Edge, power: int) -> None:
        number = self.number(edge)
        if number is not None:
            found.scale *= number**power
            return
        node = self.step(edge, "Mul", "Neg", "Square", "Pow", "RealDiv")
        if node is None or not self._multiplies(node):
            found.factors[self.behind(edge)] += power
        else:
            self._multiply(found, node, power)

    def _multiplies(self, node: Node) -> bool:
        """Whether it is a product: of powers, only small whole ones; of quotients, only those by a number."""
        if node.op == "Pow":
            return self.number(node.inputs[1]) in (2.0, 3.0)
        return node.op != "RealDiv" or bool(self.number(node.inputs[1]))
