"""What a model computes on the host before anything else: lookups in tables, strings and the like.

Its results are then fed to the rest, so that a model which begins with text or keys is recorded all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir.graph import Edge, Node
from ..ir.interpreter import Plan
from ..ir.lowering import Value, row_of
from ..registry import kernels
from ..tensor import Tensor
from .prepared import Array, Feeds, PreparedGraph
from .run import Run

_TABLE_OPS = ("HashTable", "MutableHashTable", "LookupTable")
# Between an input and an op of the host these move little or nothing.
_PASSING = frozenset({"Identity", "Cast", "Reshape", "ExpandDims", "Squeeze", "StopGradient"})


class Front:
    """The nodes of one plan that may run on the host as soon as the inputs are there."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Passing nodes belong to it where an op of the host reads them.
        self._leading: set[str] = set()
        wanted: set[str] = set()
        self.has_host_ops = False
        for node in reversed(plan.nodes):
            on_host = _runs_on_host(node)
            self.has_host_ops |= on_host
            if on_host or (node.op in _PASSING and node.name in wanted):
                self._leading.add(node.name)
                wanted.update(edge.node for edge in node.inputs)

    def run(self, prepared: PreparedGraph, feeds: Feeds) -> dict[Edge, Tensor]:
        """The tensors that these nodes make of ``feeds``."""
        run = Run(prepared)
        constants = prepared.graph.constants
        values: dict[Edge, Value] = {**prepared.captured, **feeds}
        made: dict[Edge, Tensor] = {}
        for node in self._plan.nodes:
            there = all(edge in values or edge.node in constants for edge in node.inputs)
            if node.name in constants or not there:
                continue
            inputs = [
                values[edge] if edge in values else prepared.weight(prepared.graph, edge.node) for edge in node.inputs
            ]
            strings = any(isinstance(value, Tensor) and value.dtype == "string" for value in inputs)
            if not strings and node.name not in self._leading:
                continue
            read = self._plan.read[node.name]
            for index, output in enumerate(run.outputs(node, inputs, read)):
                edge = Edge(node.name, index)
                if output is not None and index in read and edge not in values:
                    values[edge] = output
                    if isinstance(output, Tensor):
                        made[edge] = output
        return made


def _runs_on_host(node: Node) -> bool:
    if node.op.startswith(_TABLE_OPS):
        return True
    named = row_of(node.op).kernels
    return bool(named) and all(name in kernels() and kernels()[name].runs_on == "host" for name in named)


def what_is_left(
    prepared: PreparedGraph, known: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge]
) -> tuple[dict[Edge, Tensor], dict[Edge, Array]]:
    """Those of the ``known`` tensors that the rest of the way to ``fetches`` reads, and the host's copies of them."""
    read = {edge for node in prepared.plan(tuple(known), fetches).nodes for edge in node.inputs}.union(fetches)
    rest = {edge: tensor for edge, tensor in known.items() if edge in read}
    held = {edge: hosts[edge] for edge in rest if edge in hosts}
    for edge, tensor in rest.items():
        if tensor.host is not None:
            held.setdefault(edge, tensor.host)
    return rest, held
