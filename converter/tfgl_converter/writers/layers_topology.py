"""A Keras configuration as TensorFlow.js reads it: what it spells otherwise, and what it cannot do at all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import LazyArray
from tfgl.keras.files.model import MODEL_CLASSES, Config, LayerPath, inner_layer, is_model, layer_name, leaves_of

Array = np.ndarray[Any, Any]

_LAYERS = frozenset(
    [
        "InputLayer",
        "ReLU",
        "LeakyReLU",
        "PReLU",
        "ELU",
        "ThresholdedReLU",
        "Softmax",
        "Conv2D",
        "Conv3D",
        "Conv2DTranspose",
        "Conv3DTranspose",
        "SeparableConv2D",
        "Conv1D",
        "Cropping2D",
        "UpSampling2D",
        "DepthwiseConv2D",
        "RNN",
        "SimpleRNNCell",
        "SimpleRNN",
        "GRUCell",
        "GRU",
        "LSTMCell",
        "LSTM",
        "StackedRNNCells",
        "ConvLSTM2DCell",
        "ConvLSTM2D",
        "Dropout",
        "SpatialDropout1D",
        "Dense",
        "Flatten",
        "Activation",
        "RepeatVector",
        "Reshape",
        "Permute",
        "Masking",
        "Embedding",
        "Add",
        "Multiply",
        "Average",
        "Maximum",
        "Minimum",
        "Concatenate",
        "Dot",
        "GaussianNoise",
        "GaussianDropout",
        "AlphaDropout",
        "BatchNormalization",
        "LayerNormalization",
        "ZeroPadding2D",
        "MaxPooling1D",
        "AveragePooling1D",
        "MaxPooling2D",
        "AveragePooling2D",
        "MaxPooling3D",
        "AveragePooling3D",
        "GlobalAveragePooling1D",
        "GlobalMaxPooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling2D",
        "TimeDistributed",
        "Bidirectional",
        "Rescaling",
        "CenterCrop",
        "CategoryEncoding",
        "Resizing",
        "RandomWidth",
    ]
)
_ACTIVATIONS = frozenset(
    [
        "elu",
        "selu",
        "relu",
        "relu6",
        "linear",
        "sigmoid",
        "hard_sigmoid",
        "softplus",
        "softsign",
        "tanh",
        "softmax",
        "log_softmax",
        "gelu",
        "gelu_new",
        "mish",
        "swish",
    ]
)
_INITIALIZERS = frozenset(
    [
        "Zeros",
        "Ones",
        "Constant",
        "RandomUniform",
        "RandomNormal",
        "TruncatedNormal",
        "Identity",
        "VarianceScaling",
        "GlorotUniform",
        "GlorotNormal",
        "HeNormal",
        "HeUniform",
        "LeCunNormal",
        "LeCunUniform",
        "Orthogonal",
    ]
)
_CONSTRAINTS = frozenset({"MaxNorm", "UnitNorm", "NonNeg", "MinMaxNorm"})
_RESPELT_INITIALIZERS = {"LecunNormal": "LeCunNormal", "LecunUniform": "LeCunUniform"}

# What a layer's configuration may not say, because TensorFlow.js refuses it or, worse, leaves it out.
_LIMITS: tuple[tuple[str, Callable[[Config], object], str], ...] = (
    ("GRU GRUCell", lambda c: c.get("reset_after"), "reset_after=True"),
    ("Conv1D Conv2D Conv3D", lambda c: c.get("groups", 1) not in (1, None), "groups"),
    ("Conv1D", lambda c: c.get("padding") == "causal", "padding='causal'"),
    ("ReLU", lambda c: c.get("negative_slope") or c.get("threshold"), "negative_slope or threshold"),
    ("LayerNormalization", lambda c: c.get("rms_scaling"), "rms_scaling"),
    ("BatchNormalization", lambda c: c.get("renorm"), "renorm"),
    ("UpSampling2D", lambda c: c.get("interpolation", "nearest") != "nearest", "half pixels in interpolation"),
    ("Resizing", lambda c: c.get("crop_to_aspect_ratio") or c.get("pad_to_aspect_ratio"), "keeping the aspect ratio"),
    (
        "GlobalAveragePooling1D GlobalMaxPooling1D GlobalAveragePooling2D GlobalMaxPooling2D",
        lambda c: c.get("keepdims"),
        "keepdims",
    ),
    ("RNN SimpleRNN GRU LSTM ConvLSTM2D", lambda c: c.get("time_major"), "time_major"),
    ("InputLayer", lambda c: c.get("sparse") or c.get("ragged"), "sparse or ragged inputs"),
)


@dataclass
class LayersTopology:
    """A model's configuration for TensorFlow.js.

    ``renamed`` maps the path of a nested layer to its new name, where two weights would have had one name.
    ``changes`` are sentences on what was spelt otherwise, ``unsupported`` on what official TensorFlow.js will refuse
    or compute wrongly.
    """

    config: Config
    renamed: dict[LayerPath, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)


def layers_topology(
    config: Config, weights: Mapping[LayerPath, Mapping[str, LazyArray]], keras_3: bool, where: str = "the model"
) -> LayersTopology:
    """``config`` as TensorFlow.js reads it; ``weights`` has those of each layer by its path.

    Raises ModelFormatError, which names ``where``, for a call whose input is nowhere.

    >>> layer = {"class_name": "Dense", "config": {"name": "d", "activation": "silu", "kernel_regularizer":
    ...          {"class_name": "L2", "config": {"l2": 0.5}}}}
    >>> result = layers_topology({"class_name": "Sequential", "config": {"layers": [layer]}}, {}, False)
    >>> written = result.config["config"]["layers"][0]["config"]
    >>> written["activation"], written["kernel_regularizer"]
    ('swish', {'class_name': 'L1L2', 'config': {'l1': 0.0, 'l2': 0.5}})
    """
    _check_references(config, where)
    result = LayersTopology(copy.deepcopy(config))
    for path, layer in _layers(result.config, ()):
        _fit_layer(path, layer, keras_3, result)
        _fit_constraints(path, layer, weights.get(path, {}), result)
    _rename_twins(result, set(weights))
    return result


def _check_references(model: Config, where: str) -> None:
    """Raise ModelFormatError when a call has an input from nowhere: TensorFlow.js would wait for it for ever."""
    layers = model["config"]["layers"]
    names = {layer_name(layer) for layer in layers}
    for layer in layers:
        nodes = [node for node in layer.get("inbound_nodes") or [] if isinstance(node, list)]
        for call in (call for node in nodes for call in node if isinstance(call, list) and call):
            if isinstance(call[0], str) and call[0] not in names:
                raise ModelFormatError(
                    f"{where}: layer {layer_name(layer)!r} gets its input from {call[0]!r}, which model "
                    f"{layer_name(model)!r} does not have; Keras' HDF5 files say so of models that stand in several "
                    "others: save the model as .keras instead"
                )
        if is_model(layer):
            _check_references(layer, where)


def _layers(model: Config, path: LayerPath) -> Iterator[tuple[LayerPath, Config]]:
    """Every layer, cell and wrapped layer with the path of the layer that it is in."""
    for layer in model["config"]["layers"]:
        here = (*path, layer_name(layer))
        yield from _layer_and_inner(layer, here)


def _layer_and_inner(layer: Config, path: LayerPath) -> Iterator[tuple[LayerPath, Config]]:
    if is_model(layer):
        yield from _layers(layer, path)
        return
    yield path, layer
    for key in ("layer", "backward_layer", "cell", "cells"):
        held = layer["config"].get(key)
        for one in held if isinstance(held, list) else [held]:
            if isinstance(one, dict) and isinstance(one.get("config"), dict) and "class_name" in one:
                yield from _layer_and_inner(one, (*path, layer_name(one)) if is_model(one) else path)


def _fit_layer(path: LayerPath, layer: Config, keras_3: bool, result: LayersTopology) -> None:
    kind, config = str(layer["class_name"]), layer["config"]
    place = f"layer {'/'.join(path)!r} ({kind})"
    if kind == "Operation":
        result.unsupported.append(f"{place}: TensorFlow.js has no layer for the operation {config.get('operation')!r}")
    elif kind not in _LAYERS:
        result.unsupported.append(f"{place}: TensorFlow.js has no such layer")
    for kinds, hit, what in _LIMITS:
        if kind in kinds.split() and hit(config):
            result.unsupported.append(f"{place}: TensorFlow.js does not know {what}")
    if kind == "SeparableConv2D":
        for key in ("kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            config.pop(key, None)
    for key in list(config):
        if key in ("activation", "recurrent_activation"):
            _fit_activation(place, config, key, keras_3, result)
        elif key.endswith("_regularizer"):
            _fit_regularizer(place, config, key, result)
        elif key.endswith("_initializer"):
            _fit_initializer(place, config, key, result)
    for node in layer.get("inbound_nodes") or []:
        if not isinstance(node, list) or any(_has_tensors(call[3:]) for call in node if isinstance(call, list)):
            result.unsupported.append(f"{place}: TensorFlow.js passes a layer no tensors by name")
            break


def _fit_activation(place: str, config: Config, key: str, keras_3: bool, result: LayersTopology) -> None:
    name = config[key]
    if name == "silu":
        config[key] = "swish"
    elif name is not None and (not isinstance(name, str) or name not in _ACTIVATIONS):
        shown = name.get("class_name") if isinstance(name, dict) else name
        result.unsupported.append(f"{place}: TensorFlow.js has no activation {shown!r}")
    elif name == "hard_sigmoid" and keras_3:
        result.unsupported.append(f"{place}: hard_sigmoid has another slope in Keras 3 than in TensorFlow.js")


def _fit_regularizer(place: str, config: Config, key: str, result: LayersTopology) -> None:
    held = config[key]
    if held is None:
        return
    if key == "activity_regularizer":
        # TensorFlow.js refuses it when the layer is called, training or not.
        result.changes.append(f"{place}: left out activity_regularizer, which only training needs")
        config[key] = None
        return
    kind = held.get("class_name") if isinstance(held, dict) else str(held).upper().replace("_", "")
    if kind in ("L1", "L2"):
        factors = held.get("config", {}) if isinstance(held, dict) else {"l1": 0.01, "l2": 0.01}
        own = kind.lower()
        other = "l2" if own == "l1" else "l1"
        config[key] = {"class_name": "L1L2", "config": dict(sorted({own: factors.get(own, 0.01), other: 0.0}.items()))}
    elif kind != "L1L2":
        result.changes.append(f"{place}: left out {key} {kind}, which only training needs")
        config[key] = None


def _fit_initializer(place: str, config: Config, key: str, result: LayersTopology) -> None:
    held = config[key]
    if not isinstance(held, dict):
        return
    kind = held.get("class_name")
    if kind in _RESPELT_INITIALIZERS:
        held["class_name"] = _RESPELT_INITIALIZERS[kind]
    elif kind not in _INITIALIZERS:
        result.changes.append(f"{place}: {key} {kind} became Zeros, since the weights have their values")
        config[key] = {"class_name": "Zeros", "config": {}}
    elif kind == "VarianceScaling" and held.get("config", {}).get("distribution") == "untruncated_normal":
        held["config"]["distribution"] = "normal"


def _fit_constraints(path: LayerPath, layer: Config, weights: Mapping[str, LazyArray], result: LayersTopology) -> None:
    """Leave out constraints that TensorFlow.js lacks, or that the weights do not meet: it applies them on loading."""
    config = layer["config"]
    for key in [key for key in config if key.endswith("_constraint")]:
        held = config[key]
        if held is None:
            continue
        kind = str(held.get("class_name")) if isinstance(held, dict) else str(held)
        options = held.get("config", {}) if isinstance(held, dict) else {}
        stem = key.removesuffix("_constraint")
        endings = (stem, f"{stem}_kernel")
        values = [value for name, value in weights.items() if name.rpartition("/")[2] in endings]
        if kind not in _CONSTRAINTS or not all(_meets(np.asarray(value), kind, options) for value in values):
            place = f"layer {'/'.join(path)!r} ({layer['class_name']})"
            result.changes.append(f"{place}: left out {key} {kind}, which TensorFlow.js would apply to the weights")
            config[key] = None


def _meets(values: Array, kind: str, options: Config) -> bool:
    if kind == "NonNeg":
        return bool((values >= 0).all())
    axis = options.get("axis", 0)
    axes = tuple(axis) if isinstance(axis, list) else axis
    try:
        norms = np.sqrt(np.sum(np.square(values.astype(np.float64)), axis=axes))
    except (TypeError, ValueError):
        return False
    slack = 1e-6
    if kind == "MaxNorm":
        return bool((norms <= float(options.get("max_value", 2)) * (1 + slack)).all())
    if kind == "MinMaxNorm":
        low, high = float(options.get("min_value", 0)), float(options.get("max_value", 1))
        return bool(((norms >= low * (1 - slack)) & (norms <= high * (1 + slack))).all())
    return bool((np.abs(norms - 1) <= slack).all())


def _has_tensors(value: Any) -> bool:
    """True when the keyword arguments of a call hold ``[layer, node, tensor]``."""
    if isinstance(value, dict):
        return any(_has_tensors(one) for one in value.values())
    if isinstance(value, list):
        if len(value) == 3 and isinstance(value[0], str) and all(type(index) is int for index in value[1:]):
            return True
        return any(_has_tensors(one) for one in value)
    return False


def _rename_twins(result: LayersTopology, weighted: set[LayerPath]) -> None:
    """Give nested layers with weights names of their own.

    TensorFlow.js names a weight after its layer alone, so that layers of two nested models, or one that stands in
    two models, would share it.
    """
    leaves = [leaf for leaf in leaves_of(result.config) if leaf.path in weighted]
    # Layers of the outermost model keep their names, for people ask for them.
    leaves.sort(key=lambda leaf: len(leaf.path) > 1)
    every = {name for leaf in leaves_of(result.config) for name in leaf.path}
    used: set[str] = set()
    for leaf in leaves:
        name = leaf.path[-1]
        if name in used:
            stem = fresh = f"{leaf.path[-2]}_{name}" if len(leaf.path) > 1 else name
            number = 0
            while fresh in used or fresh in every:
                number += 1
                fresh = f"{stem}_{number}"
            result.renamed[leaf.path] = fresh
            name = fresh
        used.add(name)
    for path, fresh in result.renamed.items():
        _rename(_container(result.config, path[:-1]), path[-1], fresh)


def _container(model: Config, path: LayerPath) -> Config:
    for name in path:
        if is_model(model):
            model = next(layer for layer in model["config"]["layers"] if layer_name(layer) == name)
        else:
            inner = inner_layer(model)
            assert inner is not None
            model = inner
    return model


def _rename(model: Config, name: str, fresh: str) -> None:
    members = model["config"]
    for layer in members["layers"]:
        if layer_name(layer) == name:
            layer["config"]["name"] = fresh
            if "name" in layer:
                layer["name"] = fresh
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = _with_name(layer["inbound_nodes"], name, fresh)
    for key in ("input_layers", "output_layers"):
        if key in members:
            members[key] = _with_name(members[key], name, fresh)


def _with_name(value: Any, name: str, fresh: str) -> Any:
    if isinstance(value, list):
        if len(value) >= 3 and value[0] == name and type(value[1]) is int:
            return [fresh, *(_with_name(one, name, fresh) for one in value[1:])]
        return [_with_name(one, name, fresh) for one in value]
    if isinstance(value, dict):
        return {key: _with_name(one, name, fresh) for key, one in value.items()}
    return value


def is_plain(model: Any) -> bool:
    """True for a configuration that TensorFlow.js can read as the file has it, apart from names of classes.

    >>> is_plain({"class_name": "Sequential", "config": {"name": "s", "layers": []}})
    True
    >>> is_plain({"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": []}})
    False
    """
    if not isinstance(model, dict) or "module" in model or model.get("class_name") not in MODEL_CLASSES:
        return False
    members = model.get("config")
    if not isinstance(members, dict) or not isinstance(members.get("layers"), list):
        return False
    for key in ("input_layers", "output_layers"):
        ends = members.get(key, [])
        if not isinstance(ends, list) or not all(isinstance(end, list) for end in ends):
            return False
    for layer in members["layers"]:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict) or "module" in layer:
            return False
        if "batch_shape" in layer["config"] or "name" not in layer["config"]:
            return False
        nodes = layer.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            return False
        for node in nodes:
            if not isinstance(node, list) or not all(isinstance(call, list) for call in node):
                return False
        if layer.get("class_name") in MODEL_CLASSES and not is_plain(layer):
            return False
    return True
