"""Signatures for SavedModels that were saved without any: from the functions of their root object.

TensorFlow 2 saves what it can restore objects from: each function with the objects that it captured. A function
that takes tensors alone becomes a signature, with a call in the graph such as TensorFlow writes for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tfgl.errors import ModelFormatError

from .signatures import natural_order
from .tensor_bundle import TensorBundle

_USER_NAME = "_user_specified_name"
_MAX_DEPTH = 50


def with_function_signatures(meta_graph: Any, bundle: TensorBundle | None, where: str) -> None:
    """Add to ``meta_graph`` a signature, and a call in its graph, for each function of the root object.

    A function whose captures cannot be told is left out. Raises ModelFormatError for an object graph that
    refers to objects, functions or assets that are not there.
    """
    objects = meta_graph.object_graph_def
    if objects.nodes:
        calls = _Calls(meta_graph, bundle, f"{where}, object graph")
        for child in sorted(objects.nodes[0].children, key=lambda child: natural_order(child.local_name)):
            item = calls.item(child.node_id)
            if item.WhichOneof("kind") == "function":
                calls.add(child.local_name, list(item.function.concrete_functions))


class _Calls:
    def __init__(self, meta_graph: Any, bundle: TensorBundle | None, where: str) -> None:
        self.meta_graph = meta_graph
        self.objects = meta_graph.object_graph_def
        self.graph = meta_graph.graph_def
        self.where = where
        self.nodes = {node.name: node for node in self.graph.node}
        self.library = {function.signature.name: function for function in self.graph.library.function}
        self.handles: dict[int, str] = {}
        self.keys = {} if bundle is None else bundle.variable_keys()

    def item(self, number: int) -> Any:
        if not 0 <= number < len(self.objects.nodes):
            raise ModelFormatError(f"{self.where}: refers to object {number} of {len(self.objects.nodes)}")
        return self.objects.nodes[number]

    def add(self, name: str, concrete_functions: list[str]) -> None:
        known = [key for key in concrete_functions if key in self.objects.concrete_functions and key in self.library]
        # Keras traces its models for training and for inference; only the latter is to be converted.
        calm = [key for key in known if not _says_true(self._canonical(key))]
        for chosen in calm or known:
            function = self.library[chosen]
            bound = [self._handle(number) for number in self.objects.concrete_functions[chosen].bound_inputs]
            handles = [handle for handle in bound if handle is not None]
            own = len(function.signature.input_arg) - len(bound)
            if len(handles) == len(bound) and own >= 0:
                self._add_call(name, chosen, function, handles, own)
                return

    def _canonical(self, key: str) -> Any:
        return self.objects.concrete_functions[key].canonicalized_input_signature

    def _add_call(self, name: str, chosen: str, function: Any, handles: list[str], own: int) -> None:
        signature = self.meta_graph.signature_def[name]
        call = self._node(f"{name}_call", "StatefulPartitionedCall")
        call.attr["f"].func.name = chosen
        for i, argument in enumerate(function.signature.input_arg):
            call.attr["Tin"].list.type.append(argument.type)
            if i >= own:
                call.input.append(handles[i - own])
                continue
            attrs = function.arg_attr[i].attr if i in function.arg_attr else {}
            given = attrs[_USER_NAME].s.decode("utf-8", "replace") if _USER_NAME in attrs else ""
            key = given if given and given not in signature.inputs else argument.name
            placeholder = self._node(f"{name}_{key}".replace("/", "_"), "Placeholder")
            placeholder.attr["dtype"].type = argument.type
            shape = placeholder.attr["shape"].shape
            shape.unknown_rank = True
            if "_output_shapes" in attrs and attrs["_output_shapes"].list.shape:
                shape.CopyFrom(attrs["_output_shapes"].list.shape[0])
            call.input.append(placeholder.name)
            info = signature.inputs[key]
            info.name = f"{placeholder.name}:0"
            info.dtype = argument.type
            info.tensor_shape.CopyFrom(shape)
        outputs = list(function.signature.output_arg)
        described = self.objects.concrete_functions[chosen].output_signature
        specs = list(_tensor_specs(described, 0))
        keys = sorted(described.dict_value.fields) if described.WhichOneof("kind") == "dict_value" else []
        for i, output in enumerate(outputs):
            call.attr["Tout"].list.type.append(output.type)
            info = signature.outputs[keys[i] if len(keys) == len(outputs) else f"output_{i}"]
            info.name = f"{call.name}:{i}"
            info.dtype = output.type
            info.tensor_shape.unknown_rank = True
            if len(specs) == len(outputs) and specs[i].HasField("shape"):
                info.tensor_shape.CopyFrom(specs[i].shape)

    def _node(self, name: str, op: str) -> Any:
        while name in self.nodes:
            name += "_1"
        node = self.graph.node.add(name=name, op=op)
        self.nodes[name] = node
        return node

    def _handle(self, number: int) -> str | None:
        """The node of the graph that stands for a captured object; None when there is none."""
        if number not in self.handles:
            handle = self._made_handle(number)
            if handle is None:
                return None
            self.handles[number] = handle
        return self.handles[number]

    def _made_handle(self, number: int) -> str | None:
        item = self.item(number)
        kind = item.WhichOneof("kind")
        if kind == "constant":
            return item.constant.operation if item.constant.operation in self.nodes else None
        if kind == "asset":
            index = item.asset.asset_file_def_index
            if not 0 <= index < len(self.meta_graph.asset_file_def):
                raise ModelFormatError(f"{self.where}: refers to asset {index}, which is not there")
            name = self.meta_graph.asset_file_def[index].tensor_info.name.partition(":")[0]
            return name if name in self.nodes else None
        if kind == "resource":
            return self._table(number, item)
        if kind != "variable" or number not in self.keys:
            return None
        node = self._node(f"{item.variable.name or 'variable'}/handle", "VarHandleOp")
        node.attr["dtype"].type = item.variable.dtype
        node.attr["shape"].shape.CopyFrom(item.variable.shape)
        # The checkpoint's own key: names of variables need not be unique.
        node.attr["shared_name"].s = self.keys[number].encode()
        return str(node.name)

    def _table(self, number: int, item: Any) -> str | None:
        """The table's node: what the model's start gives to the function that fills this table."""
        for child in item.children:
            if child.local_name != "_initialize":
                continue
            for name in self.item(child.node_id).function.concrete_functions:
                if name not in self.objects.concrete_functions:
                    continue
                bound = list(self.objects.concrete_functions[name].bound_inputs)
                for node in self.graph.node:
                    if number in bound and "f" in node.attr and node.attr["f"].func.name == name:
                        position = bound.index(number)
                        if position < len(node.input):
                            return str(node.input[position]).partition(":")[0]
        return None


def _says_true(value: Any, depth: int = 0) -> bool:
    """Whether True is among the arguments for which a function was traced."""
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return bool(value.bool_value)
    return depth < _MAX_DEPTH and any(_says_true(part, depth + 1) for part in _parts(value, kind))


def _tensor_specs(value: Any, depth: int) -> Iterator[Any]:
    kind = value.WhichOneof("kind")
    if kind in ("tensor_spec_value", "bounded_tensor_spec_value"):
        yield getattr(value, kind)
    elif depth < _MAX_DEPTH:
        for part in _parts(value, kind):
            yield from _tensor_specs(part, depth + 1)


def _parts(value: Any, kind: str | None) -> list[Any]:
    if kind in ("list_value", "tuple_value"):
        return list(getattr(value, kind).values)
    if kind == "dict_value":
        return [value.dict_value.fields[key] for key in sorted(value.dict_value.fields)]
    if kind == "named_tuple_value":
        return [pair.value for pair in value.named_tuple_value.values]
    return []
