"""Configurations as Keras 2 and Keras 3 spell them, from the one shape of tfgl.keras.files.normalization."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tfgl.errors import ModelFormatError
from tfgl.keras.configuration import Dialect, dialect_of
from tfgl.keras.files.model import MODEL_CLASSES, Config, is_model, layer_name
from tfgl.keras.files.normalization import shift_model_calls

_INITIALIZERS = {"LeCunNormal": "LecunNormal", "LeCunUniform": "LecunUniform"}
_RECURRENT = frozenset(("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"))
_CELLS = frozenset(("SimpleRNNCell", "LSTMCell", "GRUCell"))
# Keys of the other version, which this one refuses; none of them changes what a trained model computes.
_NOT_IN_KERAS_2: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_RECURRENT | _CELLS, frozenset(("seed", "zero_output_for_mask", "use_cudnn"))),
    "MultiHeadAttention": frozenset(("seed", "flash_attention", "use_gate", "sliding_window")),
}
_NOT_IN_KERAS_3: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_RECURRENT, frozenset(("implementation", "time_major", "input_dim", "input_length"))),
    **dict.fromkeys(_CELLS, frozenset(("implementation",))),
    "Embedding": frozenset(("input_length",)),
    "DepthwiseConv1D": frozenset(("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")),
    "DepthwiseConv2D": frozenset(("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")),
    "SeparableConv1D": frozenset(("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")),
    "SeparableConv2D": frozenset(("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")),
    "Conv2DTranspose": frozenset(("groups",)),
    "InputLayer": frozenset(("ragged",)),
    "BatchNormalization": frozenset(("renorm", "fused", "virtual_batch_size")),
    "MultiHeadAttention": frozenset(("query_shape", "key_shape", "value_shape")),
}
# TensorFlow.js writes the configuration of the cell beside it as well.
_OF_RNN = frozenset(("name", "trainable", "dtype", "batch_input_shape", "cell", "unroll", "stateful")) | {
    "return_sequences",
    "return_state",
    "go_backwards",
}
# What Keras 2 writes and Keras 3 refuses, though it says nothing: with it left out, both read the file.
_SAYS_NOTHING: Mapping[str, Config] = {
    **{kind: {"time_major": False, "input_dim": None, "input_length": None} for kind in _RECURRENT},
    "Embedding": {"input_length": None},
    **{kind: {"groups": 1} for kind in ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")},
    "Conv2DTranspose": {"groups": 1},
    "InputLayer": {"ragged": False},
}
# The same, where no value matters: these layers have no such kernel, and results are the same either way.
_MATTERS_NOT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_RECURRENT | _CELLS, frozenset(("implementation",))),
    **dict.fromkeys(
        ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
        frozenset(("kernel_initializer", "kernel_regularizer", "kernel_constraint")),
    ),
}
_LISTS = {"initializer": "keras.initializers", "regularizer": "keras.regularizers", "constraint": "keras.constraints"}


def for_keras_2(config: Config, where: str, version: str | None = None) -> Config:
    """``config`` as a Keras 2 HDF5 file holds it; ``version`` is the Keras or TensorFlow.js that wrote it.

    Raises ModelFormatError for what Keras 2 would compute otherwise or cannot be told.

    >>> layer = {"class_name": "LSTM", "config": {"name": "l", "seed": None}}
    >>> for_keras_2({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}, "m")["config"]["layers"]
    [{'class_name': 'LSTM', 'config': {'name': 'l'}}]
    """
    result = copy.deepcopy(config)
    dialect = dialect_of(config, version)
    _respell(result, _NOT_IN_KERAS_2, where)
    for layer in _all_layers(result):
        _check_dialect(layer, dialect, "Keras 2", where)
        _as_both_read(layer)
    return result


def for_keras_3(config: Config, where: str, version: str | None = None) -> Config:
    """``config`` as Keras 3's ``config.json`` holds it; ``version`` is the Keras or TensorFlow.js that wrote it.

    Raises ModelFormatError for what Keras 3 would compute otherwise or cannot be told.

    >>> layer = {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 2]}}
    >>> model = for_keras_3({"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}, "m")
    >>> [layer["class_name"] for layer in model["config"]["layers"]]
    ['InputLayer', 'Dense']
    """
    result = copy.deepcopy(config)
    dialect = dialect_of(config, version)
    _respell(result, _NOT_IN_KERAS_3, where)
    for layer in _all_layers(result):
        _check_dialect(layer, dialect, "Keras 3", where)
    _as_keras_3(result, where)
    return result


def _all_layers(layer: Config) -> Iterator[Config]:
    """A layer and all that it holds."""
    yield layer
    for key, value in layer["config"].items():
        for one in _held_layers(key, value):
            yield from _all_layers(one)


def _check_dialect(layer: Config, dialect: Dialect, target: str, where: str) -> None:
    """Raise ModelFormatError for what ``target`` would compute otherwise than the writer of the model did."""
    kind, members = str(layer["class_name"]), layer["config"]
    place = f"{where}: layer {layer_name(layer)!r} ({kind})"
    activations = [members.get(key) for key in ("activation", "recurrent_activation")]
    if "hard_sigmoid" in activations and (dialect == "keras 3") != (target == "Keras 3"):
        instead = "write Keras HDF5 instead" if target == "Keras 3" else "write .keras instead"
        raise ModelFormatError(f"{place} uses hard_sigmoid, which {target} computes with another slope; {instead}")
    if "gelu_new" in activations:
        raise ModelFormatError(f"{place} uses gelu_new, which Keras has under no name; convert to a graph model")
    if dialect == "tfjs" and kind == "UpSampling2D" and members.get("interpolation") == "bilinear":
        raise ModelFormatError(
            f"{place} interpolates between the corners of pixels, as TensorFlow.js does, and Keras between their "
            "centres; convert to a graph model"
        )


def _as_both_read(layer: Config) -> None:
    """Leave out what only Keras 2 reads; state inputs, and the modules of inner layers, for which Keras 3 asks."""
    kind, members = str(layer["class_name"]), layer["config"]
    first = members["layers"][0] if kind == "Sequential" and members.get("layers") else None
    if first is not None and first["class_name"] != "InputLayer" and first["config"].get("batch_input_shape"):
        _state_input(layer)
    for key, value in _SAYS_NOTHING.get(kind, {}).items():
        if key in members and members[key] == value and type(members[key]) is type(value):
            del members[key]
    for key in _MATTERS_NOT.get(kind, ()):
        members.pop(key, None)
    for key, value in members.items():
        for one in _held_layers(key, value) if key != "layers" else []:
            if not is_model(one):
                one.setdefault("module", "keras.layers")
                one.setdefault("registered_name", None)


def _respell(layer: Config, foreign: Mapping[str, frozenset[str]], where: str) -> None:
    kind, members = str(layer["class_name"]), layer["config"]
    if kind == "Operation":
        raise ModelFormatError(
            f"{where}: layer {layer_name(layer)!r} is Keras 3's operation {members.get('operation')!r}, which no "
            "other format has; convert to a graph model"
        )
    if kind == "Model":
        layer["class_name"] = "Functional"
    for key in foreign.get(kind, ()):
        members.pop(key, None)
    if kind == "MultiHeadAttention" and foreign is _NOT_IN_KERAS_2:
        for key in ("query_shape", "key_shape", "value_shape"):
            members.setdefault(key, None)
    if kind == "RNN":
        layer["config"] = members = {key: value for key, value in members.items() if key in _OF_RNN}
    if kind == "Reshape" and isinstance(members.get("target_shape"), list):
        members["target_shape"] = [-1 if size is None else size for size in members["target_shape"]]
    for key, value in members.items():
        if isinstance(value, dict) and value.get("class_name") in _INITIALIZERS:
            value["class_name"] = _INITIALIZERS[value["class_name"]]
        elif key.endswith("_initializer") and value in ("le_cun_normal", "le_cun_uniform"):
            members[key] = value.replace("le_cun", "lecun")
        for one in _held_layers(key, value):
            _respell(one, foreign, where)


def _held_layers(key: str, value: Any) -> list[Config]:
    if key not in ("layers", "layer", "backward_layer", "cell", "cells"):
        return []
    held = value if isinstance(value, list) else [value]
    return [
        one for one in held if isinstance(one, dict) and "class_name" in one and isinstance(one.get("config"), dict)
    ]


def _as_keras_3(layer: Config, where: str) -> None:
    kind, members = str(layer["class_name"]), layer["config"]
    place = f"{where}: layer {layer_name(layer)!r} ({kind})"
    if kind in ("ThresholdedReLU", "LocallyConnected1D", "LocallyConnected2D"):
        raise ModelFormatError(f"{place}: Keras 3 has no such layer; write Keras HDF5 instead")
    axis = members.get("axis")
    if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        members["axis"] = axis[0]
    if kind == "LeakyReLU" and "alpha" in members:
        members["negative_slope"] = members.pop("alpha")
    if kind in MODEL_CLASSES:
        _model_as_keras_3(layer, where)
    elif kind == "InputLayer":
        members["batch_shape"] = members.pop("batch_input_shape", members.get("batch_shape"))
    else:
        members.pop("batch_input_shape", None)
    for key, value in members.items():
        module = next((name for suffix, name in _LISTS.items() if key.endswith(f"_{suffix}")), None)
        if module is not None and isinstance(value, dict) and "class_name" in value:
            value.setdefault("config", {})
            value.update(module=module, registered_name=None)
        elif key == "dtype" and isinstance(value, dict):
            members[key] = value.get("config", {}).get("name", "float32")
        for one in _held_layers(key, value):
            _as_keras_3(one, where)
    module = "keras.layers"
    if kind in MODEL_CLASSES:
        module = "keras" if layer["class_name"] == "Sequential" else "keras.src.models.functional"
    layer.update(module=module, registered_name="Functional" if module.endswith("functional") else None)
    if "inbound_nodes" in layer:
        layer["inbound_nodes"] = [_call(node, kind) for node in layer["inbound_nodes"]]


def _call(node: Any, kind: str) -> Any:
    """A call as Keras 3 has it; the lists of Keras 2, which it reads as well, where nothing but tensors is given."""
    kwargs = {key: value for call in node for key, value in (call[3] if len(call) > 3 else {}).items()}
    tensors = [_tensor(call) for call in node]
    if kind in _RECURRENT and len(tensors) > 1:
        return {"args": tensors[:1], "kwargs": {**kwargs, "initial_state": tensors[1:]}}
    if not any(_is_reference(value) for value in kwargs.values()):
        return node
    given = {key: _tensor(value) if _is_reference(value) else value for key, value in kwargs.items()}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": given}


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _tensor(reference: list[Any]) -> Config:
    # Keras replaces it by the tensor of that history, and never looks at the shape.
    history = {"shape": [], "dtype": "float32", "keras_history": reference[:3]}
    return {"class_name": "__keras_tensor__", "config": history}


def _model_as_keras_3(model: Config, where: str) -> None:
    members = model["config"]
    layers = members["layers"]
    if model["class_name"] != "Sequential":
        for layer in layers:
            layer.setdefault("inbound_nodes", [])
        shift_model_calls(members, -1)
        for key in ("input_layers", "output_layers"):
            # A list of one would make Keras 3 give a list of one.
            if len(members[key]) == 1:
                members[key] = members[key][0]
        return
    first = layers[0] if layers else None
    if first is None or first["class_name"] == "InputLayer" or is_model(first):
        return
    if first["config"].get("batch_input_shape") is None:
        raise ModelFormatError(
            f"{where}: the model {layer_name(model)!r} does not say the shape of its input; save it after it was built"
        )
    _state_input(model)


def _state_input(model: Config) -> None:
    """An input layer before the first layer of a Sequential model that states the shape of its input itself."""
    layers = model["config"]["layers"]
    first = layers[0]["config"]
    layers.insert(
        0,
        {
            "class_name": "InputLayer",
            "config": {
                "batch_input_shape": first["batch_input_shape"],
                "dtype": first["dtype"] if isinstance(first.get("dtype"), str) else "float32",
                "sparse": False,
                "name": f"{layer_name(layers[0])}_input",
            },
        },
    )
