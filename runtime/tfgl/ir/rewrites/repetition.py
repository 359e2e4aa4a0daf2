"""Rewrites that make room for themselves: done until nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable

from ..graph import Graph


def repeated(graph: Graph, once: Callable[[Graph], tuple[Graph, int]]) -> tuple[Graph, int]:
    """The graph after as many rounds of ``once`` as change it, and the sum of what the rounds count.

    >>> repeated(Graph({}), lambda graph: (graph, 0))[1]
    0
    """
    count = 0
    while True:
        graph, changed = once(graph)
        if not changed:
            return graph, count
        count += changed
