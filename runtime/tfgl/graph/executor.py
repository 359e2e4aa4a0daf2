"""Runs a graph on an engine: traced once for given input shapes, replayed afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..dtypes import NUMPY, DType
from ..engine import Engine
from ..errors import InvalidArgumentError, UnsupportedOpError
from ..gl.recording import Buffer, Recording
from ..ir.cost import cost_of
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
class _Part:
    """Where a replay finds a real tensor: in an output slot, in what was fed, or in a constant."""

    slot: int | None = None
    fed: Edge | None = None
    kept: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Output:
    """One fetched tensor: its only part, or the real and the imaginary one."""

    shape: tuple[int, ...]
    dtype: DType
    parts: tuple[_Part, ...]


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
        for name, tensor in self.weights.items():
            if tensor.dtype in ("float32", "int32", "bool") and tensor.size > self.engine.flags.host_forward_limit:
                with _named(self.engine, f"weight {name!r}"):
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

    def run(
        self, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge], *, capture: bool = True
    ) -> list[Tensor]:
        """The tensors at ``fetches``; ``hosts`` are the fed values that the host holds.

        The first run for given shapes is traced and recorded, later ones replay
        the recording. ``capture=False`` runs node by node, for debugging.
        """
        order = tuple(feeds)
        key = (tuple((edge, feeds[edge].shape, feeds[edge].dtype) for edge in order), tuple(fetches))
        # A profile wants to see the kernels, which a replay does not run.
        replayable = capture and self.engine.kernel_log is None
        replayable = replayable and all(t.dtype in ("float32", "int32", "bool") for t in feeds.values())
        if replayable and key not in self._dynamic:
            for captured in self._captured.get(key, ()):
                if all(_held(edge, feeds, hosts).tobytes() == guard for edge, guard in captured.guards.items()):
                    self._captured.move_to_end(key)
                    self.replays += 1
                    return self._replay(captured, feeds)
            return self._capture(key, feeds, hosts, fetches)
        return _Run(self, self.plan(order, fetches)).execute(feeds, fetches)

    def plan(self, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
        """The nodes that ``fetches`` need when ``feeds`` are given, with lifetimes; kept for the next call."""
        key = (tuple(feeds), tuple(fetches))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _plan(self.graph, feeds, fetches)
        return plan

    def _capture(
        self, key: _Key, feeds: Feeds, hosts: Mapping[Edge, Array], fetches: Sequence[Edge]
    ) -> list[Tensor]:
        engine = self.engine
        aliases: dict[Edge, Tensor] = {}
        inputs: dict[Edge, Buffer] = {}
        for edge, tensor in feeds.items():
            # A tensor and a buffer of its own for each input: what the caller's tensor has cached is not there at
            # the next replay, and one tensor that is fed twice, or a weight that is fed, may then be two.
            with _named(engine, f"input {str(edge)!r}"):
                source = tensor.flat()
            buffer = Buffer(source.shape, source.viewport)
            buffer.texture = source.texture
            buffer.owners = 1  # for ever, since the texture is the caller's
            aliases[edge] = Tensor(engine, tensor.shape, tensor.dtype).adopt(flat=buffer)
            inputs[edge] = buffer
        fed = {id(buffer): edge for edge, buffer in inputs.items()}
        stand_ins = {identity: _Fed(feeds[edge], edge, hosts) for identity, edge in fed.items()}
        run = _Run(self, self.plan(tuple(feeds), fetches), stand_ins)
        with engine.tracing() as trace:
            trace.inputs = frozenset(fed)
            results = run.execute(aliases, fetches)
            buffers: list[Buffer] = []
            found = [_buffers(result, buffers) for result in results]
            engine.flush()
            if trace.reads or any(own is None for own in found):
                self._dynamic.add(key)
            else:
                recording = Recording(engine, trace.draws, list(inputs.values()), buffers)
                position = {id(buffer): at for at, buffer in enumerate(recording.outputs)}
                outputs = [
                    _output(result, own or [], position, fed) for result, own in zip(results, found, strict=True)
                ]
                self._keep(key, _Captured(recording, run.guards, tuple(feeds), outputs))
        return [_owned(result, own or [], fed, feeds) for result, own in zip(results, found, strict=True)]

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
            dtype: DType = output.dtype if len(output.parts) == 1 else "float32"
            parts = []
            for part in output.parts:
                if part.slot is not None:
                    parts.append(Tensor(engine, output.shape, dtype).adopt(flat=buffers[part.slot]))
                elif part.fed is not None:
                    parts.append(_as_fed(feeds[part.fed], output.shape, dtype))
                else:
                    assert part.kept is not None
                    parts.append(part.kept.view(output.shape))
            results.append(parts[0] if len(parts) == 1 else _complex(output.shape, parts))
        return results


@contextmanager
def _named(engine: Engine, what: str) -> Iterator[None]:
    """Errors of the engine name ``what`` inside the block."""
    outer, engine.node = engine.node, what
    try:
        yield
    finally:
        engine.node = outer


def _held(edge: Edge, feeds: Feeds, hosts: Mapping[Edge, Array]) -> Array:
    """The values of a fed tensor; read from the device where the host does not hold them."""
    array = hosts.get(edge)
    return feeds[edge].numpy() if array is None else array


def _as_fed(tensor: Tensor, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """A tensor of its own with the texels of a fed one, which a cast of bools to integers leaves as they are."""
    if dtype == tensor.dtype:
        return tensor.view(shape)
    return Tensor(tensor.engine, shape, dtype).adopt(flat=tensor.flat())


def _complex(shape: tuple[int, ...], parts: Sequence[Tensor]) -> Tensor:
    real, imaginary = parts
    return Tensor(real.engine, shape, "complex64").adopt_parts(real, imaginary)


def _parts_of(result: Tensor) -> tuple[Tensor, ...]:
    return result.parts if result.dtype == "complex64" else (result,)


def _buffers(result: Tensor, buffers: list[Buffer]) -> list[Buffer | None] | None:
    """The flat buffer of each part (None: the host alone holds it), added to ``buffers``; None for strings."""
    if result.dtype == "string":
        return None
    found = [part.flat() if part.host is None else None for part in _parts_of(result)]
    for buffer in found:
        if buffer is not None and all(buffer is not other for other in buffers):
            buffers.append(buffer)
    return found


def _output(
    result: Tensor, found: Sequence[Buffer | None], position: Mapping[int, int], fed: Mapping[int, Edge]
) -> _Output:
    parts = []
    for tensor, buffer in zip(_parts_of(result), found, strict=True):
        if buffer is not None and id(buffer) in position:
            parts.append(_Part(slot=position[id(buffer)]))
        elif buffer is not None and id(buffer) in fed:
            parts.append(_Part(fed=fed[id(buffer)]))
        else:
            # A constant: no draw of the trace made it. It outlives a tidy scope around this run.
            kept = tensor.view(tensor.shape)
            kept.kept = True
            parts.append(_Part(kept=kept))
    return _Output(result.shape, result.dtype, tuple(parts))


def _owned(result: Tensor, found: Sequence[Buffer | None], fed: Mapping[int, Edge], feeds: Feeds) -> Tensor:
    """``result``, with the fed tensors' own buffers in place of those of their stand-ins."""
    edges = [fed.get(id(buffer)) for buffer in found]
    if not any(edges):
        return result
    parts = [
        tensor.view(tensor.shape) if edge is None else _as_fed(feeds[edge], tensor.shape, tensor.dtype)
        for tensor, edge in zip(_parts_of(result), edges, strict=True)
    ]
    return parts[0] if len(parts) == 1 else _complex(result.shape, parts)


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


@dataclass(frozen=True, slots=True)
class _Fed:
    """A fed tensor, behind its stand-in of a trace."""

    tensor: Tensor
    edge: Edge
    hosts: Mapping[Edge, Array]


class _Run:
    """One pass over a plan; ``fed`` has the fed tensors of a trace by the identity of their stand-ins' buffers."""

    def __init__(self, executor: Executor, plan: Plan, fed: Mapping[int, _Fed] | None = None) -> None:
        self.executor = executor
        self.engine = executor.engine
        self.plan = plan
        self.fed = fed or {}
        self.guards: dict[Edge, bytes] = {}

    def execute(self, feeds: Feeds, fetches: Sequence[Edge]) -> list[Tensor]:
        values: dict[Edge, Tensor] = dict(feeds)
        weights = self.executor.weights
        engine = self.engine
        outer = engine.node
        try:
            # A tidy scope around this run would keep every intermediate alive, and so keep draws from merging.
            with engine.scope() as made:
                for node, dying in zip(self.plan.nodes, self.plan.dying, strict=True):
                    weight = weights.get(node.name)
                    if weight is not None:
                        values[Edge(node.name)] = weight
                        continue
                    engine.node = str(node)
                    for at, output in enumerate(self._outputs(node, values)):
                        if output is not None:
                            # A fed output stays as it was fed, even if another one of its node is computed.
                            values.setdefault(Edge(node.name, at), output)
                    for edge in dying:
                        values.pop(edge, None)
                    made.clear()
        finally:
            engine.node = outer
        return [self._fetched(values, edge) for edge in fetches]

    def _fetched(self, values: Mapping[Edge, Tensor], edge: Edge) -> Tensor:
        try:
            found = values[edge]
        except KeyError:
            node = self.executor.graph.nodes.get(edge.node)
            raise InvalidArgumentError(
                f"{node or repr(edge.node)} has no output {edge.index}; ask for another index, or for the node's name"
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
            read, inside = self.plan.read[node.name], [HostValue(array) for array in held]
            outputs = lower_node(HostCall(node, inside, "float32", read, elements=64 * limit, steps=64 * limit))
        except UnsupportedOpError:
            return None
        results = [output.array if isinstance(output, HostValue) else None for output in outputs]
        if any(result is not None and result.size >= limit for result in results):
            return None
        return [None if result is None else self.engine.tensor(result) for result in results]

    def host(self, tensor: Tensor) -> Array:
        """Values of a tensor that steers shapes; a fed one becomes a guard of the recording."""
        fed = self.fed.get(id(tensor.flat())) if self.fed and tensor.is_flat else None
        if fed is None:
            return tensor.numpy()
        array = _held(fed.edge, {fed.edge: fed.tensor}, fed.hosts)
        self.guards[fed.edge] = array.tobytes()
        return array.astype(NUMPY[tensor.dtype], copy=False).reshape(tensor.shape)


# Random numbers differ at each call; identities keep the tensor they are given.
_NEVER_ON_HOST = frozenset(
    {"Identity", "IdentityN", "StopGradient", "Snapshot", "Fill", "RandomUniform", "RandomUniformInt",
     "RandomStandardNormal", "TruncatedNormal", "Multinomial", "StatelessRandomUniform"}
)


# Strings are moved on the host, where no texture's limit holds.
_MOST_STRINGS = 1 << 24


def _check_strings(kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
    shapes = {name: [x.shape for x in (x if isinstance(x, list) else [x])] for name, x in inputs.items()}
    count = cost_of(kernel, shapes, attrs).elements
    if count > _MOST_STRINGS:
        raise InvalidArgumentError(f"{kernel} would make {count} strings, more than the {_MOST_STRINGS} allowed")


class _GraphCall(Call):
    """A lowering's view of one node of a run."""

    def __init__(self, node: Node, inputs: Sequence[Tensor], run: _Run) -> None:
        super().__init__(node, inputs)
        self._tensors = inputs
        self._run = run

    def run(self, kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any]) -> Any:
        if attrs.get("dtype") == "string" or any(x.dtype == "string" for x in self.inputs):
            _check_strings(kernel, inputs, attrs)
        return run_kernel(kernel, inputs, attrs)

    def host(self, i: int) -> Array:
        return self._run.host(self._tensors[i])

    def data(self, i: int) -> Array:
        return self._tensors[i].numpy()

    def constant(self, array: Array) -> Value:
        return self._run.engine.tensor(array)

    def wanted(self, i: int) -> bool:
        return i in self._run.plan.read[self.node.name]

