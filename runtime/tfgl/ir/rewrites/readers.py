"""Who reads what: a rewrite may only take in what nothing else needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from ..graph import Edge, Graph, Node


def reader_counts(graph: Graph) -> Mapping[Edge, int]:
    """How many inputs of nodes read each edge.

    >>> reader_counts(Graph({"y": Node("y", "Mul", (Edge("x"), Edge("x")))}))[Edge("x")]
    2
    """
    return Counter(edge for node in graph.nodes.values() for edge in node.inputs)


def sole_source(
    edge: Edge, graph: Graph, readers: Mapping[Edge, int], protected: Collection[str]
) -> Node | None:
    """The node at ``edge`` when one input alone reads it and it is not ``protected``; else None.

    >>> graph = Graph({"x": Node("x", "Placeholder"), "y": Node("y", "Neg", (Edge("x"),))})
    >>> sole_source(Edge("x"), graph, reader_counts(graph), ()).op
    'Placeholder'
    """
    if edge.index or edge.node in protected or readers.get(edge, 0) != 1:
        return None
    return graph.nodes.get(edge.node)
