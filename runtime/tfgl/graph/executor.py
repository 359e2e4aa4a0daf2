"""Runs a graph on an engine: traced once for given input shapes, replayed afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dtypes import DType
from ..engine import Engine
from ..errors import InvalidArgumentError, UnsupportedOpError
from ..gl.recording import Buffer, Recording
from ..ir.evaluate import HostCall, HostValue
from ..ir.graph import Edge, Graph, Node
from ..ir.lowering import Call, Value, lower_node
from ..registry import run_kernel
from ..tensor import Tensor

Array = npt.NDArray[Any]
Feeds = Mapping[Edge, Tensor]
_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The nodes that some fetches need, in order, and what may be forgotten after each."""

    nodes: tuple[Node, ...]
    dying: tuple[tuple[Edge, ...], ...]
    read: Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class _Output:
    """Where a replay finds one fetched tensor: output slots (two for complex), the fed tensor itself, or a constant."""

    shape: tuple[int, ...]
    dtype: DType
    slots: tuple[int, ...] = ()
    fed: Edge | None = None
    kept: Tensor | None = None


@dataclass(slots=True)
class _Captured:
    """A recording with the host values that it depends on."""

    recording: Recording
    guards: dict[Edge, bytes]
    order: tuple[Edge, ...]
    outputs: list[_Output]


class Executor:
    """Executes the nodes of one graph; owns its weights and its recordings."""

    def __init__(self, graph: Graph, engine: Engine) -> None:
        self.graph = graph
        self.engine = engine
        self.weights: dict[str, Tensor] = {}
        self._plans: dict[_Key, Plan] = {}
        self._captured: OrderedDict[_Key, list[_Captured]] = OrderedDict()
        self._dynamic: set[_Key] = set()
        self.replays = 0
        for name, array in graph.constants.items():
            tensor = engine.tensor(array)
            tensor.persistent = True
            tensor.kept = True
            self.weights[name] = tensor

    def upload_weights(self) -> None:
        """Upload every weight that a shader will read: all but small host-side numbers."""
        for tensor in self.weights.values():
            if tensor.dtype in ("float32", "int32", "bool") and tensor.size > self.engine.flags.host_forward_limit:
                tensor.flat()

    @property
    def recordings(self) -> int:
        """How many recordings are kept."""
        return sum(map(len, self._captured.values()))

    @property
    def recorded_draws(self) -> int:
        """Draws of the newest recording."""
        for captured in reversed(self._captured.values()):
            return captured[-1].recording.draws
        return 0

    def close(self) -> None:
        """Release weights and recordings."""
        for captured in self._captured.values():
            for item in captured:
                item.recording.close()
        self._captured.clear()
        for tensor in self.weights.values():
            tensor.dispose()

    # -- running ------------------------------------------------------------

    def run(self, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge], *, capture: bool = True) -> list[Tensor]:
        """The tensors at ``fetches``; ``hosts`` are the fed values that the host holds.

        The first run for given shapes is traced and recorded, later ones replay
        the recording. ``capture=False`` runs node by node, for debugging.
        """
        order = tuple(feeds)
        key = (tuple((edge, feeds[edge].shape, feeds[edge].dtype) for edge in order), tuple(fetches))
        replayable = capture and all(t.dtype in ("float32", "int32", "bool") for t in feeds.values())
        if replayable and key not in self._dynamic:
            for captured in self._captured.get(key, ()):
                if all(hosts.get(edge, _NOTHING).tobytes() == guard for edge, guard in captured.guards.items()):
                    self._captured.move_to_end(key)
                    self.replays += 1
                    return self._replay(captured, feeds)
            return self._capture(key, feeds, hosts, fetches)
        run = _Run(self, self.plan(order, fetches), hosts)
        return run.execute(feeds, fetches)

    def plan(self, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
        """The nodes that ``fetches`` need when ``feeds`` are given, with lifetimes; kept for the next call."""
        key = (tuple(feeds), tuple(fetches))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _plan(self.graph, feeds, fetches)
        return plan

    def _capture(self, key: _Key, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge]) -> list[Tensor]:
        engine = self.engine
        aliases: dict[Edge, Tensor] = {}
        inputs: list[Buffer] = []
        for edge, tensor in feeds.items():
            # A tensor of its own with nothing but the flat buffer: what the caller's tensor has cached is not
            # there at the next replay.
            buffer = tensor.flat()
            aliases[edge] = Tensor(engine, tensor.shape, tensor.dtype).adopt(flat=buffer)
            inputs.append(buffer)
        run = _Run(self, self.plan(tuple(feeds), fetches), hosts)
        with engine.tracing() as trace:
            results = run.execute(aliases, fetches)
            buffers: list[Buffer] = []
            slots = [_slots(result, buffers) for result in results]
            engine.flush()
            if trace.reads or any(s is None for s in slots):
                self._dynamic.add(key)
            else:
                recording = Recording(engine, trace.draws, inputs, buffers)
                position = {id(buffer): at for at, buffer in enumerate(recording.outputs)}
                fed = {id(buffer): edge for edge, buffer in zip(feeds, inputs, strict=True)}
                outputs = [
                    _output(result, found or [], position, fed) for result, found in zip(results, slots, strict=True)
                ]
                self._keep(key, _Captured(recording, run.guards, tuple(feeds), outputs))
        return results

    def _keep(self, key: _Key, captured: _Captured) -> None:
        self._captured.setdefault(key, []).append(captured)
        while self.recordings > max(1, self.engine.flags.max_recordings):
            oldest = next(iter(self._captured))
            self._captured[oldest].pop(0).recording.close()
            if not self._captured[oldest]:
                del self._captured[oldest]

    def _replay(self, captured: _Captured, feeds: Feeds) -> list[Tensor]:
        engine = self.engine
        engine.device.check()
        engine.collect_dead()
        buffers = captured.recording.replay([feeds[edge].flat() for edge in captured.order])
        engine.draw_count += captured.recording.draws
        results: list[Tensor] = []
        for output in captured.outputs:
            if output.kept is not None:
                results.append(output.kept.view(output.shape))
                continue
            if output.fed is not None:
                results.append(feeds[output.fed].view(output.shape))
                continue
            parts = [
                Tensor(engine, output.shape, "float32" if len(output.slots) == 2 else output.dtype).adopt(flat=buffers[at])
                for at in output.slots
            ]
            if len(parts) == 2:
                results.append(Tensor(engine, output.shape, "complex64").adopt_parts(parts[0], parts[1]))
            else:
                results.append(parts[0])
        return results


_NOTHING: Array = np.empty(0)


def _slots(result: Tensor, buffers: list[Buffer]) -> list[Buffer] | None:
    """The flat buffers of an output, added to ``buffers``; None for a tensor without any (strings)."""
    if result.dtype == "string":
        return None
    if result.dtype == "complex64":
        found = [part.flat() for part in result.parts]
    elif result.host is not None:
        found = []
    else:
        found = [result.flat()]
    for buffer in found:
        if all(buffer is not other for other in buffers):
            buffers.append(buffer)
    return found


def _output(result: Tensor, found: list[Buffer], position: Mapping[int, int], fed: Mapping[int, Edge]) -> _Output:
    if found and all(id(buffer) in position for buffer in found):
        return _Output(result.shape, result.dtype, tuple(position[id(buffer)] for buffer in found))
    if len(found) == 1 and id(found[0]) in fed:
        return _Output(result.shape, result.dtype, fed=fed[id(found[0])])
    # A constant: no draw of the trace made it.
    return _Output(result.shape, result.dtype, kept=result.view(result.shape))


def _plan(graph: Graph, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
    fed = set(feeds)
    needed: set[str] = set()
    waiting = [edge.node for edge in fetches if edge not in fed]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            # Control inputs order side effects, and no kernel has any.
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


class _Run:
    """One pass over a plan."""

    def __init__(self, executor: Executor, plan: Plan, hosts: Mapping[Edge, Array]) -> None:
        self.executor = executor
        self.engine = executor.engine
        self.plan = plan
        self.hosts = hosts
        self.fed_hosts: dict[int, Edge] = {}
        self.guards: dict[Edge, bytes] = {}

    def execute(self, feeds: Feeds, fetches: Sequence[Edge]) -> list[Tensor]:
        values: dict[Edge, Tensor] = dict(feeds)
        for edge, tensor in feeds.items():
            if edge in self.hosts:
                self.fed_hosts[tensor.id] = edge
        weights = self.executor.weights
        engine = self.engine
        outer = engine.node
        try:
            for node, dying in zip(self.plan.nodes, self.plan.dying, strict=True):
                weight = weights.get(node.name)
                if weight is not None:
                    values[Edge(node.name)] = weight
                    continue
                engine.node = str(node)
                for at, output in enumerate(self._outputs(node, values)):
                    if output is not None:
                        values[Edge(node.name, at)] = output
                for edge in dying:
                    values.pop(edge, None)
        finally:
            engine.node = outer
        return [self._fetched(values, edge) for edge in fetches]

    def _fetched(self, values: Mapping[Edge, Tensor], edge: Edge) -> Tensor:
        try:
            found = values[edge]
        except KeyError:
            node = self.executor.graph.nodes.get(edge.node)
            raise InvalidArgumentError(
                f"{node or edge.node!r} has no output {edge.index}; ask for another index, or for the node's name"
            ) from None
        return found.view(found.shape)

    def _outputs(self, node: Node, values: Mapping[Edge, Tensor]) -> list[Tensor | None]:
        try:
            inputs = [values[edge] for edge in node.inputs]
        except KeyError as error:
            edge = error.args[0]
            raise InvalidArgumentError(
                f"{node} reads {edge}, which its node does not give; feed it, or fetch another output"
            ) from None
        forwarded = self._on_host(node, inputs)
        if forwarded is not None:
            return forwarded
        results = lower_node(_GraphCall(node, inputs, self))
        return [result if isinstance(result, Tensor) else None for result in results]

    def _on_host(self, node: Node, inputs: Sequence[Tensor]) -> list[Tensor | None] | None:
        """Outputs of shape arithmetic: few values, all of which the host holds already; else None."""
        if not inputs or node.op in _NEVER_ON_HOST:
            return None
        arrays = [tensor.host for tensor in inputs]
        limit = self.engine.flags.host_forward_limit
        if any(array is None for array in arrays) or sum(t.size for t in inputs) >= limit:
            return None
        held = [array for array in arrays if array is not None]
        try:
            call = HostCall(node, [HostValue(array) for array in held], "float32", self.plan.read[node.name])
            outputs = lower_node(call)
        except UnsupportedOpError:
            return None
        results = [output.array if isinstance(output, HostValue) else None for output in outputs]
        if any(result is not None and result.size >= limit for result in results):
            return None
        return [None if result is None else self.engine.tensor(result) for result in results]

    def host(self, tensor: Tensor) -> Array:
        """Values of a tensor that steers shapes; a fed one becomes a guard of the recording."""
        edge = self.fed_hosts.get(tensor.id)
        if edge is not None:
            array = self.hosts[edge]
            self.guards[edge] = array.tobytes()
            return array
        return tensor.numpy()


# Random numbers differ at each call; identities keep the tensor they are given.
_NEVER_ON_HOST = frozenset(
    {"Identity", "IdentityN", "StopGradient", "Snapshot", "Fill", "RandomUniform", "RandomUniformInt", "RandomStandardNormal",
     "TruncatedNormal", "Multinomial", "StatelessRandomUniform"}
)


class _GraphCall(Call):
    """A lowering's view of one node of a run."""

    def __init__(self, node: Node, inputs: Sequence[Tensor], run: _Run) -> None:
        super().__init__(node, inputs)
        self._tensors = inputs
        self._run = run

    def run(self, kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any]) -> Any:
        return run_kernel(kernel, inputs, attrs)

    def host(self, i: int) -> Array:
        return self._run.host(self._tensors[i])

    def constant(self, array: Array) -> Value:
        return self._run.engine.tensor(array)

    def wanted(self, i: int) -> bool:
        return i in self._run.plan.read[self.node.name]

