"""The order of the rewrites that a graph model goes through at load."""

from __future__ import annotations

import dataclasses

from ..ir.graph import Function, Graph
from ..ir.rewrites import bind_constants, fold_batch_norms, fold_constants, fuse_activations, fuse_padding
from .stats import ModelStats

# By name, so that each can be switched off and is counted apart.
REWRITES = {
    "constants": fold_constants,
    "batch_norms": fold_batch_norms,
    "padding": fuse_padding,
    "activations": fuse_activations,
}


def optimize(graph: Graph, stats: ModelStats) -> Graph:
    """A graph that computes the same outputs with fewer nodes; what was done is counted in ``stats.fusions``."""
    outputs = list(graph.outputs)
    protected = {info.edge.node for info in graph.outputs.values()} | {info.edge.node for info in graph.inputs.values()}
    source, signature = graph, graph.signature
    # Control inputs order side effects, and no kernel has any.
    graph = graph.prune(outputs, control=False)
    for name, rewrite in REWRITES.items():
        graph, stats.fusions[name] = rewrite(graph, protected)
    # Where the rewrites that follow can see them.
    graph, stats.fusions["arguments"] = bind_constants(graph)
    functions = {name: _optimized(function, stats) for name, function in graph.functions.items()}
    graph = graph.replace(functions=functions)
    pruned = graph.prune(outputs)
    # Inputs that no output needs may still be fed.
    named = [info.edge.node for info in source.inputs.values()]
    inputs = {name: source.nodes[name] for name in named if name in source.nodes}
    return pruned.replace(nodes={**inputs, **pruned.nodes}, signature=signature)


def _optimized(function: Function, stats: ModelStats) -> Function:
    graph = function.graph
    protected = {*function.arguments, *(edge.node for edge in function.results)}
    for name, rewrite in REWRITES.items():
        graph, count = rewrite(graph, protected)
        stats.fusions[name] += count
    return dataclasses.replace(function, graph=graph)
