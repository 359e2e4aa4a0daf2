"""Batch normalisation with constant statistics goes into the weights of the convolution before it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ..graph import Edge, Graph, Node

Array = np.ndarray[Any, Any]
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def fold_batch_norms(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with inference batch norms folded into convolutions, and how many were.

    The convolution's filter is scaled by gamma / sqrt(variance + epsilon), computed in float64, and the norm
    becomes a BiasAdd of its name. It stays where the convolution, or a bias between, has another reader.
    """
    nodes = dict(graph.nodes)
    constants = dict(graph.constants)
    readers = _reader_counts(graph)
    count = 0
    for norm in graph.nodes.values():
        found = _convolution_before(norm, graph, readers, protected)
        if found is None:
            continue
        convolution, bias = found
        gamma, beta, mean, variance = (np.asarray(constants[edge.node]).astype(np.float64) for edge in norm.inputs[1:5])
        epsilon = norm.attrs.get("epsilon")
        scale = gamma / np.sqrt(variance + (float(epsilon) if isinstance(epsilon, (int, float)) else 1e-4))
        kernel = np.asarray(constants[convolution.inputs[1].node])
        depthwise = convolution.op == "DepthwiseConv2dNative"
        if gamma.size != (kernel.shape[2] * kernel.shape[3] if depthwise else kernel.shape[3]):
            continue
        shift = 0.0 if bias is None else np.asarray(constants[bias.inputs[1].node]).astype(np.float64)
        weights = kernel.astype(np.float64) * (scale.reshape(kernel.shape[2:]) if depthwise else scale)
        _constant(nodes, constants, f"{convolution.name}/folded_filter", weights)
        _constant(nodes, constants, f"{norm.name}/folded_bias", beta + (shift - mean) * scale)
        inputs = (convolution.inputs[0], Edge(f"{convolution.name}/folded_filter"))
        nodes[convolution.name] = Node(convolution.name, convolution.op, inputs, (), convolution.attrs, convolution.device)
        nodes[norm.name] = Node(
            norm.name,
            "BiasAdd",
            (Edge(convolution.name), Edge(f"{norm.name}/folded_bias")),
            (),
            {"data_format": norm.attrs.get("data_format", b"NHWC")},
        )
        if bias is not None:
            del nodes[bias.name]
        count += 1
    return graph.replace(nodes=nodes, constants=constants), count


def _convolution_before(
    norm: Node, graph: Graph, readers: dict[Edge, int], protected: Collection[str]
) -> tuple[Node, Node | None] | None:
    """The convolution that feeds ``norm`` alone, and the BiasAdd between them; None where folding is not exact."""
    if norm.op not in _NORMS or len(norm.inputs) < 5 or norm.attrs.get("is_training") is not False:
        return None
    if any(edge.node not in graph.constants for edge in norm.inputs[1:5]):
        return None
    if any(readers.get(Edge(norm.name, index), 0) for index in range(1, 6)):
        return None
    before = _single(norm.inputs[0], graph, readers, protected)
    bias = None
    if before is not None and before.op == "BiasAdd" and before.inputs[1].node in graph.constants:
        bias, before = before, _single(before.inputs[0], graph, readers, protected)
    if before is None or before.op not in _CONVOLUTIONS or before.inputs[1].node not in graph.constants:
        return None
    if before.attrs.get("data_format", b"NHWC") != norm.attrs.get("data_format", b"NHWC"):
        return None
    return before, bias


def _single(edge: Edge, graph: Graph, readers: dict[Edge, int], protected: Collection[str]) -> Node | None:
    """The node at ``edge`` when nothing else reads it."""
    if edge.index or edge.node in protected or readers.get(edge, 0) != 1:
        return None
    return graph.nodes.get(edge.node)


def _reader_counts(graph: Graph) -> dict[Edge, int]:
    counts: dict[Edge, int] = {}
    for node in graph.nodes.values():
        for edge in node.inputs:
            counts[edge] = counts.get(edge, 0) + 1
    return counts


def _constant(nodes: dict[str, Node], constants: dict[str, Array], name: str, value: Array) -> None:
    constants[name] = value.astype(np.float32)
    nodes[name] = Node(name, "Const")
