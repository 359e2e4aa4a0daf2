"""Batch normalisation with constant statistics goes into the weights of the convolution before it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..graph import Edge, Graph, Node, unused_name
from ..lazy_array import LazyArray, scaled
from .readers import reader_counts, sole_source

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
    readers = reader_counts(graph)
    count = 0
    for norm in graph.nodes.values():
        found = _convolution_before(norm, graph, readers, protected)
        if found is None:
            continue
        convolution, bias = found
        kernel = constants[convolution.inputs[1].node]
        vectors = [np.asarray(constants[edge.node]) for edge in norm.inputs[1:5]]
        if bias is not None:
            vectors.append(np.asarray(constants[bias.inputs[1].node]))
        depthwise = convolution.op == "DepthwiseConv2dNative"
        if kernel.ndim != 4 or any(array.dtype.kind != "f" for array in (kernel, *vectors)):
            continue
        if any(array.shape != (math.prod(kernel.shape[2:] if depthwise else kernel.shape[3:]),) for array in vectors):
            continue
        gamma, beta, mean, variance, *shift = (array.astype(np.float64) for array in vectors)
        epsilon = norm.attrs.get("epsilon")
        # A variance below zero gives NaN here as it does at run time.
        with np.errstate(all="ignore"):
            scale = gamma / np.sqrt(variance + (float(epsilon) if isinstance(epsilon, (int, float)) else 1e-4))
            weights = scaled(kernel, scale.reshape(kernel.shape[2:]) if depthwise else scale)
            offset = (beta + ((shift[0] if shift else 0.0) - mean) * scale).astype(np.float32)
        inputs = (convolution.inputs[0], _constant(nodes, constants, f"{convolution.name}/folded_filter", weights))
        # Under a name of its own: what the caller fetches as the convolution's is not scaled.
        name = unused_name(f"{convolution.name}/folded", nodes)
        nodes[name] = Node(name, convolution.op, inputs, (), convolution.attrs, convolution.device)
        nodes[norm.name] = Node(
            norm.name,
            "BiasAdd",
            (Edge(name), _constant(nodes, constants, f"{norm.name}/folded_bias", offset)),
            (),
            {"data_format": norm.attrs.get("data_format", b"NHWC")},
        )
        del nodes[convolution.name]
        if bias is not None:
            del nodes[bias.name]
        count += 1
    return graph.replace(nodes=nodes, constants=constants), count


def _convolution_before(
    norm: Node, graph: Graph, readers: Mapping[Edge, int], protected: Collection[str]
) -> tuple[Node, Node | None] | None:
    """The convolution that feeds ``norm`` alone, and the BiasAdd between them; None where folding is not exact."""
    if norm.op not in _NORMS or len(norm.inputs) < 5 or norm.attrs.get("is_training") is not False:
        return None
    if any(edge.node not in graph.constants for edge in norm.inputs[1:5]):
        return None
    if any(readers.get(Edge(norm.name, index), 0) for index in range(1, 6)):
        return None
    before = sole_source(norm.inputs[0], graph, readers, protected)
    bias = None
    if before is not None and before.op == "BiasAdd" and before.inputs[1].node in graph.constants:
        bias, before = before, sole_source(before.inputs[0], graph, readers, protected)
    if before is None or before.op not in _CONVOLUTIONS or before.inputs[1].node not in graph.constants:
        return None
    if before.attrs.get("data_format", b"NHWC") != norm.attrs.get("data_format", b"NHWC"):
        return None
    return before, bias


def _constant(nodes: dict[str, Node], constants: dict[str, Any], wanted: str, value: Array | LazyArray) -> Edge:
    name = unused_name(wanted, nodes)
    constants[name] = value
    nodes[name] = Node(name, "Const")
    return Edge(name)
