"""The order of the rewrites that a graph model goes through at load."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import TypeAlias

from ..flags import Flags
from ..ir.graph import Function, Graph
from ..ir.rewrites import (
    bind_constants,
    fold_batch_norms,
    fold_constants,
    fold_scales,
    fuse_activations,
    fuse_lstm_cells,
    fuse_padding,
    move_reshapes,
    recognize_clips,
    recognize_gelu,
    recognize_hard_swish,
    recognize_layer_norms,
    recognize_softmax,
    recognize_standardized,
    recognize_swish,
)
from .stats import ModelStats

Rewrite: TypeAlias = Callable[[Graph, Collection[str]], tuple[Graph, int]]

# By name, so that each can be switched off and is counted apart; see `tfgl.flags.FUSIONS`.
REWRITES: dict[str, Rewrite] = {
    # First: products with states of zeros are constants, and a step without them is none.
    "lstm_cells": fuse_lstm_cells,
    "constants": fold_constants,
    "batch_norms": fold_batch_norms,
    "layer_norms": recognize_layer_norms,
    # What is no layer norm with constant vectors.
    "standardized": recognize_standardized,
    "clips": recognize_clips,
    "swish": recognize_swish,
    "hard_swish": recognize_hard_swish,
    "gelu": recognize_gelu,
    "softmax": recognize_softmax,
    # After the formulas: it would take the 3 of x + 3 into a bias.
    "scales": fold_scales,
    "padding": fuse_padding,
    "reshapes": move_reshapes,
    "activations": fuse_activations,
}


def optimize(graph: Graph, flags: Flags, stats: ModelStats) -> Graph:
    """A graph that computes the same outputs with fewer nodes; what was done is counted in ``stats.fusions``."""
    outputs = list(graph.outputs)
    protected = {info.edge.node for info in graph.outputs.values()} | {info.edge.node for info in graph.inputs.values()}
    source, signature = graph, graph.signature
    # Control inputs order side effects, and no kernel has any.
    graph = _rewritten(graph.prune(outputs, control=False), protected, flags, stats)
    if flags.fuses("arguments"):
        # Where the rewrites that follow can see them.
        graph, stats.fusions["arguments"] = bind_constants(graph)
    functions = {name: _optimized(function, flags, stats) for name, function in graph.functions.items()}
    graph = graph.replace(functions=functions)
    pruned = graph.prune(outputs)
    # Inputs that no output needs may still be fed.
    named = [info.edge.node for info in source.inputs.values()]
    inputs = {name: source.nodes[name] for name in named if name in source.nodes}
    return pruned.replace(nodes={**inputs, **pruned.nodes}, signature=signature)


def _optimized(function: Function, flags: Flags, stats: ModelStats) -> Function:
    protected = {*function.arguments, *(edge.node for edge in function.results)}
    return dataclasses.replace(function, graph=_rewritten(function.graph, protected, flags, stats))


def _rewritten(graph: Graph, protected: Collection[str], flags: Flags, stats: ModelStats) -> Graph:
    for name, rewrite in REWRITES.items():
        if flags.fuses(name):
            graph, count = rewrite(graph, protected)
            stats.fusions[name] = stats.fusions.get(name, 0) + count
    return graph
