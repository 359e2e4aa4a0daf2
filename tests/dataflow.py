"""Runs graphs with Switch, Merge and frames as TensorFlow.js does: constants are ready from the start.

Slow and small, for tests alone: it repeats the quirks that converted models must live with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgl.ir.evaluate import evaluate_node
from tfgl.ir.graph import Edge, Graph, Node

Array = np.ndarray[Any, Any]
Frame = tuple[tuple[str, int], ...]
_MAX_STEPS = 20_000


def run(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, Array]:
    """The signature's outputs for the placeholders' values."""
    values: dict[tuple[Frame, Edge], Array] = {}
    done: set[tuple[Frame, str]] = set()
    constants = {Edge(name): np.asarray(value) for name, value in graph.constants.items()}

    def look(edge: Edge, frame: Frame) -> Array | None:
        # From the innermost iteration outwards.
        for depth in range(len(frame), -1, -1):
            if (frame[:depth], edge) in values:
                return values[frame[:depth], edge]
        return constants.get(edge)

    for name, value in feeds.items():
        values[(), Edge(name)] = np.asarray(value)
    readers = {
        name: [*found, *(node for node in graph.nodes.values() if name in node.control_inputs)]
        for name, found in graph.consumers.items()
    }
    waiting: list[tuple[Frame, Node]] = [((), node) for node in graph.nodes.values()]
    for _ in range(_MAX_STEPS):
        if not waiting:
            break
        frame, node = waiting.pop(0)
        ready = node.op not in ("Const", "Placeholder") and (frame, node.name) not in done
        inputs = [look(edge, frame) for edge in node.inputs] if ready else []
        if not ready or not _may_run(node, inputs) or any(look(Edge(n), frame) is None for n in node.control_inputs):
            continue
        done.add((frame, node.name))
        target, outputs = _outputs(node, inputs, frame)
        # What a constant Enter brings in is found in every iteration, but starts nodes of the first one only.
        where = frame if node.op == "Enter" and node.attrs.get("is_constant") else target
        for index, output in enumerate(outputs):
            if output is not None:
                values[where, Edge(node.name, index)] = output
        waiting += [(target, reader) for reader in readers[node.name]]
    else:
        raise AssertionError("the graph does not come to an end")
    found = {key: look(info.edge, ()) for key, info in graph.outputs.items()}
    missing = [key for key, value in found.items() if value is None]
    assert not missing, f"outputs {missing} were never computed"
    return {key: value for key, value in found.items() if value is not None}


def _may_run(node: Node, inputs: list[Array | None]) -> bool:
    if node.op == "Merge":
        return any(value is not None for value in inputs)
    return all(value is not None for value in inputs)


def _outputs(node: Node, inputs: list[Any], frame: Frame) -> tuple[Frame, list[Array | None]]:
    if node.op == "Switch":
        return frame, [None, inputs[0]] if inputs[1] else [inputs[0], None]
    if node.op == "Merge":
        return frame, [next(value for value in inputs[::-1] if value is not None)]
    if node.op == "Enter":
        name = node.attrs["frame_name"]
        assert isinstance(name, bytes)
        return (*frame, (name.decode(), 0)), inputs
    if node.op == "Exit":
        return frame[:-1], inputs
    if node.op == "NextIteration":
        assert frame, f"{node} ran outside a loop"
        return (*frame[:-1], (frame[-1][0], frame[-1][1] + 1)), inputs
    if node.op in ("LoopCond", "Identity"):
        return frame, inputs
    if node.op.startswith("TensorList"):
        return frame, [_list_op(node.op, *inputs)]
    return frame, evaluate_node(node, inputs)


def _list_op(op: str, *inputs: Any) -> Any:
    if op == "TensorListReserve":
        return [None] * int(inputs[1])
    if op == "TensorListFromTensor":
        return list(inputs[0])
    items: list[Array] = inputs[0]
    if op == "TensorListGetItem":
        return items[int(inputs[1])]
    if op == "TensorListSetItem":
        # In place, as TensorFlow.js does it.
        items[int(inputs[1])] = inputs[2]
        return items
    assert op == "TensorListStack"
    return np.stack(items)
