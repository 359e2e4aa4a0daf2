"""GraphDef and FunctionDef messages -> ``tfgl.ir.graph``, as far as the wanted nodes reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.ir.graph import (
    AttrValue,
    DataType,
    Edge,
    Function,
    FunctionName,
    Graph,
    Node,
    Signature,
    TensorInfo,
    Versions,
)

from .attribute_values import attr_value, dtype_value, shape_value, tensor_value
from .message_file import MessageFile
from .output_arguments import OutputArguments

_MAX_FUNCTIONS = 100_000
_CALL = "PartitionedCall"


class GraphReader:
    """Reads parts of one GraphDef. Damage in a node that nothing wanted needs is not noticed."""

    def __init__(
        self, definition: Any, file: MessageFile | None = None, op_list: Iterable[Any] = (), where: str = "GraphDef"
    ) -> None:
        """``definition``: a GraphDef; ``file`` holds its large constants; ``op_list``: OpDefs of its ops."""
        self.where = where
        self._definition = definition
        self._file = file
        self._outputs = OutputArguments(op_list)
        self.nodes: dict[str, Any] = {}
        for message in definition.node:
            if message.name in self.nodes:
                raise ModelFormatError(f"{where}: two nodes are called {message.name!r}; names must be unique")
            self.nodes[message.name] = message
        self._library = {message.signature.name: message for message in definition.library.function}
        # (function, values of its attributes) -> the name of that instance
        self._instances: dict[tuple[str, bytes], str] = {}

    @property
    def versions(self) -> Versions:
        """The versions that the GraphDef states."""
        versions = self._definition.versions
        return Versions(versions.producer or self._definition.version, versions.min_consumer)

    def graph(self, outputs: Iterable[str] | None = None, signature: Signature | None = None) -> Graph:
        """The nodes that ``outputs`` (node names; None: all nodes) need, and the functions these call.

        What ``signature.inputs`` name are placeholders in it, whatever the file has in their place. Raises
        ModelFormatError, naming node and attribute, for anything malformed.
        """
        fed = {} if signature is None else self._fed(signature)
        wanted = list(self.nodes) if outputs is None else self._reached(outputs, fed)
        functions: dict[str, Any] = {}
        nodes: dict[str, Node] = {}
        constants: dict[str, Any] = {}
        placeholders = {node.name: node for node in fed.values()}
        for name in wanted:
            if name in placeholders:
                nodes[name] = placeholders[name]
                continue
            self._add(self.nodes[name], nodes, constants, functions, {}, self.where)
        for node in fed.values():
            nodes.setdefault(node.name, node)
        linked = {
            node.name: _linked(node, self.nodes.get(node.name), nodes, self._edge_parser(nodes, {}, fed), self.where)
            if node.name not in placeholders
            else node
            for node in nodes.values()
        }
        if signature is not None:
            inputs = {
                key: TensorInfo(fed[info.edge].name + ":0", info.dtype, info.shape, info.resource_id)
                for key, info in signature.inputs.items()
            }
            signature = Signature(inputs, signature.outputs)
        graph = Graph(
            linked, self._read_functions(functions), signature or Signature(), constants, versions=self.versions
        )
        graph.topological_order()
        return graph

    def function(self, name: str) -> tuple[Function, dict[str, Function]]:
        """Function ``name`` of the library and those that it calls; ModelFormatError when there is none."""
        functions = self._read_functions({name: (name, {})})
        return functions[name], functions

    def _fed(self, signature: Signature) -> dict[Edge, Node]:
        fed: dict[Edge, Node] = {}
        for key, info in signature.inputs.items():
            edge = info.edge
            if edge.node not in self.nodes:
                raise ModelFormatError(f"{self.where}: input {key!r} is node {edge.node!r}, which the graph lacks")
            attrs: dict[str, AttrValue] = {} if info.dtype is None else {"dtype": info.dtype}
            if info.shape is not None:
                attrs["shape"] = info.shape
            message = self.nodes[edge.node]
            if message.op == "Placeholder" and "shape" in message.attr:
                own = shape_value(message.attr["shape"].shape, f"{self.where}, node {edge.node!r}, attr 'shape'")
                # A Placeholder of old graphs states () where it means that it does not know.
                if own or info.shape == ():
                    attrs["shape"] = own
            name = edge.node if edge.index == 0 else f"{edge.node}_output_{edge.index}"
            while edge.index and name in self.nodes:
                name += "_"
            fed[edge] = Node(name, "Placeholder", attrs=attrs)
        return fed

    def _reached(self, outputs: Iterable[str], fed: Mapping[Edge, Node]) -> list[str]:
        reached: set[str] = set()
        waiting = list(outputs)
        for name in waiting:
            if name not in self.nodes:
                raise ModelFormatError(f"{self.where}: the graph has no node {name!r}; it has {_some(self.nodes)}")
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            if Edge(name) in fed:
                continue
            for text in self.nodes[name].input:
                source, _, index = text.removeprefix("^").partition(":")
                if index.isdigit() and Edge(source, int(index)) in fed and index != "0":
                    continue
                if source not in self.nodes:
                    raise ModelFormatError(
                        f"{self.where}: node {name!r} reads {text!r}, but the graph has no node {source!r}"
                    )
                waiting.append(source)
        return [name for name in self.nodes if name in reached]

    def _add(
        self,
        message: Any,
        nodes: dict[str, Node],
        constants: dict[str, Any],
        functions: dict[str, Any],
        values: Mapping[str, Any],
        where: str,
    ) -> None:
        """Decode a node without its inputs; ``values`` are those of the attributes of the function around it."""
        place = f"{where}, node {message.name!r} (op {message.op})"
        if not message.name or not message.op:
            raise ModelFormatError(f"{where}: a node has no name or no op ({message.name!r}, {message.op!r})")
        attrs: dict[str, AttrValue] = {}
        for key in sorted(message.attr):
            encoded = message.attr[key]
            kind = encoded.WhichOneof("value")
            if kind == "placeholder" and encoded.placeholder in values:
                encoded = values[encoded.placeholder]
                kind = encoded.WhichOneof("value")
            if kind is None:
                continue
            attr_place = f"{place}, attr {key!r}"
            if message.op == "Const" and key == "value" and kind == "tensor":
                constants[message.name] = tensor_value(encoded.tensor, self._file, attr_place)
            elif kind == "func":
                attrs[key] = self._called(encoded.func.name, encoded.func.attr, functions)
            elif kind == "list" and encoded.list.func:
                attrs[key] = [self._called(func.name, func.attr, functions) for func in encoded.list.func]
            else:
                attrs[key] = attr_value(encoded, self._file, attr_place)
        op = message.op
        if op == "Const" and message.name not in constants:
            raise ModelFormatError(f"{place} has no value")
        if op in self._library:
            # A call as graphs of TensorFlow 1 write it, with the function's name for an op.
            attrs = {"f": self._called(op, message.attr, functions)}
            op = _CALL
        nodes[message.name] = Node(message.name, op, attrs=attrs, device=message.device)

    def _called(self, name: str, attrs: Mapping[str, Any], functions: dict[str, Any]) -> FunctionName:
        """The name of the function, or of its instance for these attributes, noted down to be read."""
        definition = self._library.get(name)
        if definition is None:
            return FunctionName(name)
        given = {attr.name: attrs[attr.name] for attr in definition.signature.attr if attr.name in attrs}
        if not given:
            functions.setdefault(name, (name, {}))
            return FunctionName(name)
        key = (name, b"\0".join(given[k].SerializeToString(deterministic=True) for k in sorted(given)))
        if key not in self._instances:
            instance = f"{name}_{len(self._instances)}"
            while instance in self._library:
                instance += "_"
            self._instances[key] = instance
        functions.setdefault(self._instances[key], (name, given))
        return FunctionName(self._instances[key])

    def _read_functions(self, wanted: dict[str, Any]) -> dict[str, Function]:
        found: dict[str, Function] = {}
        waiting = list(wanted)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            if len(found) > _MAX_FUNCTIONS:
                raise ModelFormatError(f"{self.where}: over {_MAX_FUNCTIONS} functions are called")
            original, values = wanted[name]
            if original not in self._library:
                raise ModelFormatError(f"{self.where}: the library has no function {original!r}")
            called: dict[str, Any] = {}
            found[name] = self._read_function(name, self._library[original], values, called)
            for other, how in called.items():
                wanted.setdefault(other, how)
                waiting.append(other)
        return {name: found[name] for name in sorted(found)}

    def _read_function(self, name: str, message: Any, values: Mapping[str, Any], called: dict[str, Any]) -> Function:
        where = f"{self.where}, function {message.signature.name!r}"
        nodes: dict[str, Node] = {}
        for position, argument in enumerate(message.signature.input_arg):
            if argument.name in nodes:
                raise ModelFormatError(f"{where}: two arguments are called {argument.name!r}")
            described = message.arg_attr[position].attr if position in message.arg_attr else {}
            attrs = self._argument_attrs(argument, described, values, where)
            nodes[argument.name] = Node(argument.name, "Placeholder", attrs=attrs)
        arguments = tuple(nodes)
        constants: dict[str, Any] = {}
        messages: dict[str, Any] = {}
        for entry in message.node_def:
            if entry.name in nodes:
                raise ModelFormatError(f"{where}: two nodes are called {entry.name!r}")
            messages[entry.name] = entry
            self._add(entry, nodes, constants, called, values, where)
        parse = self._edge_parser(nodes, messages, {})
        linked = {key: _linked(node, messages.get(key), nodes, parse, where) for key, node in nodes.items()}
        results: dict[str, Edge] = {}
        infos: dict[str, TensorInfo] = {}
        for argument in message.signature.output_arg:
            if argument.name not in message.ret:
                raise ModelFormatError(f"{where}: nothing is returned as {argument.name!r}")
            results[argument.name] = parse(message.ret[argument.name], f"{where}, output {argument.name!r}")
            dtype = self._argument_dtype(argument, values, where)
            infos[argument.name] = TensorInfo(str(results[argument.name]), dtype)
        inputs = {key: TensorInfo(key, _dtype_of(nodes[key]), _shape_of(nodes[key])) for key in arguments}
        graph = Graph(linked, {}, Signature(inputs, infos), constants)
        try:
            graph.topological_order()
        except ModelFormatError as error:
            raise ModelFormatError(f"{where}: {error}") from None
        return Function(name, arguments, tuple(results), tuple(results.values()), graph)

    def _argument_attrs(
        self, argument: Any, described: Mapping[str, Any], values: Mapping[str, Any], where: str
    ) -> dict[str, AttrValue]:
        dtype = self._argument_dtype(argument, values, where)
        attrs: dict[str, AttrValue] = {} if dtype is None else {"dtype": dtype}
        if "_output_shapes" in described:
            shapes = described["_output_shapes"]
            shape = shapes.list.shape[0] if shapes.list.shape else shapes.shape
            if shapes.WhichOneof("value") in ("list", "shape"):
                attrs["shape"] = shape_value(shape, f"{where}, argument {argument.name!r}")
        return attrs

    def _argument_dtype(self, argument: Any, values: Mapping[str, Any], where: str) -> DataType | None:
        place = f"{where}, argument {argument.name!r}"
        if argument.number_attr or argument.type_list_attr:
            raise ModelFormatError(f"{place}: is a list of tensors; functions of such arguments cannot be read")
        if argument.type_attr:
            value = values.get(argument.type_attr)
            return None if value is None else dtype_value(value.type, place)
        return dtype_value(argument.type, place)

    def _edge_parser(self, nodes: Mapping[str, Node], inside: Mapping[str, Any], fed: Mapping[Edge, Node]) -> Any:
        def parse(text: str, place: str) -> Edge:
            name, *rest = text.split(":")
            if len(rest) > 2 or (rest and not (rest[-1].isascii() and rest[-1].isdigit() and len(rest[-1]) < 8)):
                # `node:argument` alone means a whole list, which has one element where it stands for a tensor.
                if len(rest) != 1 or name not in inside:
                    raise ModelFormatError(f"{place}: {text!r} is no tensor name; expected 'node' or 'node:index'")
                rest = [rest[0], "0"]
            index = int(rest[-1]) if rest else 0
            if len(rest) < 2 and Edge(name, index) in fed:
                return Edge(fed[Edge(name, index)].name)
            if name not in nodes:
                raise ModelFormatError(f"{place} reads {text!r}, but the graph has no node {name!r}")
            if len(rest) == 2:
                source = nodes[name]
                index = self._position(inside[name].op if name in inside else "", source, rest[0], index, place)
            return Edge(name, index)

        return parse

    def _position(self, op: str, source: Node, argument: str, index: int, place: str) -> int:
        if op in self._library:
            names = [output.name for output in self._library[op].signature.output_arg]
            if argument not in names:
                raise ModelFormatError(f"{place}: function {op!r} has no output {argument!r}")
            return names.index(argument)
        return self._outputs.position(source.op, source.attrs, argument, index, place)


def _linked(node: Node, message: Any, nodes: Mapping[str, Node], parse: Any, where: str) -> Node:
    """The node with the inputs that its message lists (None: an argument, which has none)."""
    if message is None:
        return node
    data: list[Edge] = []
    control: list[str] = []
    place = f"{where}, node {node.name!r}"
    for text in message.input:
        if text.startswith("^"):
            source = text[1:].partition(":")[0]
            if source not in nodes:
                raise ModelFormatError(f"{place} waits for {source!r}, which is no node of the graph")
            if source not in control:
                control.append(source)
        else:
            data.append(parse(text, place))
    return Node(node.name, node.op, tuple(data), tuple(control), node.attrs, node.device)


def _dtype_of(node: Node) -> DataType | None:
    dtype = node.attrs.get("dtype")
    return dtype if isinstance(dtype, DataType) else None


def _shape_of(node: Node) -> tuple[int, ...] | None:
    shape = node.attrs.get("shape")
    return shape if isinstance(shape, tuple) else None


def _some(names: Iterable[str], limit: int = 8) -> str:
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:limit])
    return (text or "none") + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


