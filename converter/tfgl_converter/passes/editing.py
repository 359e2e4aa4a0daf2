"""A graph under change: nodes added, removed and rewired, then a new graph out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from tfgl.ir.graph import AttrValue, DataType, Edge, Function, Graph, Node, Signature, TensorInfo
from tfgl.ir.lazy_array import LazyArray

Array = np.ndarray[Any, Any]


class Editor:
    """Collects the changes of one pass; ``graph`` applies them.

    A node that is ``protected`` keeps its name: when its value comes from elsewhere, an Identity of that name stays.

    >>> editor = Editor(Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Neg", (Edge("x"),))}))
    >>> editor.redirect(Edge("x"), editor.add("twice", "Add", (Edge("x"), Edge("x"))))
    >>> editor.keep("twice")
    >>> editor.graph().nodes["y"].inputs
    (Edge(node='twice', index=0),)
    """

    def __init__(self, graph: Graph, protected: Collection[str] = ()) -> None:
        """An editor over ``graph`` that has changed nothing yet."""
        self.source = graph
        self.nodes: dict[str, Node] = dict(graph.nodes)
        self.constants: dict[str, Array] = dict(graph.constants)
        self.protected = frozenset(protected)
        self._redirects: dict[Edge, Edge] = {}
        self._kept: set[str] = set()
        self._taken: dict[str, int] = {}

    def fresh(self, name: str) -> str:
        """``name``, or with a number behind it that no node has."""
        if name not in self.nodes:
            return name
        number = self._taken.get(name, 0)
        while True:
            number += 1
            if f"{name}_{number}" not in self.nodes:
                self._taken[name] = number
                return f"{name}_{number}"

    def add(
        self,
        name: str,
        op: str,
        inputs: Iterable[Edge] = (),
        attrs: Mapping[str, AttrValue] | None = None,
        control_inputs: Iterable[str] = (),
    ) -> Edge:
        """The first output of a new node, called ``name`` or alike."""
        name = self.fresh(name)
        self.nodes[name] = Node(name, op, tuple(inputs), tuple(control_inputs), dict(attrs or {}))
        return Edge(name)

    def constant(self, name: str, value: Any, dtype: str | None = None) -> Edge:
        """A new Const; its dtype is the array's unless stated."""
        array: Any = value if isinstance(value, LazyArray) else np.asarray(value)
        name = self.fresh(name)
        self.nodes[name] = const_node(name, array, dtype)
        self.constants[name] = array
        return Edge(name)

    def value(self, edge: Edge) -> Array | None:
        """The array at ``edge`` when it is a constant."""
        held = self.constants.get(edge.node) if edge.index == 0 else None
        return None if held is None else np.asarray(held)

    def put(self, node: Node) -> None:
        """A node under its own name, in place of what was there."""
        self.nodes[node.name] = node
        if node.op != "Const":
            self.constants.pop(node.name, None)

    def put_constant(self, name: str, value: Array, dtype: str | None = None) -> None:
        """A Const under ``name``, in place of what was there."""
        self.nodes[name] = const_node(name, value, dtype)
        self.constants[name] = value

    def remove(self, name: str) -> None:
        """Take a node out; whoever reads it must have been redirected."""
        self.nodes.pop(name, None)
        self.constants.pop(name, None)

    def redirect(self, old: Edge, new: Edge) -> None:
        """Whoever reads ``old`` will read ``new``; nodes named by ``keep`` excepted."""
        if old != new:
            self._redirects[old] = new

    def keep(self, name: str) -> None:
        """The inputs of this node are final, redirects leave them alone."""
        self._kept.add(name)

    def replace_node(self, node: Node, results: list[Edge]) -> None:
        """``results`` stand for the outputs of ``node`` from now on, and the node goes.

        A protected node stays as an Identity of its first result.
        """
        for index, edge in enumerate(results):
            self.redirect(Edge(node.name, index), edge)
        if node.name in self.protected and results:
            dtype = node.attrs.get("T")
            attrs: dict[str, AttrValue] = {"T": dtype} if isinstance(dtype, DataType) else {}
            self._redirects.pop(Edge(node.name), None)
            self.put(Node(node.name, "Identity", (results[0],), (), attrs))
        else:
            self.remove(node.name)

    def resolve(self, edge: Edge) -> Edge:
        """Where a reader of ``edge`` will end up."""
        seen: list[Edge] = []
        while edge in self._redirects and edge not in seen:
            seen.append(edge)
            edge = self._redirects[edge]
        for passed in seen[:-1]:
            self._redirects[passed] = edge
        return edge

    def graph(self) -> Graph:
        """The changed graph; control inputs on nodes that went are dropped."""
        nodes: dict[str, Node] = {}
        for name, node in self.nodes.items():
            inputs = node.inputs if name in self._kept else tuple(self.resolve(edge) for edge in node.inputs)
            control = tuple(source for source in node.control_inputs if source in self.nodes)
            if inputs != node.inputs or control != node.control_inputs:
                node = dataclasses.replace(node, inputs=inputs, control_inputs=control)
            nodes[name] = node
        return self.source.replace(nodes=nodes, constants=self.constants, signature=self._signature())

    def _signature(self) -> Signature:
        signature = self.source.signature
        outputs = {key: self._moved(info) for key, info in signature.outputs.items()}
        return Signature(signature.inputs, outputs)

    def _moved(self, info: TensorInfo) -> TensorInfo:
        edge = self.resolve(info.edge)
        if edge == info.edge:
            return info
        return dataclasses.replace(info, name=f"{edge.node}:{edge.index}")


def const_node(name: str, value: Array, dtype: str | None = None) -> Node:
    """The node of a constant that is held in ``Graph.constants`` under the same name.

    >>> const_node("c", np.zeros(2, np.float32)).attrs["dtype"]
    'float32'
    """
    text = dtype or ("string" if value.dtype.kind in "OSU" else str(value.dtype))
    return Node(name, "Const", (), (), {"dtype": DataType(text)})


def with_plain_results(function: Function) -> Function:
    """The function with every result at the first output of a node of its own, so that passes need only keep names.

    >>> graph = Graph({"s": Node("s", "Split")})
    >>> with_plain_results(Function("f", (), ("a", "b"), (Edge("s"), Edge("s", 1)), graph)).results
    (Edge(node='s', index=0), Edge(node='s/result_1', index=0))
    """
    nodes = dict(function.graph.nodes)
    results: list[Edge] = []
    for index, edge in enumerate(function.results):
        if edge.index or edge in results or edge.node in function.arguments:
            name = f"{edge.node}/result_{index}"
            while name in nodes:
                name += "_"
            nodes[name] = Node(name, "Identity", (edge,))
            edge = Edge(name)
        results.append(edge)
    outputs = {
        key: TensorInfo(edge.node, info.dtype if (info := function.graph.signature.outputs.get(key)) else None)
        for key, edge in zip(function.result_names, results, strict=True)
    }
    signature = Signature(function.graph.signature.inputs, outputs)
    graph = function.graph.replace(nodes=nodes, signature=signature)
    return dataclasses.replace(function, results=tuple(results), graph=graph)


def reader_counts(graph: Graph) -> dict[Edge, int]:
    """How often each output is read by nodes.

    >>> reader_counts(Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Mul", (Edge("x"), Edge("x")))}))
    {Edge(node='x', index=0): 2}
    """
    counts: dict[Edge, int] = {}
    for node in graph.nodes.values():
        for edge in node.inputs:
            counts[edge] = counts.get(edge, 0) + 1
    return counts


def sole_reader(graph: Graph, edge: Edge, counts: Mapping[Edge, int], protected: Collection[str]) -> Node | None:
    """The node at ``edge`` (its first output) when exactly one input reads it and nobody needs its name."""
    if edge.index or edge.node in protected or counts.get(edge, 0) != 1:
        return None
    return graph.nodes.get(edge.node)
