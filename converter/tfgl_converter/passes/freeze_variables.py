"""Variables become constants: in the graph, and through the arguments of loops and branches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node, Signature, TensorInfo

from .editing import Editor
from .rewriting import PassContext, ReadVariable, Rewritten

_REFERENCES = ("VariableV2", "Variable", "AutoReloadVariable", "TemporaryVariable")
_ASSIGNING = ("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp", "Assign", "AssignAdd", "AssignSub")
# Ops that hand a resource on.
_PASSING = ("Identity", "Enter", "RefEnter", "Switch", "RefSwitch")
_FUNCTION_ATTRS = ("cond", "body", "then_branch", "else_branch", "branches", "f")
_TYPE_ATTRS = ("T", "Tin")


def freeze_variables(graph: Graph, context: PassContext) -> Rewritten:
    """The graph with every read of a variable replaced by the variable's value.

    A handle that enters a loop or a branch enters as the value, so that functions hold plain arguments. Raises
    ModelFormatError for a read of a variable that has no value.
    """
    if not context.variables:
        return Rewritten(graph, 0)
    freezer = _Freezer(graph, context)
    frozen, count = freezer.freeze_main(graph)
    return Rewritten(frozen.replace(functions={**graph.functions, **freezer.made}), count)


class _Freezer:
    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.functions = graph.functions
        self.context = context
        self.made: dict[str, Function] = {}
        # (function, which of its arguments hold variables) -> the name of the function that takes values
        self._variants: dict[tuple[str, frozenset[int]], str] = {}
        self._dtypes: dict[str, DataType] = {}

    def freeze_main(self, graph: Graph) -> tuple[Graph, int]:
        variables = self.context.variables
        editor = Editor(graph, self.context.protected)
        constants: dict[str, Edge] = {}

        def value_of(handle: str, wanted: str) -> Edge:
            # The constant takes the name of its first reader, as TensorFlow's own freezing leaves it.
            if handle not in constants:
                array = _read(variables[handle], handle)
                if wanted in editor.nodes and wanted not in self.context.protected:
                    editor.put_constant(wanted, array)
                    constants[handle] = Edge(wanted)
                else:
                    constants[handle] = editor.constant(wanted, array)
            return constants[handle]

        roots = {Edge(name): name for name in graph.nodes if name in variables}
        count = self._freeze(graph, editor, roots, value_of)
        for name in list(editor.nodes):
            node = editor.nodes[name]
            if name in variables and node.op in _REFERENCES:
                editor.put_constant(name, _read(variables[name], name))
                count += 1
        return editor.graph(), count

    def _freeze(self, graph: Graph, editor: Editor, roots: Mapping[Edge, str], value_of: object) -> int:
        """Rewrite what reads the handles of ``roots``; how many nodes that were."""
        assert callable(value_of)
        handles = _spread(graph, roots)
        count = 0
        for node in graph.nodes.values():
            read = [handles.get(edge) for edge in node.inputs]
            if not any(read) or node.op in _REFERENCES:
                continue
            handle = read[0]
            if node.op == "ReadVariableOp" and handle:
                self._warn_if_assigned(node, handle, graph)
                changed = any(graph.nodes[s].op in _ASSIGNING for s in node.control_inputs if s in graph.nodes)
                value = value_of(handle, f"{node.name}/saved" if changed else node.name)
                if changed:
                    value = _assigned(node, value, graph, editor, handles)
                if value.node != node.name:
                    editor.replace_node(node, [value])
                count += 1
            elif node.op in ("ResourceGather", "ResourceGatherNd") and handle:
                self._gather(node, editor, value_of(handle, f"{node.name}/resource"))
                count += 1
            elif node.op == "VariableShape" and handle:
                dtype = node.attrs.get("out_type", DataType("int32"))
                editor.put(
                    Node(node.name, "Shape", (value_of(handle, f"{node.name}/resource"),), (), {"out_type": dtype})
                )
                count += 1
            elif node.op in ("VarIsInitializedOp", "IsVariableInitialized"):
                editor.put_constant(node.name, np.array(True))
                count += 1
            elif any(isinstance(node.attrs.get(key), (FunctionName, list)) for key in _FUNCTION_ATTRS):
                self._call(node, editor, read, value_of)
                count += 1
        return count

    def _gather(self, node: Node, editor: Editor, value: Edge) -> None:
        attrs: dict[str, AttrValue] = {"Tindices": node.attrs.get("Tindices", DataType("int32"))}
        dtype = node.attrs.get("dtype")
        if isinstance(dtype, DataType):
            attrs["Tparams"] = dtype
        if node.op == "ResourceGatherNd":
            editor.put(Node(node.name, "GatherNd", (value, node.inputs[1]), (), attrs))
            return
        batch = node.attrs.get("batch_dims", 0)
        axis = editor.constant(f"{node.name}/axis", np.array(batch, np.int32))
        attrs |= {"batch_dims": batch, "Taxis": DataType("int32")}
        editor.put(Node(node.name, "GatherV2", (value, node.inputs[1], axis), (), attrs))

    def _call(self, node: Node, editor: Editor, read: list[str | None], value_of: object) -> None:
        """A loop, branch or call that is given handles is given values."""
        assert callable(value_of)
        leading = 1 if node.op in ("If", "StatelessIf", "Case", "StatelessCase") else 0
        chosen = frozenset(i - leading for i, handle in enumerate(read) if handle)
        dtypes = {}
        inputs = list(node.inputs)
        for index, handle in enumerate(read):
            if handle:
                inputs[index] = value_of(handle, f"{node.name}/{handle}")
                dtypes[index - leading] = self._dtype(handle, editor, inputs[index])
        attrs = dict(node.attrs)
        for key in _FUNCTION_ATTRS:
            called = attrs.get(key)
            if isinstance(called, FunctionName):
                attrs[key] = FunctionName(self._variant(called, chosen, dtypes))
            elif isinstance(called, list):
                attrs[key] = [FunctionName(self._variant(str(name), chosen, dtypes)) for name in called]
        for key in _TYPE_ATTRS:
            types = attrs.get(key)
            if isinstance(types, list) and len(types) == len(inputs) - leading:
                attrs[key] = [dtypes.get(i, dtype) for i, dtype in enumerate(types)]
        attrs.pop("output_shapes", None)
        editor.put(dataclasses.replace(node, inputs=tuple(inputs), attrs=attrs))

    def _dtype(self, handle: str, editor: Editor, edge: Edge) -> DataType:
        stated = editor.nodes[edge.node].attrs.get("dtype") if edge.node in editor.nodes else None
        return stated if isinstance(stated, DataType) else self._dtypes.get(handle, DataType("float32"))

    def _variant(self, name: str, chosen: frozenset[int], dtypes: Mapping[int, DataType]) -> str:
        """The function ``name`` with values instead of handles in the ``chosen`` arguments."""
        key = (name, chosen)
        if key in self._variants:
            return self._variants[key]
        function = self.functions.get(name)
        if function is None:
            raise ModelFormatError(f"function {name!r} is called, but the model's library has no such function")
        taken = set(self._variants.values())
        fresh = name if name not in taken else f"{name}_frozen_{len(taken)}"
        self._variants[key] = fresh
        graph = function.graph
        arguments = [function.arguments[i] for i in sorted(chosen) if i < len(function.arguments)]
        nodes = dict(graph.nodes)
        inputs = dict(graph.signature.inputs)
        for position, argument in enumerate(function.arguments):
            if position in chosen:
                dtype = dtypes[position]
                self._dtypes[argument] = dtype
                nodes[argument] = Node(argument, "Placeholder", attrs={"dtype": dtype})
                inputs[argument] = TensorInfo(argument, dtype)
        graph = graph.replace(nodes=nodes, signature=Signature(inputs, graph.signature.outputs))
        editor = Editor(graph, {edge.node for edge in function.results} | set(function.arguments))
        self._freeze(graph, editor, {Edge(name): name for name in arguments}, lambda handle, wanted: Edge(handle))
        self.made[fresh] = dataclasses.replace(function, name=fresh, graph=editor.graph())
        return fresh

    def _warn_if_assigned(self, node: Node, handle: str, graph: Graph) -> None:
        for other in graph.consumers.get(handle, ()):
            if other.op in _ASSIGNING:
                self.context.warn(
                    f"variable {handle!r} is changed by {other}; a graph model has no variables, "
                    "every call starts from the saved value"
                )
                return


def _assigned(
    node: Node, value: Edge, graph: Graph, editor: Editor, handles: Mapping[Edge, str], depth: int = 0
) -> Edge:
    """The value of a variable after the assignments that ``node`` waits for, in this call."""
    name = handles.get(node.inputs[0]) if node.inputs else None
    for source in node.control_inputs:
        other = graph.nodes.get(source)
        if other is None or other.op not in _ASSIGNING or handles.get(other.inputs[0]) != name or depth > 100:
            continue
        value = _assigned(other, value, graph, editor, handles, depth + 1)
        attrs: dict[str, AttrValue] = {"T": other.attrs["dtype"]} if "dtype" in other.attrs else {}
        if other.op in ("AssignVariableOp", "Assign"):
            value = other.inputs[1]
        else:
            op = "AddV2" if "Add" in other.op else "Sub"
            value = editor.add(f"{node.name}/assigned", op, (value, other.inputs[1]), attrs)
    return value


def _spread(graph: Graph, roots: Mapping[Edge, str]) -> dict[Edge, str]:
    """Each output that carries a handle -> the handle, through nodes that hand it on."""
    handles = dict(roots)
    for node in graph.topological_order():
        if node.op in _PASSING and node.inputs and node.inputs[0] in handles:
            for index in range(2 if "Switch" in node.op else 1):
                handles.setdefault(Edge(node.name, index), handles[node.inputs[0]])
        elif node.op in ("Merge", "RefMerge"):
            for edge in node.inputs:
                if edge in handles:
                    handles.setdefault(Edge(node.name), handles[edge])
    return handles


def _read(read: ReadVariable, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    value = read()
    if value is None:
        raise ModelFormatError(f"variable {name!r} has no value in the model's files; save the model again")
    return value
