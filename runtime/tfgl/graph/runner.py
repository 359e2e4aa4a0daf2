"""Runs a model's graph by name: feeding, optimised and plain execution, warmup, intermediates, stats, disposal.

Graph models and layers models are both this, with what their own files say around it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from .. import engine as engines
from ..dtypes import NUMPY, DType, check_dtype
from ..engine import Engine
from ..errors import DisposedError, InvalidArgumentError, ModelFormatError, TensorTooLargeError, UnsupportedOpError
from ..ir.evaluate import inside_a_loop, resources_of
from ..ir.graph import Edge, Graph, Node, TensorInfo, placeholder_info
from ..ir.interpreter import plan_of
from ..ir.loops import raise_loops
from ..ir.lowering import check_node, kernels_of, supported_ops
from ..registry import kernel_names
from ..tensor import ByteCodes, Tensor, host_array
from .compiling import CompileReport, compile_progress
from .executor import Executor
from .history import ProgramHistory
from .optimize import optimize
from .pipeline import HostOutputs, pipelined
from .stats import EngineMeter, ModelStats

Array = npt.NDArray[Any]
InputValue: TypeAlias = Tensor | Array | Sequence[Any] | float | int | bool | str | bytes
Inputs: TypeAlias = InputValue | Sequence[InputValue] | Mapping[str, InputValue]
Outputs: TypeAlias = Tensor | list[Tensor] | dict[str, Tensor]
_Runner = TypeVar("_Runner", bound="GraphRunner")


@dataclass(frozen=True, slots=True)
class ModelTensorInfo:
    """An input or output of a model: its name, shape (None where the rank is unknown, -1 a free extent), dtype."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str


class GraphRunner:
    """A graph on an engine: its weights uploaded, its inputs and outputs known by name.

    ``graph`` is the graph as the file has it; what runs is made of it at load. Raises ModelFormatError for a graph
    that cannot be, UnsupportedOpError that names each op that no kernel serves. ``codes``: how the file stores
    constants in bytes, by the identity of the arrays, which must outlive the model (`tfgl.graph.reading.byte_codes`).
    """

    def __init__(
        self, graph: Graph, engine: Engine, stats: ModelStats, codes: Mapping[int, ByteCodes] | None = None
    ) -> None:
        self._engine = engine
        self._engine.device.check()
        self.stats = stats
        start = perf_counter()
        self._source_graph = graph
        self._codes = codes
        _check_supported(graph)
        self._inputs = {key: info for key, info in graph.inputs.items() if info.resource_id is None}
        self._raised = raise_loops(graph)
        for info in graph.outputs.values():
            if info.edge.node not in self._raised.nodes:
                raise ModelFormatError(f"output {info.name!r}: {inside_a_loop(graph, info.edge.node)}")
        self._resources = resources_of(graph)
        runnable = optimize(self._raised, engine.flags, stats) if engine.flags.fusion else self._raised
        self._executor = Executor(runnable, engine, self._resources, codes)
        self._plain_executor: Executor | None = None
        self._kept: dict[str, list[Tensor]] = {}
        self._keep_intermediates = False
        self._disposed = False
        stats.graph_ms += (perf_counter() - start) * 1e3
        meter = EngineMeter(engine)
        self._history = ProgramHistory(graph, engine)
        start = perf_counter()
        self._history.build()
        stats.build_ms = (perf_counter() - start) * 1e3
        self._executor.upload_weights()
        engine.device.gl.Finish()
        meter.add_to(stats)

    # -- what it is ---------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The graph as the file has it."""
        return self._source_graph

    @property
    def inputs(self) -> list[ModelTensorInfo]:
        """The inputs in the order that a list of values has; tables, which the model fills itself, are none."""
        return [_input_info(self._source_graph, info) for info in self._inputs.values()]

    @property
    def outputs(self) -> list[ModelTensorInfo]:
        """The outputs in the order that `predict` returns them."""
        return [_public_info(info) for info in self._source_graph.outputs.values()]

    @property
    def input_nodes(self) -> list[str]:
        """Node names of the inputs."""
        return [info.edge.node for info in self._inputs.values()]

    @property
    def output_nodes(self) -> list[str]:
        """Node names of the outputs."""
        return [info.edge.node for info in self._source_graph.outputs.values()]

    @property
    def input_keys(self) -> list[str]:
        """Signature keys of the inputs; node names where the model has no signature."""
        return list(self._inputs)

    @property
    def output_keys(self) -> list[str]:
        """Signature keys of the outputs; node names where the model has no signature."""
        return list(self._source_graph.outputs)

    def output_edge(self, name: str) -> Edge:
        """What `execute` computes for ``name``; InvalidArgumentError when nothing is called so."""
        return self._source_graph.output_edge(name)

    # -- running ------------------------------------------------------------

    def execute(self, inputs: Inputs, outputs: str | Sequence[str] | None = None) -> Tensor | list[Tensor]:
        """The tensors called ``outputs``: signature keys, node names, or ``name:index``; all outputs by default.

        One output comes as a tensor, several as a list in the order asked for.
        """
        if outputs is not None and not isinstance(outputs, (str, Sequence)):
            raise InvalidArgumentError(f"outputs must be a name or a list of names, got {type(outputs).__name__}")
        names = [outputs] if isinstance(outputs, str) else list(outputs or self._source_graph.outputs)
        results = self._run(inputs, names)
        return results[0] if len(results) == 1 else results

    def predict(self, inputs: Inputs) -> Outputs:
        """Outputs of the whole model: one tensor, or a list in the order of `outputs`."""
        results = self._run(inputs, self.output_keys)
        return results[0] if len(results) == 1 else results

    def predict_batches(self, batches: Iterable[Inputs], depth: int = 2) -> Generator[HostOutputs, None, None]:
        """What `predict` returns for each element of ``batches``, in order, as arrays on the host.

        Elements may come from a generator: when a result is handed out, ``depth`` elements (at least 1) after its own
        have been taken, uploaded and given to the driver, so that a GPU computes while the host prepares inputs and
        uses results. Tensors of the outputs are disposed of. What an element raises, from being taken to being read,
        is raised in the place of its result and ends the iteration. Raises InvalidArgumentError at once for a
        ``depth`` below 1, and for inputs of one inference in place of an iterable of such.

        >>> from tfgl.graph.model import load_graph_model
        >>> nodes = [{"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
        ...          {"name": "y", "op": "Relu", "input": ["x"]}]
        >>> model = load_graph_model({"modelTopology": {"node": nodes}})
        >>> for y in model.predict_batches(np.float32([n, -n]) for n in range(1, 4)):
        ...     print(y)
        [1. 0.]
        [2. 0.]
        [3. 0.]
        """
        self._check()
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise InvalidArgumentError(f"depth must be a whole number of 1 or more, got {depth!r}")
        if isinstance(batches, (Mapping, str, bytes)) or not isinstance(batches, Iterable):
            raise InvalidArgumentError(
                f"predict_batches takes an iterable whose elements are what predict takes, got one "
                f"{type(batches).__name__}; wrap it in a list, or call predict"
            )
        return pipelined(iter(batches), self.predict, self._engine, depth)

    def predict_dict(self, inputs: Inputs) -> dict[str, Tensor]:
        """Outputs by signature key (node name where there is no signature)."""
        keys = self.output_keys
        return dict(zip(keys, self._run(inputs, keys), strict=True))

    def warmup(
        self,
        shapes: Mapping[str, Sequence[int]] | None = None,
        progress: bool | CompileReport | None = None,
    ) -> ModelStats:
        """Run once on zeros, so that later calls with these shapes compile nothing; free extents become 1.

        ``shapes`` gives the shapes of inputs by key. ``progress`` shows a bar of the programs compiled; None shows one
        on a terminal, and a function gets, each time one of these counts changes, how many are compiled and how many
        are known to be needed (a model whose shapes depend on values may find further ones on its way). Programs that
        the engine has already are not counted. Raises as `predict` does.

        >>> from tfgl.graph.model import load_graph_model
        >>> nodes = [{"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
        ...          {"name": "y", "op": "Relu", "input": ["x"]}]
        >>> model = load_graph_model({"modelTopology": {"node": nodes}})
        >>> model.warmup({"x": [1, 3]}, progress=False).first_ms > 0
        True
        """
        feeds: dict[str, InputValue] = {}
        for key, info in zip(self.input_keys, self.inputs, strict=True):
            given = (shapes or {}).get(key)
            shape = [max(1, n) for n in info.shape or ()] if given is None else list(given)
            try:
                # Before it is allocated: a damaged file may state any shape.
                self._engine.device.flat_shape(math.prod(shape), "float")
            except TensorTooLargeError as error:
                raise TensorTooLargeError(f"input {key!r}: {error}") from None
            feeds[key] = self._zeros(shape, info.dtype)
        with compile_progress(self._engine, progress):
            results = self._run(feeds, list(self._source_graph.outputs))
        for tensor in results:
            tensor.dispose()
        return self.stats

    @staticmethod
    def _zeros(shape: Sequence[int], dtype: str) -> Array:
        if dtype == "string":
            return np.full(shape, b"", object)
        return np.zeros(shape, NUMPY[check_dtype(dtype or "float32")])

    def get_intermediate_tensors(self) -> dict[str, list[Tensor]]:
        """Every node's outputs of the last `keep_intermediate_tensors` block, by node name."""
        return dict(self._kept)

    def dispose_intermediate_tensors(self) -> None:
        """Dispose of what `get_intermediate_tensors` returns."""
        for tensors in self._kept.values():
            for tensor in tensors:
                tensor.dispose()
        self._kept.clear()

    @contextmanager
    def keep_intermediate_tensors(self) -> Iterator[None]:
        """Inside the block inferences run node by node, unfused, and keep every node's outputs."""
        before, self._keep_intermediates = self._keep_intermediates, True
        try:
            yield
        finally:
            self._keep_intermediates = before

    def _run(self, inputs: Inputs, names: Sequence[str]) -> list[Tensor]:
        self._check()
        self._engine.device.check()
        # Kernels without inputs make their tensors on the thread's engine.
        outer = engines.use(self._engine)
        try:
            return self._run_here(inputs, names)
        finally:
            engines.use(outer)

    def _run_here(self, inputs: Inputs, names: Sequence[str]) -> list[Tensor]:
        if not names:
            raise InvalidArgumentError("the model states no outputs; name the nodes to compute with execute()")
        start = perf_counter()
        meter = EngineMeter(self._engine)
        fetches = [self.output_edge(name) for name in names]
        self._check_outside_loops(fetches)
        feeds, hosts, made = self._feeds(inputs, fetches)
        executor = self._executor_for(feeds, fetches)
        before, recorded = executor.replays, executor.recordings
        try:
            if self._keep_intermediates:
                results = self._run_kept(feeds, fetches)
            else:
                results = executor.run(feeds, hosts, fetches)
        finally:
            for tensor in made:
                tensor.dispose()
        if self.stats.first_ms is None:
            self._engine.device.gl.Finish()
        elapsed = (perf_counter() - start) * 1e3
        stats = self.stats
        meter.add_to(stats)
        stats.replays += executor.replays - before
        stats.recordings, stats.draws = executor.recordings, executor.recorded_draws
        stats.fusions |= executor.draw_fusions
        stats.conversions = executor.conversions
        stats.footprint = executor.footprint
        if stats.first_ms is None:
            stats.first_ms = elapsed
        else:
            stats.run_ms.append(elapsed)
        if executor.recordings > recorded:
            self._history.keep(executor.programs)
        return results

    def _check_outside_loops(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            if edge.node not in self._raised.nodes and edge.node in self._source_graph.nodes:
                raise InvalidArgumentError(inside_a_loop(self._source_graph, edge.node))

    def _run_kept(self, feeds: dict[Edge, Tensor], fetches: Sequence[Edge]) -> list[Tensor]:
        self.dispose_intermediate_tensors()
        kept, results = self._plain().run_kept(feeds, fetches)
        for edge, tensor in kept.items():
            if edge.node not in self._source_graph.nodes:
                continue  # what was made of several nodes at load
            self._kept.setdefault(edge.node, []).append(tensor)
        return results

    def _executor_for(self, feeds: Iterable[Edge], fetches: Iterable[Edge]) -> Executor:
        """The optimised graph's executor; the file's own when a node asked for was fused away, or when another
        node than an input is fed: what was made of it at load would not see the new values."""
        known, source = self._executor.graph.nodes, self._raised.nodes
        inputs = {info.edge for info in self._source_graph.inputs.values()}
        serves = all(edge in inputs or source[edge.node].op == "Placeholder" for edge in feeds) and all(
            edge.node in known and (not edge.index or known[edge.node].op == source[edge.node].op) for edge in fetches
        )
        return self._executor if serves else self._plain()

    def _plain(self) -> Executor:
        if self._executor.graph is self._raised:
            return self._executor
        if self._plain_executor is None:
            self._plain_executor = Executor(self._raised, self._engine, self._resources, self._codes)
        return self._plain_executor

    def _feeds(
        self, inputs: Inputs, fetches: Sequence[Edge]
    ) -> tuple[dict[Edge, Tensor], dict[Edge, Array], list[Tensor]]:
        """Tensors by edge, the host's copies of them, and those made here."""
        feeds: dict[Edge, Tensor] = {}
        hosts: dict[Edge, Array] = {}
        made: list[Tensor] = []
        for edge, (name, value) in self._named(inputs).items():
            info = self._expected(edge)
            if isinstance(value, Tensor):
                tensor = value
                if value.engine is not self._engine:
                    raise InvalidArgumentError(
                        f"input {name!r} is a tensor of another engine; pass its values, tensor.numpy()"
                    )
                if info.dtype and value.dtype != info.dtype:
                    tensor = self._cast(name, value, info)
                    made.append(tensor)
                if tensor.host is not None:
                    hosts[edge] = tensor.host
            else:
                array = self._input_array(name, value, info)
                hosts[edge] = array
                tensor = self._engine.tensor(array)
                made.append(tensor)
            _check_shape(name, tensor.shape, info.shape)
            feeds[edge] = tensor
        self._check_outside_loops(feeds)
        self._check_complete(feeds, fetches)
        return feeds, hosts, made

    def _cast(self, name: str, value: Tensor, info: ModelTensorInfo) -> Tensor:
        """A tensor of the input's dtype for one of another, where the kind of model allows that."""
        raise InvalidArgumentError(f"input {name!r} takes {info.dtype}, got a {value.dtype} tensor")

    def _input_array(self, name: str, value: InputValue, info: ModelTensorInfo) -> Array:
        """A value as an array of the input's dtype."""
        return input_array(name, value, info)

    def _named(self, inputs: Inputs) -> dict[Edge, tuple[str, InputValue]]:
        graph = self._source_graph
        if isinstance(inputs, Mapping):
            named: dict[Edge, tuple[str, InputValue]] = {}
            for key, value in inputs.items():
                edge = graph.input_edge(key)
                if edge in named:
                    raise InvalidArgumentError(f"input {named[edge][0]!r} is given twice, also as {key!r}")
                named[edge] = (str(key), value)
            return named
        keys = self.input_keys
        # For a model with one input a list of numbers is its value, a list of arrays one value for each input.
        several = isinstance(inputs, (list, tuple)) and (
            len(keys) != 1 or (bool(inputs) and all(isinstance(item, (Tensor, np.ndarray)) for item in inputs))
        )
        values: Sequence[InputValue] = inputs if several else [inputs]  # type: ignore[assignment]
        if len(values) != len(keys):
            raise InvalidArgumentError(
                f"the model has {len(keys)} inputs ({', '.join(keys) or 'none'}), got {len(values)}; "
                "pass a list in that order, or a dict by name"
            )
        return {graph.inputs[key].edge: (key, value) for key, value in zip(keys, values, strict=True)}

    def _expected(self, edge: Edge) -> ModelTensorInfo:
        graph = self._source_graph
        for info in graph.inputs.values():
            if info.edge == edge:
                return _input_info(graph, info)
        node = graph.nodes.get(edge.node)
        if node is not None and node.op.startswith("Placeholder"):
            return _public_info(placeholder_info(node))
        return ModelTensorInfo(str(edge), None, "")

    def _check_complete(self, feeds: Mapping[Edge, Tensor], fetches: Sequence[Edge]) -> None:
        plan = self._executor_for(feeds, fetches).plan(tuple(feeds), fetches)
        missing = [node.name for node in plan.nodes if node.op == "Placeholder"]
        if missing:
            raise InvalidArgumentError(
                f"missing input {missing[0]!r} (node of op Placeholder); got {', '.join(map(str, feeds)) or 'none'}; "
                f"the model's inputs are {', '.join(self.input_keys) or 'none'}"
            )

    # -- the rest -----------------------------------------------------------

    def _check(self) -> None:
        if self._disposed:
            raise DisposedError("this model was used after dispose(); load it again")

    @property
    def is_disposed(self) -> bool:
        """Whether `dispose` was called."""
        return self._disposed

    def dispose(self) -> None:
        """Release weights, recordings and kept intermediates; outputs already returned stay valid."""
        if self._disposed:
            return
        self.dispose_intermediate_tensors()
        self._executor.close()
        if self._plain_executor is not None:
            self._plain_executor.close()
        self._disposed = True

    def __enter__(self: _Runner) -> _Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()


def _check_supported(graph: Graph) -> None:
    if not graph.nodes:
        raise ModelFormatError("modelTopology has no nodes; there is nothing to run")
    needed = graph.prune(list(graph.outputs), control=False)
    parts: list[tuple[Graph, Iterable[Node]]] = [(graph, needed.nodes.values())]
    for function in needed.functions.values():
        arguments = [Edge(argument) for argument in function.arguments]
        parts.append((function.graph, plan_of(function.graph, arguments, function.results).nodes))
    known = supported_ops()
    unknown: dict[str, list[str]] = {}
    for part, nodes in parts:
        for node in nodes:
            runs = node.op in known and kernel_names().issuperset(kernels_of(node.op))
            if not runs and node.name not in part.constants:
                unknown.setdefault(node.op, []).append(node.name)
    if unknown:
        listed = ", ".join(f"{op} ({len(names)}x, first node {names[0]!r})" for op, names in unknown.items())
        raise UnsupportedOpError(f"the model uses ops that tfgl cannot run: {listed}; `tfgl ops` lists those it can")
    for part, nodes in parts:
        for node in nodes:
            if node.name in part.constants:
                continue
            check_node(node)
            for edge in node.inputs:
                source = part.node(edge.node)
                if edge.index and source.op in ("Const", "Placeholder", "PlaceholderWithDefault"):
                    raise ModelFormatError(f"{node} reads {str(edge)!r}, but {source} has one output")


def _public_info(info: TensorInfo) -> ModelTensorInfo:
    dtype: DType | str = (info.dtype.stored or str(info.dtype)) if info.dtype is not None else ""
    return ModelTensorInfo(info.name, info.shape, dtype)


def _input_info(graph: Graph, info: TensorInfo) -> ModelTensorInfo:
    """What the signature says, completed by the Placeholder."""
    node = graph.nodes.get(info.edge.node)
    public = _public_info(info)
    if node is None or not node.op.startswith("Placeholder"):
        return public
    stated = _public_info(placeholder_info(node))
    shape = public.shape if public.shape is not None else stated.shape
    return ModelTensorInfo(public.name, shape, public.dtype or stated.dtype)


_KINDS = {"f": "float32", "i": "int32", "u": "int32", "b": "bool", "c": "complex64"}


def input_array(name: str, value: InputValue, info: ModelTensorInfo) -> Array:
    """``value`` as an array of the input's dtype. Lists and scalars have no dtype of their own and take the
    model's; an array of another kind is refused, as its values would change meaning.

    >>> input_array("x", [1, 2], ModelTensorInfo("x", (-1,), "float32"))
    array([1., 2.], dtype=float32)
    """
    try:
        array, dtype = host_array(value, None, info.dtype if info.dtype == "string" else None)
        if not info.dtype or dtype == info.dtype:
            return array
        typeless = not hasattr(value, "dtype") and (dtype, info.dtype) in (
            ("int32", "float32"),
            ("bool", "float32"),
            ("bool", "int32"),
            ("float32", "complex64"),
        )
        if typeless or array.size == 0:
            return host_array(array, None, info.dtype)[0]
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"input {name!r}: {error}") from None
    raise InvalidArgumentError(
        f"input {name!r} takes {info.dtype}, got an array of dtype {getattr(value, 'dtype', dtype)}; "
        f"convert it, for example with .astype({info.dtype if info.dtype != 'bool' else 'bool'!r})"
    )


def _check_shape(name: str, shape: Sequence[int], expected: Sequence[int] | None) -> None:
    if expected is None:
        return
    fits = len(shape) == len(expected) and all(e in (-1, n) for n, e in zip(shape, expected, strict=True))
    if not fits:
        wanted = ", ".join("?" if e == -1 else str(e) for e in expected)
        raise InvalidArgumentError(f"input {name!r} takes shape [{wanted}], got {list(shape)}")
