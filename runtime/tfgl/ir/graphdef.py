"""GraphDef as protobuf JSON, the ``modelTopology`` of a graph model -> Graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from .attributes import (
    decode_attr,
    decode_dtype,
    decode_int,
    decode_shape,
    expect,
    expect_list,
    field_of,
    is_stripped_tensor,
    stored_array,
)
from .graph import (
    AttrValue,
    DataType,
    Edge,
    Function,
    Graph,
    Node,
    Signature,
    TensorInfo,
    Versions,
)

Array = np.ndarray[Any, Any]

# A file of a hundred bytes may state constants of any size; what they may make us allocate ends here.
_MOST_EXPANDED_BYTES = 1 << 30

# Functions name an output as `node:argument:index`; ops whose outputs are several arguments need their order.
# An op that is not here has one output argument, so that the index alone says which output is meant.
_OUTPUT_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV2": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV3": (
        "y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3",
    ),
    "ListDiff": ("out", "idx"),
    "LookupTableExportV2": ("keys", "values"),
    "MaxPoolWithArgmax": ("output", "argmax"),
    "Merge": ("output", "value_index"),
    "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
    "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
    "RaggedRange": ("rt_nested_splits", "rt_dense_values"),
    "RaggedTensorToSparse": ("sparse_indices", "sparse_values", "sparse_dense_shape"),
    "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "SparseCross": ("output_indices", "output_values", "output_shape"),
    "SparseFillEmptyRows": ("output_indices", "output_values", "empty_row_indicator", "reverse_index_map"),
    "SparseReshape": ("output_indices", "output_shape"),
    "SparseSoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "StringNGrams": ("ngrams", "ngrams_splits"),
    "StringSplit": ("indices", "values", "shape"),
    "StringSplitV2": ("indices", "values", "shape"),
    "Switch": ("output_false", "output_true"),
    "TensorArrayConcatV3": ("value", "lengths"),
    "TensorArrayV3": ("handle", "flow"),
    "TensorListConcat": ("tensor", "lengths"),
    "TensorListConcatV2": ("tensor", "lengths"),
    "TensorListPopBack": ("output_handle", "tensor"),
    "TopK": ("values", "indices"),
    "TopKV2": ("values", "indices"),
    "UnicodeDecode": ("row_splits", "char_values"),
    "UnicodeDecodeWithOffsets": ("row_splits", "char_values", "char_to_byte_starts"),
    "Unique": ("y", "idx"),
    "UniqueV2": ("y", "idx"),
    "UniqueWithCounts": ("y", "idx", "count"),
    "UniqueWithCountsV2": ("y", "idx", "count"),
}  # fmt: skip


def graph_from_json(
    topology: object,
    weights: Mapping[str, Array] | None = None,
    signature: object = None,
    *,
    initializer: object = None,
    initializer_signature: object = None,
    where: str = "modelTopology",
) -> Graph:
    """The graph that a GraphDef in protobuf JSON describes.

    Const nodes take their values from ``weights`` (by node name, inside a function also by ``function/node``),
    else from their own payload; a Const with neither is an error, unless ``weights`` is None, which reads the
    structure alone. ``signature`` is the ``signature`` of model.json, ``initializer`` and ``initializer_signature``
    its ``modelInitializer`` and ``initializerSignature``. Values are held in run-time dtypes:
    int64 as int32, float64 as float32 and so on. ``where`` names the part of the file in messages.

    Raises ModelFormatError, naming node, op and attribute, for anything malformed.

    >>> nodes = [{"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
    ...          {"name": "two", "op": "Const", "attr": {"value": {"tensor": {
    ...              "dtype": "DT_FLOAT", "tensorShape": {}, "floatVal": [2.0]}}}},
    ...          {"name": "y", "op": "Mul", "input": ["x", "two"]}]
    >>> graph = graph_from_json({"node": nodes, "versions": {"producer": 1987}})
    >>> graph.nodes["y"].inputs, graph.constants["two"], list(graph.outputs)
    ((Edge(node='x', index=0), Edge(node='two', index=0)), array(2., dtype=float32), ['y'])
    """
    definition = expect(topology, dict, where)
    if "node" not in definition:
        raise ModelFormatError(f"{where} has no 'node' list, so it is not the GraphDef of a graph model")
    functions = _read_functions(definition.get("library"), weights, where)
    entries = expect_list(definition["node"], f"{where}, 'node'")
    nodes, constants = _read_nodes(entries, weights, where, prefix="", given={})
    expanded = sum(
        array.nbytes
        for part in (constants, *(function.graph.constants for function in functions.values()))
        for array in part.values()
        if isinstance(array, np.ndarray) and array.size > 1 and not any(array.strides)
    )
    if expanded > _MOST_EXPANDED_BYTES:
        raise ModelFormatError(
            f"{where}: constants that state one value and a shape would take {expanded} bytes, more than the "
            f"{_MOST_EXPANDED_BYTES} that are allowed"
        )
    filling = None
    if initializer:
        filling = graph_from_json(initializer, weights, initializer_signature, where="modelInitializer")
    versions = _read_versions(definition, where)
    graph = Graph(nodes, functions, _read_signature(signature, nodes), constants, versions, filling)
    graph.topological_order()
    return graph


def _read_nodes(
    entries: Sequence[object],
    weights: Mapping[str, Array] | None,
    where: str,
    *,
    prefix: str,
    given: Mapping[str, Node],
) -> tuple[dict[str, Node], dict[str, Array]]:
    """Nodes (after those ``given``) and the values of the Const ones; ``prefix`` leads weight names."""
    nodes: dict[str, Node] = dict(given)
    inputs: dict[str, list[str]] = {}
    constants: dict[str, Array] = {}
    for position, entry in enumerate(entries):
        node, texts, value = _read_node(entry, f"{where}, node number {position}")
        if node.name in nodes:
            raise ModelFormatError(f"{where}: two nodes are called {node.name!r}; names must be unique")
        nodes[node.name] = node
        inputs[node.name] = texts
        if node.op == "Const":
            constant = _constant(node, value, weights, prefix)
            if constant is not None:
                constants[node.name] = constant
    return {name: _with_inputs(node, inputs.get(name, ()), nodes) for name, node in nodes.items()}, constants


def _read_node(entry: object, place: str) -> tuple[Node, list[str], Array | None]:
    """A node without its inputs, their names as written, and a Const's own payload."""
    fields = expect(entry, dict, place)
    name = expect(fields.get("name"), str, f"{place}, 'name'")
    if not name:
        raise ModelFormatError(f"{place}: 'name' is empty")
    op = expect(fields.get("op"), str, f"node {name!r}, 'op'")
    place = f"node {name!r} (op {op})"
    if not op:
        raise ModelFormatError(f"{place}: 'op' is empty")
    inputs = [
        expect(text, str, f"{place}, input {i}")
        for i, text in enumerate(expect_list(fields.get("input"), f"{place}, 'input'"))
    ]
    attrs: dict[str, AttrValue] = {}
    value: Array | None = None
    for key, encoded in expect(fields.get("attr", {}), dict, f"{place}, 'attr'").items():
        attr_place = f"{place}, attr {key!r}"
        fields_of_attr = expect(encoded, dict, attr_place)
        if not fields_of_attr:
            continue
        if op == "Const" and key == "value":
            if not is_stripped_tensor(fields_of_attr, attr_place):
                decoded = decode_attr(fields_of_attr, attr_place)
                if not isinstance(decoded, np.ndarray):
                    raise ModelFormatError(f"{attr_place}: expected a tensor")
                value = decoded
            continue
        attrs[str(key)] = decode_attr(fields_of_attr, attr_place)
    device = fields.get("device", "")
    return Node(name, op, attrs=attrs, device=device if isinstance(device, str) else ""), inputs, value


def _with_inputs(node: Node, texts: Sequence[str], nodes: Mapping[str, Node]) -> Node:
    data: list[Edge] = []
    control: list[str] = []
    for text in texts:
        if text.startswith("^"):
            source = text[1:].split(":", 1)[0]
            if source not in nodes:
                raise ModelFormatError(f"{node} waits for {source!r}, which is no node of the graph")
            if control[-1:] != [source]:
                control.append(source)
        elif control:
            raise ModelFormatError(f"{node}: input {text!r} stands after a control input ('^...')")
        else:
            data.append(_edge(text, nodes, str(node)))
    return Node(node.name, node.op, tuple(data), tuple(control), node.attrs, node.device)


def _edge(text: str, nodes: Mapping[str, Node], place: str) -> Edge:
    """The edge that ``node``, ``node:index`` or a function's ``node:argument:index`` means."""
    name, *rest = text.split(":")
    if name not in nodes:
        raise ModelFormatError(f"{place} reads {text!r}, but the graph has no node {name!r}")
    if not rest:
        return Edge(name)
    try:
        index = int(rest[-1]) if len(rest) < 3 and rest[-1].isascii() and len(rest[-1]) < 8 else -1
    except ValueError:
        index = -1
    if index < 0:
        raise ModelFormatError(f"{place}: {text!r} is no tensor name; expected 'node' or 'node:index'")
    if len(rest) == 2:
        source = nodes[name]
        if source.op == "RaggedGather" and rest[0] == "output_dense_values":
            rank = source.attrs.get("OUTPUT_RAGGED_RANK", 1)
            return Edge(name, rank if isinstance(rank, int) else 1)
        arguments = _OUTPUT_ARGUMENTS.get(source.op, ())
        index += arguments.index(rest[0]) if rest[0] in arguments else 0
    return Edge(name, index)


def _constant(node: Node, payload: Array | None, weights: Mapping[str, Array] | None, prefix: str) -> Array | None:
    # The converter puts the function's name before a constant's, mostly but not always in the node's name too.
    for name in (prefix + node.name, node.name):
        if weights is not None and name in weights:
            return stored_array(weights[name], f"{node}, weight {name!r}")
    if payload is not None:
        return stored_array(payload, str(node))
    if weights is None:
        return None
    raise ModelFormatError(f"{node}: the weights manifest has no {node.name!r}, and the node holds no value itself")


def _read_functions(library: object, weights: Mapping[str, Array] | None, where: str) -> dict[str, Function]:
    if library is None:
        return {}
    place = f"{where}, 'library'"
    functions: dict[str, Function] = {}
    for entry in expect_list(expect(library, dict, place).get("function"), f"{place}, 'function'"):
        function = _read_function(entry, weights, place)
        if function.name in functions:
            raise ModelFormatError(f"{place}: two functions are called {function.name!r}")
        functions[function.name] = function
    return functions


def _read_function(entry: object, weights: Mapping[str, Array] | None, where: str) -> Function:
    fields = expect(entry, dict, f"{where}, a function")
    declared = expect(fields.get("signature"), dict, f"{where}, a function's 'signature'")
    name = expect(declared.get("name"), str, f"{where}, a function's 'name'")
    where = f"function {name!r}"
    arguments: dict[str, Node] = {}
    for argument in expect_list(field_of(declared, "inputArg"), f"{where}, 'inputArg'"):
        key, dtype = _read_argument(argument, where)
        if key in arguments:
            raise ModelFormatError(f"{where}: two arguments are called {key!r}")
        attrs: dict[str, AttrValue] = {} if dtype is None else {"dtype": dtype}
        arguments[key] = Node(key, "Placeholder", attrs=attrs)
    entries = expect_list(field_of(fields, "nodeDef"), f"{where}, 'nodeDef'")
    nodes, constants = _read_nodes(entries, weights, where, prefix=f"{name}/", given=arguments)
    returned = expect(fields.get("ret", {}), dict, f"{where}, 'ret'")
    results: dict[str, Edge] = {}
    infos: dict[str, TensorInfo] = {}
    for argument in expect_list(field_of(declared, "outputArg"), f"{where}, 'outputArg'"):
        key, dtype = _read_argument(argument, where)
        text = expect(returned.get(key), str, f"{where}, 'ret' of {key!r}")
        # The original converter puts the function's name before those of constants, but not where it returns them.
        if text.split(":")[0] not in nodes and f"{name}/{text}".split(":")[0] in nodes:
            text = f"{name}/{text}"
        results[key] = _edge(text, nodes, f"{where}, output {key!r}")
        infos[key] = TensorInfo(str(results[key]), dtype)
    inputs = {
        key: TensorInfo(key, dtype if isinstance(dtype, DataType) else None)
        for key, dtype in ((node.name, node.attrs.get("dtype")) for node in arguments.values())
    }
    graph = Graph(nodes, {}, Signature(inputs, infos), constants)
    try:
        graph.topological_order()
    except ModelFormatError as error:
        raise ModelFormatError(f"{where}: {error}") from None
    return Function(name, tuple(arguments), tuple(results), tuple(results.values()), graph)


def _read_argument(argument: object, where: str) -> tuple[str, DataType | None]:
    fields = expect(argument, dict, f"{where}, an argument")
    name = expect(fields.get("name"), str, f"{where}, an argument's 'name'")
    if not name or ":" in name:
        raise ModelFormatError(f"{where}: {name!r} is no argument's name")
    encoded = fields.get("type")
    return name, None if encoded is None else decode_dtype(encoded, f"{where}, argument {name!r}")


def _read_versions(definition: Mapping[str, Any], where: str) -> Versions:
    place = f"{where}, 'versions'"
    fields = expect(definition.get("versions", {}), dict, place)
    return Versions(
        decode_int(fields.get("producer", 0), f"{place}, 'producer'"),
        decode_int(field_of(fields, "minConsumer", 0), f"{place}, 'minConsumer'"),
    )


def _read_signature(signature: object, nodes: Mapping[str, Node]) -> Signature:
    if signature is None:
        return Signature()
    fields = expect(signature, dict, "signature")
    inputs = _read_tensor_infos(fields.get("inputs"), "input")
    outputs = _read_tensor_infos(fields.get("outputs"), "output")
    for key, info in outputs.items():
        if info.edge.node not in nodes:
            raise ModelFormatError(f"signature, output {key!r}: the graph has no node {info.edge.node!r}")
    return Signature(inputs, outputs)


def _read_tensor_infos(entries: object, kind: str) -> dict[str, TensorInfo]:
    infos: dict[str, TensorInfo] = {}
    for key, entry in expect({} if entries is None else entries, dict, f"signature, '{kind}s'").items():
        place = f"signature, {kind} {key!r}"
        fields = expect(entry, dict, place)
        name = expect(fields.get("name", key), str, f"{place}, 'name'")
        try:
            Edge.parse(name)
        except ModelFormatError as error:
            raise ModelFormatError(f"{place}: {error}") from None
        dtype, shape = fields.get("dtype"), field_of(fields, "tensorShape")
        resource = field_of(fields, "resourceId")
        infos[str(key)] = TensorInfo(
            name,
            None if dtype is None else decode_dtype(dtype, place),
            None if shape is None else decode_shape(shape, f"{place}, 'tensorShape'"),
            None if resource is None else decode_int(resource, f"{place}, 'resourceId'"),
        )
    return infos
