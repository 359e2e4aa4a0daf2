"""Bias and activation go into the convolution or matrix product that they follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..graph import AttrValue, Edge, Graph, Node
from .readers import reader_counts, sole_source
from .repetition import repeated

Array = np.ndarray[Any, Any]
_FUSED = {
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
    "_FusedConv2D": "_FusedConv2D",
    "FusedDepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "_FusedMatMul": "_FusedMatMul",
}
PORTABLE_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")
"""Those that TensorFlow.js fuses too."""
_ACTIVATIONS = (*PORTABLE_ACTIVATIONS, "Tanh", "_Gelu", "_GeluTanh", "_HardSigmoid", "_HardSwish", "_Swish")


def fuse_activations(
    graph: Graph,
    protected: Collection[str] = (),
    *,
    need_bias: bool = False,
    activations: Collection[str] = _ACTIVATIONS,
) -> tuple[Graph, int]:
    """The graph with biases and activations fused into their producers, and how many were.

    The fused node takes the name of the last node it replaces. A producer that has another reader, or whose
    layout is NCHW, stays as it is; with ``need_bias`` so does an activation without a bias before it.
    """
    return repeated(graph, lambda current: _once(current, protected, need_bias, activations))


def _once(
    graph: Graph, protected: Collection[str], need_bias: bool, activations: Collection[str]
) -> tuple[Graph, int]:
    nodes = dict(graph.nodes)
    readers = reader_counts(graph)
    count = 0
    for node in graph.nodes.values():
        found = _producer(node, graph, readers, protected, need_bias, activations)
        if found is None:
            continue
        producer, step, operand, attrs = found
        if nodes.get(producer.name) is not producer:
            continue  # changed in this round already
        steps = producer.attrs.get("fused_ops")
        names: list[Any] = [*(steps if isinstance(steps, list) else []), step]
        inputs = (*producer.inputs, operand) if operand is not None else producer.inputs
        merged: dict[str, AttrValue] = {**producer.attrs, **attrs, "fused_ops": names, "num_args": len(inputs) - 2}
        del nodes[producer.name]
        op, control = _FUSED[producer.op], producer.control_inputs
        nodes[node.name] = Node(node.name, op, inputs, control, merged, producer.device)
        count += 1
    return graph.replace(nodes=nodes), count


def _producer(
    node: Node,
    graph: Graph,
    readers: Mapping[Edge, int],
    protected: Collection[str],
    need_bias: bool,
    activations: Collection[str],
) -> tuple[Node, bytes, Edge | None, dict[str, AttrValue]] | None:
    """(producer, fused op, its operand, attributes) when ``node`` can go into what it reads."""
    if not node.inputs:
        return None
    sides = (0, 1) if node.op in ("Add", "AddV2") else (0,)
    for side in sides:
        producer = sole_source(node.inputs[side], graph, readers, protected)
        if producer is None or producer.op not in _FUSED or producer.attrs.get("data_format", b"NHWC") != b"NHWC":
            continue
        steps = producer.attrs.get("fused_ops")
        done: list[Any] = steps if isinstance(steps, list) else []
        if node.op in ("BiasAdd", "Add", "AddV2") and not done:
            operand = node.inputs[1 - side]
            if _is_bias(node, operand, producer, graph):
                return producer, b"BiasAdd", operand, {}
        if node.op in activations and done in ([[b"BiasAdd"]] if need_bias else [[], [b"BiasAdd"]]):
            if node.op == "Prelu":
                alpha = graph.constants.get(node.inputs[1].node)
                if alpha is None or alpha.ndim != 1:
                    continue
                return producer, b"Prelu", node.inputs[1], {}
            extra: dict[str, AttrValue] = {}
            if node.op == "LeakyRelu":
                extra["leakyrelu_alpha"] = node.attrs.get("alpha", 0.2)
            if "factor" in node.attrs:
                extra["activation_factor"] = node.attrs["factor"]
            return producer, node.op.encode(), None, extra
    return None


def _is_bias(node: Node, operand: Edge, producer: Node, graph: Graph) -> bool:
    """Whether ``operand`` is one number for each output channel of ``producer``."""
    if node.op == "BiasAdd":
        return node.attrs.get("data_format", b"NHWC") == b"NHWC"
    bias = graph.constants.get(operand.node)
    kernel = graph.constants.get(producer.inputs[1].node)
    if bias is None or kernel is None or bias.ndim != 1 or kernel.ndim != (2 if "MatMul" in producer.op else 4):
        return False
    return bool(bias.size == _channels(producer, kernel))


def _channels(producer: Node, kernel: Array) -> int:
    if producer.op in ("MatMul", "_FusedMatMul"):
        return int(kernel.shape[0 if producer.attrs.get("transpose_b") is True else 1])
    if "Depthwise" in producer.op:
        return int(kernel.shape[2] * kernel.shape[3])
    return int(kernel.shape[3])
