"""Masks that Keras 3 writes into its calls and that TensorFlow.js, like Keras 2, hands on by itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tfgl.keras.files.model import Config, is_model, layer_name
from tfgl.keras.registry import rows

_TAKERS = frozenset(["RNN", "SimpleRNN", "GRU", "LSTM", "ConvLSTM2D", "Bidirectional", "TimeDistributed"])
_RECURRENT = _TAKERS - {"TimeDistributed"}

# What a mask is computed of: ("not_equal", tensor, value), ("any", mask); None where it is not known.
Mask = tuple[Any, ...] | None


def without_implicit_masks(model: Config) -> Config:
    """The model without the masks of recurrent layers' calls that their first input carries anyway; nested ones too.

    Keras 3 computes the mask of a Masking layer, or of an Embedding with ``mask_zero``, by operations that are layers
    of the model, and names it in each call; TensorFlow.js has no such layers and takes no tensors by name. Operations
    that nothing reads any more leave.

    >>> call = [[["e", 0, 0, {"mask": ["n", 0, 0]}]]]
    >>> differs = {"class_name": "Operation", "config": {"name": "n", "operation": "NotEqual"},
    ...            "inbound_nodes": [{"args": [["x", 0, 0], 0], "kwargs": {}}]}
    >>> embedding = {"class_name": "Embedding", "config": {"name": "e", "mask_zero": True},
    ...              "inbound_nodes": [[["x", 0, 0, {}]]]}
    >>> layers = [{"class_name": "InputLayer", "config": {"name": "x"}}, embedding, differs,
    ...           {"class_name": "LSTM", "config": {"name": "l"}, "inbound_nodes": call}]
    >>> model = without_implicit_masks({"config": {"layers": layers, "output_layers": [["l", 0, 0]]}})
    >>> [(layer["config"]["name"], layer.get("inbound_nodes")) for layer in model["config"]["layers"]]
    [('x', None), ('e', [[['x', 0, 0, {}]]]), ('l', [[['e', 0, 0, {}]]])]
    """
    result = copy.deepcopy(model)
    _leave_out(result)
    return result


def _leave_out(model: Config) -> None:
    layers = model["config"]["layers"]
    masks = _Masks({layer_name(layer): layer for layer in layers})
    for layer in layers:
        if is_model(layer):
            _leave_out(layer)
        if layer["class_name"] in _TAKERS:
            for call in _calls(layer):
                given = call[3].get("mask")
                if given is not None and masks.computed(given) == masks.carried(call) is not None:
                    del call[3]["mask"]
    while unread := _unread_operations(model):
        layers[:] = [layer for layer in layers if layer_name(layer) not in unread]


def _calls(layer: Config) -> Iterator[list[Any]]:
    """The inputs ``[layer, node, tensor, kwargs]`` of all calls in the shape of Keras 2."""
    for node in layer.get("inbound_nodes") or []:
        if isinstance(node, list):
            yield from (call for call in node if isinstance(call, list) and len(call) == 4)


class _Masks:
    """Which mask a tensor carries, and what the operations compute, as far as one call of each layer tells."""

    def __init__(self, layers: Mapping[str, Config]) -> None:
        self._layers = layers

    def computed(self, reference: Any) -> Mask:
        """The mask that a chain of operations gives."""
        layer = self._layers.get(reference[0]) if isinstance(reference, list) and reference else None
        node = self._only_node(layer)
        if layer is None or not isinstance(node, dict) or layer["class_name"] != "Operation":
            return None
        operation, args = layer["config"].get("operation"), node["args"]
        if operation == "NotEqual" and len(args) == 2 and isinstance(args[1], int | float):
            return "not_equal", tuple(args[0]), float(args[1])
        axis = layer["config"].get("axis", node["kwargs"].get("axis"))
        if operation == "Any" and len(args) == 1 and axis in (-1, [-1]) and not layer["config"].get("keepdims"):
            inner = self.computed(args[0])
            return None if inner is None else ("any", inner)
        return None

    def carried(self, reference: list[Any], depth: int = 0) -> Mask:
        """The mask that a tensor has from the layers that made it."""
        layer = self._layers.get(reference[0])
        node = self._only_node(layer)
        if layer is None or not isinstance(node, list) or depth > len(self._layers):
            return None
        kind, config = layer["class_name"], layer["config"]
        first = tuple(node[0][:3])
        if kind == "Embedding":
            return ("not_equal", first, 0.0) if config.get("mask_zero") else None
        if kind == "Masking":
            return "any", ("not_equal", first, float(config.get("mask_value", 0.0)))
        if kind in _RECURRENT:
            recurrent = config.get("layer", layer) if kind == "Bidirectional" else layer
            passes = recurrent["config"].get("return_sequences") is True
        else:
            row = None if kind == "Operation" else rows().get(kind)
            passes = row is not None and row.masking == "pass"
        found = {self.carried(call, depth + 1) for call in node} if passes else {None}
        return found.pop() if len(found) == 1 else None

    def _only_node(self, layer: Config | None) -> Any:
        nodes = [] if layer is None else layer.get("inbound_nodes") or []
        return nodes[0] if len(nodes) == 1 and nodes[0] else None


def _unread_operations(model: Config) -> set[str]:
    layers = model["config"]["layers"]
    read = set(_names([layer.get("inbound_nodes") for layer in layers]))
    read |= set(_names(model["config"].get("output_layers")))
    return {layer_name(layer) for layer in layers if layer["class_name"] == "Operation"} - read


def _names(value: Any) -> Iterator[str]:
    """Every text in a nested value: the names of layers that calls read are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _names(one)
