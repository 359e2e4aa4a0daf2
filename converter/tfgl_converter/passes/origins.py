"""Which source nodes each written node stands for, followed through passes that know nothing of it."""

from __future__ import annotations

from tfgl.ir.graph import Graph


class Origins:
    """For each node the source nodes it came from; a node that no pass touched is its own source.

    A node that changes takes in the nodes that went, or that no output needs any more, and that it read, directly or
    through others of their kind; a new node belongs to the sources of the node that reads it. Source names are
    those after functions were inlined (``call/node``).
    """

    def __init__(self) -> None:
        """Nothing has changed yet."""
        self._sources: dict[str, tuple[str, ...]] = {}

    def follow(self, before: Graph, after: Graph, *, trace: bool, prefix: str = "") -> None:
        """Take in what one pass did. Without ``trace``, new nodes are sources themselves."""
        if before is after or not trace:
            return
        changed = [name for name, node in after.nodes.items() if before.nodes.get(name) is not node]
        fresh = [name for name in changed if name not in before.nodes]
        needed = _needed(after)
        for name in changed:
            if name not in before.nodes:
                continue
            sources = dict.fromkeys(self._of(prefix + name))
            for gone in _gone(name, before, needed):
                sources.update(dict.fromkeys(self._of(prefix + gone)))
            self._sources[prefix + name] = tuple(sources)
        # From readers back: a new node may be read by another new one.
        waiting = fresh
        while waiting:
            rest = []
            for name in waiting:
                readers = [node.name for node in after.consumers[name] if prefix + node.name in self._sources]
                known = [reader for reader in readers if reader not in waiting]
                if known:
                    found = dict.fromkeys(source for reader in known for source in self._of(prefix + reader))
                    self._sources[prefix + name] = tuple(found)
                else:
                    rest.append(name)
            if len(rest) == len(waiting):
                break
            waiting = rest

    def of(self, graph: Graph) -> dict[str, tuple[str, ...]]:
        """The sources of every node of ``graph``, nodes of functions as ``function/node``."""
        found = {name: self._of(name) for name in graph.nodes}
        for key, function in graph.functions.items():
            found |= {f"{key}/{name}": self._of(f"{key}/{name}") for name in function.graph.nodes}
        return found

    def _of(self, name: str) -> tuple[str, ...]:
        return self._sources.get(name, (name,))


def _needed(graph: Graph) -> set[str]:
    """The nodes that an output, or another node's side effect, comes from; all where there is no output."""
    waiting = [info.edge.node for info in graph.outputs.values()]
    if not waiting:
        return set(graph.nodes)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and name in graph.nodes:
            found.add(name)
            node = graph.nodes[name]
            waiting += [edge.node for edge in node.inputs]
            waiting += node.control_inputs
    return found


def _gone(name: str, before: Graph, needed: set[str]) -> list[str]:
    """Nodes that ``name`` read before, through nodes that are gone, and that are gone themselves."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        node = before.nodes.get(waiting.pop())
        for edge in () if node is None else node.inputs:
            if edge.node not in needed and edge.node not in found:
                found[edge.node] = None
                waiting.append(edge.node)
    return list(found)
