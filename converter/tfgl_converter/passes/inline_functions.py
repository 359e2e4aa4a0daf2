"""Calls of functions become the nodes of the function, under the name of the call."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import Edge, Function, FunctionName, Graph, Node

from .editing import Editor, with_plain_results
from .rewriting import PassContext, Rewritten

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall", "StatelessPartitionedCall"})
# Functions that call each other twice a level would grow without bound.
MAX_NODES = 300_000


def inline_functions(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without calls: neither in it nor in the functions that loops and branches still name."""
    functions: dict[str, Function] = dict(graph.functions)
    done: dict[str, Function] = {}
    count = 0

    def ready(name: str, path: tuple[str, ...]) -> Function:
        """The function with its own calls inlined."""
        nonlocal count
        if name in done:
            return done[name]
        if name in path:
            raise ModelFormatError(f"function {name!r} calls itself; recursive functions cannot be converted")
        if name not in functions:
            raise ModelFormatError(f"function {name!r} is called, but the model's library has no such function")
        if len(path) > 200:
            raise ModelFormatError(f"function {name!r}: calls nested more than 200 deep cannot be converted")
        function = with_plain_results(functions[name])
        inner, changed = _inline(
            function.graph,
            frozenset(function.arguments) | {edge.node for edge in function.results},
            functions,
            lambda called: ready(called, (*path, name)),
        )
        count += changed
        done[name] = dataclasses.replace(function, graph=inner)
        return done[name]

    graph, changed = _inline(graph, context.protected, functions, lambda called: ready(called, ()))
    count += changed
    for name in _named(graph):
        _finish(name, functions, done, ready)
    return Rewritten(graph.replace(functions=done), count)


def _finish(name: str, functions: Mapping[str, Function], done: dict[str, Function], ready: object) -> None:
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in done or current not in functions:
            continue
        assert callable(ready)
        waiting += _named(ready(current, ()).graph)
    # Functions behind those that a call brought in.
    for function in list(done.values()):
        for called in _named(function.graph):
            if called not in done and called in functions:
                _finish(called, functions, done, ready)


def _named(graph: Graph) -> list[str]:
    names: list[str] = []
    for node in graph.nodes.values():
        for value in node.attrs.values():
            names += [
                item for item in (value if isinstance(value, list) else (value,)) if isinstance(item, FunctionName)
            ]
    return names


def _inline(
    graph: Graph, protected: frozenset[str], functions: Mapping[str, Function], ready: object
) -> tuple[Graph, int]:
    assert callable(ready)
    calls = [(node, called) for node in graph.nodes.values() if (called := _called(node, functions)) is not None]
    if not calls:
        return graph, 0
    editor = Editor(graph, protected)
    waited = {source for node in graph.nodes.values() for source in node.control_inputs}
    for node, called in calls:
        function: Function = ready(called)
        if len(node.inputs) != len(function.arguments):
            raise ModelFormatError(
                f"{node} gives {len(node.inputs)} inputs to function {called!r}, which takes {len(function.arguments)}"
            )
        results, names = instantiate(editor, function, node.name, node.inputs, node.control_inputs)
        if len(editor.nodes) > MAX_NODES:
            raise ModelFormatError(f"{node}: inlining its functions makes more than {MAX_NODES} nodes")
        editor.replace_node(node, results)
        if node.name in waited and node.name not in editor.nodes:
            # Whoever waited for the call waits for what the function does.
            read = {edge.node for name in names for edge in editor.nodes[name].inputs}
            last = [name for name in names if name not in read and editor.nodes[name].op != "Const"]
            editor.put(Node(node.name, "NoOp", (), tuple(last)))
    return editor.graph(), len(calls)


def _called(node: Node, functions: Mapping[str, Function]) -> str | None:
    if node.op in CALLS:
        called = node.attrs.get("f")
        if not isinstance(called, FunctionName):
            raise ModelFormatError(f"{node} has no attribute 'f' that names the function it calls")
        return str(called)
    return node.op if node.op in functions else None


def instantiate(
    editor: Editor,
    function: Function,
    prefix: str,
    arguments: Sequence[Edge],
    control_inputs: Sequence[str] = (),
) -> tuple[list[Edge], list[str]]:
    """The function's nodes in ``editor`` under ``prefix/``; the edges of its results, and the new names.

    >>> inner = Graph({"a": Node("a", "Placeholder"), "n": Node("n", "Neg", (Edge("a"),))})
    >>> editor = Editor(Graph({"x": Node("x", "Placeholder")}))
    >>> instantiate(editor, Function("f", ("a",), ("n",), (Edge("n"),), inner), "call", [Edge("x")])
    ([Edge(node='call/n', index=0)], ['call/n'])
    """
    given = dict(zip(function.arguments, arguments, strict=True))
    names: dict[str, str] = {}
    for name in function.graph.nodes:
        if name not in given:
            fresh = editor.fresh(f"{prefix}/{name}")
            names[name] = fresh
            editor.nodes[fresh] = Node(fresh, "NoOp")  # takes the name

    def moved(edge: Edge) -> Edge:
        return given[edge.node] if edge.node in given else Edge(names[edge.node], edge.index)

    for name, fresh in names.items():
        node = function.graph.nodes[name]
        control = [
            names[source] if source in names else given[source].node
            for source in node.control_inputs
            if source in names or source in given
        ]
        if not node.inputs and node.op != "Const":
            control += control_inputs
        attrs = node.attrs
        frame = attrs.get("frame_name")
        if node.op == "Enter" and isinstance(frame, bytes):
            attrs = {**attrs, "frame_name": f"{prefix}/".encode() + frame}
        inputs = tuple(moved(edge) for edge in node.inputs)
        editor.nodes[fresh] = Node(fresh, node.op, inputs, tuple(control), attrs, node.device)
        if name in function.graph.constants:
            editor.constants[fresh] = function.graph.constants[name]
    return [moved(edge) for edge in function.results], list(names.values())
