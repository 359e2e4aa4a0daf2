"""Loops of Enter, Merge, Switch, NextIteration and Exit become one node each, whose body is a function.

A node of op `LOOP` reads the first values of its ``variables`` and what else its body needs. Its body returns the
loop's ``exits`` outputs and the variables' next values; what does not come to pass in an iteration is DEAD. The loop
ends with the iteration that hands no variable on, and each output is what the last iteration that gave it gave.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ..errors import ModelFormatError, UnsupportedOpError
from .gates import gate_by_data
from .graph import AttrValue, Edge, Function, FunctionName, Graph, Node, unused_name

Array = np.ndarray[Any, Any]
# The loops around a node by frame name, outermost first.
Path = tuple[str, ...]
LOOP = "_Loop"
_PARTS = frozenset({"Enter", "Exit", "NextIteration"})


def raise_loops(graph: Graph) -> Graph:
    """The graph without frames, and without control inputs that a result depends on (see `gate_by_data`).

    Nodes inside loops move into functions of the library, constants that they read with them; an Exit becomes an
    Identity of its name. Raises ModelFormatError for nodes that no loop can be made of.

    >>> from tfgl.ir.graph import Edge, Graph, Node
    >>> frame = {"frame_name": b"w"}
    >>> nodes = [Node("x", "Placeholder"), Node("p", "Placeholder"), Node("enter", "Enter", (Edge("x"),), (), frame),
    ...          Node("merge", "Merge", (Edge("enter"), Edge("next"))), Node("cond", "LoopCond", (Edge("p"),)),
    ...          Node("switch", "Switch", (Edge("merge"), Edge("cond"))), Node("exit", "Exit", (Edge("switch"),)),
    ...          Node("next", "NextIteration", (Edge("switch", 1),))]
    >>> raised = raise_loops(Graph({node.name: node for node in nodes}))
    >>> [node.op for node in raised.nodes.values()]
    ['Placeholder', 'Placeholder', 'LoopCond', 'Identity', '_Loop']
    """
    for node in graph.nodes.values():
        if node.op == LOOP:
            raise UnsupportedOpError(f"{node} is no op of TensorFlow")
    made: dict[str, Function] = {}
    taken = set(graph.functions)
    functions = {
        name: dataclasses.replace(function, graph=_raised(function.graph, made, taken))
        for name, function in graph.functions.items()
    }
    raised = _raised(graph, made, taken)
    if not made and raised is graph and all(f.graph is graph.functions[n].graph for n, f in functions.items()):
        return graph
    return raised.replace(functions={**functions, **made})


def frames_of(graph: Graph) -> dict[str, Path]:
    """The loops around each node. Raises ModelFormatError where they do not nest.

    >>> frames_of(Graph({"e": Node("e", "Enter", (), (), {"frame_name": b"w"}), "y": Node("y", "Neg", (Edge("e"),))}))
    {'e': ('w',), 'y': ('w',)}
    """
    order = graph.topological_order()
    # An inner loop may begin with a constant from outside: what its Enters read tells where it lies only together.
    around: dict[str, Path] = {}
    while True:
        before = dict(around)
        frames: dict[str, Path] = {}
        for node in order:
            sources = [frames[name] for name in _sources(node) if name in frames]
            path = max(sources, key=len, default=())
            if node.op == "Enter":
                name = _frame_name(node)
                if name in path:
                    raise ModelFormatError(f"{node} enters the loop {name!r} from inside it")
                around[name] = max(around.get(name, ()), path, key=len)
                path = (*around[name], name)
            elif node.op == "Exit" and path:
                path = path[:-1]
            frames[node.name] = path
        if around == before:
            break
    for node in order:
        path = frames[node.name]
        for source in _sources(node):
            outer = frames.get(source, ())
            if node.op == "Enter" and outer == path:
                raise ModelFormatError(f"{node} enters the loop {path[-1]!r} from inside it")
            if outer != path[: len(outer)] and not (node.op == "Exit" and outer[:-1] == path):
                raise ModelFormatError(f"{node} reads {source!r} out of the loop {outer[-1]!r}; only an Exit may")
    return frames


def _sources(node: Node) -> Iterable[str]:
    yield from (edge.node for edge in node.inputs)
    yield from node.control_inputs


def _frame_name(node: Node) -> str:
    name = node.attrs.get("frame_name")
    if not isinstance(name, bytes):
        raise ModelFormatError(f"{node}, attr 'frame_name': expected a string, got {name!r}")
    return name.decode("utf-8", "replace")


def _raised(graph: Graph, made: dict[str, Function], taken: set[str]) -> Graph:
    ops = {node.op for node in graph.nodes.values()}
    if not ops & (_PARTS | {"Switch"}):
        return graph
    frames = frames_of(graph)
    gated = gate_by_data(graph, frames)
    if not ops & _PARTS:
        return gated
    if gated is not graph:
        frames = frames_of(gated)
    raiser = _Raiser(gated, frames, made, taken)
    for path in sorted({path for path in frames.values() if path}, key=lambda path: (-len(path), path)):
        raiser.raise_one(path)
    for node in raiser.nodes.values():
        if node.op in _PARTS:
            raise ModelFormatError(f"{node} belongs to no loop")
    return gated.replace(nodes=raiser.nodes)


class _Raiser:
    """Takes the loops out of one graph, innermost first."""

    def __init__(self, graph: Graph, frames: dict[str, Path], made: dict[str, Function], taken: set[str]) -> None:
        self.nodes = dict(graph.nodes)
        self.constants = graph.constants
        self.frames = frames
        self.made = made
        self.taken = taken
        self._members: dict[Path, list[str]] = {}
        self._exits: dict[Path, list[str]] = {}  # by the loop that they leave
        for name, path in frames.items():
            self._members.setdefault(path, []).append(name)
            node = graph.nodes[name]
            if node.op == "Exit" and node.inputs:
                self._exits.setdefault(frames[node.inputs[0].node], []).append(name)

    def raise_one(self, path: Path) -> None:
        """Put one node and a function in place of the nodes of ``path``, which holds no loop any more."""
        inside = [self.nodes[name] for name in self._members[path]]
        turns = {node.name: node for node in inside if node.op == "NextIteration"}
        merges = [node for node in inside if node.op == "Merge" and any(edge.node in turns for edge in node.inputs)]
        exits = [self.nodes[name] for name in self._exits.get(path, ())]
        body = _Body(self, path)
        first: list[Edge] = []
        following: list[Node] = []
        for merge in merges:
            entering, turning = _sides(merge, turns)
            first.append(self._outside(entering, path, merge))
            following.append(turns[turning])
            body.argument(merge.name)
        skipped = set(turns) | {merge.name for merge in merges}
        for node in inside:
            if node.name not in skipped and node.op != "Enter":
                body.add(node)
        results = [body.edge(_only_input(node)) for node in (*exits, *following)]
        loop = unused_name(path[-1], self.nodes)
        function = unused_name(f"{loop}/body", self.taken)
        self.taken.add(function)
        self.made[function] = body.function(function, results)
        attrs: dict[str, AttrValue] = {
            "body": FunctionName(function), "variables": len(merges), "exits": len(exits)
        }  # fmt: skip
        for node in inside:
            del self.nodes[node.name]
        self.nodes[loop] = Node(loop, LOOP, (*first, *body.given), (), attrs)
        self.frames[loop] = path[:-1]
        self._members.setdefault(path[:-1], []).append(loop)
        for at, node in enumerate(exits):
            self.nodes[node.name] = Node(node.name, "Identity", (Edge(loop, at),), (), node.attrs, node.device)

    def _outside(self, edge: Edge, path: Path, reader: Node) -> Edge:
        """Where a variable's first value comes from: what an Enter reads, or a constant of the file."""
        if self.frames[edge.node] != path:
            return edge
        node = self.nodes[edge.node]
        if node.op != "Enter":
            raise ModelFormatError(f"{reader}: the loop {path[-1]!r} must begin with an Enter, not with {node}")
        return _only_input(node)


class _Body:
    """The function that a loop's body becomes."""

    def __init__(self, raiser: _Raiser, path: Path) -> None:
        self._raiser = raiser
        self._path = path
        self._arguments: list[str] = []
        self._nodes: dict[str, Node] = {}
        self._constants: dict[str, Array] = {}
        self._brought: dict[Edge, Edge] = {}
        self.given: list[Edge] = []
        """What the arguments after the variables are given."""

    def argument(self, name: str) -> None:
        """One more argument, in place of the node ``name``."""
        self._arguments.append(name)
        self._nodes[name] = Node(name, "Placeholder")

    def add(self, node: Node) -> None:
        """A node of the loop."""
        inputs = tuple(self.edge(edge) for edge in node.inputs)
        self._nodes[node.name] = dataclasses.replace(node, inputs=inputs, control_inputs=())
        if node.name in self._raiser.constants:
            self._constants[node.name] = self._raiser.constants[node.name]

    def edge(self, edge: Edge) -> Edge:
        """``edge`` as the body reads it; what comes from outside is brought in."""
        raiser = self._raiser
        node = raiser.nodes[edge.node]
        if raiser.frames[edge.node] == self._path:
            if node.op != "Enter":
                return edge
            return self._bring(_only_input(node), node.name)
        return self._bring(edge, edge.node)

    def _bring(self, outer: Edge, wanted: str) -> Edge:
        if outer not in self._brought:
            name = wanted if wanted not in self._nodes else unused_name(wanted, {*self._raiser.nodes, *self._nodes})
            constant = self._raiser.constants.get(outer.node)
            if constant is not None:
                source = self._raiser.nodes[outer.node]
                self._nodes[name] = Node(name, "Const", attrs=source.attrs)
                self._constants[name] = constant
            else:
                self.argument(name)
                self.given.append(outer)
            self._brought[outer] = Edge(name)
        return self._brought[outer]

    def function(self, name: str, results: list[Edge]) -> Function:
        graph = Graph(self._nodes, {}, constants=self._constants)
        names = tuple(f"result_{at}" for at in range(len(results)))
        return Function(name, tuple(self._arguments), names, tuple(results), graph)


def _sides(merge: Node, turns: Collection[str]) -> tuple[Edge, str]:
    """What a variable begins with, and the NextIteration that renews it."""
    entering = [edge for edge in merge.inputs if edge.node not in turns]
    turning = [edge.node for edge in merge.inputs if edge.node in turns]
    if len(entering) != 1 or len(turning) != 1:
        raise ModelFormatError(f"{merge} must read one Enter and one NextIteration, it reads {len(merge.inputs)} nodes")
    return entering[0], turning[0]


def _only_input(node: Node) -> Edge:
    if len(node.inputs) != 1:
        raise ModelFormatError(f"{node} has {len(node.inputs)} inputs; its op takes 1")
    return node.inputs[0]
