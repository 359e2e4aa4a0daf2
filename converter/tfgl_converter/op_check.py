"""Which ops of a graph TensorFlow.js lacks: how many, where, and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tfgl.errors import UnsupportedOpError
from tfgl.ir.graph import Graph, Node

from .passes.op_rewrites import rewrite_obstacle
from .passes.op_rewrites.strings import replaces_alike
from .tfjs_ops import DEBUG_OPS, TFJS_OPS, tfgl_only_ops

_SHOWN = 12


@dataclass(frozen=True)
class UnsupportedOp:
    """An op that TensorFlow.js lacks: its nodes, the first of them, their scope, and what a rewrite would need.

    ``obstacle`` is None where no rewrite is known; ``runs_in_tfgl`` tells whether tfgl's own runtime has the op.

    >>> UnsupportedOp("Zeta", 2, "model/zeta", "model", None).describe()
    "Zeta (2 nodes, the first 'model/zeta' in 'model'; no rewrite is known)"
    """

    op: str
    count: int
    first: str
    scope: str
    obstacle: str | None
    runs_in_tfgl: bool = False

    def describe(self) -> str:
        """One phrase for people."""
        nodes = f"{self.count} node{'' if self.count == 1 else 's'}, the first {self.first!r}"
        scope = f" in {self.scope!r}" if self.scope else ""
        hint = "no rewrite is known" if self.obstacle is None else f"its rewrite needs {self.obstacle}"
        if self.runs_in_tfgl:
            hint = "tfgl runs it, TensorFlow.js only where tf.registerOp adds it"
        return f"{self.op} ({nodes}{scope}; {hint})"


def unsupported_ops(graph: Graph, *, strip_debug_ops: bool = True) -> list[UnsupportedOp]:
    """The ops of ``graph`` and its functions that TensorFlow.js lacks, by name.

    >>> graph = Graph({"x": Node("x", "Placeholder"), "a/y": Node("a/y", "Zeta")})
    >>> [(found.op, found.scope) for found in unsupported_ops(graph)]
    [('Zeta', 'a')]
    """
    known: Collection[str] = TFJS_OPS | DEBUG_OPS if strip_debug_ops else TFJS_OPS
    found: dict[str, list[tuple[str, Graph, Node]]] = {}
    for prefix, part in _parts(graph):
        for node in part.nodes.values():
            if node.op not in known:
                found.setdefault(node.op, []).append((prefix, part, node))
    return [_described(op, nodes) for op, nodes in sorted(found.items())]


def _parts(graph: Graph) -> list[tuple[str, Graph]]:
    """The graph and its functions, with what stands before the names of their nodes."""
    return [("", graph), *((f"{name}/", function.graph) for name, function in graph.functions.items())]


def _warn_of_patterns(graph: Graph, warn: Callable[[str], None]) -> None:
    differing = [
        prefix + node.name
        for prefix, part in _parts(graph)
        for node in part.nodes.values()
        if node.op == "StaticRegexReplace" and not replaces_alike(node)
    ]
    if differing:
        nodes = f"{len(differing)} node{'' if len(differing) == 1 else 's'}, the first {differing[0]!r}"
        warn(
            f"TensorFlow.js replaces by the rules of JavaScript, in small letters: StaticRegexReplace ({nodes}) may "
            "give other strings there than in TensorFlow and in tfgl"
        )


def _described(op: str, nodes: Sequence[tuple[str, Graph, Node]]) -> UnsupportedOp:
    prefix, part, node = nodes[0]
    name = prefix + node.name
    obstacle, own = rewrite_obstacle(part, node), op in tfgl_only_ops()
    return UnsupportedOp(op, len(nodes), name, name.rpartition("/")[0], obstacle, own)


def check_ops(
    graph: Graph, *, strip_debug_ops: bool = True, warn: Callable[[str], None] = lambda text: None
) -> None:
    """Raise UnsupportedOpError, which describes each of them, when ``graph`` has ops that nothing runs.

    Ops that TensorFlow.js lacks and tfgl has are told to ``warn``, one line each, and patterns that it reads otherwise.

    >>> check_ops(Graph({"x": Node("x", "Zeta")}))
    Traceback (most recent call last):
    tfgl.errors.UnsupportedOpError: TensorFlow.js lacks 1 op of this model: Zeta (1 node, the first 'x'; ...
    >>> check_ops(Graph({"x": Node("x", "StringToNumber")}), warn=print)
    TensorFlow.js lacks StringToNumber (1 node, the first 'x'; tfgl runs it, TensorFlow.js only where ...
    """
    lacking = unsupported_ops(graph, strip_debug_ops=strip_debug_ops)
    found = [op for op in lacking if not op.runs_in_tfgl]
    if not found:
        for op in lacking:
            warn(f"TensorFlow.js lacks {op.describe()}")
        _warn_of_patterns(graph, warn)
        return
    shown = "; ".join(op.describe() for op in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    count = f"{len(found)} op{'' if len(found) == 1 else 's'}"
    raise UnsupportedOpError(
        f"TensorFlow.js lacks {count} of this model: {shown}{more}. --skip_op_check converts it all the same, for a "
        "runtime where you register them"
    )
