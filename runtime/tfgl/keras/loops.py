"""Loops: a While node whose condition and body are functions, traced by the same builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node, Signature, TensorInfo
from .builder import Builder, Tensor

# A constant of up to so many elements belongs to the function that reads it; a larger one is handed to it.
_OWN_ELEMENTS = 64


class Loop:
    """Condition and body of a loop, which stand in the builder until it is closed or given up.

    Nodes that depend on no variable of the loop are left where they are: they run once, before it. Functions get
    what they read from outside as further variables, which never change, as TensorFlow's own loops do.

    >>> b = Builder()
    >>> start = [b.constant(0), b.constant(1.0, "float32")]
    >>> loop = Loop(b, start, lambda i, x: b.binary("Less", i, 3), lambda i, x: [b.add_(i, 1), b.mul(x, 2.0)])
    >>> loop.size, [result.shape for result in loop.close()]
    (3, [(), ()])
    """

    def __init__(
        self,
        b: Builder,
        initial: Sequence[Tensor],
        proceed: Callable[..., Tensor],
        turn: Callable[..., Sequence[Tensor]],
    ) -> None:
        """A loop while ``proceed`` of the variables holds, with ``turn`` of them as their next values."""
        self.b = b
        self.initial = list(initial)
        self.name = b.unique("while")
        before = set(b.nodes)
        with b.scope(self.name.rpartition("/")[2]):
            self._variables = [b.placeholder("variable", x.shape, x.dtype) for x in initial]
            self._test = proceed(*self._variables)
            self._results = list(turn(*self._variables))
        for x, result in zip(self._variables, self._results, strict=True):
            if (x.dtype, x.rank) != (result.dtype, result.rank):
                raise ModelFormatError(
                    f"a state of shape {list(x.shape)} ({x.dtype}) becomes one of shape {list(result.shape)} "
                    f"({result.dtype})"
                )
        self._varying = {x.edge.node for x in self._variables}
        for name, node in b.nodes.items():
            if name not in before and any(edge.node in self._varying for edge in node.inputs):
                self._varying.add(name)
        self._condition, self._body = self._needed([self._test]), self._needed(self._results)
        self._given = self._handed_over()

    @property
    def size(self) -> int:
        """How many nodes run in each turn."""
        return len(self._condition) + len(self._body)

    @property
    def handed_over(self) -> list[Tensor]:
        """What comes from outside and never changes, small constants left out."""
        return list(self._given.values())

    def close(self) -> list[Tensor]:
        """The variables when the condition does not hold any more; the traced nodes move into functions."""
        b = self.b
        tensors = [*self.initial, *self._given.values()]
        stem = self.name.replace("/", "_")
        passed = list(self._given.values())
        attrs: dict[str, AttrValue] = {"T": [DataType(x.dtype) for x in tensors], "parallel_iterations": 10}
        for key, inner, results in (
            ("cond", self._condition, [self._test]),
            ("body", self._body, [*self._results, *passed]),
        ):
            function = self._function(f"{stem}_{key}", inner, results)
            b.functions[function.name] = function
            attrs[key] = FunctionName(function.name)
        self.give_up()
        node = Node(self.name, "StatelessWhile", tuple(x.edge for x in tensors), (), attrs)
        return b.put_loop(node, [*self._results, *passed])[: len(self._results)]

    def give_up(self) -> None:
        """Take the traced nodes out of the builder."""
        self.b.forget(self._varying)

    def _needed(self, results: Sequence[Tensor]) -> list[str]:
        """The nodes that ``results`` need of those that change from turn to turn, variables left out."""
        variables = {x.edge.node for x in self._variables}
        found: set[str] = set()
        waiting = [result.edge.node for result in results]
        while waiting:
            name = waiting.pop()
            if name in self._varying and name not in variables and name not in found:
                found.add(name)
                waiting += [edge.node for edge in self.b.nodes[name].inputs]
        return [name for name in self.b.nodes if name in found]

    def _read(self, inner: Iterable[str], results: Sequence[Tensor]) -> list[Edge]:
        """What comes from outside into these nodes and results."""
        edges = [edge for name in inner for edge in self.b.nodes[name].inputs] + [x.edge for x in results]
        return [edge for edge in dict.fromkeys(edges) if edge.node not in self._varying]

    def _handed_over(self) -> dict[Edge, Tensor]:
        read = self._read([*self._condition, *self._body], [self._test, *self._results])
        return {edge: self.b.tensors[edge] for edge in read if not self._own(edge)}

    def _own(self, edge: Edge) -> bool:
        value = self.b.values.get(edge.node)
        return isinstance(value, np.ndarray) and value.size <= _OWN_ELEMENTS

    def _function(self, name: str, inner: Sequence[str], results: Sequence[Tensor]) -> Function:
        b = self.b
        variables = [*self._variables, *self._given.values()]
        names = {x.edge: f"argument_{i}" for i, x in enumerate(variables)}
        nodes: dict[str, Node] = {}
        constants: dict[str, Any] = {}
        for x in variables:
            attrs: Mapping[str, AttrValue] = {"dtype": DataType(x.dtype), "shape": x.shape}
            nodes[names[x.edge]] = Node(names[x.edge], "Placeholder", (), (), attrs)
        own = [edge.node for edge in self._read(inner, results) if edge not in self._given]
        short = {node: node.removeprefix(f"{self.name}/") for node in (*own, *inner)}
        if len(set(short.values()) | set(nodes)) < len(short) + len(nodes):
            short = {node: node for node in short}

        def moved(edge: Edge) -> Edge:
            return Edge(names[edge]) if edge in names else Edge(short[edge.node], edge.index)

        for key in (*own, *inner):
            node = b.nodes[key]
            nodes[short[key]] = Node(short[key], node.op, tuple(map(moved, node.inputs)), (), node.attrs)
            if key in b.values:
                constants[short[key]] = b.values[key]
        edges = tuple(moved(x.edge) for x in results)
        keys = tuple(f"result_{i}" for i in range(len(results)))
        signature = Signature(
            {argument: TensorInfo(argument) for argument in names.values()},
            {key: TensorInfo(str(edge), DataType(x.dtype)) for key, edge, x in zip(keys, edges, results, strict=True)},
        )
        graph = Graph(nodes, signature=signature, constants=constants)
        return Function(name, tuple(names.values()), keys, edges, graph)
