"""Switches whose predicate is constant hand their data on; what only the other branch reads leaves."""

from __future__ import annotations

from tfgl.ir.graph import Edge, Graph, Node

from .editing import Editor
from .rewriting import PassContext, Rewritten


def constant_branches(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without Switch of a constant predicate, and without Merge that only one branch reaches.

    A Merge that tells which branch ran, one that a loop closes, and dead values that outputs read stay as they are.
    """
    if not any(_predicate(node, graph) is not None for node in graph.nodes.values()):
        return Rewritten(graph, 0)
    order = graph.topological_order()
    dead = _dead_edges(order, graph)
    ends = {info.edge for info in graph.outputs.values()} | {Edge(name) for name in context.protected}
    if dead & ends:
        return Rewritten(graph, 0)
    editor = Editor(graph, context.protected)
    count = 0
    for node in order:
        taken = _predicate(node, graph)
        if taken is not None:
            editor.redirect(Edge(node.name, taken), node.inputs[0])
            count += 1
            if node.name not in context.protected:
                editor.remove(node.name)
        elif node.op == "Merge" and any(edge in dead for edge in node.inputs):
            alive = [edge for edge in node.inputs if edge not in dead]
            if len(alive) == 1 and not _reads(graph, Edge(node.name, 1)):
                editor.replace_node(node, alive)
                count += 1
        elif Edge(node.name) in dead:
            editor.remove(node.name)
    return Rewritten(editor.graph() if count else graph, count)


def _predicate(node: Node, graph: Graph) -> int | None:
    """The output of a Switch that always carries the data."""
    if node.op != "Switch" or len(node.inputs) != 2 or node.inputs[1].index:
        return None
    value = graph.constants.get(node.inputs[1].node)
    return None if value is None or value.size != 1 else int(bool(value.reshape(())[()]))


def _reads(graph: Graph, edge: Edge) -> bool:
    return any(edge in reader.inputs for reader in graph.consumers[edge.node])


def _dead_edges(order: tuple[Node, ...], graph: Graph) -> set[Edge]:
    """Values that never come: the other output of such a Switch, and what is made of one."""
    dead: set[Edge] = set()
    for node in order:
        taken = _predicate(node, graph)
        if taken is not None:
            dead.add(Edge(node.name, 1 - taken))
            if node.inputs[0] in dead:
                dead.add(Edge(node.name, taken))
        elif node.op == "Merge":
            if all(edge in dead for edge in node.inputs):
                dead |= {Edge(node.name), Edge(node.name, 1)}
        elif any(edge in dead for edge in node.inputs):
            # Every output that something reads.
            dead |= {Edge(node.name)} | {
                edge for reader in graph.consumers[node.name] for edge in reader.inputs if edge.node == node.name
            }
    return dead
