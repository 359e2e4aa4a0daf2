"""The variables of each Keras layer class: their names, their order, and where Keras 3 files keep them."""

from __future__ import annotations

import re
from typing import Any

from .model import Config, inner_layer

# Names that a variable has in the layer's `weights`, in that order; `?flag` only where the configuration's flag
# is not False.
_VARIABLES: dict[str, str] = {
    "Dense EinsumDense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose "
    "LocallyConnected1D LocallyConnected2D": "kernel bias?use_bias",
    "DepthwiseConv1D DepthwiseConv2D": "depthwise_kernel bias?use_bias",
    "SeparableConv1D SeparableConv2D": "depthwise_kernel pointwise_kernel bias?use_bias",
    "SimpleRNN LSTM GRU ConvLSTM1D ConvLSTM2D ConvLSTM3D SimpleRNNCell LSTMCell GRUCell ConvLSTM2DCell "
    "ConvLSTM1DCell ConvLSTM3DCell": "kernel recurrent_kernel bias?use_bias",
    "CuDNNLSTM CuDNNGRU": "kernel recurrent_kernel bias",
    "BatchNormalization SyncBatchNormalization": "gamma?scale beta?center moving_mean moving_variance",
    "LayerNormalization GroupNormalization": "gamma?scale beta?center",
    "RMSNormalization": "scale",
    "AdditiveAttention": "scale?use_scale",
    "Embedding": "embeddings",
    "PReLU": "alpha",
    "Normalization": "mean variance count",
    "MultiHeadAttention GroupQueryAttention GroupedQueryAttention": "query/kernel query/bias?use_bias "
    "key/kernel key/bias?use_bias value/kernel value/bias?use_bias "
    "attention_output/kernel attention_output/bias?use_bias",
}
_BY_CLASS = {name: names.split() for classes, names in _VARIABLES.items() for name in classes.split()}
_CELL_OWNERS = frozenset(["SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"])
_ATTENTION_PARTS = {
    "query": "query_dense",
    "key": "key_dense",
    "value": "value_dense",
    "attention_output": "output_dense",
}
# Other names of the same variable: Keras 3's and those of plain RNN cells.
_SYNONYMS = {"DepthwiseConv1D": {"kernel": "depthwise_kernel"}, "DepthwiseConv2D": {"kernel": "depthwise_kernel"}}
_NOT_TRAINED = frozenset({"moving_mean", "moving_variance", "mean", "variance", "count", "vector_u"})


def variable_names(layer: Config) -> list[str] | None:
    """The variables of a layer in the order of Keras' ``layer.weights``; None for a class that has no entry here.

    >>> variable_names({"class_name": "Dense", "config": {"use_bias": False}})
    ['kernel']
    >>> variable_names({"class_name": "Bidirectional", "config": {"layer": {"class_name": "GRU", "config": {}}}})[3]
    'backward/kernel'
    """
    kind, config = str(layer["class_name"]), layer["config"]
    if kind == "Bidirectional":
        forward, backward = inner_layer(layer), _backward(config)
        if forward is None:
            return None
        sides = {"forward": variable_names(forward), "backward": variable_names(backward or forward)}
        if any(names is None for names in sides.values()):
            return None
        return [f"{side}/{name}" for side, names in sides.items() for name in names or ()]
    if kind == "TimeDistributed":
        inner = inner_layer(layer)
        return None if inner is None else variable_names(inner)
    if kind == "SpectralNormalization":
        inner = inner_layer(layer)
        names = None if inner is None else variable_names(inner)
        return None if names is None else [*names, "vector_u"]
    if kind == "RNN":
        return _names_of_cell(config.get("cell"))
    if kind == "Attention":
        scale = ["scale"] if config.get("use_scale") else []
        return [*scale, *(["concat_score_weight"] if config.get("score_mode") == "concat" else [])]
    if kind == "EinsumDense":
        return ["kernel"] if config.get("bias_axes") is None else ["kernel", "bias"]
    patterns = _BY_CLASS.get(kind)
    if patterns is None or (kind == "BatchNormalization" and config.get("renorm")):
        return None
    if kind == "Normalization" and config.get("mean") is not None:
        return []
    if kind == "LayerNormalization" and config.get("rms_scaling"):
        return ["gamma"]
    pairs = [pattern.partition("?") for pattern in patterns]
    return [name for name, _, flag in pairs if not flag or config.get(flag) is not False]


def is_trained(variable: str) -> bool:
    """False for statistics, which Keras lists after the weights that training changes.

    >>> is_trained("moving_mean"), is_trained("forward/kernel")
    (False, True)
    """
    return variable.rpartition("/")[2] not in _NOT_TRAINED


def canonical_variable(layer: Config, parts: list[str]) -> str:
    """The variable that a weight name means; ``parts`` are its pieces after the layer's own name.

    >>> canonical_variable({"class_name": "LSTM", "config": {}}, ["lstm_cell", "kernel"])
    'kernel'
    >>> canonical_variable({"class_name": "MultiHeadAttention", "config": {}}, ["query", "bias"])
    'query/bias'
    """
    kind = str(layer["class_name"])
    known = variable_names(layer) or []
    last = parts[-1] if parts else ""
    endings = {name.rpartition("/")[2] for name in known}
    shortened = re.sub(r"_\d+$", "", last)
    synonyms = _SYNONYMS.get(kind, {})
    if last not in endings and shortened in endings | set(synonyms):
        last = shortened
    last = synonyms.get(last, last)
    if kind == "Bidirectional":
        for side in ("forward", "backward"):
            if any(part == side or part.startswith(f"{side}_") for part in parts):
                return f"{side}/{last}"
        return last
    if kind == "RNN" and (cell := re.fullmatch(r"RNNCell_(\d+)", parts[-2] if len(parts) > 1 else "")):
        return f"cells/{cell[1]}/{last}"
    if last in known or not parts:
        return last
    return "/".join([*parts[:-1], last])


def layers_model_variable(layer: Config, variable: str) -> str:
    """What TensorFlow.js calls a variable after the layer's name.

    >>> gru = {"class_name": "GRU", "config": {"name": "g"}}
    >>> layers_model_variable({"class_name": "Bidirectional", "config": {"layer": gru}}, "backward/bias")
    'backward_g/bias'
    >>> layers_model_variable({"class_name": "RNN", "config": {}}, "cells/1/bias")
    'RNNCell_1/bias'
    """
    if layer["class_name"] == "Bidirectional":
        side, _, rest = variable.partition("/")
        inner = inner_layer(layer)
        if inner is not None and side in ("forward", "backward"):
            name = str(inner["config"].get("name", ""))
            return f"{side}_{name}/{layers_model_variable(inner, rest)}"
    if layer["class_name"] == "TimeDistributed":
        inner = inner_layer(layer)
        return variable if inner is None else layers_model_variable(inner, variable)
    return re.sub(r"^cells/(\d+)/", r"RNNCell_\1/", variable)


def stored_paths(layer: Config) -> list[tuple[str, str]] | None:
    """Where a Keras 3 file keeps each variable below the layer's group: pairs of path and variable.

    None for a class that has no entry here.

    >>> stored_paths({"class_name": "LSTM", "config": {"use_bias": False}})
    [('cell/vars/0', 'kernel'), ('cell/vars/1', 'recurrent_kernel')]
    """
    kind, config = str(layer["class_name"]), layer["config"]
    inner = inner_layer(layer)
    if kind == "Bidirectional" and inner is not None:
        sides = [("forward", stored_paths(inner)), ("backward", stored_paths(_backward(config) or inner))]
        if any(paths is None for _, paths in sides):
            return None
        return [(f"{side}_layer/{path}", f"{side}/{name}") for side, paths in sides for path, name in paths or ()]
    if kind == "TimeDistributed" and inner is not None:
        paths = stored_paths(inner)
        return None if paths is None else [(f"layer/{path}", name) for path, name in paths]
    if kind == "SpectralNormalization" and inner is not None:
        paths = stored_paths(inner)
        return None if paths is None else [*((f"layer/{path}", name) for path, name in paths), ("vars/0", "vector_u")]
    if kind == "RNN":
        return _paths_of_cell(config.get("cell"))
    names = variable_names(layer)
    if names is None:
        return None
    if names and names[0].startswith("query/"):
        counts: dict[str, int] = {}
        found = []
        for name in names:
            part = ("_" if kind.startswith("Group") else "") + _ATTENTION_PARTS[name.partition("/")[0]]
            found.append((f"{part}/vars/{counts.get(part, 0)}", name))
            counts[part] = counts.get(part, 0) + 1
        return found
    prefix = "cell/" if kind in _CELL_OWNERS else ""
    return [(f"{prefix}vars/{number}", name) for number, name in enumerate(names)]


def snake_case(class_name: str) -> str:
    """A class name as Keras spells it in the paths of its files.

    >>> snake_case("Conv2DTranspose"), snake_case("PReLU"), snake_case("package>MyLayer")
    ('conv2d_transpose', 'p_re_lu', 'my_layer')
    """
    name = re.sub(r"\W+", "", class_name.rpartition(">")[2])
    # Keras calls the class otherwise inside than outside.
    name = name.replace("GroupQueryAttention", "GroupedQueryAttention")
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def numbered(names: list[str]) -> list[str]:
    """Names with ``_1``, ``_2`` after those that appear again, as Keras numbers the members of a list.

    >>> numbered(["dense", "conv2d", "dense"])
    ['dense', 'conv2d', 'dense_1']
    """
    seen: dict[str, int] = {}
    result = []
    for name in names:
        count = seen.get(name, -1) + 1
        seen[name] = count
        result.append(f"{name}_{count}" if count else name)
    return result


def _backward(config: Config) -> Config | None:
    backward = config.get("backward_layer")
    return backward if isinstance(backward, dict) and isinstance(backward.get("config"), dict) else None


def _cells(cell: Any) -> list[Config] | None:
    """The cells of stacked cells; None for a single cell."""
    if isinstance(cell, list):
        return [one for one in cell if _is_layer(one)]
    if _is_layer(cell) and cell["class_name"] == "StackedRNNCells":
        cells = cell["config"].get("cells")
        return [one for one in cells if _is_layer(one)] if isinstance(cells, list) else []
    return None


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict)


def _names_of_cell(cell: Any) -> list[str] | None:
    cells = _cells(cell)
    if cells is None:
        return variable_names(cell) if _is_layer(cell) else None
    found: list[str] = []
    for number, one in enumerate(cells):
        names = variable_names(one)
        if names is None:
            return None
        found += [f"cells/{number}/{name}" for name in names]
    return found


def _paths_of_cell(cell: Any) -> list[tuple[str, str]] | None:
    cells = _cells(cell)
    if cells is None:
        paths = stored_paths(cell) if _is_layer(cell) else None
        return None if paths is None else [(f"cell/{path}", name) for path, name in paths]
    found: list[tuple[str, str]] = []
    for number, (one, group) in enumerate(
        zip(cells, numbered([snake_case(str(one["class_name"])) for one in cells]), strict=True)
    ):
        paths = stored_paths(one)
        if paths is None:
            return None
        found += [(f"cell/cells/{group}/{path}", f"cells/{number}/{name}") for path, name in paths]
    return found
