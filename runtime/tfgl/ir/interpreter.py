"""Runs graphs node by node, with their branches, loops and functions, for any evaluator.

A `Switch` leaves `DEAD` on the side that was not taken, and what reads it is not run, up to a `Merge`; loops and
calls are ops whose handlers call functions of the library (`tfgl.ir.lowering.control`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ModelFormatError
from .graph import Edge, Function, Graph, Node
from .lowering import DEAD, Value, row_of

# Each level is half a dozen frames of Python's own stack, which holds a thousand.
_DEEPEST_CALL = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """The nodes that some fetches need, in order, what may be forgotten after each, and which outputs are read."""

    nodes: tuple[Node, ...]
    dying: tuple[tuple[Edge, ...], ...]
    read: Mapping[str, frozenset[int]]


def plan_of(graph: Graph, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
    """The nodes that ``fetches`` need when ``feeds`` are given, with lifetimes.

    Control inputs do not count: they order side effects, and no kernel has any.

    >>> graph = Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Neg", (Edge("x"),))})
    >>> plan = plan_of(graph, [Edge("x")], [Edge("y")])
    >>> [node.name for node in plan.nodes], plan.dying
    (['y'], ((Edge(node='x', index=0),),))
    """
    fed = set(feeds)
    needed: set[str] = set()
    waiting = [edge.node for edge in fetches if edge not in fed]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [edge.node for edge in graph.node(name).inputs if edge not in fed]
    nodes = tuple(node for node in graph.topological_order() if node.name in needed)
    last: dict[Edge, int] = {}
    for at, node in enumerate(nodes):
        for edge in node.inputs:
            last[edge] = at
    wanted = set(fetches)
    dying: list[list[Edge]] = [[] for _ in nodes]
    for edge, at in last.items():
        if edge not in wanted and edge.node not in graph.constants:
            dying[at].append(edge)
    read: dict[str, set[int]] = {node.name: set() for node in nodes}
    for edge in (*last, *fetches):
        read.setdefault(edge.node, set()).add(edge.index)
    return Plan(nodes, tuple(map(tuple, dying)), {name: frozenset(indices) for name, indices in read.items()})


class Interpreter(ABC):
    """One evaluation of a graph. Evaluators say what a constant is and how one node runs.

    ``plans`` keeps the plans of functions for later evaluations.
    """

    def __init__(self, functions: Mapping[str, Function], plans: dict[str, Plan] | None = None) -> None:
        self._functions = functions
        self._plans = {} if plans is None else plans
        self._depth = 0

    @abstractmethod
    def constant_of(self, graph: Graph, name: str) -> Value:
        """The value of the constant ``name`` of ``graph``, which may be a function's."""

    @abstractmethod
    def outputs(self, node: Node, inputs: Sequence[Value], read: frozenset[int]) -> Sequence[Value | None]:
        """What ``node`` computes; ``read`` are the outputs that anything reads."""

    def execute(self, graph: Graph, plan: Plan, values: dict[Edge, Value]) -> None:
        """Run ``plan``, adding what is fetched to ``values``, which holds what is fed."""
        for node, dying in zip(plan.nodes, plan.dying, strict=True):
            if node.name in graph.constants:
                values.setdefault(Edge(node.name), self.constant_of(graph, node.name))
                continue
            inputs = [_value(values, edge, node) for edge in node.inputs]
            read = plan.read[node.name]
            if any(value is DEAD for value in inputs) and not row_of(node.op).dead:
                for index in read:
                    values.setdefault(Edge(node.name, index), DEAD)
            else:
                for index, output in enumerate(self.outputs(node, inputs, read)):
                    if output is not None and index in read:
                        # A fed output stays as it was fed, even if another one of its node is computed.
                        values.setdefault(Edge(node.name, index), output)
            del inputs
            for edge in dying:
                values.pop(edge, None)

    def invoke(self, name: str, arguments: Sequence[Value]) -> list[Value]:
        """What a function of the library returns; ModelFormatError for one that is not there or does not fit."""
        function = self._functions.get(name)
        if function is None:
            raise ModelFormatError(f"the model's library has no function {str(name)!r}")
        if len(arguments) != len(function.arguments):
            raise ModelFormatError(
                f"function {str(name)!r} takes {len(function.arguments)} values, got {len(arguments)}"
            )
        edges = [Edge(argument) for argument in function.arguments]
        plan = self._plans.get(name)
        if plan is None:
            plan = self._plans[name] = plan_of(function.graph, edges, function.results)
        if self._depth >= _DEEPEST_CALL:
            raise ModelFormatError(f"functions call one another more than {_DEEPEST_CALL} deep, {str(name)!r} last")
        self._depth += 1
        try:
            values = dict(zip(edges, arguments, strict=True))
            self.execute(function.graph, plan, values)
        finally:
            self._depth -= 1
        return [_result(values, edge, function) for edge in function.results]


def _value(values: Mapping[Edge, Value], edge: Edge, node: Node) -> Value:
    try:
        return values[edge]
    except KeyError:
        raise ModelFormatError(f"{node} reads {str(edge)!r}, an output that its op does not have") from None


def _result(values: Mapping[Edge, Value], edge: Edge, function: Function) -> Value:
    try:
        return values[edge]
    except KeyError:
        place = f"function {function.name!r} returns {str(edge)!r}"
        raise ModelFormatError(f"{place}, an output that its op does not have") from None
