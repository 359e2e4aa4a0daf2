"""Arguments that are always the same constant become constants of the function that takes them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from ..graph import Function, FunctionName, Graph, Node
from ..loops import LOOP

Array = np.ndarray[Any, Any]
# The attributes that name functions, and how many inputs come before the arguments.
_CALLS: dict[str, tuple[tuple[str, ...], int]] = {
    "While": (("cond", "body"), 0), "StatelessWhile": (("cond", "body"), 0), LOOP: (("body",), 0),
    "If": (("then_branch", "else_branch"), 1), "StatelessIf": (("then_branch", "else_branch"), 1),
    "Case": (("branches",), 1), "StatelessCase": (("branches",), 1),
    "PartitionedCall": (("f",), 0), "StatefulPartitionedCall": (("f",), 0),
}  # fmt: skip


def bind_constants(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with constants inside the functions that are called once with them, and how many arguments went so.

    Other rewrites then find weights where a loop uses them. The arguments stay, unread.

    >>> from tfgl.ir.graph import Edge
    >>> body = Graph({"a": Node("a", "Placeholder"), "b": Node("b", "Neg", (Edge("a"),))})
    >>> nodes = [Node("c", "Const"), Node("y", "PartitionedCall", (Edge("c"),), (), {"f": FunctionName("f")})]
    >>> library = {"f": Function("f", ("a",), ("r",), (Edge("b"),), body)}
    >>> graph = Graph({node.name: node for node in nodes}, library, constants={"c": np.array(2.0)})
    >>> bound, count = bind_constants(graph)
    >>> bound.functions["f"].graph.constants, count
    ({'a': array(2.)}, 1)
    """
    functions = dict(graph.functions)
    uses = Counter(name for part in graph.parts for node in part.nodes.values() for name, _ in _called(node))
    seen: set[str] = set()
    waiting = [graph]
    count = 0
    while waiting:
        part = waiting.pop()
        for node in part.nodes.values():
            for name, first in _called(node):
                function = functions.get(name)
                if function is None or name in seen:
                    continue
                seen.add(name)
                if uses[name] == 1 and len(function.arguments) == len(node.inputs) - first:
                    given = {
                        argument: part.constants[edge.node]
                        for at, (argument, edge) in enumerate(zip(function.arguments, node.inputs[first:], strict=True))
                        if not edge.index and edge.node in part.constants and _fixed(node, at, functions)
                    }
                    count += len(given)
                    functions[name] = function = _bound(function, given)
                waiting.append(function.graph)
    return graph.replace(functions=functions), count


def _called(node: Node) -> Iterator[tuple[str, int]]:
    keys, first = _CALLS.get(node.op, ((), 0))
    for key in keys:
        value = node.attrs.get(key)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, FunctionName):
                yield name, first


def _fixed(node: Node, at: int, functions: Mapping[str, Function]) -> bool:
    """Whether ``node`` calls its functions with the same argument ``at`` at each turn of a loop."""
    if node.op == LOOP:
        variables = node.attrs.get("variables")
        return isinstance(variables, int) and at >= variables
    if node.op not in ("While", "StatelessWhile"):
        return True
    body = functions.get(str(node.attrs.get("body")))
    if body is None or at >= min(len(body.results), len(body.arguments)):
        return False
    return body.argument_behind(body.results[at]) == body.arguments[at]


def _bound(function: Function, given: Mapping[str, Array]) -> Function:
    nodes = {
        name: Node(name, "Const", attrs=node.attrs) if name in given else node
        for name, node in function.graph.nodes.items()
    }
    graph = function.graph.replace(nodes=nodes, constants={**function.graph.constants, **given})
    return dataclasses.replace(function, graph=graph)
