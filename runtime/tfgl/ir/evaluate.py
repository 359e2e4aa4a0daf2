"""Runs a graph on the NumPy reference, for constant folding and for checking what shaders compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..dtypes import NUMPY, DType, dtype_of
from ..errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from .cost import cost_of
from .graph import Edge, Graph, Node, TensorInfo, placeholder_info
from .interpreter import Interpreter, plan_of
from .loops import raise_loops
from .lowering import DEAD, Call, Opaque, Value, lower_node
from .tables import Resources, Table

Array = np.ndarray[Any, Any]
Precision = Literal["float64", "float32"]

# What a damaged graph may make the reference allocate ends here: 8 GB of float64.
_MOST_ELEMENTS = 1 << 30


class HostValue:
    """A tensor on the host: an array and the dtype that it stands for."""

    __slots__ = ("array", "dtype")

    def __init__(self, array: Array) -> None:
        """A value that holds ``array``."""
        self.array = array
        self.dtype: DType = dtype_of(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.array.shape)


class HostCall(Call):
    """A call whose kernels are those of ``tfgl.ir.reference``."""

    def __init__(
        self,
        node: Node,
        inputs: Sequence[Value],
        precision: Precision,
        read: frozenset[int] | None = None,
        *,
        elements: int | None = None,
        steps: int | None = None,
        evaluation: _Evaluation | None = None,
    ) -> None:
        """A call that keeps floats in ``precision``; ``read`` are the outputs that are read, if known.

        A kernel that would make more than ``elements``, or take more than ``steps``, raises UnsupportedOpError.
        ``evaluation`` has functions and tables.
        """
        super().__init__(node, inputs)
        self._evaluation = evaluation
        self._precision = precision
        self._read = read
        self._elements = elements
        self._steps = steps

    def run(self, kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any]) -> Any:
        """The reference's result, in the precision of this evaluation."""
        # Imported here so that the IR can be read and rewritten without the reference kernels.
        from .reference import evaluate as evaluate_kernel

        arrays = {
            name: [value.array for value in given] if isinstance(given, (list, tuple)) else given.array
            for name, given in inputs.items()
        }
        self._check_cost(kernel, arrays, attrs)
        result = evaluate_kernel(kernel, arrays, dict(attrs))
        if isinstance(result, (list, tuple)):
            return [HostValue(_stored(np.asarray(array), self._precision)) for array in result]
        return HostValue(_stored(np.asarray(result), self._precision))

    def _check_cost(self, kernel: str, arrays: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        shapes = {
            name: [array.shape for array in given] if isinstance(given, list) else [given.shape]
            for name, given in arrays.items()
        }
        cost = cost_of(kernel, shapes, attrs)
        if self._elements is None and cost.elements > _MOST_ELEMENTS:
            raise InvalidArgumentError(
                f"kernel {kernel} would make {cost.elements} elements, more than the {_MOST_ELEMENTS} that are allowed"
            )
        if (self._elements is not None and cost.elements > self._elements) or (
            self._steps is not None and cost.steps > self._steps
        ):
            raise UnsupportedOpError(f"{self.node} is too much for the host")

    def read(self, value: Value) -> Array:
        """The array itself."""
        if not isinstance(value, HostValue):
            raise TypeError(f"expected a HostValue, got {type(value).__name__}")
        return value.array

    def invoke(self, function: str, arguments: Sequence[Value]) -> list[Value]:
        """What the function returns, evaluated as the graph around it is."""
        if self._evaluation is None:
            return super().invoke(function, arguments)
        return self._evaluation.invoke(function, arguments)

    def table(self, make: Callable[[], Table]) -> Table:
        """The evaluation's table of this name."""
        if self._evaluation is None:
            return super().table(make)
        return self._evaluation.resources.table(self.node, make)

    def constant(self, array: Array) -> Value:
        """The array in the precision of this evaluation."""
        return HostValue(_stored(array, self._precision))

    def wanted(self, i: int) -> bool:
        """Whether the graph reads output ``i``."""
        return self._read is None or i in self._read


class _Evaluation(Interpreter):
    def __init__(self, graph: Graph, precision: Precision, resources: Resources) -> None:
        super().__init__(graph.functions)
        self.resources = resources
        self._precision = precision

    def constant_of(self, graph: Graph, name: str) -> Value:
        return HostValue(_stored(np.asarray(graph.constants[name]), self._precision))

    def outputs(self, node: Node, inputs: Sequence[Value], read: frozenset[int]) -> Sequence[Value | None]:
        return lower_node(HostCall(node, inputs, self._precision, read, evaluation=self))


def evaluate(
    graph: Graph,
    feeds: Mapping[str, Any],
    fetches: Iterable[str],
    *,
    precision: Precision = "float64",
) -> dict[str, Array]:
    """The values of ``fetches`` for the given ``feeds``, by the names that were asked for.

    Names are signature keys, node names or ``node:index``; any node outside loops may be fed. Floats are kept between
    nodes as ``precision`` says (computed in float64 in both cases) and returned so; other dtypes as they are. Tables
    are filled by the graph's initialiser first.

    Raises InvalidArgumentError for unknown names, missing or unfitting inputs; UnsupportedOpError for an op
    without a row; what the kernels raise, with the node's name.

    >>> from tfgl.ir.graph import Edge, Graph, Node
    >>> nodes = [Node("x", "Placeholder"), Node("y", "Mul", (Edge("x"), Edge("x")))]
    >>> evaluate(Graph({node.name: node for node in nodes}), {"x": np.arange(3.0)}, ["y"])["y"].tolist()
    [0.0, 1.0, 4.0]
    """
    fetched = {name: graph.output_edge(name) for name in fetches}
    resources = resources_of(graph)
    values: dict[Edge, Value] = {**captured_inputs(graph, resources), **_fed_values(graph, feeds, precision)}
    raised = raise_loops(graph)
    inner = next((edge.node for edge in (*fetched.values(), *values) if edge.node not in raised.nodes), None)
    if inner is not None and inner in graph.nodes:
        raise InvalidArgumentError(inside_a_loop(graph, inner))
    plan = plan_of(raised, list(values), list(fetched.values()))
    _Evaluation(raised, precision, resources).execute(raised, plan, values)
    return {name: _fetched(values, edge, graph) for name, edge in fetched.items()}


def inside_a_loop(graph: Graph, name: str) -> str:
    """Why the node ``name``, which a loop holds, can be neither fetched nor fed.

    >>> inside_a_loop(Graph({"n": Node("n", "Neg")}), "n")
    "node 'n' (op Neg) lies inside a loop, where it has another value at each iteration; take one of the loop's outputs"
    """
    return (
        f"{graph.node(name)} lies inside a loop, where it has another value at each iteration; "
        "take one of the loop's outputs"
    )


def resources_of(graph: Graph) -> Resources:
    """The tables of a model, as its initialiser fills them.

    Raises ModelFormatError for an initialiser that makes no table where it is to, and what its nodes raise.

    >>> resources_of(Graph({})).by_id
    {}
    """
    resources = Resources()
    source = graph.initializer
    if source is None:
        return resources
    outputs = source.signature.outputs.values()
    filling = [Edge(node.name) for node in source.nodes.values() if node.op in _FILLING]
    values: dict[Edge, Value] = {}
    raised = raise_loops(source)
    plan = plan_of(raised, [], [*filling, *(info.edge for info in outputs)])
    _Evaluation(raised, "float32", resources).execute(raised, plan, values)
    for info in outputs:
        if info.resource_id is not None:
            table = values.get(info.edge)
            if not isinstance(table, Table):
                raise ModelFormatError(f"the model's initialiser: {info.name!r} is to be a table, and is none")
            resources.by_id[info.resource_id] = table
    return resources


_FILLING = ("LookupTableImport", "LookupTableImportV2", "InitializeTable", "InitializeTableV2")


def captured_inputs(graph: Graph, resources: Resources) -> dict[Edge, Table]:
    """The inputs that the initialiser gives instead of the caller, by the ``resourceId`` of the signature.

    >>> captured_inputs(Graph({}), Resources())
    {}
    """
    captured: dict[Edge, Table] = {}
    for key, info in graph.signature.inputs.items():
        if info.resource_id is not None:
            table = resources.by_id.get(info.resource_id)
            if table is not None:
                captured[info.edge] = table
            elif graph.consumers.get(info.edge.node):
                raise ModelFormatError(
                    f"input {key!r} is resource {info.resource_id}, which the model's initialiser does not make"
                )
    return captured


def evaluate_node(node: Node, inputs: Sequence[Array], *, precision: Precision = "float32") -> list[Array | None]:
    """The outputs of one node for given inputs, None for one that nothing can use.

    Raises UnsupportedOpError for an op without a row.

    >>> from tfgl.ir.graph import Node
    >>> evaluate_node(Node("n", "Shape"), [np.zeros((2, 3), np.float32)])[0].tolist()
    [2, 3]
    """
    call = HostCall(node, [HostValue(_stored(np.asarray(array), precision)) for array in inputs], precision)
    return [output.array if isinstance(output, HostValue) else None for output in lower_node(call)]


def _stored(array: Array, precision: Precision) -> Array:
    dtype = dtype_of(array)
    if dtype == "float32":
        wanted: np.dtype[Any] = np.dtype(precision)
    elif dtype == "complex64":
        wanted = np.dtype(np.complex128 if precision == "float64" else np.complex64)
    else:
        wanted = NUMPY[dtype]
    if array.dtype == wanted:
        return array
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def _fed_values(graph: Graph, feeds: Mapping[str, Any], precision: Precision) -> dict[Edge, HostValue]:
    values: dict[Edge, HostValue] = {}
    for name, given in feeds.items():
        edge = graph.input_edge(name)
        if edge in values:
            raise InvalidArgumentError(f"input {name!r} is given twice under different names")
        array = np.asarray(given)
        node = graph.nodes.get(edge.node)
        if node is not None and node.op in ("Placeholder", "PlaceholderWithDefault"):
            array = _fitting(array, name, placeholder_info(node))
        values[edge] = HostValue(_stored(array, precision))
    return values


def _fitting(array: Array, name: str, info: TensorInfo) -> Array:
    """``array`` when it fits the placeholder; whole numbers may stand for floats, but not the reverse."""
    shape = info.shape
    if shape is not None and (
        len(shape) != array.ndim or any(w not in (-1, n) for w, n in zip(shape, array.shape, strict=True))
    ):
        raise InvalidArgumentError(f"input {name!r}: expected shape {list(shape)}, got {list(array.shape)}")
    stored = info.dtype.stored if info.dtype is not None else None
    given = dtype_of(array)
    if stored is None or stored == given:
        return array
    if given in ("int32", "bool") and stored in ("float32", "complex64"):
        return array.astype(NUMPY[stored])
    raise InvalidArgumentError(f"input {name!r}: expected dtype {stored}, got {array.dtype}")


def _fetched(values: Mapping[Edge, Value], edge: Edge, graph: Graph) -> Array:
    value = values.get(edge)
    if isinstance(value, HostValue):
        return value.array
    raise InvalidArgumentError(unfetched(graph.node(edge.node), edge, value))


def unfetched(node: Node, edge: Edge, value: Value | None) -> str:
    """Why there is no tensor at ``edge``, an output of ``node``.

    >>> unfetched(Node("n", "Neg"), Edge("n", 1), None)
    "node 'n' (op Neg) has no output 1; ask for another index, or for the node's name"
    """
    if value is DEAD:
        return f"{node} was not computed, since its branch was not taken"
    if isinstance(value, Opaque):
        return f"{node} gives {value.described} at output {edge.index}, which is no tensor; fetch what reads it"
    return f"{node} has no output {edge.index}; ask for another index, or for the node's name"
