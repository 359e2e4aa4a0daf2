"""Graph -> GraphDef in protobuf JSON, as the original converter writes it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfgl.errors import InvalidArgumentError
from tfgl.ir.attributes import encode_dtype
from tfgl.ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node, TensorInfo

Array = np.ndarray[Any, Any]

# Dtypes that TensorFlow.js does not know in attributes, and those that its tensors hold instead.
_KNOWN_AS = {
    "bfloat16": "float32", "int16": "int32", "uint16": "int32", "uint32": "int32", "uint64": "int64",
}  # fmt: skip


def encode_attr(value: AttrValue) -> dict[str, Any]:
    """The AttrValue message: bytes as base64, int64 as text, floats as the shortest float32.

    >>> encode_attr(b"SAME"), encode_attr([1, 2]), encode_attr(0.001)
    ({'s': 'U0FNRQ=='}, {'list': {'i': ['1', '2']}}, {'f': 0.001})
    """
    if isinstance(value, list):
        items = [encode_attr(item) for item in value]
        kinds = {kind for item in items for kind in item}
        if len(kinds) > 1:
            raise InvalidArgumentError(f"an attribute's list mixes kinds: {sorted(kinds)}")
        return {"list": {kind: [item[kind] for item in items] for kind in kinds}}
    if isinstance(value, bytes):
        return {"s": base64.b64encode(value).decode()}
    if isinstance(value, (bool, np.bool_)):
        return {"b": bool(value)}
    if isinstance(value, (int, np.integer)):
        return {"i": str(int(value))}
    if isinstance(value, (float, np.floating)):
        return {"f": encode_float(float(value))}
    if isinstance(value, FunctionName):
        return {"func": {"name": str(value)}}
    if isinstance(value, DataType):
        return {"type": encode_dtype(_KNOWN_AS.get(value, value))}
    if value is None or isinstance(value, tuple):
        return {"shape": encode_shape(value)}
    if isinstance(value, np.ndarray):
        return {"tensor": encode_tensor(value)}
    raise InvalidArgumentError(f"an attribute cannot be a {type(value).__name__}")


def encode_float(value: float) -> float | str:
    """The shortest decimal that reads back as the same float32; NaN and infinities as text.

    >>> encode_float(0.10000000149011612), encode_float(math.inf)
    (0.1, 'Infinity')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if np.isfinite(single) else value


def encode_shape(shape: tuple[int, ...] | None) -> dict[str, Any]:
    """The TensorShapeProto message.

    >>> encode_shape((-1, 3)), encode_shape(()), encode_shape(None)
    ({'dim': [{'size': '-1'}, {'size': '3'}]}, {}, {'unknownRank': True})
    """
    if shape is None:
        return {"unknownRank": True}
    return {"dim": [{"size": str(int(size))} for size in shape]} if shape else {}


def encode_tensor(array: Array) -> dict[str, Any]:
    """The TensorProto message with its values.

    >>> encode_tensor(np.array([1, 2], np.int32))["tensorContent"]
    'AQAAAAIAAAA='
    """
    text = array.dtype.kind in "OSU"
    dtype = "string" if text else str(array.dtype)
    fields: dict[str, Any] = {"dtype": encode_dtype(dtype), "tensorShape": encode_shape(array.shape)}
    if text:
        values = [value if isinstance(value, bytes) else str(value).encode() for value in array.reshape(-1)]
        fields["stringVal"] = [base64.b64encode(value).decode() for value in values]
    else:
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        fields["tensorContent"] = base64.b64encode(little.tobytes()).decode()
    return fields


def graph_to_json(graph: Graph) -> tuple[dict[str, Any], dict[str, Array]]:
    """The GraphDef of ``graph``, constants without their values, and these values by weight name.

    Constants of functions are called ``function/constant``, as TensorFlow.js looks them up. Nodes stand in
    topological order.

    >>> nodes = [Node("c", "Const"), Node("n", "Neg", (Edge("c"),))]
    >>> topology, weights = graph_to_json(Graph({n.name: n for n in nodes}, constants={"c": np.zeros(2, np.float32)}))
    >>> topology["node"][1]["input"], list(weights)
    (['c'], ['c'])
    """
    weights: dict[str, Array] = {}
    nodes = _encode_nodes(graph.topological_order(), graph.constants, weights, {})
    library: dict[str, Any] = {}
    functions = [_encode_function(function, weights) for function in graph.functions.values()]
    if functions:
        library["function"] = functions
    versions: dict[str, Any] = {"producer": graph.versions.producer}
    if graph.versions.min_consumer:
        versions["minConsumer"] = graph.versions.min_consumer
    return {"node": nodes, "library": library, "versions": versions}, weights


def _encode_nodes(
    nodes: Iterable[Node], constants: Mapping[str, Array], weights: dict[str, Array], renamed: Mapping[str, str]
) -> list[dict[str, Any]]:
    encoded = []
    for node in nodes:
        name = renamed.get(node.name, node.name)
        fields: dict[str, Any] = {"name": name, "op": node.op}
        inputs = [str(Edge(renamed.get(edge.node, edge.node), edge.index)) for edge in node.inputs]
        inputs += [f"^{renamed.get(source, source)}" for source in node.control_inputs]
        if inputs:
            fields["input"] = inputs
        attrs = {key: encode_attr(value) for key, value in sorted(node.attrs.items()) if _written(key)}
        if node.op == "Const":
            value = constants.get(node.name)
            if value is None:
                raise InvalidArgumentError(f"{node} has no value")
            if name in weights:
                raise InvalidArgumentError(f"two constants are called {name!r}")
            weights[name] = value  # large ones are read while they are written
            attrs = _constant_attrs(node, weights[name])
        if attrs:
            fields["attr"] = attrs
        encoded.append(fields)
    return encoded


def _written(key: str) -> bool:
    # Hints of TensorFlow's own placement, tracing and shape inference.
    return not key.startswith("_")


def _constant_attrs(node: Node, value: Array) -> dict[str, Any]:
    stated = node.attrs.get("dtype")
    if isinstance(stated, DataType):
        dtype = encode_dtype(_KNOWN_AS.get(stated, stated))
    else:
        dtype = encode_dtype("string" if value.dtype.kind in "OSU" else str(value.dtype))
    return {
        "dtype": {"type": dtype},
        "value": {"tensor": {"dtype": dtype, "tensorShape": encode_shape(value.shape)}},
    }


def _encode_function(function: Function, weights: dict[str, Array]) -> dict[str, Any]:
    graph = function.graph
    renamed = {name: f"{function.name}/{name}" for name in graph.nodes if name in graph.constants}
    inside = [node for node in graph.topological_order() if node.name not in function.arguments]
    arguments = [_argument(name, graph.nodes[name].attrs.get("dtype")) for name in function.arguments]
    infos = graph.signature.outputs
    results = [
        _argument(name, _result_dtype(graph, edge, infos.get(name)))
        for name, edge in zip(function.result_names, function.results, strict=True)
    ]
    return {
        "signature": {"name": function.name, "inputArg": arguments, "outputArg": results},
        "nodeDef": _encode_nodes(inside, graph.constants, weights, renamed),
        "ret": {
            name: f"{renamed.get(edge.node, edge.node)}:{edge.index}"
            for name, edge in zip(function.result_names, function.results, strict=True)
        },
    }


def _argument(name: str, dtype: object) -> dict[str, Any]:
    return {
        "name": name,
        "type": encode_dtype(_KNOWN_AS.get(dtype, dtype) if isinstance(dtype, DataType) else "float32"),
    }


def _result_dtype(graph: Graph, edge: Edge, info: TensorInfo | None) -> object:
    if info is not None and info.dtype is not None:
        return info.dtype
    attrs = graph.nodes[edge.node].attrs
    return attrs.get("T", attrs.get("dtype"))
