"""Loops and branches that call functions become Switch, Merge, Enter, Exit, NextIteration and LoopCond."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node

from .editing import Editor
from .inline_functions import MAX_NODES, instantiate
from .rewriting import PassContext, Rewritten

LOOPS = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf")
# What must not run before its branch is chosen or its iteration has begun.
_TIMED = frozenset(
    {"Enter", "Switch", "Merge", "Exit", "NextIteration", "LoopCond", "RandomUniform", "RandomUniformInt",
     "RandomStandardNormal", "TruncatedNormal", "Multinomial", "EmptyTensorList", "TensorListReserve",
     "TensorListFromTensor", "TensorArrayV3", "HashTableV2", "LookupTableFindV2", "Assert", "Print", "PrintV2",
     "StatelessRandomUniform"}
)  # fmt: skip


def lower_control_flow(graph: Graph, context: PassContext) -> Rewritten:
    """The graph without While and If, and how many there were.

    Values that a loop only reads are read where they are when they are constants, and through a constant Enter
    otherwise; LoopCond waits for these, as TensorFlow.js looks for a node to run only where one of its inputs has
    just come. Variables of a loop that nothing needs are left out. What a branch or an iteration computes from
    constants alone, or from what the loop only reads, waits for it by a Switch: TensorFlow.js has constants ready
    from the start, and runs what depends on a constant Enter in the first iteration only.
    """
    if context.control_flow_v2:
        return Rewritten(graph, 0)
    lowering = _Lowering(graph.functions)
    lowered, count = lowering.graph(graph, context.protected, ())
    return Rewritten(lowered.replace(functions={}) if count else lowered, count)


class _Lowering:
    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = functions
        self._done: dict[str, Function] = {}

    def function(self, node: Node, key: str, path: tuple[str, ...]) -> Function:
        """The function that an attribute names, its own control flow lowered."""
        name = node.attrs.get(key)
        if not isinstance(name, FunctionName) or name not in self.functions:
            raise ModelFormatError(f"{node}: attr {key!r} names no function of the model's library")
        if name in path:
            raise ModelFormatError(f"function {str(name)!r} calls itself; recursive functions cannot be converted")
        if name not in self._done:
            function = self.functions[name]
            kept = frozenset(function.arguments) | {edge.node for edge in function.results}
            graph, _ = self.graph(function.graph, kept, (*path, name))
            self._done[name] = dataclasses.replace(function, graph=graph)
        return self._done[name]

    def graph(self, graph: Graph, protected: frozenset[str], path: tuple[str, ...]) -> tuple[Graph, int]:
        """The graph with its loops and branches lowered, and how many there were."""
        found = [node for node in graph.topological_order() if node.op in (*LOOPS, *BRANCHES)]
        if not found:
            return graph, 0
        editor = Editor(graph, protected)
        used = {edge for node in graph.nodes.values() for edge in node.inputs}
        for node in found:
            if node.op in LOOPS:
                results = self._loop(node, editor, used, path, protected)
            else:
                results = self._branch(node, editor, path)
            if len(editor.nodes) > MAX_NODES:
                raise ModelFormatError(f"{node}: lowering control flow makes more than {MAX_NODES} nodes")
            editor.replace_node(node, results)
        return editor.graph(), len(found)

    def _branch(self, node: Node, editor: Editor, path: tuple[str, ...]) -> list[Edge]:
        then, otherwise = (self.function(node, key, path) for key in ("then_branch", "else_branch"))
        arguments = [editor.resolve(edge) for edge in node.inputs[1:]]
        _check_arguments(node, (then, otherwise), len(arguments))
        pred = editor.resolve(node.inputs[0])
        condition = node.attrs.get("Tcond")
        if isinstance(condition, DataType) and condition != "bool":
            pred = editor.add(f"{node.name}/Cast", "Cast", (pred,), {"SrcT": condition, "DstT": DataType("bool")})
        switches: dict[Edge, str] = {}
        types = node.attrs.get("Tin")

        def gated(edge: Edge, dtype: object = None) -> str:
            if edge not in switches:
                attrs: dict[str, AttrValue] = {"T": dtype} if isinstance(dtype, DataType) else {}
                switches[edge] = editor.add(f"{node.name}/switch", "Switch", (edge, pred), attrs).node
            return switches[edge]

        outputs = []
        for side, function in enumerate((otherwise, then)):
            given = [
                argument
                if argument.node in editor.constants
                else Edge(gated(argument, types[i] if isinstance(types, list) and i < len(types) else None), side)
                for i, argument in enumerate(arguments)
            ]
            results, names = instantiate(editor, function, f"{node.name}/{('else', 'then')[side]}", given)
            live = {name for name in switches.values()}
            outputs.append(_gate(editor, names, results, live, lambda edge, side=side: Edge(gated(edge), side)))
        merged = []
        out_types = node.attrs.get("Tout")
        for index, (no, yes) in enumerate(zip(*outputs, strict=True)):
            attrs = _typed(out_types, index)
            merged.append(editor.add(f"{node.name}/merge", "Merge", (no, yes), {**attrs, "N": 2}))
        return merged

    def _loop(
        self, node: Node, editor: Editor, used: set[Edge], path: tuple[str, ...], protected: frozenset[str]
    ) -> list[Edge]:
        cond, body = self.function(node, "cond", path), self.function(node, "body", path)
        initial = [editor.resolve(edge) for edge in node.inputs]
        _check_arguments(node, (cond, body), len(initial))
        if len(body.results) != len(initial) or len(cond.results) != 1:
            raise ModelFormatError(f"{node}: its body must return {len(initial)} values, and its cond one")
        unchanged = [
            body.argument_behind(edge) == name for edge, name in zip(body.results, body.arguments, strict=True)
        ]
        fixed = [same and edge.node in editor.constants for same, edge in zip(unchanged, initial, strict=True)]
        wanted = {i for i in range(len(initial)) if Edge(node.name, i) in used or node.name in protected}
        live = _needed_variables(cond, body, wanted, unchanged)
        # The condition has nothing to wait by, so what it computes from such a value alone goes round the loop.
        alone = _read_alone(cond, unchanged)
        carried = [i for i in live if not fixed[i] and (not unchanged[i] or i in alone)]
        types = node.attrs.get("T")
        limit = node.attrs.get("parallel_iterations", 10)
        frame: dict[str, AttrValue] = {
            "frame_name": node.name.encode(),
            "parallel_iterations": limit,
        }
        merges: dict[int, str] = {}
        given, waited = list(initial), []
        for i in live:
            if fixed[i]:
                continue
            still = i not in carried
            attrs = {**_typed(types, i), **frame, "is_constant": still}
            given[i] = editor.add(f"{node.name}/enter", "Enter", (initial[i],), attrs)
            if still:
                waited.append(given[i].node)
            else:
                given[i] = editor.add(f"{node.name}/merge", "Merge", (given[i],), {**_typed(types, i), "N": 2})
                merges[i] = given[i].node
        (pred,), _ = instantiate(editor, cond, f"{node.name}/cond", given)
        test = editor.add(f"{node.name}/LoopCond", "LoopCond", (pred,), {}, waited)
        switches: dict[Edge, str] = {}

        def gated(edge: Edge, attrs: Mapping[str, AttrValue] = {}) -> Edge:
            if edge not in switches:
                switches[edge] = editor.add(f"{node.name}/switch", "Switch", (edge, test), attrs).node
            return Edge(switches[edge], 1)

        inside = [gated(edge, _typed(types, i)) if i in merges else edge for i, edge in enumerate(given)]
        results, names = instantiate(editor, body, f"{node.name}/body", inside)
        results = _gate(editor, names, results, set(switches.values()), gated, waited)
        outputs = list(initial)
        for i in carried:
            turned = editor.add(f"{node.name}/next_iteration", "NextIteration", (results[i],), _typed(types, i))
            merge_node = editor.nodes[merges[i]]
            editor.put(dataclasses.replace(merge_node, inputs=(*merge_node.inputs, turned)))
            if i in wanted:
                switch = Edge(switches[Edge(merges[i])], 0)
                outputs[i] = editor.add(f"{node.name}/exit", "Exit", (switch,), _typed(types, i))
        return outputs


def _typed(types: object, index: int) -> dict[str, AttrValue]:
    return {"T": types[index]} if isinstance(types, list) and index < len(types) else {}


def _check_arguments(node: Node, functions: Sequence[Function], count: int) -> None:
    for function in functions:
        if len(function.arguments) != count:
            raise ModelFormatError(
                f"{node} gives {count} values to function {function.name!r}, which takes {len(function.arguments)}"
            )


def _needed_variables(cond: Function, body: Function, wanted: set[int], unchanged: Sequence[bool]) -> list[int]:
    """Positions of the variables that the condition, a wanted output, or another needed variable depends on."""
    needed = set(wanted) | _arguments_of(cond, cond.results[0])
    waiting = list(needed)
    while waiting:
        i = waiting.pop()
        for source in _arguments_of(body, body.results[i]) if not unchanged[i] else ():
            if source not in needed:
                needed.add(source)
                waiting.append(source)
    return sorted(needed)


def _read_alone(function: Function, still: Sequence[bool]) -> set[int]:
    """Positions of the arguments among ``still`` that some node reads, or the result is, without any that varies."""
    varying = {name for name, same in zip(function.arguments, still, strict=True) if not same}
    found: set[str] = set()
    for node in function.graph.topological_order():
        if any(edge.node in varying for edge in node.inputs):
            varying.add(node.name)
        else:
            found.update(edge.node for edge in node.inputs)
    found.update(edge.node for edge in function.results if edge.node not in varying)
    return {i for i, name in enumerate(function.arguments) if still[i] and name in found}


def _arguments_of(function: Function, edge: Edge) -> set[int]:
    seen: set[str] = set()
    waiting = [edge.node]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [source.node for source in function.graph.nodes[name].inputs]
    return {i for i, name in enumerate(function.arguments) if name in seen}


def _gate(
    editor: Editor,
    names: Sequence[str],
    results: Sequence[Edge],
    live: set[str],
    gated: object,
    still: Collection[str] = (),
) -> list[Edge]:
    """Make what depends on constants alone wait; the results, each behind a Switch of this branch or iteration.

    ``live`` are the Switch nodes that the new nodes in ``names`` may read, ``gated`` gives an edge behind one.
    ``still`` are constant Enter nodes, which run nothing but in the first iteration.
    """
    assert callable(gated)
    waits: set[str] = set(live)
    for name in _in_order(editor, names):
        node = editor.nodes[name]
        if any(edge.node in waits for edge in node.inputs):
            waits.add(name)
        elif any(edge.node in still for edge in node.inputs):
            changed = tuple(gated(edge) if edge.node in still else edge for edge in node.inputs)
            editor.put(dataclasses.replace(node, inputs=changed))
            waits.add(name)
            continue
        if node.op in _TIMED:
            # An input that is not behind a Switch would be there before its time.
            loose = [edge for edge in node.inputs if edge.node not in waits and not _turns(editor, edge)]
            if loose and node.op not in ("Merge", "Switch"):
                changed = tuple(gated(edge) if edge in loose else edge for edge in node.inputs)
                editor.put(dataclasses.replace(node, inputs=changed))
                waits.add(name)
            elif node.op == "Switch" and node.inputs[1].node in waits:
                waits.add(name)
    return [edge if edge.node in waits else gated(edge) for edge in results]


def _turns(editor: Editor, edge: Edge) -> bool:
    node = editor.nodes.get(edge.node)
    return node is not None and node.op == "NextIteration"


def _in_order(editor: Editor, names: Sequence[str]) -> list[str]:
    part = Graph({name: editor.nodes[name] for name in names})
    return [node.name for node in part.topological_order()]
