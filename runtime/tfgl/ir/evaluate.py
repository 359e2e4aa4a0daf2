"""Runs a graph on the NumPy reference, for constant folding and for checking what shaders compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..dtypes import NUMPY, DType, dtype_of
from ..errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from .cost import cost_of
from .graph import Edge, Graph, Node, TensorInfo, placeholder_info
from .lowering import Call, Value, lower_node

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
    ) -> None:
        """A call that keeps floats in ``precision``; ``read`` are the outputs that are read, if known.

        A kernel that would make more than ``elements``, or take more than ``steps``, raises UnsupportedOpError.
        """
        super().__init__(node, inputs)
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

    def host(self, i: int) -> Array:
        """The array of input ``i``."""
        value = self.inputs[i]
        if not isinstance(value, HostValue):
            raise TypeError(f"expected a HostValue, got {type(value).__name__}")
        return value.array

    def constant(self, array: Array) -> Value:
        """The array in the precision of this evaluation."""
        return HostValue(_stored(array, self._precision))

    def wanted(self, i: int) -> bool:
        """Whether the graph reads output ``i``."""
        return self._read is None or i in self._read


def evaluate(
    graph: Graph,
    feeds: Mapping[str, Any],
    fetches: Iterable[str],
    *,
    precision: Precision = "float64",
) -> dict[str, Array]:
    """The values of ``fetches`` for the given ``feeds``, by the names that were asked for.

    Names are signature keys, node names or ``node:index``; any node may be fed. Floats are kept between nodes
    as ``precision`` says (computed in float64 in both cases) and returned so; other dtypes as they are.

    Raises InvalidArgumentError for unknown names, missing or unfitting inputs; UnsupportedOpError for an op
    without a row; what the kernels raise, with the node's name.

    >>> from tfgl.ir.graph import Edge, Graph, Node
    >>> nodes = [Node("x", "Placeholder"), Node("y", "Mul", (Edge("x"), Edge("x")))]
    >>> evaluate(Graph({node.name: node for node in nodes}), {"x": np.arange(3.0)}, ["y"])["y"].tolist()
    [0.0, 1.0, 4.0]
    """
    fetched = {name: graph.output_edge(name) for name in fetches}
    values = _fed_values(graph, feeds, precision)
    order = _needed(graph, values.keys(), fetched.values())
    reads = Counter(edge for node in order for edge in node.inputs)
    reads.update(fetched.values())
    outputs_read: dict[str, set[int]] = {}
    for edge in reads:
        outputs_read.setdefault(edge.node, set()).add(edge.index)
    for node in order:
        if node.name in graph.constants:
            values[Edge(node.name)] = HostValue(_stored(graph.constants[node.name], precision))
            continue
        inputs = [_value_of(values, edge, node) for edge in node.inputs]
        call = HostCall(node, inputs, precision, frozenset(outputs_read.get(node.name, ())))
        for index, output in enumerate(lower_node(call)):
            if isinstance(output, HostValue) and Edge(node.name, index) in reads:
                # A fed output stays as it was fed, even if another one of its node is computed.
                values.setdefault(Edge(node.name, index), output)
        for edge in node.inputs:
            # Dropped after its last reader, so that memory holds only what is still needed.
            reads[edge] -= 1
            if not reads[edge]:
                values.pop(edge, None)
    return {name: _fetched(values, edge, graph) for name, edge in fetched.items()}


def _needed(graph: Graph, fed: Collection[Edge], fetched: Iterable[Edge]) -> list[Node]:
    """The nodes to run, in order. Control inputs do not count: they order side effects, and no kernel has any."""
    needed: set[str] = set()
    waiting = [edge for edge in fetched if edge not in fed]
    while waiting:
        name = waiting.pop().node
        if name not in needed:
            needed.add(name)
            waiting += [edge for edge in graph.node(name).inputs if edge not in fed]
    return [node for node in graph.topological_order() if node.name in needed]


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


def _value_of(values: Mapping[Edge, HostValue], edge: Edge, node: Node) -> HostValue:
    try:
        return values[edge]
    except KeyError:
        raise ModelFormatError(f"{node} reads {str(edge)!r}, an output that its op does not have") from None


def _fetched(values: Mapping[Edge, HostValue], edge: Edge, graph: Graph) -> Array:
    try:
        return values[edge].array
    except KeyError:
        raise InvalidArgumentError(f"{graph.node(edge.node)} has no output {edge.index}") from None
