"""Nodes that hand their input on, debug nodes and control edges leave."""

from __future__ import annotations

import dataclasses

from tfgl.ir.graph import Graph, Node

from .editing import Editor
from .rewriting import PassContext, Rewritten

_PASSING = frozenset({"Identity", "StopGradient", "PreventGradient", "Snapshot", "EnsureShape"})
_DEBUG_PASSING = frozenset({"CheckNumerics", "CheckNumericsV2", "Print", "DebugIdentity", "DebugIdentityV2"})
_DEBUG = frozenset({"Assert", "PrintV2", "DebugNanCount", "DebugNumericSummary"}) | _DEBUG_PASSING


def strip_debug_ops(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without Assert, Print, CheckNumerics and their like."""
    if not context.strip_debug_ops:
        return Rewritten(graph, 0)
    editor = Editor(graph, context.protected)
    found = [node for node in graph.nodes.values() if node.op in _DEBUG and node.name not in context.protected]
    for node in found:
        editor.replace_node(node, [node.inputs[0]] if node.op in _DEBUG_PASSING and node.inputs else [])
    return Rewritten(editor.graph() if found else graph, len(found))


def drop_control_inputs(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without control edges: they order side effects, and an inference graph has none.

    Only what debug nodes wait for, or are waited for, stays, and that a loop waits for what it only reads.
    """

    def stays(node: Node, source: str) -> bool:
        ops = (node.op, graph.nodes[source].op) if source in graph.nodes else ("", "")
        return ops == ("LoopCond", "Enter") or not _DEBUG.isdisjoint(ops)

    count = 0
    nodes = {}
    for name, node in graph.nodes.items():
        kept = tuple(source for source in node.control_inputs if stays(node, source))
        if kept != node.control_inputs:
            count += 1
            node = dataclasses.replace(node, control_inputs=kept)
        nodes[name] = node
    return Rewritten(graph.replace(nodes=nodes) if count else graph, count)


def remove_identities(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without nodes that return their input; those whose names must stay do."""
    editor = Editor(graph, context.protected)
    count = 0
    for node in graph.nodes.values():
        if node.name in context.protected:
            continue
        if (node.op in _PASSING and len(node.inputs) == 1) or node.op == "IdentityN":
            editor.replace_node(node, list(node.inputs))
            count += 1
    return Rewritten(editor.graph() if count else graph, count)
