"""Nodes whose inputs are all constant become constants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ...errors import TfglError
from ..evaluate import HostCall, HostValue
from ..graph import DataType, Edge, Graph, Node, unused_name
from ..lowering import lower_node

Array = np.ndarray[Any, Any]

# A folded value may take this many times the bytes of what it was made of (a Fill or a Tile can explode).
_GROWTH = 4
_ALWAYS_FINE_BYTES = 1 << 16
# A second or so; what takes longer is left to the device.
_MOST_STEPS = 1 << 28
_IMPURE = frozenset(
    {"Placeholder", "PlaceholderWithDefault", "RandomUniform", "RandomUniformInt", "RandomStandardNormal",
     "TruncatedNormal", "Multinomial", "NoOp", "Print", "Assert",
     "Enter", "Exit", "Switch", "Merge", "NextIteration", "LoopCond", "While", "StatelessWhile", "If", "StatelessIf",
     "EmptyTensorList"}
)  # fmt: skip
# What is a constant without being called one.
_NUMBERS = frozenset({"StatelessRandomGetAlg"})
# Objects that others change, and tables: one for each call.
_IMPURE_PREFIXES = ("TensorList", "TensorArray", "HashTable", "LookupTable")


def fold_constants(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with constant subgraphs evaluated by the float64 reference, and how many nodes went.

    A node that the reference cannot run stays. Floats are rounded to float32 after each node, as at run time.

    >>> nodes = [Node("a", "Const"), Node("b", "Neg", (Edge("a"),)), Node("c", "Neg", (Edge("b"),))]
    >>> graph = Graph({n.name: n for n in nodes}, constants={"a": np.array([1.5], np.float32)})
    >>> folded, count = fold_constants(graph, ["c"])
    >>> folded.constants["c"], count
    (array([1.5], dtype=float32), 2)
    """
    constants = dict(graph.constants)
    nodes = dict(graph.nodes)
    several: dict[str, list[Array]] = {}
    count = 0
    for node in graph.topological_order():
        if node.name in constants or node.op in _IMPURE or node.op.startswith(_IMPURE_PREFIXES):
            continue
        if not node.inputs and node.op not in _NUMBERS:
            continue
        arrays = [_value(edge, constants, several) for edge in node.inputs]
        held = [array for array in arrays if array is not None]
        if len(held) < len(arrays):
            continue
        outputs = _folded(node, held)
        if outputs is None:
            continue
        count += 1
        if len(outputs) == 1:
            constants[node.name] = outputs[0]
            nodes[node.name] = _const(node.name, outputs[0])
        else:
            several[node.name] = outputs
    nodes, constants = _expand(nodes, constants, several, protected)
    return graph.replace(nodes=nodes, constants=constants), count


def _value(edge: Edge, constants: dict[str, Array], several: dict[str, list[Array]]) -> Array | None:
    if edge.node in several:
        outputs = several[edge.node]
        return outputs[edge.index] if edge.index < len(outputs) else None
    return constants.get(edge.node) if edge.index == 0 else None


def _folded(node: Node, arrays: list[Array]) -> list[Array] | None:
    limit = max(_ALWAYS_FINE_BYTES, _GROWTH * sum(array.nbytes for array in arrays))
    inputs = [HostValue(np.asarray(array)) for array in arrays]
    try:
        # Elements on the way may be more than those that result, but not many times more.
        call = HostCall(node, inputs, "float32", frozenset(range(64)), elements=4 * limit, steps=_MOST_STEPS)
        outputs = lower_node(call)
    except TfglError:
        return None  # it fails again, with its place, when it runs
    values = [output.array for output in outputs if isinstance(output, HostValue)]
    if len(values) < len(outputs):
        return None
    return values if sum(array.nbytes for array in values) <= limit else None


def _expand(
    nodes: dict[str, Node], constants: dict[str, Array], several: dict[str, list[Array]], protected: Collection[str]
) -> tuple[dict[str, Node], dict[str, Array]]:
    """Constants of their own for the outputs of folded nodes that had several; unused constants leave."""
    made: dict[Edge, Edge] = {}
    for name, node in list(nodes.items()):
        if not any(edge.node in several for edge in node.inputs):
            continue
        inputs = []
        for edge in node.inputs:
            # An output that does not exist stays, to be reported with its reader when that runs.
            if edge not in made and edge.index < len(several.get(edge.node, ())):
                own = unused_name(f"{edge.node}/output_{edge.index}", nodes)
                value = several[edge.node][edge.index]
                constants[own] = value
                nodes[own] = _const(own, value)
                made[edge] = Edge(own)
            inputs.append(made.get(edge, edge))
        nodes[name] = Node(node.name, node.op, tuple(inputs), node.control_inputs, node.attrs, node.device)
    used = {edge.node for node in nodes.values() for edge in node.inputs} | set(protected)
    dropped = {name for name in nodes if name not in used and (name in constants)}
    return (
        {name: node for name, node in nodes.items() if name not in dropped},
        {name: array for name, array in constants.items() if name not in dropped},
    )


def _const(name: str, value: Array) -> Node:
    """The node of a constant."""
    return Node(name, "Const", (), (), {"dtype": DataType("string" if value.dtype == object else str(value.dtype))})
