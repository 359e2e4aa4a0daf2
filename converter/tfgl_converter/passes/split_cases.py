"""A Case of several branches becomes Ifs of two."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node

from .editing import Editor, const_node, with_plain_results
from .rewriting import PassContext, Rewritten

_INT32 = DataType("int32")


def split_cases(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with each Case as a chain of Ifs: an index outside the branches means the last, as in TensorFlow."""
    functions = dict(graph.functions)
    count = 0
    for name in list(functions):
        function = functions[name]
        kept = frozenset(function.arguments) | {edge.node for edge in function.results}
        inner, changed = _split(function.graph, kept, functions)
        functions[name] = dataclasses.replace(function, graph=inner)
        count += changed
    graph, changed = _split(graph, context.protected, functions)
    return Rewritten(graph.replace(functions=functions), count + changed)


def _split(graph: Graph, protected: frozenset[str], functions: dict[str, Function]) -> tuple[Graph, int]:
    cases = [node for node in graph.nodes.values() if node.op in ("Case", "StatelessCase")]
    if not cases:
        return graph, 0
    editor = Editor(graph, protected)
    for node in cases:
        branches = node.attrs.get("branches")
        names = [str(name) for name in branches] if isinstance(branches, list) else []
        missing = [name for name in names if name not in functions]
        if not names or missing:
            raise ModelFormatError(f"{node}: its branches {names} are not all functions of the model's library")
        then, chosen = names[0], names[-1]
        if len(names) > 1:
            chosen = _rest(node, names, 1, functions)
        pick = editor.constant(f"{node.name}/branch_0", np.array(0, np.int32))
        first = editor.add(f"{node.name}/is_branch_0", "Equal", (node.inputs[0], pick), {"T": _INT32})
        # The index is handed on as the last argument, for the branches behind.
        attrs = _if_attrs(node, _taking_index(then, functions), _taking_index(chosen, functions, len(names) > 2))
        editor.put(Node(node.name, "StatelessIf", (first, *node.inputs[1:], node.inputs[0]), (), attrs))
    return editor.graph(), len(cases)


def _if_attrs(node: Node, then: str, otherwise: str) -> dict[str, AttrValue]:
    attrs: dict[str, AttrValue] = {
        "Tcond": DataType("bool"), "then_branch": FunctionName(then), "else_branch": FunctionName(otherwise),
    }  # fmt: skip
    types = node.attrs.get("Tin")
    attrs["Tin"] = [*types, _INT32] if isinstance(types, list) else []
    attrs["Tout"] = node.attrs.get("Tout", [])
    return attrs


def _rest(node: Node, names: Sequence[str], at: int, functions: dict[str, Function]) -> str:
    """The function that chooses among the branches from ``at`` on; the plain branch when it is the last."""
    if at == len(names) - 1:
        return names[at]
    later = _rest(node, names, at + 1, functions)
    model = functions[names[at]]
    index = _unused("branch_index", model.arguments)
    nodes = {name: model.graph.nodes[name] for name in model.arguments}
    nodes[index] = Node(index, "Placeholder", attrs={"dtype": _INT32})
    pick, test, call = (_unused(name, nodes) for name in ("branch", "is_branch", "choice"))
    value = np.array(at, np.int32)
    nodes[pick] = const_node(pick, value)
    nodes[test] = Node(test, "Equal", (Edge(index), Edge(pick)), (), {"T": _INT32})
    attrs = _if_attrs(node, _taking_index(names[at], functions), _taking_index(later, functions, at + 2 < len(names)))
    inputs = (Edge(test), *(Edge(name) for name in model.arguments), Edge(index))
    nodes[call] = Node(call, "StatelessIf", inputs, (), attrs)
    results = tuple(Edge(call, i) for i in range(len(model.results)))
    fresh = _unused(f"{names[at]}_or_later", functions)
    graph = Graph(nodes, constants={pick: value})
    functions[fresh] = with_plain_results(
        Function(fresh, (*model.arguments, index), model.result_names, results, graph)
    )
    return fresh


def _taking_index(name: str, functions: dict[str, Function], takes: bool = False) -> str:
    """The function with one more argument, which it does not use; itself when it ``takes`` the index already."""
    if takes:
        return name
    function = functions[name]
    fresh = _unused(f"{name}_of_case", functions)
    index = _unused("branch_index", function.graph.nodes)
    nodes = {**function.graph.nodes, index: Node(index, "Placeholder", attrs={"dtype": _INT32})}
    arguments = (*function.arguments, index)
    functions[fresh] = dataclasses.replace(
        function, name=fresh, arguments=arguments, graph=function.graph.replace(nodes=nodes)
    )
    return fresh


def _unused(name: str, taken: Mapping[str, object] | Sequence[str]) -> str:
    number, fresh = 0, name
    while fresh in taken:
        number += 1
        fresh = f"{name}_{number}"
    return fresh
