"""Control inputs that decide whether a node runs become Switch nodes, so that data alone decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..errors import ModelFormatError
from .graph import Edge, Graph, Node, unused_name

# A condition, and the side of it on which a node runs.
_Choice = tuple[Edge, int]
_Choices = frozenset[_Choice]
_NONE: _Choices = frozenset()
# What a graph may nest; real ones have a dozen, and a file must not make us remember millions.
_MOST_CHOICES = 256
# What acts on the mere presence of a value: a choice that such a node waits for by control alone would be lost.
_SINKS = frozenset(
    {"Merge", "Enter", "NextIteration", "Exit", "If", "StatelessIf", "While", "StatelessWhile", "Case",
     "StatelessCase", "PartitionedCall", "StatefulPartitionedCall", "TensorArrayWriteV3"}
)  # fmt: skip


def gate_by_data(graph: Graph, frames: Mapping[str, tuple[str, ...]]) -> Graph:
    """The graph with a Switch wherever a loop or a Merge reads what waits for a choice by a control input alone.

    TensorFlow lets the constants of a branch wait by a control edge; executors here look at data only. ``frames`` are
    the loops around each node, outermost first.

    >>> nodes = [Node("p", "Placeholder"), Node("s", "Switch", (Edge("p"), Edge("p"))), Node("a", "Const", (), ("t",)),
    ...          Node("t", "Identity", (Edge("s", 1),)), Node("m", "Merge", (Edge("a"), Edge("s")))]
    >>> gated = gate_by_data(Graph({node.name: node for node in nodes}), dict.fromkeys("psatm", ()))
    >>> gated.nodes["m"].inputs
    (Edge(node='a/gate', index=1), Edge(node='s', index=0))
    """
    gates = _Gates(graph, frames)
    for node in graph.topological_order():
        gates.visit(node)
    return graph.replace(nodes=gates.nodes) if gates.made else graph


class _Gates:
    def __init__(self, graph: Graph, frames: Mapping[str, tuple[str, ...]]) -> None:
        self.graph = graph
        self.frames = frames
        self.nodes = dict(graph.nodes)
        self.made: dict[tuple[Edge, _Choice], Edge] = {}
        self._origins: dict[Edge, Edge] = {}
        # The choices that a node depends on: by what it reads, and by what it waits for as well.
        self._data: dict[str, _Choices] = {}
        self._full: dict[str, _Choices] = {}

    def visit(self, node: Node) -> None:
        inputs = [edge for edge in node.inputs if not self._turns(edge)]
        waited = _union(self._full.get(name, _NONE) for name in node.control_inputs)
        if node.op == "Merge":
            data = [self._of(edge, self._data) for edge in inputs]
            full = [self._of(edge, self._full) for edge in inputs]
            changed = {
                edge: self._gated(edge, wanted - held)
                for edge, held, wanted in zip(inputs, data, full, strict=True)
                if wanted - held
            }
            # A Merge needs one of its inputs: it depends on what all of them depend on.
            self._full[node.name] = self._data[node.name] = _intersection(full)
        else:
            held = _union(self._of(edge, self._data) for edge in inputs)
            wanted = waited | _union(self._of(edge, self._full) for edge in inputs)
            changed = {}
            if node.op in _SINKS and inputs and wanted - held:
                changed = {inputs[0]: self._gated(inputs[0], wanted - held)}
                held = wanted
            if node.op == "Exit":
                inner = len(self.frames[node.name])
                held, wanted = (
                    frozenset(choice for choice in choices if len(self.frames[choice[0].node]) <= inner)
                    for choices in (held, wanted)
                )
            self._data[node.name], self._full[node.name] = held, wanted
        if changed:
            now = tuple(changed.get(edge, edge) for edge in node.inputs)
            self.nodes[node.name] = dataclasses.replace(node, inputs=now)

    def _turns(self, edge: Edge) -> bool:
        node = self.graph.nodes.get(edge.node)
        return node is not None and node.op == "NextIteration"

    def _of(self, edge: Edge, known: Mapping[str, _Choices]) -> _Choices:
        """The choices that an edge depends on; of a Switch each output is a choice of its own."""
        choices = known.get(edge.node, _NONE)
        node = self.graph.nodes[edge.node]
        if node.op == "Switch" and len(node.inputs) == 2:
            choices |= {(self._origin(node.inputs[1]), edge.index)}
            if len(choices) > _MOST_CHOICES:
                raise ModelFormatError(f"{node} lies behind more than {_MOST_CHOICES} choices, one inside the other")
        return choices

    def _origin(self, edge: Edge) -> Edge:
        """The condition itself, behind the Identity and LoopCond nodes that hand it on."""
        passed: list[Edge] = []
        while edge not in self._origins:
            node = self.graph.nodes[edge.node]
            if node.op not in ("Identity", "LoopCond") or len(node.inputs) != 1:
                self._origins[edge] = edge
                break
            passed.append(edge)
            edge = node.inputs[0]
        origin = self._origins[edge]
        self._origins.update(dict.fromkeys(passed, origin))
        return origin

    def _gated(self, edge: Edge, choices: _Choices) -> Edge:
        for choice in sorted(choices, key=lambda choice: (str(choice[0]), choice[1])):
            if (edge, choice) not in self.made:
                name = unused_name(f"{edge.node}/gate", self.nodes)
                self.nodes[name] = Node(name, "Switch", (edge, choice[0]))
                self.made[edge, choice] = Edge(name, choice[1])
            edge = self.made[edge, choice]
        return edge


def _union(sets: Iterable[_Choices]) -> _Choices:
    # Most nodes depend on what one of their inputs depends on, and share its set.
    found = _NONE
    for choices in sets:
        if not choices <= found:
            found = choices if found <= choices else found | choices
    return found


def _intersection(sets: list[_Choices]) -> _Choices:
    return frozenset.intersection(*sets) if sets else _NONE
