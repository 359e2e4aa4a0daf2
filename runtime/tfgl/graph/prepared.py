"""A graph made ready to run on an engine: weights, tables, and plans of what is needed when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from ..engine import Engine
from ..errors import InvalidArgumentError
from ..ir.evaluate import captured_inputs, unfetched
from ..ir.graph import Edge, Graph
from ..ir.interpreter import Plan, plan_of
from ..ir.loops import LOOP
from ..ir.lowering import Value
from ..ir.tables import Resources
from ..tensor import ByteCodes, Tensor

Array = npt.NDArray[Any]
Feeds = Mapping[Edge, Tensor]

# Ops whose second input is packed: convolutions and products of matrices, fused or not.
_PRODUCTS = re.compile("Conv[23]D|DepthwiseConv2d|MatMul")


class PreparedGraph:
    """A graph without frames (see `tfgl.ir.loops`) on an engine; owns its weights.

    ``weights`` has the constants of the graph by name, and those of its functions by function and name. ``captured``
    are the inputs that the model's initialiser gives. ``codes`` has how constants are stored in bytes, by the identity
    of their arrays.
    """

    def __init__(
        self,
        graph: Graph,
        engine: Engine,
        resources: Resources | None = None,
        codes: Mapping[int, ByteCodes] | None = None,
    ) -> None:
        self.graph = graph
        self.engine = engine
        self._codes = codes or {}
        self.resources = Resources() if resources is None else resources
        self.captured = captured_inputs(graph, self.resources)
        self.weights: dict[str, Tensor] = {}
        self._weight_of: dict[int, Tensor] = {}  # by the identity of the array, which functions may share
        self.function_plans: dict[str, Plan] = {}
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._take_weights(graph, "")
        bodies = {node.attrs["body"] for part in graph.parts for node in part.nodes.values() if node.op == LOOP}
        for function in graph.functions.values():
            # The nodes of a loop were the graph's own.
            self._take_weights(function.graph, "" if function.name in bodies else f"{function.name}/")

    def _take_weights(self, graph: Graph, prefix: str) -> None:
        for name, array in graph.constants.items():
            tensor = self._weight_of.get(id(array))
            if tensor is None:
                tensor = self._weight_of[id(array)] = self.engine.weight(array, self._codes.get(id(array)))
            # Converters put the function's name before that of a constant.
            self.weights.setdefault(name if name.startswith(prefix) else prefix + name, tensor)

    def weight(self, graph: Graph, name: str) -> Tensor:
        """The tensor of a constant of ``graph``, which may be one of the functions' graphs."""
        return self._weight_of[id(graph.constants[name])]

    def upload_weights(self) -> None:
        """Upload the weights that shaders read as they are: all but small host-side numbers and matrices.

        Those are packed first, as the kernel that reads them likes it.
        """
        constants = (part.constants[name] for part in self.graph.parts for name in _read_unpacked(part))
        read = {self._weight_of[id(constant)].id for constant in constants}
        for name, tensor in self.weights.items():
            small = tensor.size <= self.engine.flags.host_forward_limit
            if tensor.id in read and not small and tensor.dtype in ("float32", "int32", "bool"):
                with named(self.engine, f"weight {name!r}"):
                    tensor.flat()

    def plan(self, feeds: Sequence[Edge], fetches: Sequence[Edge]) -> Plan:
        """The nodes that ``fetches`` need when ``feeds`` are given, with lifetimes; kept for the next call."""
        key = (tuple(feeds), tuple(fetches))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = plan_of(self.graph, [*feeds, *self.captured], fetches)
        return plan

    def close(self) -> None:
        """Release the weights."""
        for tensor in self._weight_of.values():
            tensor.dispose()


def _read_unpacked(graph: Graph) -> set[str]:
    """Names of the constants that a node reads otherwise than as the filter or the right matrix of a product."""
    return {
        edge.node
        for node in graph.nodes.values()
        for at, edge in enumerate(node.inputs)
        if edge.node in graph.constants and not (at == 1 and _PRODUCTS.search(node.op))
    }


@contextmanager
def named(engine: Engine, what: str) -> Iterator[None]:
    """Errors of the engine name ``what`` inside the block."""
    outer, engine.node = engine.node, what
    try:
        yield
    finally:
        engine.node = outer


def own_tensor(graph: Graph, values: Mapping[Edge, Value], edge: Edge) -> Tensor:
    """The tensor at ``edge`` as one of the caller's own."""
    value = values.get(edge)
    if not isinstance(value, Tensor):
        raise InvalidArgumentError(unfetched(graph.node(edge.node), edge, value))
    return value.view(value.shape)
