"""Following tensors through a graph and the functions it calls, back to where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import Edge, Function, FunctionName, Graph, Node

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall", "StatelessPartitionedCall"})
_PASSING = frozenset({"Identity", "StopGradient", "Snapshot"})
_MAX_DEPTH = 100
_MAX_CALLS = 10_000


@dataclass(frozen=True)
class Scope:
    """A graph, or the body of a function at one of its calls: ``arguments`` are what the caller gives."""

    graph: Graph
    functions: Mapping[str, Function]
    arguments: Mapping[str, tuple[Scope, Edge]] = field(default_factory=dict)
    depth: int = 0

    def origin(self, edge: Edge) -> tuple[Scope, Edge]:
        """Where the tensor is made: out of calls, back through identities, out of the arguments.

        Raises ModelFormatError for functions that call each other without end.
        """
        scope = self
        for _ in range(100_000):
            if edge.node in scope.arguments:
                scope, edge = scope.arguments[edge.node]
                continue
            node = scope.graph.nodes[edge.node]
            if node.op in _PASSING and node.inputs:
                edge = node.inputs[0]
                continue
            inner = scope.called(node)
            if inner is None:
                return scope, edge
            function, scope = inner
            if edge.index >= len(function.results):
                raise ModelFormatError(f"{node} has no output {edge.index}")
            edge = function.results[edge.index]
        raise ModelFormatError(f"{edge} comes out of functions that call each other without end")

    def called(self, node: Node) -> tuple[Function, Scope] | None:
        """The function that ``node`` calls and its body at this call; None for a node that calls none."""
        name = node.attrs.get("f")
        if node.op not in CALLS or not isinstance(name, FunctionName) or name not in self.functions:
            return None
        function = self.functions[name]
        if self.depth >= _MAX_DEPTH or len(node.inputs) != len(function.arguments):
            raise ModelFormatError(
                f"{node} gives {len(node.inputs)} inputs to function {name!r}, which takes {len(function.arguments)}"
                if self.depth < _MAX_DEPTH
                else f"function {name!r}: calls are nested more than {_MAX_DEPTH} deep"
            )
        given = {
            argument: (self, edge) for argument, edge in zip(function.arguments, node.inputs, strict=True)
        }
        return function, Scope(function.graph, self.functions, given, self.depth + 1)

    def nodes(self) -> Iterator[tuple[Scope, Node]]:
        """Every node of the graph and, behind each call, of the functions.

        Raises ModelFormatError when there are calls without end.
        """
        waiting = [self]
        for count in range(_MAX_CALLS):
            if count == len(waiting):
                return
            scope = waiting[count]
            for node in scope.graph.topological_order():
                yield scope, node
                inner = scope.called(node)
                if inner is not None:
                    waiting.append(inner[1])
        raise ModelFormatError(f"the functions of the graph make over {_MAX_CALLS} calls")
