"""Runs a graph on an engine: traced once for given input shapes, replayed afterwards."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..dtypes import NUMPY, DType
from ..engine import Engine, Trace
from ..errors import InvalidArgumentError, UnsupportedOpError
from ..gl.recording import Buffer, Recording
from ..ir.cost import cost_of
from ..ir.evaluate import HostCall, HostValue, captured_inputs, unfetched
from ..ir.graph import Edge, Graph, Node
from ..ir.interpreter import Interpreter, Plan, plan_of
from ..ir.lowering import Call, Opaque, Value, lower_node, row_of
from ..ir.tables import Resources, Table
from ..registry import run_kernel
from ..tensor import Tensor

Array = npt.NDArray[Any]
Feeds = Mapping[Edge, Tensor]
_Key = tuple[Any, ...]


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
    """Executes the nodes of one graph without frames (see `tfgl.ir.loops`); owns its weights and its recordings.

    ``weights`` has the constants of the graph by name, and those of its functions by function and name.
    """

    def __init__(self, graph: Graph, engine: Engine, resources: Resources | None = None) -> None:
        self.graph = graph
        self.engine = engine
        self.resources = Resources() if resources is None else resources
        self.captured = captured_inputs(graph, self.resources)
        self.weights: dict[str, Tensor] = {}
        self._weight_of: dict[int, Tensor] = {}  # by the identity of the array, which functions may share
        self.function_plans: dict[str, Plan] = {}
        self._plans: dict[_Key, Plan] = {}
        self._captured: OrderedDict[_Key, list[_Captured]] = OrderedDict()
        self._dynamic: set[_Key] = set()
        self.replays = 0
        self._take_weights(graph, "")
        for function in graph.functions.values():
            self._take_weights(function.graph, f"{function.name}/")

    def _take_weights(self, graph: Graph, prefix: str) -> None:
        for name, array in graph.constants.items():
            tensor = self._weight_of.get(id(array))
            if tensor is None:
                tensor = self._weight_of[id(array)] = self.engine.tensor(array)
                tensor.persistent = True
                tensor.kept = True
            # Converters put the function's name before that of a constant.
            self.weights[name if name.startswith(prefix) else prefix + name] = tensor

    def weight(self, graph: Graph, name: str) -> Tensor:
        """The tensor of a constant of ``graph``, which may be one of the functions' graphs."""
        return self._weight_of[id(graph.constants[name])]

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
        return _Run(self).fetch(feeds, fetches)

    def run_kept(self, feeds: Feeds, fetches: Sequence[Edge]) -> tuple[dict[Edge, Tensor], list[Tensor]]:
        """Every tensor outside loops and functions that is computed on the way, and those at ``fetches``."""
        plan = self.plan(tuple(feeds), fetches)
        edges = [Edge(node.name, index) for node in plan.nodes for index in sorted(plan.read[node.name])]
        values = _Run(self).values(feeds, [*edges, *fetches])
        kept = {edge: value.view(value.shape) for edge in edges if isinstance(value := values.get(edge), Tensor)}
        return kept, [_own(self.graph, values, edge) for edge in fetches]

    def plan(self, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
        """The nodes that ``fetches`` need when ``feeds`` are given, with lifetimes; kept for the next call."""
        key = (tuple(feeds), tuple(fetches))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = plan_of(self.graph, [*feeds, *self.captured], fetches)
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
        with engine.tracing() as trace:
            trace.inputs = frozenset(fed)
            run = _Run(self, stand_ins, trace)
            results = run.fetch(aliases, fetches)
            buffers: list[Buffer] = []
            found = [_buffers(result, buffers) for result in results]
            engine.flush()
            if trace.reads or trace.abandoned or any(own is None for own in found):
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


def _own(graph: Graph, values: Mapping[Edge, Value], edge: Edge) -> Tensor:
    """The tensor at ``edge`` as one of the caller's own."""
    value = values.get(edge)
    if not isinstance(value, Tensor):
        raise InvalidArgumentError(unfetched(graph.node(edge.node), edge, value))
    return value.view(value.shape)


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


@dataclass(frozen=True, slots=True)
class _Fed:
    """A fed tensor, behind its stand-in of a trace."""

    tensor: Tensor
    edge: Edge
    hosts: Mapping[Edge, Array]


@dataclass(frozen=True, slots=True)
class _FedView:
    """A tensor of a trace that holds the values of a fed one."""

    fed: _Fed
    shape: tuple[int, ...]
    dtype: DType


@dataclass(slots=True)
class _Recipe:
    """How the host can compute the outputs of a node, when it asks for them, without reading the device."""

    node: Node
    sources: list[tuple[_Recipe, int] | _FedView | Array]
    read: frozenset[int]
    outputs: list[Array | None] | None = None


class _Run(Interpreter):
    """One pass over a plan; ``fed`` has the fed tensors of ``trace`` by the identity of their stand-ins' buffers."""

    def __init__(
        self, executor: Executor, fed: Mapping[int, _Fed] | None = None, trace: Trace | None = None
    ) -> None:
        super().__init__(executor.graph.functions, executor.function_plans)
        self.executor = executor
        self.engine = executor.engine
        self.fed = fed or {}
        self.guards: dict[Edge, bytes] = {}
        self._trace = trace
        self._recipes: dict[int, tuple[_Recipe, int]] = {}  # by the tensor's id

    def fetch(self, feeds: Feeds, fetches: Sequence[Edge]) -> list[Tensor]:
        """The tensors at ``fetches``, each one of the caller's own."""
        values = self.values(feeds, fetches)
        return [_own(self.executor.graph, values, edge) for edge in fetches]

    def values(self, feeds: Feeds, fetches: Sequence[Edge]) -> dict[Edge, Value]:
        """What is at ``fetches``, tensors or not."""
        values: dict[Edge, Value] = {**self.executor.captured, **feeds}
        self.execute(self.executor.graph, self.executor.plan(tuple(feeds), fetches), values)
        return values

    def constant_of(self, graph: Graph, name: str) -> Value:
        return self.executor.weight(graph, name)

    def outputs(self, node: Node, inputs: Sequence[Value], read: frozenset[int]) -> Sequence[Value | None]:
        # A tidy scope around this run would keep every intermediate alive, and so keep draws from merging.
        with _named(self.engine, str(node)), self.engine.scope():
            forwarded = self._on_host(node, inputs, read)
            if forwarded is not None:
                return forwarded
            outputs = lower_node(_GraphCall(node, inputs, read, self))
        self._note(node, inputs, read, outputs)
        trace = self._trace
        if trace is not None and (trace.reads or len(trace.draws) > self.engine.flags.max_recorded_draws):
            # It cannot be replayed, or is too long to be kept: what was held back runs, and what follows at once.
            self.engine.abandon_trace()
            self._trace = None
        return outputs

    def _on_host(self, node: Node, inputs: Sequence[Value], read: frozenset[int]) -> list[Tensor | None] | None:
        """Outputs of shape arithmetic: few values, all of which the host holds already; else None."""
        if not inputs or node.op in _NEVER_ON_HOST or row_of(node.op).opaque != ():
            return None
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        held = [tensor.host for tensor in tensors if tensor.host is not None]
        limit = self.engine.flags.host_forward_limit
        if len(held) < len(inputs) or sum(tensor.size for tensor in tensors) >= limit:
            return None
        try:
            inside = [HostValue(array) for array in held]
            outputs = lower_node(HostCall(node, inside, "float32", read, elements=64 * limit, steps=64 * limit))
        except UnsupportedOpError:
            return None
        results = [output.array if isinstance(output, HostValue) else None for output in outputs]
        if any(result is not None and result.size >= limit for result in results):
            return None
        if any(isinstance(output, Opaque) for output in outputs):
            return None
        return [None if result is None else self.engine.tensor(result) for result in results]

    def _note(
        self, node: Node, inputs: Sequence[Value], read: frozenset[int], outputs: Sequence[Value | None]
    ) -> None:
        """Remember how the host can come to ``outputs``: integers and bools made of those that it knows.

        Counters, conditions and indices of loops that depend on fed values are such; the device computes them too,
        unless nothing reads them there.
        """
        made = [output for output in outputs if isinstance(output, Tensor)]
        if not inputs or not made or node.op in _NEVER_ON_HOST:
            return
        if any(tensor.dtype not in ("int32", "bool") or tensor.size > _MOST_STEERING for tensor in made):
            return
        sources = []
        for value in inputs:
            source = self._source(value)
            if source is None:
                return
            sources.append(source)
        recipe = _Recipe(node, sources, read)
        for at, output in enumerate(outputs):
            if isinstance(output, Tensor) and output.host is None:
                self._recipes.setdefault(output.id, (recipe, at))

    def _source(self, value: Value) -> tuple[_Recipe, int] | _FedView | Array | None:
        if not isinstance(value, Tensor) or value.size > _MOST_STEERING or value.dtype not in ("int32", "bool"):
            return None
        fed = self.fed.get(id(value.flat())) if self.fed and value.is_flat else None
        if fed is not None:
            return _FedView(fed, value.shape, value.dtype)
        return value.host if value.host is not None else self._recipes.get(value.id)

    def host(self, tensor: Tensor) -> Array:
        """Values of a tensor that steers shapes; a fed one becomes a guard of the recording."""
        source = self._recipes.get(tensor.id)
        if source is not None:
            array = self._computed(*source)
            return tensor.numpy() if array is None else array
        fed = self.fed.get(id(tensor.flat())) if self.fed and tensor.is_flat else None
        if fed is None:
            return tensor.numpy()
        return self._guarded(_FedView(fed, tensor.shape, tensor.dtype))

    def _guarded(self, view: _FedView) -> Array:
        fed = view.fed
        array = _held(fed.edge, {fed.edge: fed.tensor}, fed.hosts)
        self.guards[fed.edge] = array.tobytes()
        return array.astype(NUMPY[view.dtype], copy=False).reshape(view.shape)

    def _computed(self, recipe: _Recipe, index: int) -> Array | None:
        """An output of a recipe; None where the reference cannot compute it."""
        waiting = [recipe]
        while waiting:
            current = waiting[-1]
            before = [s[0] for s in current.sources if isinstance(s, tuple) and s[0].outputs is None]
            if before and current.outputs is None:
                waiting += before
                continue
            waiting.pop()
            if current.outputs is None:
                current.outputs = self._cooked(current)
        outputs = recipe.outputs or []
        return outputs[index] if index < len(outputs) else None

    def _cooked(self, recipe: _Recipe) -> list[Array | None]:
        arrays: list[Array] = []
        for source in recipe.sources:
            if isinstance(source, _FedView):
                arrays.append(self._guarded(source))
            elif isinstance(source, tuple):
                made = (source[0].outputs or [])[source[1] : source[1] + 1]
                if not made or made[0] is None:
                    return []
                arrays.append(made[0])
            else:
                arrays.append(source)
        try:
            inside = [HostValue(array) for array in arrays]
            limit = 64 * _MOST_STEERING
            outputs = lower_node(HostCall(recipe.node, inside, "float32", recipe.read, elements=limit, steps=limit))
        except UnsupportedOpError:
            return []
        return [output.array if isinstance(output, HostValue) else None for output in outputs]


# Indices of lists and the like, which may be more than what is computed on the host at once.
_MOST_STEERING = 1 << 14
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

    def __init__(self, node: Node, inputs: Sequence[Value], read: frozenset[int], run: _Run) -> None:
        super().__init__(node, inputs)
        self._read = read
        self._run = run

    def run(self, kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any]) -> Any:
        if attrs.get("dtype") == "string" or any(isinstance(x, Tensor) and x.dtype == "string" for x in self.inputs):
            _check_strings(kernel, inputs, attrs)
        return run_kernel(kernel, inputs, attrs)

    def read(self, value: Value) -> Array:
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor, got {type(value).__name__}")
        return self._run.host(value)

    def invoke(self, function: str, arguments: Sequence[Value]) -> list[Value]:
        return self._run.invoke(function, arguments)

    def table(self, make: Callable[[], Table]) -> Table:
        return self._run.executor.resources.table(self.node, make)

    def data(self, i: int) -> Array:
        value = self.inputs[i]
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor, got {type(value).__name__}")
        return value.numpy()

    def constant(self, array: Array) -> Value:
        return self._run.engine.tensor(array)

    def wanted(self, i: int) -> bool:
        return i in self._read

