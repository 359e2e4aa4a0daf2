"""The function that a signature calls becomes the graph itself, with its own names for inputs and outputs."""

from __future__ import annotations

import dataclasses

from tfgl.ir.graph import AttrValue, Edge, FunctionName, Graph, Node, Signature, TensorInfo

from .editing import with_plain_results
from .inline_functions import CALLS
from .rewriting import PassContext, Rewritten


def open_signature(graph: Graph, context: PassContext) -> Rewritten:
    """The called function's graph, when the graph is one call whose outputs are those of the signature.

    TensorFlow 2 exports such graphs; the original converter starts from the function too, so that nodes and weights
    have the same names in both. Handles, tables and constants that the call is given stay under their names.
    """
    calls = [node for node in graph.nodes.values() if node.op in CALLS]
    name = calls[0].attrs.get("f") if len(calls) == 1 else None
    if not isinstance(name, FunctionName) or name not in graph.functions or not graph.signature.outputs:
        return Rewritten(graph, 0)
    call = calls[0]
    function = with_plain_results(graph.functions[name])
    others = {node.name: node for node in graph.nodes.values() if node is not call}
    if (
        len(call.inputs) != len(function.arguments)
        or any(edge.node == call.name for node in others.values() for edge in node.inputs)
        or any(info.edge.node != call.name for info in graph.signature.outputs.values())
    ):
        return Rewritten(graph, 0)
    given: dict[str, Edge] = {}
    named: dict[str, str] = {}  # placeholder of the graph -> argument of the function
    nodes: dict[str, Node] = {}
    for argument, edge in zip(function.arguments, call.inputs, strict=True):
        source = others[edge.node]
        if source.op != "Placeholder":
            given[argument] = edge
        elif source.name in named:
            given[argument] = Edge(named[source.name])
        else:
            named[source.name] = argument
            attrs: dict[str, AttrValue] = {**function.graph.nodes[argument].attrs}
            attrs |= {key: value for key, value in source.attrs.items() if key in ("dtype", "shape")}
            nodes[argument] = Node(argument, "Placeholder", attrs=attrs)
    for node in others.values():
        if node.op != "Placeholder" or node.name not in named:
            nodes[node.name] = node
    inner = {name: node for name, node in function.graph.nodes.items() if name not in function.arguments}
    if set(inner) & set(nodes):
        return Rewritten(graph, 0)  # names would clash; inlining gives prefixes
    for node in inner.values():
        inputs = tuple(given.get(edge.node, edge) for edge in node.inputs)
        control = tuple(dict.fromkeys(given[s].node if s in given else s for s in node.control_inputs))
        nodes[node.name] = dataclasses.replace(node, inputs=inputs, control_inputs=control)
    signature = Signature(
        {key: _moved(info, Edge(named.get(info.edge.node, info.edge.node))) for key, info in graph.inputs.items()},
        {key: _moved(info, function.results[info.edge.index]) for key, info in graph.signature.outputs.items()},
    )
    constants = {**graph.constants, **function.graph.constants}
    return Rewritten(graph.replace(nodes=nodes, constants=constants, signature=signature), 1)


def _moved(info: TensorInfo, edge: Edge) -> TensorInfo:
    return dataclasses.replace(info, name=f"{edge.node}:{edge.index}")
