"""Additions of one number a channel behind convolutions and products become BiasAdd; two in a row become one."""

from __future__ import annotations

import numpy as np

from tfgl.ir.graph import AttrValue, DataType, Graph, Node

from .editing import Array, Editor, reader_counts, sole_reader
from .rewriting import PassContext, Rewritten

_PRODUCERS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_SUMS = ("Add", "AddV2", "BiasAdd")
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")


def normalize_biases(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with Add and Sub of a constant vector behind a product as BiasAdd.

    The constant must hold one number for each output channel; another reader of the product keeps the sum.
    """
    count = 0
    while True:
        graph, changed = _once(graph, context)
        if not changed:
            return Rewritten(graph, count)
        count += changed


def _once(graph: Graph, context: PassContext) -> tuple[Graph, int]:
    counts = reader_counts(graph)
    editor = Editor(graph, context.protected)
    touched: set[str] = set()
    count = 0
    for node in graph.nodes.values():
        if node.op not in (*_SUMS, "Sub") or len(node.inputs) != 2 or not _last_axis(node):
            continue
        for side in (0, 1) if node.op in ("Add", "AddV2") else (0,):
            operand = graph.constants.get(node.inputs[1 - side].node)
            before = sole_reader(graph, node.inputs[side], counts, context.protected)
            if operand is None or operand.dtype.kind != "f" or before is None or touched & {node.name, before.name}:
                continue
            operand = np.asarray(operand)
            if before.op == "BiasAdd" and _last_axis(before):
                first = graph.constants.get(before.inputs[1].node)
                product = graph.nodes.get(before.inputs[0].node)
                if first is None or product is None or not _fits(product, operand, graph):
                    continue
                both = np.asarray(first).astype(np.float64) + _vector(operand, first.size) * (
                    -1 if node.op == "Sub" else 1
                )
                bias = editor.constant(f"{node.name}/bias", both.astype(np.float32))
                editor.put(Node(node.name, "BiasAdd", (before.inputs[0], bias), (), _attrs(node)))
                editor.remove(before.name)
            elif before.op in _PRODUCERS and _fits(before, operand, graph):
                if not operand.any() and not any(reader.op in _ACTIVATIONS for reader in graph.consumers[node.name]):
                    # Nothing is added; before an activation the bias stays, since TensorFlow.js fuses both or none.
                    editor.replace_node(node, [node.inputs[side]])
                    touched |= {node.name, before.name}
                    count += 1
                    break
                if node.op == "BiasAdd":
                    continue
                edge = node.inputs[1 - side]
                channels = _channels(before, graph)
                if node.op == "Sub" or operand.shape != (channels,):
                    value = _vector(operand, channels) * (-1 if node.op == "Sub" else 1)
                    edge = editor.constant(f"{node.name}/bias", value.astype(np.float32))
                editor.put(Node(node.name, "BiasAdd", (node.inputs[side], edge), (), _attrs(node)))
            else:
                continue
            touched |= {node.name, before.name}
            count += 1
            break
    return (editor.graph(), count) if count else (graph, 0)


def _vector(operand: Array, channels: int) -> Array:
    return np.broadcast_to(operand.astype(np.float64).reshape(-1), (channels,))


def _attrs(node: Node) -> dict[str, AttrValue]:
    dtype = node.attrs.get("T")
    return {"T": dtype if isinstance(dtype, DataType) else DataType("float32"), "data_format": b"NHWC"}


def _last_axis(node: Node) -> bool:
    return node.attrs.get("data_format", b"NHWC") == b"NHWC"


def _fits(product: Node, operand: Array, graph: Graph) -> bool:
    """Whether ``operand`` holds one number, or one a channel, along the last axis of the product."""
    channels = _channels(product, graph)
    rank = 2 if product.op == "MatMul" else 4
    if channels == 0 or operand.ndim > rank or not _last_axis(product):
        return False
    return operand.size == 1 or (operand.size == channels and operand.shape[-1] == channels)


def _channels(product: Node, graph: Graph) -> int:
    """The output channels of a product with constant weights; 0 for anything else."""
    kernel = graph.constants.get(product.inputs[1].node) if len(product.inputs) > 1 else None
    if kernel is None:
        return 0
    if product.op == "MatMul":
        return int(kernel.shape[0 if product.attrs.get("transpose_b") is True else 1])
    if product.op == "DepthwiseConv2dNative":
        return int(kernel.shape[2] * kernel.shape[3])
    return int(kernel.shape[3]) if product.op == "Conv2D" else 0
