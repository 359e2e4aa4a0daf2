"""One pass over a graph's nodes on an engine, as draws that run at once or are held back by a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..dtypes import NUMPY, DType
from ..engine import Trace
from ..errors import InvalidArgumentError, UnsupportedOpError
from ..ir.cost import cost_of
from ..ir.evaluate import HostCall, HostValue
from ..ir.graph import Edge, Graph, Node
from ..ir.interpreter import Interpreter
from ..ir.lowering import Call, Opaque, Value, lower_node, row_of
from ..ir.tables import Table
from ..registry import run_kernel
from ..tensor import Tensor
from .prepared import Array, Feeds, PreparedGraph, named, own_tensor


def held_values(edge: Edge, feeds: Feeds, hosts: Mapping[Edge, Array]) -> Array:
    """The values of a fed tensor; read from the device where the host does not hold them."""
    array = hosts.get(edge)
    return feeds[edge].numpy() if array is None else array


@dataclass(frozen=True, slots=True)
class Fed:
    """A fed tensor, behind its stand-in of a trace."""

    tensor: Tensor
    edge: Edge
    hosts: Mapping[Edge, Array]


@dataclass(frozen=True, slots=True)
class _FedView:
    """A tensor of a trace that holds the values of a fed one."""

    fed: Fed
    shape: tuple[int, ...]
    dtype: DType


@dataclass(slots=True)
class _Recipe:
    """How the host can compute the outputs of a node, when it asks for them, without reading the device."""

    node: Node
    sources: list[tuple[_Recipe, int] | _FedView | Array]
    read: frozenset[int]
    depth: int
    outputs: list[Array | None] | None = None


@dataclass(frozen=True, slots=True)
class _Origin:
    """The recipe of a tensor, which holds for the run that made it."""

    run: Run
    recipe: _Recipe
    index: int


class Run(Interpreter):
    """One pass over a plan; ``fed`` has the fed tensors of ``trace`` by the identity of their stand-ins' buffers."""

    def __init__(
        self, prepared: PreparedGraph, fed: Mapping[int, Fed] | None = None, trace: Trace | None = None
    ) -> None:
        super().__init__(prepared.graph.functions, prepared.function_plans)
        self.prepared = prepared
        self.engine = prepared.engine
        self.fed = fed or {}
        self.guards: dict[Edge, bytes] = {}
        self._trace = trace
        self.engine.interrupted = False

    def fetch(self, feeds: Feeds, fetches: Sequence[Edge]) -> list[Tensor]:
        """The tensors at ``fetches``, each one of the caller's own."""
        values = self.values(feeds, fetches)
        return [own_tensor(self.prepared.graph, values, edge) for edge in fetches]

    def values(self, feeds: Feeds, fetches: Sequence[Edge]) -> dict[Edge, Value]:
        """What is at ``fetches``, tensors or not."""
        values: dict[Edge, Value] = {**self.prepared.captured, **feeds}
        self.execute(self.prepared.graph, self.prepared.plan(tuple(feeds), fetches), values)
        return values

    def constant_of(self, graph: Graph, name: str) -> Value:
        """The weight of that name."""
        return self.prepared.weight(graph, name)

    def outputs(self, node: Node, inputs: Sequence[Value], read: frozenset[int]) -> Sequence[Value | None]:
        """What ``node`` computes, on the host where that is shape arithmetic, else by kernels."""
        if self.engine.interrupted:
            self.engine.interrupted = False
            raise KeyboardInterrupt
        # A tidy scope around this run would keep every intermediate alive, and so keep draws from merging.
        with named(self.engine, str(node)), self.engine.scope():
            forwarded = self._on_host(node, inputs, read)
            if forwarded is not None:
                return forwarded
            outputs = lower_node(_GraphCall(node, inputs, read, self))
        self._note(node, inputs, read, outputs)
        self._bound_trace()
        return outputs

    def _bound_trace(self) -> None:
        """Keep what a trace holds within bounds, however long a loop is."""
        trace = self._trace
        if trace is None:
            return
        if trace.recorded and (trace.reads or len(trace.draws) > self.engine.flags.max_recorded_draws):
            # It cannot be replayed, or is too long to be kept.
            trace.recorded = False
            self.engine.flush()
        elif len(trace.draws) - trace.done > _MOST_PENDING:
            self.engine.flush()

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
        # What is drawn at random is what the device drew.
        if not inputs or not made or node.op in _NEVER_ON_HOST or "Random" in node.op:
            return
        if any(tensor.dtype not in ("int32", "bool") or tensor.size > _MOST_STEERING for tensor in made):
            return
        sources = []
        for value in inputs:
            source = self._source(value)
            if source is None:
                return
            sources.append(source)
        depth = 1 + max((source[0].depth for source in sources if isinstance(source, tuple)), default=0)
        if depth > _DEEPEST_RECIPE:
            return
        recipe = _Recipe(node, sources, read, depth)
        for at, output in enumerate(outputs):
            if isinstance(output, Tensor) and output.host is None and self._recipe(output) is None:
                output.origin = _Origin(self, recipe, at)

    def _source(self, value: Value) -> tuple[_Recipe, int] | _FedView | Array | None:
        if not isinstance(value, Tensor) or value.size > _MOST_STEERING or value.dtype not in ("int32", "bool"):
            return None
        fed = self.fed.get(id(value.flat())) if self.fed and value.is_flat else None
        if fed is not None:
            return _FedView(fed, value.shape, value.dtype)
        return value.host if value.host is not None else self._recipe(value)

    def _recipe(self, tensor: Tensor) -> tuple[_Recipe, int] | None:
        origin = tensor.origin
        return (origin.recipe, origin.index) if isinstance(origin, _Origin) and origin.run is self else None

    def host(self, tensor: Tensor) -> Array:
        """Values of a tensor that steers shapes; a fed one becomes a guard of the recording."""
        source = self._recipe(tensor)
        if source is not None:
            array = self._computed(*source)
            return tensor.numpy() if array is None else array
        fed = self.fed.get(id(tensor.flat())) if self.fed and tensor.is_flat else None
        if fed is None:
            return tensor.numpy()
        return self._guarded(_FedView(fed, tensor.shape, tensor.dtype))

    def _guarded(self, view: _FedView) -> Array:
        fed = view.fed
        array = held_values(fed.edge, {fed.edge: fed.tensor}, fed.hosts)
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
                # What it was made of need not be remembered, however long a loop goes on.
                current.sources, current.depth = [], 0
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
# Steps that the host may have to make up for at once; a value that nobody asked for is then left to the device.
_DEEPEST_RECIPE = 256
# Draws that are held back to be merged: the driver may begin with those before.
_MOST_PENDING = 1 << 11
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

    def __init__(self, node: Node, inputs: Sequence[Value], read: frozenset[int], run: Run) -> None:
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
        return self._run.prepared.resources.table(self.node, make)

    def data(self, i: int) -> Array:
        value = self.inputs[i]
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor, got {type(value).__name__}")
        return value.numpy()

    def constant(self, array: Array) -> Value:
        return self._run.engine.tensor(array)

    def wanted(self, i: int) -> bool:
        return i in self._read

