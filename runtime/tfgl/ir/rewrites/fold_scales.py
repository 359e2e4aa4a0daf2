"""Constants by which the result of a convolution or matrix product is multiplied, or that are added, go into it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from ..graph import Edge, Graph, Node, unused_name
from ..lazy_array import scaled
from .readers import reader_counts, sole_source
from .repetition import repeated

Array = np.ndarray[Any, Any]
_PRODUCERS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_STEPS = ("Mul", "RealDiv", "Add", "AddV2", "Sub")


def fold_scales(graph: Graph, protected: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph with such multiplications and additions folded, and how many were.

    A factor or summand is one number, or one for each output channel along the last axis. What is multiplied gets
    weights and bias computed in float64; a summand becomes a BiasAdd, or part of the one before it.
    """
    return repeated(graph, lambda current: _once(current, protected))


def _once(graph: Graph, protected: Collection[str]) -> tuple[Graph, int]:
    nodes, constants = dict(graph.nodes), dict(graph.constants)
    readers = reader_counts(graph)
    count = 0

    def constant(wanted: str, value: Any) -> Edge:
        name = unused_name(wanted, nodes)
        constants[name] = value
        nodes[name] = Node(name, "Const")
        return Edge(name)

    for node in graph.nodes.values():
        if node.op not in _STEPS:
            continue
        for at in (0, 1) if node.op in ("Mul", "Add", "AddV2") else (0,):
            before = sole_source(node.inputs[at], graph, readers, protected)
            value = graph.constants.get(node.inputs[1 - at].node)
            bias: Node | None = None
            if before is not None and before.op == "BiasAdd" and before.inputs[1].node in graph.constants:
                bias, before = before, sole_source(before.inputs[0], graph, readers, protected)
            if before is None or value is None or before.op not in _PRODUCERS:
                continue
            if any(held is not None and nodes.get(held.name) is not held for held in (before, bias)):
                continue  # changed in this round already
            vector = _by_channel(before, graph, np.asarray(value))
            if vector is None:
                continue
            given = np.zeros_like(vector)
            if bias is not None:
                given = np.asarray(graph.constants[bias.inputs[1].node]).astype(np.float64)
            producer = before
            if node.op in ("Mul", "RealDiv"):
                with np.errstate(all="ignore"):
                    factor = vector if node.op == "Mul" else 1.0 / vector
                    given = given * factor
                weights = scaled(graph.constants[before.inputs[1].node], _along_weights(before, graph, factor))
                # Under a name of its own: what the caller fetches as the producer's is not scaled.
                name = unused_name(f"{before.name}/scaled", nodes)
                edges = (before.inputs[0], constant(f"{before.name}/scaled_weights", weights))
                producer = Node(name, before.op, edges, before.control_inputs, before.attrs, before.device)
                del nodes[before.name]
                nodes[name] = producer
            else:
                given = given - vector if node.op == "Sub" else given + vector
            offset = constant(f"{node.name}/folded_bias", given.astype(np.float32))
            nodes[node.name] = Node(node.name, "BiasAdd", (Edge(producer.name), offset), (), {}, node.device)
            if bias is not None:
                del nodes[bias.name]
            count += 1
            break
    return graph.replace(nodes=nodes, constants=constants), count


def _by_channel(producer: Node, graph: Graph, value: Array) -> Array | None:
    """``value`` as float64, one for each output channel; None where it is more, or the weights are no constant."""
    weights = graph.constants.get(producer.inputs[1].node)
    rank = 2 if producer.op == "MatMul" else 4
    if weights is None or weights.ndim != rank or weights.dtype.kind != "f" or value.dtype.kind != "f":
        return None
    if producer.attrs.get("data_format", b"NHWC") != b"NHWC" or value.ndim > rank:
        return None
    if producer.op == "MatMul":
        channels = weights.shape[0 if producer.attrs.get("transpose_b") is True else 1]
    else:
        channels = math.prod(weights.shape[2:] if producer.op == "DepthwiseConv2dNative" else weights.shape[3:])
    if value.size not in (1, channels) or (value.size > 1 and value.shape[-1] != channels):
        return None
    return np.broadcast_to(value.reshape(-1).astype(np.float64), (channels,))


def _along_weights(producer: Node, graph: Graph, factor: Array) -> Array:
    """``factor`` in a shape that broadcasts against the weights of ``producer``."""
    weights = graph.constants[producer.inputs[1].node]
    if producer.op == "DepthwiseConv2dNative":
        return factor.reshape(weights.shape[2:])
    return factor.reshape(-1, 1) if producer.attrs.get("transpose_b") is True else factor
