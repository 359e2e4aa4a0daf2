"""Recognising formulas, in whatever order and form their products and sums were written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tfgl.ir.graph import Edge, Graph, Node

_SUMS = ("Add", "AddV2")
# Deeper formulas are none of those that are looked for.
_DEEPEST = 12


class Formula:
    """A try to read the nodes above one root as a formula; remembers which nodes it took in.

    >>> nodes = [Node("x", "Placeholder"), Node("c", "Const"), Node("y", "Mul", (Edge("c"), Edge("x")))]
    >>> graph = Graph({node.name: node for node in nodes}, constants={"c": np.float32(3)})
    >>> Formula(graph).polynomial(Edge("y"), Edge("x"))
    {1: 3.0}
    """

    def __init__(self, graph: Graph) -> None:
        """Nothing is taken in yet."""
        self.graph = graph
        self.inside: set[str] = set()

    def node(self, edge: Edge, *ops: str) -> Node | None:
        """The node at ``edge`` when its op is one of ``ops``; it is taken in."""
        node = None if edge.index else self.graph.nodes.get(edge.node)
        if node is None or node.op not in ops:
            return None
        self.inside.add(node.name)
        return node

    def starting_from(self, inside: Collection[str]) -> Formula:
        """Forget what another reading took in."""
        self.inside = set(inside)
        return self

    def number(self, edge: Edge) -> float | None:
        """The constant at ``edge`` when it is one float."""
        value = None if edge.index else self.graph.constants.get(edge.node)
        if value is None or value.size != 1 or value.ndim > 1 or value.dtype.kind != "f":
            return None
        return float(np.asarray(value).reshape(())[()])

    def factors(self, edge: Edge, depth: int = 0) -> tuple[float, list[Edge]]:
        """The constant and the other factors of a product; what is read more than once is a factor as it is."""
        number = self.number(edge)
        if number is not None:
            return number, []
        readers = self.graph.consumers.get(edge.node, ())
        shared = depth and (len(readers) != 1 or readers[0].inputs.count(edge) != 1)
        node = self.node(edge, "Mul", "Neg", "RealDiv") if depth < _DEEPEST and not shared else None
        if node is None:
            return 1.0, [edge]
        if node.op == "Neg":
            number, rest = self.factors(node.inputs[0], depth + 1)
            return -number, rest
        if node.op == "RealDiv":
            divisor = self.number(node.inputs[1])
            if not divisor:
                self.inside.discard(node.name)
                return 1.0, [edge]
            number, rest = self.factors(node.inputs[0], depth + 1)
            return number / divisor, rest
        left, right = (self.factors(side, depth + 1) for side in node.inputs)
        return left[0] * right[0], left[1] + right[1]

    def polynomial(self, edge: Edge, x: Edge, depth: int = 0) -> dict[int, float] | None:
        """The coefficients by power when the value at ``edge`` is a polynomial in ``x``."""
        if edge == x:
            return {1: 1.0}
        number = self.number(edge)
        if number is not None:
            return {0: number}
        node = self.node(edge, *_SUMS, "Sub", "Mul", "Neg", "RealDiv", "Square", "Pow") if depth < _DEEPEST else None
        if node is None:
            return None
        parts = [self.polynomial(side, x, depth + 1) for side in node.inputs]
        first, second = parts[0], parts[-1]
        if first is None or second is None:
            return None
        if node.op == "Neg":
            return _product(first, {0: -1.0})
        if node.op == "Square":
            return _product(first, first)
        if node.op == "Mul":
            return _product(first, second)
        if node.op in (*_SUMS, "Sub"):
            return _sum(first, second, -1.0 if node.op == "Sub" else 1.0)
        exponent = second.get(0, 0.0) if set(second) == {0} else 0.0
        if node.op == "RealDiv":
            return _product(first, {0: 1 / exponent}) if exponent else None
        if exponent not in (2.0, 3.0):
            return None
        squared = _product(first, first)
        return squared if exponent == 2 else _product(squared, first)

    def enclosed(self, root: Node, protected: Collection[str]) -> bool:
        """Whether nothing but ``root`` and the nodes taken in reads what would go."""
        gone = self.inside - {root.name}
        if gone & set(protected):
            return False
        return all(
            reader.name in self.inside or reader.name == root.name
            for name in gone
            for reader in self.graph.consumers.get(name, ())
        )


def _product(a: dict[int, float], b: dict[int, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for i, x in a.items():
        for j, y in b.items():
            found[i + j] = found.get(i + j, 0.0) + x * y
    return found


def _sum(a: dict[int, float], b: dict[int, float], sign: float) -> dict[int, float]:
    return {power: a.get(power, 0.0) + sign * b.get(power, 0.0) for power in sorted(a | b)}


@dataclass(frozen=True)
class Expected:
    """A polynomial to compare with, to what float32 constants hold.

    >>> Expected({1: 0.70710678}).fits({1: 0.7071068, 0: 0.0})
    True
    """

    coefficients: dict[int, float]

    def fits(self, found: dict[int, float] | None) -> bool:
        """Whether ``found`` is the same polynomial."""
        if found is None:
            return False
        powers = set(found) | set(self.coefficients)
        return all(
            abs(found.get(power, 0.0) - self.coefficients.get(power, 0.0))
            <= 1e-4 * abs(self.coefficients.get(power, 0.0))
            for power in powers
        )
