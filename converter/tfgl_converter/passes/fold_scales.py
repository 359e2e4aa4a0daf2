"""A factor for each channel behind a convolution or matrix product goes into its weights."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfgl.ir.graph import AttrValue, Edge, Graph, Node
from tfgl.ir.lazy_array import scaled

from .editing import Array, Editor, reader_counts, sole_reader
from .rewriting import PassContext, Rewritten

_PRODUCERS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_BIASES = ("BiasAdd", "Add", "AddV2", "Sub")


def fold_scales(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with constant factors folded: product · c, and (product + bias) · c with constant bias.

    This is what a batch norm becomes whose exporter wrote it as arithmetic. The factor must be one number or one
    a channel, and nothing else may read the product.
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
        if node.op not in ("Mul", "RealDiv") or len(node.inputs) != 2:
            continue
        for side in (0, 1) if node.op == "Mul" else (0,):
            factor = graph.constants.get(node.inputs[1 - side].node)
            if factor is None or factor.dtype.kind != "f" or node.inputs[1 - side].index:
                continue
            before = sole_reader(graph, node.inputs[side], counts, context.protected)
            bias = None
            if before is not None and before.op in _BIASES and _constant_operand(before, graph) is not None:
                bias, before = before, sole_reader(graph, before.inputs[0], counts, context.protected)
            if before is None or before.op not in _PRODUCERS or touched & {node.name, before.name}:
                continue
            if _fold(node, before, bias, np.asarray(factor), graph, editor):
                touched |= {node.name, before.name}
                count += 1
                break
    return (editor.graph(), count) if count else (graph, 0)


def _fold(node: Node, product: Node, bias: Node | None, factor: Array, graph: Graph, editor: Editor) -> bool:
    kernel = graph.constants.get(product.inputs[1].node)
    if kernel is None or kernel.dtype.kind != "f" or product.attrs.get("data_format", b"NHWC") != b"NHWC":
        return False
    if product.op == "MatMul":
        shape: tuple[int, ...] = (
            (kernel.shape[0], 1) if product.attrs.get("transpose_b") is True else (1, kernel.shape[1])
        )
        channels = max(shape)
        rank = 2
    else:
        depthwise = product.op == "DepthwiseConv2dNative"
        channels = kernel.shape[2] * kernel.shape[3] if depthwise else kernel.shape[3]
        shape = kernel.shape[2:] if depthwise else (kernel.shape[3],)
        rank = 4
    if factor.size not in (1, channels) or factor.ndim > rank or (factor.size != 1 and factor.shape[-1] != channels):
        return False
    scale = np.broadcast_to(factor.astype(np.float64).reshape(-1), (channels,))
    if node.op == "RealDiv":
        if (scale == 0).any():
            return False
        scale = 1 / scale
    offset = None
    if bias is not None:
        operand = _constant_operand(bias, graph)
        assert operand is not None
        if (
            operand.size not in (1, channels)
            or operand.ndim > rank
            or (operand.size > 1 and operand.shape[-1] != channels)
        ):
            return False
        offset = np.broadcast_to(operand.astype(np.float64).reshape(-1), (channels,)) * scale
        if bias.op == "Sub":
            offset = -offset
    weights = scaled(kernel, scale.reshape(shape))
    filter_edge = editor.constant(f"{product.name}/scaled_weights", weights)
    moved_product = dataclasses.replace(product, inputs=(product.inputs[0], filter_edge))
    if offset is None:
        # The product moves to the name of the factor, which readers and signatures know.
        editor.remove(product.name)
        editor.put(dataclasses.replace(moved_product, name=node.name))
        return True
    editor.put(moved_product)
    assert bias is not None
    editor.remove(bias.name)
    moved = editor.constant(f"{node.name}/scaled_bias", offset.astype(np.float32))
    editor.put(Node(node.name, "BiasAdd", (Edge(product.name), moved), (), _bias_attrs(product)))
    return True


def _bias_attrs(product: Node) -> dict[str, AttrValue]:
    return {"T": product.attrs["T"], "data_format": b"NHWC"} if "T" in product.attrs else {"data_format": b"NHWC"}


def _constant_operand(bias: Node, graph: Graph) -> Array | None:
    if len(bias.inputs) != 2 or bias.inputs[1].index:
        return None
    value = graph.constants.get(bias.inputs[1].node)
    return None if value is None or value.dtype.kind != "f" else np.asarray(value)
