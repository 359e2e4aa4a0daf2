"""The graph that readers build, passes rewrite and executors run: nodes, edges, functions, signature.

Nodes carry TensorFlow's op names and attributes. A graph never changes once it is built:
a rewrite makes another one with ``replace``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import InvalidArgumentError, ModelFormatError

Shape = tuple[int, ...]


class DataType(str):
    """A TensorFlow dtype by name, such as ``float32``, ``int64`` or ``resource``; equal to that string.

    >>> DataType("int64") == "int64", DataType("int64").stored
    (True, 'int32')
    """

    __slots__ = ()

    @property
    def stored(self) -> DType | None:
        """The tensor dtype that holds such values at run time; None for resources, variants and the like."""
        return _STORED.get(str(self))


_STORED: dict[str, DType] = {
    "float32": "float32",
    "float64": "float32",
    "float16": "float32",
    "bfloat16": "float32",
    "int8": "int32",
    "int16": "int32",
    "int32": "int32",
    "int64": "int32",
    "uint8": "int32",
    "uint16": "int32",
    "uint32": "int32",
    "uint64": "int32",
    "qint8": "int32",
    "quint8": "int32",
    "qint16": "int32",
    "quint16": "int32",
    "qint32": "int32",
    "bool": "bool",
    "complex64": "complex64",
    "complex128": "complex64",
    "string": "string",
}


class FunctionName(str):
    """The value of an attribute that names a function of the library (a loop's body, a branch)."""

    __slots__ = ()


# `None` is the shape of unknown rank; a dimension of -1 is unknown.
AttrValue = bytes | bool | int | float | DataType | Shape | None | np.ndarray[Any, Any] | FunctionName | list[Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """Output ``index`` of the node called ``node``.

    >>> str(Edge("split", 1)), str(Edge("add"))
    ('split:1', 'add')
    """

    node: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.node}:{self.index}" if self.index else self.node

    @classmethod
    def parse(cls, name: str) -> Edge:
        """The edge that ``node`` or ``node:index`` means; ModelFormatError when it is neither.

        >>> Edge.parse("split:1")
        Edge(node='split', index=1)
        """
        node, colon, index = name.partition(":")
        if not node or (colon and not (index.isascii() and index.isdigit() and len(index) < 10)):
            raise ModelFormatError(f"{name!r} is no tensor name; expected 'node' or 'node:index'")
        return cls(node, int(index) if colon else 0)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: what it reads, what it waits for, and its attributes (decoded, see ``AttrValue``).

    >>> Node("sum", "AddV2", (Edge("x"), Edge("y"))).op
    'AddV2'
    """

    name: str
    op: str
    inputs: tuple[Edge, ...] = ()
    control_inputs: tuple[str, ...] = ()
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)
    device: str = ""

    def __str__(self) -> str:
        return f"node {self.name!r} (op {self.op})"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a signature says of one input or output. ``name`` is a tensor name, such as ``Identity:0``.

    >>> TensorInfo("x:0", DataType("float32"), (-1, 3)).edge
    Edge(node='x', index=0)
    """

    name: str
    dtype: DataType | None = None
    shape: Shape | None = None
    resource_id: int | None = None

    @property
    def edge(self) -> Edge:
        """The node and output that ``name`` means."""
        return Edge.parse(self.name)


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a graph by key, in the order of the file.

    >>> Signature({"x": TensorInfo("x:0")}, {}).inputs["x"].name
    'x:0'
    """

    inputs: Mapping[str, TensorInfo] = field(default_factory=dict)
    outputs: Mapping[str, TensorInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Versions:
    """The GraphDef versions that a file states; 0 where it states none.

    >>> Versions(producer=987, min_consumer=12).producer
    987
    """

    producer: int = 0
    min_consumer: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the library: its arguments stand in ``graph`` as Placeholder nodes of the same names.

    ``results`` are the edges that it returns, in the order of its output arguments, whose names are
    ``result_names``.

    >>> Function("f", ("x",), ("y",), (Edge("x"),), Graph({"x": Node("x", "Placeholder")})).arguments
    ('x',)
    """

    name: str
    arguments: tuple[str, ...]
    result_names: tuple[str, ...]
    results: tuple[Edge, ...]
    graph: Graph

    def argument_behind(self, edge: Edge) -> str | None:
        """The argument that ``edge`` hands on unchanged; None when something is computed in between.

        >>> nodes = {"x": Node("x", "Placeholder"), "y": Node("y", "Identity", (Edge("x"),))}
        >>> Function("f", ("x",), ("y",), (Edge("y"),), Graph(nodes)).argument_behind(Edge("y"))
        'x'
        """
        for _ in self.graph.nodes:
            if edge.node in self.arguments:
                return edge.node
            node = self.graph.nodes[edge.node]
            if node.op != "Identity" or len(node.inputs) != 1:
                break
            edge = node.inputs[0]
        return None


@dataclass(frozen=True)
class Graph:
    """Nodes by name in the order of the file, the values of the Const nodes, functions and signature.

    ``initializer`` is the graph that fills the model's tables, once, before anything else runs.

    >>> nodes = [Node("x", "Placeholder"), Node("y", "Relu", (Edge("x"),)), Node("z", "Neg", (Edge("x"),))]
    >>> graph = Graph({node.name: node for node in nodes})
    >>> [node.name for node in graph.prune(["y"]).topological_order()]
    ['x', 'y']
    >>> [node.name for node in graph.consumers["x"]]
    ['y', 'z']
    """

    nodes: Mapping[str, Node]
    functions: Mapping[str, Function] = field(default_factory=dict)
    signature: Signature = field(default_factory=Signature)
    constants: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    versions: Versions = field(default_factory=Versions)
    initializer: Graph | None = None

    def replace(self, **fields: Any) -> Graph:
        """A graph with some fields exchanged.

        >>> Graph({}).replace(versions=Versions(1, 2)).versions.producer
        1
        """
        return dataclasses.replace(self, **fields)

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """For every node, the nodes that read one of its outputs, in the order of the file and each once."""
        found: dict[str, dict[str, Node]] = {name: {} for name in self.nodes}
        for node in self.nodes.values():
            for edge in node.inputs:
                if edge.node in found:
                    found[edge.node][node.name] = node
        return {name: tuple(nodes.values()) for name, nodes in found.items()}

    @property
    def parts(self) -> tuple[Graph, ...]:
        """The graph itself and those of its functions.

        >>> len(Graph({}).parts)
        1
        """
        return self, *(function.graph for function in self.functions.values())

    @cached_property
    def placeholders(self) -> tuple[Node, ...]:
        """The nodes that have to be fed."""
        return tuple(node for node in self.nodes.values() if node.op == "Placeholder")

    @cached_property
    def inputs(self) -> dict[str, TensorInfo]:
        """The signature's inputs, else one entry for each placeholder."""
        if self.signature.inputs:
            return dict(self.signature.inputs)
        return {node.name: placeholder_info(node) for node in self.placeholders}

    @cached_property
    def outputs(self) -> dict[str, TensorInfo]:
        """The signature's outputs, else one entry for each node that nothing reads."""
        if self.signature.outputs:
            return dict(self.signature.outputs)
        return {
            name: TensorInfo(name)
            for name, readers in self.consumers.items()
            if not readers and self.nodes[name].op not in ("Const", "Placeholder", "NoOp", "Assert")
        }

    def node(self, name: str) -> Node:
        """The node called ``name``; InvalidArgumentError when there is none.

        >>> Graph({"x": Node("x", "Placeholder")}).node("x").op
        'Placeholder'
        """
        try:
            return self.nodes[name]
        except KeyError:
            raise InvalidArgumentError(f"the graph has no node {name!r}; it has {_some(self.nodes)}") from None

    def input_edge(self, key: str) -> Edge:
        """The edge that a caller means by a signature key, a node's name, or ``name:0``.

        Raises InvalidArgumentError when nothing is called so.

        >>> Graph({"x": Node("x", "Placeholder")}).input_edge("x:0")
        Edge(node='x', index=0)
        """
        return self._named_edge(key, self.inputs, "input")

    def output_edge(self, key: str) -> Edge:
        """The edge that a caller means by a signature key, a node's name, or ``name:index``.

        Raises InvalidArgumentError when nothing is called so.

        >>> Graph({"s": Node("s", "Split")}).output_edge("s:1")
        Edge(node='s', index=1)
        """
        return self._named_edge(key, self.outputs, "output")

    def _named_edge(self, key: str, entries: Mapping[str, TensorInfo], kind: str) -> Edge:
        if not isinstance(key, str):
            raise InvalidArgumentError(f"an {kind} is named by text, got {key!r}; its {kind}s are {_some(entries)}")
        if key in entries:
            return entries[key].edge
        if key in self.nodes:
            return Edge(key)
        try:
            edge = Edge.parse(key)
        except ModelFormatError:
            edge = None
        known = edge is not None and (edge.node in self.nodes or any(i.edge == edge for i in entries.values()))
        if edge is None or not known:
            raise InvalidArgumentError(
                f"the graph has no {kind} {key!r}; its {kind}s are {_some(entries)}, and node names will do"
            )
        return edge

    def topological_order(self) -> tuple[Node, ...]:
        """All nodes, each after what it reads and waits for; otherwise as early as the file has them.

        The back edges of loops (out of NextIteration) do not count. Raises ModelFormatError that names the
        nodes of a cycle.

        >>> loop = {"a": Node("a", "Neg", (Edge("b"),)), "b": Node("b", "Neg", (Edge("a"),))}
        >>> Graph(loop).topological_order()
        Traceback (most recent call last):
        tfgl.errors.ModelFormatError: the graph has a cycle: 'a' -> 'b' -> 'a'; only NextIteration may
        """
        return self._topological_order

    @cached_property
    def _topological_order(self) -> tuple[Node, ...]:
        order: list[Node] = []
        done: set[str] = set()
        for root in self.nodes:
            if root in done:
                continue
            # An explicit stack: a chain of ten thousand nodes is longer than Python's recursion limit.
            path: dict[str, Iterable[str]] = {root: iter(self._sources(root))}
            while path:
                name = next(reversed(path))
                for source in path[name]:
                    if source in done:
                        continue
                    if source in path:
                        names = list(path)
                        raise ModelFormatError(_cycle_message([*names[names.index(source) :], source]))
                    path[source] = iter(self._sources(source))
                    break
                else:
                    del path[name]
                    done.add(name)
                    order.append(self.nodes[name])
        return tuple(order)

    def _sources(self, name: str) -> list[str]:
        node = self.nodes[name]
        names = [edge.node for edge in node.inputs] + list(node.control_inputs)
        return [source for source in names if source in self.nodes and self.nodes[source].op != "NextIteration"]

    def prune(self, outputs: Iterable[str], feeds: Iterable[str] = (), *, control: bool = True) -> Graph:
        """The part of the graph that ``outputs`` need, when the nodes of ``feeds`` are given.

        Names are those that ``output_edge`` and ``input_edge`` take; functions stay as far as they are
        reachable, and signature entries as far as their nodes remain. Without ``control`` only data counts,
        and control inputs are dropped.

        >>> chain = {"x": Node("x", "Placeholder"), "y": Node("y", "Neg", (Edge("x"),)),
        ...          "z": Node("z", "Neg", (Edge("y"),))}
        >>> list(Graph(chain).prune(["z"], feeds=["y"]).nodes)
        ['y', 'z']
        """
        fed = {self.input_edge(key).node for key in feeds}
        waiting = [self.node(self.output_edge(key).node).name for key in outputs]
        kept: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in kept:
                continue
            kept.add(name)
            if name in fed:
                continue
            node = self.nodes[name]
            sources = [edge.node for edge in node.inputs] + (list(node.control_inputs) if control else [])
            waiting += [source for source in sources if source in self.nodes]
        nodes = {
            name: node if control or not node.control_inputs else dataclasses.replace(node, control_inputs=())
            for name, node in self.nodes.items()
            if name in kept
        }
        return self.replace(
            nodes=nodes,
            functions=self._reachable_functions(nodes.values()),
            constants={name: value for name, value in self.constants.items() if name in kept},
            signature=Signature(
                {k: info for k, info in self.signature.inputs.items() if info.edge.node in kept},
                {k: info for k, info in self.signature.outputs.items() if info.edge.node in kept},
            ),
        )

    def _reachable_functions(self, nodes: Iterable[Node]) -> dict[str, Function]:
        reached: set[str] = set()
        waiting = list(nodes)
        while waiting:
            for value in waiting.pop().attrs.values():
                for name in value if isinstance(value, list) else (value,):
                    if isinstance(name, FunctionName) and name in self.functions and name not in reached:
                        reached.add(name)
                        waiting += self.functions[name].graph.nodes.values()
        return {name: function for name, function in self.functions.items() if name in reached}


def placeholder_info(node: Node) -> TensorInfo:
    """Name, dtype and shape that a Placeholder states; None for what it does not.

    >>> placeholder_info(Node("x", "Placeholder", attrs={"dtype": DataType("int64"), "shape": (-1, 2)})).shape
    (-1, 2)
    """
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    return TensorInfo(
        node.name,
        dtype if isinstance(dtype, DataType) else None,
        shape if isinstance(shape, tuple) else None,
    )


def unused_name(wanted: str, taken: Container[str]) -> str:
    """``wanted``, or the first longer name of its kind that is not ``taken``.

    >>> unused_name("conv/bias", {"conv/bias"})
    'conv/bias_'
    """
    while wanted in taken:
        wanted += "_"
    return wanted


def _cycle_message(path: Sequence[str]) -> str:
    # `path` runs from reader to source; data flows the other way, but either direction names the cycle.
    shown = [repr(name) for name in path]
    if len(shown) > 9:
        shown = [*shown[:4], f"... {len(shown) - 8} more ...", *shown[-4:]]
    return f"the graph has a cycle: {' -> '.join(shown)}; only NextIteration may"


def _some(names: Iterable[str], limit: int = 8) -> str:
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:limit])
    return (text or "none") + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
