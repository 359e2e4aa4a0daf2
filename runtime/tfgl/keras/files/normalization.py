"""Keras configurations of every version brought into one shape, that of Keras 2's HDF5 files.

``batch_input_shape``, ``inbound_nodes`` as nested lists, dtypes as text, no modules; what no Keras 2 file can say
(an operation of Keras 3 used as a layer) keeps Keras 3's shape under the class name ``Operation``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...errors import ModelFormatError
from ...io.artifacts import parse_model_json
from ..configuration import is_operation
from .model import MODEL_CLASSES, Config, layer_name

# Keys that only some Keras versions write, each with the value that changes nothing.
_VACUOUS: dict[str, Any] = {
    "quantization_config": None,
    "lora_rank": None,
    "lora_alpha": None,
    "optional": False,
    "input_axes": None,
    "output_axes": None,
    "synchronized": False,
    "rms_scaling": False,
    "gptq_unpacked_column_size": None,
}
_STRUCTURE = frozenset({"module", "registered_name", "build_config", "compile_config", "shared_object_id"})
_RENAMED = {"BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization",
            "UnifiedGRU": "GRU", "UnifiedLSTM": "LSTM", "GRUV2": "GRU", "LSTMV2": "LSTM",
            "LayerNormalizationV1": "LayerNormalization"}  # fmt: skip
_RECURRENT = frozenset(["RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"])
# Where Keras 3 passes tensors by position, Keras 2 has one first argument and names for the rest.
_ARGUMENTS = {
    "MultiHeadAttention": ("query", "value", "key"),
    "GroupedQueryAttention": ("query", "value", "key"),
    "GroupQueryAttention": ("query", "value", "key"),
}
# Operations of Keras 3 on two tensors that a layer of the same name computes, broadcasting included.
_MERGES = frozenset(["Add", "Subtract", "Multiply", "Maximum", "Minimum"])


def parse_config(text: object, where: str) -> Config:
    """The JSON object that a file's configuration spells. Raises ModelFormatError when it spells none.

    >>> parse_config('{"class_name": "Sequential"}', "model.h5")
    {'class_name': 'Sequential'}
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if not isinstance(text, bytes):
        raise ModelFormatError(f"{where}: expected JSON text, got {type(text).__name__}")
    return parse_model_json(text, where)


def normalized(model: object, where: str) -> Config:
    """The configuration of a model as ``{"class_name", "config"}`` in the shape of Keras 2.

    ``model`` is what ``model_config``, ``config.json`` or a layers model's topology holds. Raises ModelFormatError
    when it is no configuration of a Keras model.

    >>> layer = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
    ...          "config": {"batch_shape": [None, 2], "name": "x", "optional": False}}
    >>> normalized({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}, "model.keras")
    {'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'InputLayer',
     'config': {'batch_input_shape': [None, 2], 'name': 'x'}}]}}
    """
    if not isinstance(model, dict) or "class_name" not in model or "config" not in model:
        raise ModelFormatError(f"{where}: expected a Keras model with 'class_name' and 'config', got {_shown(model)}")
    result = _object(model, where)
    if not isinstance(result, dict) or not isinstance(result.get("config"), dict) or "layers" not in result["config"]:
        raise ModelFormatError(
            f"{where}: the model is of class {_shown(model['class_name'])}, and the file does not say what layers it "
            "has; a subclassed model converts from a SavedModel (tf.saved_model.save, or model.export in Keras 3)"
        )
    if not isinstance(result["config"]["layers"], list):
        raise ModelFormatError(f"{where}: 'layers' must be a list, got {_shown(result['config']['layers'])}")
    return result


def _object(value: Any, where: str) -> Any:
    """``value`` and all in it, normalised."""
    if isinstance(value, list):
        return [_object(one, where) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "ndarray" and isinstance(value.get("value"), int | float):
        return value["value"]
    if "class_name" not in value:
        return {key: _object(one, where) for key, one in value.items()}
    kind, config = value["class_name"], value.get("config")
    if not isinstance(kind, str):
        raise ModelFormatError(f"{where}: a 'class_name' must be text, got {_shown(kind)}")
    if kind == "__tuple__":
        return [_object(one, where) for one in value.get("items", [])]
    if kind in ("__numpy__", "__tensor__") and isinstance(config, dict):
        return _object(config.get("value"), where)
    if kind in ("DTypePolicy", "Policy") and isinstance(config, dict):
        name = config.get("name")
        return {"class_name": "Policy", "config": {"name": name}} if str(name).startswith("mixed_") else name
    if kind == "function" and isinstance(config, str):
        return value["registered_name"] if value.get("registered_name") not in (None, "function", config) else config
    if isinstance(config, list) and kind == "Sequential":
        config = {"name": value.get("name", "sequential"), "layers": config}
    if not isinstance(config, dict):
        return {key: _object(one, where) for key, one in value.items()}
    return _layer(value, kind, config, where)


def _layer(value: Config, kind: str, config: Config, where: str) -> Config:
    registered = value.get("registered_name")
    if isinstance(registered, str) and registered and registered != kind and registered != f"keras>{kind}":
        kind = registered
    module = str(value.get("module") or "")
    operation = is_operation(value)
    members: Config = {
        key: _object(one, where)
        for key, one in config.items()
        if not (key in _VACUOUS and one == _VACUOUS[key] and type(one) is type(_VACUOUS[key]))
    }
    if "batch_shape" in members and "batch_input_shape" not in members:
        members = {"batch_input_shape" if key == "batch_shape" else key: one for key, one in members.items()}
    if isinstance(members.get("dtype"), dict) and kind == "InputLayer":
        members["dtype"] = "float32"
    kind = _RENAMED.get(kind, kind)
    if kind == "LeakyReLU" and "negative_slope" in members:
        members["alpha"] = members.pop("negative_slope")
    inner = members.get("layer")
    if kind == "Bidirectional" and module and isinstance(inner, dict) and isinstance(inner.get("config"), dict):
        # Keras 3 writes the name that the forward layer has; Keras 2 and TensorFlow.js make it from this one.
        inner["config"]["name"] = str(inner["config"].get("name", "")).removeprefix("forward_")
    if kind in MODEL_CLASSES and isinstance(members.get("layers"), list):
        members = _model(kind, config, members, where)
    result: Config = {"class_name": kind, "config": members}
    if operation:
        result = {"class_name": "Operation", "config": {**members, "operation": kind}}
    for key, one in value.items():
        if key in _STRUCTURE or key in ("class_name", "config"):
            continue
        if key == "inbound_nodes":
            # What was brought into shape before, and written, is an Operation already.
            nodes = _nodes(one, kind, operation or kind == "Operation", where)
            if operation and kind in _MERGES and all(isinstance(node, list) and len(node) == 2 for node in nodes):
                result = {"class_name": kind, "config": members}
            result[key] = nodes
        else:
            result[key] = _object(one, where)
    return result


def _model(kind: str, raw: Config, members: Config, where: str) -> Config:
    layers = members["layers"]
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict) or "class_name" not in layer:
            raise ModelFormatError(f"{where}: expected a layer with 'class_name' and 'config', got {_shown(layer)}")
        layer["config"].setdefault("name", layer.get("name", str(layer["class_name"]).lower()))
    if kind == "Sequential":
        shape = members.pop("build_input_shape", None)
        if layers and isinstance(shape, list) and layers[0]["class_name"] not in ("InputLayer", *MODEL_CLASSES):
            layers[0]["config"].setdefault("batch_input_shape", shape)
        return members
    for key in ("input_layers", "output_layers"):
        members[key] = list(_references(raw.get(key), f"{where}, {key!r}"))
    for layer in layers:
        layer.setdefault("name", layer_name(layer))
        layer.setdefault("inbound_nodes", [])
    # An Operation keeps Keras 3's calls; where they are the only ones, the model has been brought into shape before.
    counted = [layer for layer in raw["layers"] if isinstance(layer, dict) and layer.get("class_name") != "Operation"]
    if any(_is_call(node) for layer in counted for node in layer.get("inbound_nodes") or []):
        shift_model_calls(members, 1)
    return members


def _is_call(node: Any) -> bool:
    return isinstance(node, dict) and "args" in node


def shift_model_calls(members: Config, by: int) -> None:
    """Count the calls of nested models from ``by`` more, in the configuration of the model around them.

    Keras 2 and TensorFlow.js count the making of a model as its first call, Keras 3 does not; only where it names the
    ends of the model around, it does for functional models.
    """
    names = {layer_name(layer) for layer in members["layers"] if layer["class_name"] in MODEL_CLASSES}
    if not names:
        return
    for layer in members["layers"]:
        layer["inbound_nodes"] = _shifted(layer["inbound_nodes"], names, by)
    sequential = {layer_name(layer) for layer in members["layers"] if layer["class_name"] == "Sequential"}
    for key in ("input_layers", "output_layers"):
        members[key] = _shifted(members[key], sequential, by)


def _shifted(value: Any, names: set[str], by: int) -> Any:
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and type(value[1]) is int and value[0] in names:
            return [value[0], value[1] + by, *(_shifted(one, names, by) for one in value[2:])]
        return [_shifted(one, names, by) for one in value]
    if isinstance(value, dict):
        return {key: _shifted(one, names, by) for key, one in value.items()}
    return value


def _references(value: Any, where: str) -> Iterator[list[Any]]:
    """Each tensor of a nested structure of ``[layer, node, tensor]``."""
    if isinstance(value, dict):
        # Keras flattens dictionaries in the order of their keys.
        for key in sorted(value):
            yield from _references(value[key], where)
    elif isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str):
        yield [value[0], *_indices(value, where)]
    elif isinstance(value, list):
        for one in value:
            yield from _references(one, where)
    elif value is not None:
        raise ModelFormatError(f"{where}: expected [layer, node, tensor], got {_shown(value)}")


def _indices(reference: list[Any], where: str) -> list[int]:
    for index in reference[1:3]:
        if isinstance(index, bool) or not isinstance(index, int) or index < -1:
            raise ModelFormatError(f"{where}: expected [layer, node, tensor], got {_shown(reference)}")
    return reference[1:3]


def _nodes(nodes: Any, kind: str, operation: bool, where: str) -> list[Any]:
    if not isinstance(nodes, list):
        raise ModelFormatError(f"{where}: 'inbound_nodes' must be a list, got {_shown(nodes)}")
    result: list[Any] = []
    for node in nodes:
        if isinstance(node, dict) and "args" in node:
            result.append(_node(node, kind, operation, where))
        elif isinstance(node, dict):
            # Keras 2 keeps the names of a layer's inputs in the outer structure.
            result.append([node[key] for key in sorted(node)])
        elif isinstance(node, list) and len(node) >= 3 and isinstance(node[0], str):
            result.append([node])
        else:
            result.append(_object(node, where))
    return result


def _node(node: Config, kind: str, operation: bool, where: str) -> Any:
    """A call as Keras 2 writes it; Keras 3's own shape, tensors as ``[layer, node, tensor]``, where it cannot."""
    args, kwargs = node.get("args"), node.get("kwargs") or {}
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ModelFormatError(f"{where}: a node must have lists 'args' and 'kwargs', got {_shown(node)}")
    args = [_call_value(one, where) for one in args]
    kwargs = {key: _call_value(one, where) for key, one in kwargs.items()}
    if operation:
        tensors = [one for one in args if _is_reference(one)]
        if kind in _MERGES and len(tensors) == len(args) == 2 and not kwargs:
            return [[*one, {}] for one in tensors]
        return {"args": args, "kwargs": kwargs}
    kwargs = {key: one for key, one in kwargs.items() if one is not None}
    names = _ARGUMENTS.get(kind, ())
    if not args and names and names[0] in kwargs:
        args = [kwargs.pop(names[0])]
    elif not args and "inputs" in kwargs:
        args = [kwargs.pop("inputs")]
    first = args[0] if args else []
    if kind in _RECURRENT:
        states = kwargs.pop("initial_state", None) if len(args) < 2 else args[1]
        tensors = [first, *_flat(states)] if states is not None else [first]
        return [[*one, dict(kwargs)] for one in tensors]
    for name, one in zip(names[1:], args[1:], strict=False):
        if one is not None:
            kwargs[name] = one
    rest = args[1:] if not names else args[len(names) :]
    tensors = [*_flat(first), *(tensor for one in rest for tensor in _flat(one))]
    return [[*one, dict(kwargs)] for one in tensors]


def _call_value(value: Any, where: str) -> Any:
    """An argument of a call, its tensors as ``[layer, node, tensor]``."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str):
            raise ModelFormatError(f"{where}: a tensor of a call has no 'keras_history': {_shown(value)}")
        return [history[0], *_indices(history, where)]
    if isinstance(value, list):
        return [_call_value(one, where) for one in value]
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return [_call_value(one, where) for one in value.get("items", [])]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _call_value(one, where) for key, one in value.items()}
    return _object(value, where)


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _flat(value: Any) -> Iterator[list[Any]]:
    """The tensors in an argument."""
    if _is_reference(value):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _flat(value[key])


def _shown(value: object) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
