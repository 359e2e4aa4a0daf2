"""Layers against formulas of their own in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from scipy.signal import correlate

from keras_layers import Array, close, entry, layer_graph, normal, run_layer
from tfgl.errors import ModelFormatError, UnsupportedOpError
from tfgl.keras.activations import activation_names

X = np.concatenate([normal(3, 6) * 3, np.array([[0.0, -0.5, 0.5, 8.0, -8.0, 1.0]])])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int = -1) -> Array:
    return np.asarray(scipy.special.softmax(x, axis=axis))


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def sparsemax(x: Array) -> Array:
    """As keras.activations.sparsemax computes it."""
    ordered = -np.sort(-x, -1)
    sums = ordered.cumsum(-1)
    support = ordered - (sums - 1) / np.arange(1, x.shape[-1] + 1) > 0
    return np.maximum(x - (np.where(support, sums, 0).sum(-1, keepdims=True) - 1) / support.sum(-1, keepdims=True), 0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "exponential": np.exp,
    "swish": lambda x: x * sigmoid(x),
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "log_sigmoid": lambda x: -softplus(-x),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "sparsemax": sparsemax,
    "glu": lambda x: x[:, :3] * sigmoid(x[:, 3:]),
}


def test_every_activation_has_a_row() -> None:
    assert set(ACTIVATIONS) == activation_names()


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name: str) -> None:
    if name == "glu":  # halves the features, which a layer that states its shape does not expect
        return
    close(run_layer("Activation", {"activation": name}, X), ACTIVATIONS[name](X))


def test_hard_sigmoid_of_keras_3_has_another_slope() -> None:
    close(run_layer("Activation", {"activation": "hard_sigmoid"}, X, version="3.5.0"), np.clip(X / 6 + 0.5, 0, 1))


def test_activations_are_functions_and_layers_too() -> None:
    function = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    close(run_layer("Activation", {"activation": function}, X), np.maximum(X, 0))
    layer = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.5}}
    close(run_layer("Activation", {"activation": layer}, X), np.where(X > 0, X, 0.5 * X))


Row = tuple[str, dict[str, Any], Callable[[Array], Array]]
ELEMENTWISE: list[Row] = [
    ("ReLU", {}, lambda x: np.maximum(x, 0)),
    ("ReLU", {"max_value": 6.0}, lambda x: np.clip(x, 0, 6)),
    ("ReLU", {"max_value": 2.0}, lambda x: np.clip(x, 0, 2)),
    ("ReLU", {"negative_slope": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
    (
        "ReLU",
        {"max_value": 3.0, "negative_slope": 0.1, "threshold": 0.2},
        lambda x: np.where(x > 0.2, np.minimum(x, 3), 0.1 * (x - 0.2)),
    ),
    ("LeakyReLU", {"alpha": 0.2}, lambda x: np.where(x > 0, x, 0.2 * x)),
    ("LeakyReLU", {"negative_slope": 0.4}, lambda x: np.where(x > 0, x, 0.4 * x)),
    (
        "LeakyReLU",
        {"alpha": {"class_name": "__numpy__", "config": {"value": 0.25}}},
        lambda x: np.where(x > 0, x, x / 4),
    ),
    ("LeakyReLU", {}, lambda x: np.where(x > 0, x, 0.3 * x)),
    ("ELU", {"alpha": 1.5}, lambda x: np.where(x > 0, x, 1.5 * np.expm1(x))),
    ("ThresholdedReLU", {"theta": 0.7}, lambda x: np.where(x > 0.7, x, 0)),
    ("Softmax", {"axis": -1}, softmax),
    ("Softmax", {"axis": 1}, lambda x: softmax(x, 1)),
    ("Softmax", {"axis": [1, 2]}, lambda x: softmax(x.reshape(len(x), -1)).reshape(x.shape)),
    ("UnitNormalization", {"axis": -1}, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)),
    ("Dropout", {"rate": 0.5}, lambda x: x),
    ("GaussianNoise", {"stddev": 1.0}, lambda x: x),
    ("Rescaling", {"scale": 0.5, "offset": -1.0}, lambda x: 0.5 * x - 1),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0, 4.0, 5.0], "offset": 0.0}, lambda x: x * np.arange(1, 6)),
    ("Normalization", {"axis": -1, "mean": [0.1] * 5, "variance": [4.0] * 5}, lambda x: (x - 0.1) / 2),
    ("Normalization", {"axis": None, "mean": 0.5, "variance": 4.0, "invert": True}, lambda x: x * 2 + 0.5),
    ("Flatten", {}, lambda x: x.reshape(len(x), -1)),
    ("Flatten", {"data_format": "channels_first"}, lambda x: x.transpose(0, 2, 1).reshape(len(x), -1)),
    ("Reshape", {"target_shape": [5, 4]}, lambda x: x.reshape(-1, 5, 4)),
    ("Reshape", {"target_shape": [2, -1]}, lambda x: x.reshape(len(x), 2, -1)),
    ("Permute", {"dims": [2, 1]}, lambda x: x.transpose(0, 2, 1)),
    ("ZeroPadding1D", {"padding": [1, 2]}, lambda x: np.pad(x, ((0, 0), (1, 2), (0, 0)))),
    ("Cropping1D", {"cropping": [1, 2]}, lambda x: x[:, 1:-2]),
    ("UpSampling1D", {"size": 3}, lambda x: np.repeat(x, 3, 1)),
    ("GlobalAveragePooling1D", {}, lambda x: x.mean(1)),
    ("GlobalAveragePooling1D", {"data_format": "channels_first", "keepdims": True}, lambda x: x.mean(2, keepdims=True)),
    ("GlobalMaxPooling1D", {}, lambda x: x.max(1)),
    ("RandomFlip", {"mode": "horizontal"}, lambda x: x),
]


@pytest.mark.parametrize(("class_name", "config", "expected"), ELEMENTWISE, ids=lambda v: str(v)[:60])
def test_layers_without_weights(class_name: str, config: dict[str, Any], expected: Callable[[Array], Array]) -> None:
    x = normal(3, 4, 5) * 2
    close(run_layer(class_name, config, x), expected(x))


def test_dense_works_along_the_last_axis() -> None:
    kernel, bias = normal(5, 3), normal(3)
    for shape in ((2, 5), (2, 4, 5), (2, 3, 4, 5)):
        x = normal(*shape)
        for activation in ("tanh", "softmax"):
            config = {"units": 3, "activation": activation}
            result = run_layer("Dense", config, x, weights=[kernel, bias])
            close(result, ACTIVATIONS[activation](x @ kernel + bias))
    close(run_layer("Dense", {"use_bias": False}, x, weights=[kernel]), x @ kernel)
    # Sizes beside the batch that the model leaves open.
    close(run_layer("Dense", {}, x, weights=[kernel, bias], space=[None, None, 5]), x @ kernel + bias)


def test_einsum_dense() -> None:
    x, kernel, bias = normal(2, 3, 4), normal(4, 5, 6), normal(5, 6)
    config = {"equation": "abc,cde->abde", "output_shape": [None, 5, 6], "bias_axes": "de"}
    expected = np.einsum("abc,cde->abde", x, kernel) + bias
    close(run_layer("EinsumDense", config, x, weights=[kernel, bias]), expected)
    config = {"equation": "...x,xy->...y", "output_shape": [7]}
    kernel = normal(4, 7)
    close(run_layer("EinsumDense", config, x, weights=[kernel]), x @ kernel)


def test_embedding_and_repeat_vector() -> None:
    table, x = normal(9, 4), np.array([[0, 3, 8], [1, 1, 2]], np.int32)
    close(run_layer("Embedding", {"input_dim": 9, "output_dim": 4}, x, weights=[table]), table[x])
    x = normal(2, 4)
    close(run_layer("RepeatVector", {"n": 3}, x), np.repeat(x[:, None], 3, 1))


def test_prelu_shares_axes() -> None:
    x, alpha = normal(2, 3, 4), normal(1, 4)
    close(run_layer("PReLU", {"shared_axes": [1]}, x, weights=[alpha]), np.where(x > 0, x, alpha * x))
    alpha = normal(3, 4)
    close(run_layer("PReLU", {}, x, weights=[alpha]), np.where(x > 0, x, alpha * x))


# Convolutions ------------------------------------------------------------------------------------------------------


def same_pads(size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    extent = (window - 1) * dilation + 1
    total = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def convolution(x: Array, kernel: Array, strides: Any, padding: str, dilations: Any, groups: int = 1) -> Array:
    """Any number of spatial axes, channels last."""
    count = x.ndim - 2
    spread = np.zeros(
        [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilations, strict=False)] + list(kernel.shape[count:])
    )
    spread[tuple(slice(None, None, d) for d in dilations)] = kernel
    if padding == "same":
        pads = [same_pads(x.shape[i + 1], kernel.shape[i], strides[i], dilations[i]) for i in range(count)]
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    depth, width = kernel.shape[-2], kernel.shape[-1] // groups
    outs = []
    for sample, out in itertools.product(range(len(x)), range(kernel.shape[-1])):
        first = (out // width) * depth
        part = correlate(x[sample][..., first : first + depth], spread[..., out], mode="valid")[..., 0]
        outs.append(part[tuple(slice(None, None, s) for s in strides)])
    result = np.stack(outs).reshape(len(x), kernel.shape[-1], *outs[0].shape)
    return np.moveaxis(result, 1, -1)


def first(x: Array) -> Array:
    return np.moveaxis(x, -1, 1)


CONVOLUTIONS = [
    (1, {"kernel_size": [3]}, (7,), 1),
    (1, {"kernel_size": [4], "strides": [2], "padding": "same"}, (9,), 1),
    (1, {"kernel_size": [3], "dilation_rate": [2], "padding": "same", "groups": 2}, (9,), 2),
    (2, {"kernel_size": [3, 2], "strides": [2, 1]}, (7, 6), 1),
    (2, {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}, (7, 8), 1),
    (2, {"kernel_size": [2, 3], "dilation_rate": [2, 1], "padding": "same"}, (6, 6), 1),
    (2, {"kernel_size": [3, 3], "groups": 2}, (6, 5), 2),
    (2, {"kernel_size": [3, 3], "groups": 4, "padding": "same"}, (6, 5), 4),
    (2, {"kernel_size": [3, 3], "groups": 4, "strides": [2, 1]}, (6, 5), 4),
    (3, {"kernel_size": [2, 3, 2], "padding": "same", "strides": [2, 1, 1]}, (4, 5, 3), 1),
]


@pytest.mark.parametrize(("count", "config", "space", "groups"), CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("channels_first", [False, True], ids=["last", "first"])
def test_convolutions(count: int, config: dict[str, Any], space: Any, groups: int, channels_first: bool) -> None:
    x = normal(2, *space, 4)
    kernel, bias = normal(*config["kernel_size"], 4 // groups, 8), normal(8)
    strides, dilations = config.get("strides", [1] * count), config.get("dilation_rate", [1] * count)
    expected = convolution(x, kernel, strides, config.get("padding", "valid"), dilations, groups) + bias
    given = {**config, "data_format": "channels_first"} if channels_first else config
    result = run_layer(f"Conv{count}D", given, first(x) if channels_first else x, weights=[kernel, bias])
    close(result, first(expected) if channels_first else expected, 1e-5)


def test_activations_along_the_channels_know_where_they_are() -> None:
    x, kernel = normal(1, 4, 4, 3), normal(1, 1, 3, 5)
    config = {"kernel_size": [1, 1], "use_bias": False, "activation": "softmax", "data_format": "channels_first"}
    # Keras's softmax is along the last axis, whatever the format.
    close(run_layer("Conv2D", config, first(x), weights=[kernel]), softmax(first(x @ kernel[0, 0])), 1e-5)


def test_causal_convolution() -> None:
    x, kernel = normal(2, 9, 3), normal(3, 3, 4)
    config = {"kernel_size": [3], "dilation_rate": [2], "padding": "causal", "use_bias": False}
    padded = np.pad(x, ((0, 0), (4, 0), (0, 0)))
    close(run_layer("Conv1D", config, x, weights=[kernel]), convolution(padded, kernel, [1], "valid", [2]), 1e-5)


def depthwise(x: Array, kernel: Array, strides: Any, padding: str, dilations: Any) -> Array:
    parts = [
        convolution(x[..., i : i + 1], kernel[..., i : i + 1, :], strides, padding, dilations)
        for i in range(x.shape[-1])
    ]
    return np.concatenate(parts, -1)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_depthwise_and_separable_convolutions(padding: str) -> None:
    x, kernel, bias = normal(2, 7, 6, 3), normal(3, 3, 3, 2), normal(6)
    config = {"kernel_size": [3, 3], "strides": [2, 2], "padding": padding, "depth_multiplier": 2}
    expected = depthwise(x, kernel, [2, 2], padding, [1, 1])
    close(run_layer("DepthwiseConv2D", config, x, weights=[kernel, bias]), expected + bias, 1e-5)
    pointwise, bias = normal(1, 1, 6, 5), normal(5)
    result = run_layer("SeparableConv2D", config, x, weights=[kernel, pointwise, bias])
    close(result, expected @ pointwise[0, 0] + bias, 1e-5)
    x, kernel = normal(2, 9, 3), normal(3, 3, 2)
    config = {"kernel_size": 3, "strides": 2, "padding": padding, "depth_multiplier": 2, "use_bias": False}
    expected = depthwise(x, kernel, [2], padding, [1])
    close(run_layer("DepthwiseConv1D", config, x, weights=[kernel]), expected, 1e-5)
    pointwise = normal(1, 6, 5)
    close(run_layer("SeparableConv1D", config, x, weights=[kernel, pointwise]), expected @ pointwise[0], 1e-5)


def transposed(x: Array, kernel: Array, strides: Any, padding: str, out_padding: Any, dilations: Any) -> Array:
    """Every input adds its kernel to the output; what lies outside is cut off."""
    count = x.ndim - 2
    full = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[1:-1], strides, kernel.shape, dilations, strict=False)
    ]
    result = np.zeros([len(x), *[size + 50 for size in full], kernel.shape[-2]])
    for place in itertools.product(*map(range, x.shape[1:-1])):
        for tap in itertools.product(*map(range, kernel.shape[:count])):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, strides, tap, dilations, strict=True))
            result[(slice(None), *at)] += x[(slice(None), *place)] @ kernel[tap].T
    items: list[slice] = []
    for i in range(count):
        extent = (kernel.shape[i] - 1) * dilations[i] + 1
        if out_padding is not None:
            cut = extent // 2 if padding == "same" else 0
            size = (x.shape[i + 1] - 1) * strides[i] + extent - 2 * cut + out_padding[i]
        else:
            size = x.shape[i + 1] * strides[i] + (max(extent - strides[i], 0) if padding == "valid" else 0)
        # As the gradient of a convolution whose input has this size.
        start = same_pads(size, extent, strides[i], 1)[0] if padding == "same" else 0
        items.append(slice(start, start + size))
    return result[(slice(None), *items)]


TRANSPOSED = [
    (1, {"kernel_size": [3], "strides": [2], "padding": "same"}, (5,)),
    (1, {"kernel_size": [4], "strides": [3]}, (5,)),
    (2, {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}, (4, 5)),
    (2, {"kernel_size": [3, 2], "strides": [2, 3], "padding": "valid"}, (4, 3)),
    (2, {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "output_padding": [1, 0]}, (4, 5)),
    (2, {"kernel_size": [3, 3], "strides": [2, 2], "padding": "valid", "output_padding": [1, 1]}, (4, 5)),
    (2, {"kernel_size": [3, 2], "strides": [1, 1], "padding": "same", "dilation_rate": [2, 2]}, (6, 5)),
    (3, {"kernel_size": [2, 2, 3], "strides": [2, 2, 1], "padding": "same"}, (2, 3, 4)),
    (3, {"kernel_size": [3, 1, 4], "strides": [2, 3, 2], "padding": "valid"}, (2, 3, 2)),
    (3, {"kernel_size": [3, 2, 3], "strides": [2, 2, 3], "padding": "same", "output_padding": [1, 1, 0]}, (2, 2, 2)),
    (3, {"kernel_size": [1, 2, 3], "strides": [2, 3, 1], "padding": "same"}, (2, 2, 3)),
]


@pytest.mark.parametrize(("count", "config", "space"), TRANSPOSED, ids=str)
@pytest.mark.parametrize("channels_first", [False, True], ids=["last", "first"])
def test_transposed_convolutions(count: int, config: dict[str, Any], space: Any, channels_first: bool) -> None:
    x, kernel, bias = normal(2, *space, 3), normal(*config["kernel_size"], 4, 3), normal(4)
    dilations = config.get("dilation_rate", [1] * count)
    arguments = (config["strides"], config.get("padding", "valid"), config.get("output_padding"), dilations)
    expected = transposed(x, kernel, *arguments) + bias
    given = {**config, "data_format": "channels_first"} if channels_first else config
    result = run_layer(f"Conv{count}DTranspose", given, first(x) if channels_first else x, weights=[kernel, bias])
    close(result, first(expected) if channels_first else expected, 1e-5)


def test_open_image_sizes_are_read_at_run_time() -> None:
    x, kernel = normal(1, 4, 5, 2), normal(3, 3, 4, 2)
    config = {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "use_bias": False}
    result = run_layer("Conv2DTranspose", config, x, weights=[kernel], space=[None, None, 2])
    close(result, transposed(x, kernel, [2, 2], "same", None, [1, 1]), 1e-5)
    result = run_layer("UpSampling2D", {"size": [2, 3]}, x, space=[None, None, 2])
    close(result, x.repeat(2, 1).repeat(3, 2))
    flat = run_layer("Flatten", {}, x, space=[None, None, 2])
    close(flat, x.reshape(1, -1))


# Pooling, space ----------------------------------------------------------------------------------------------------


def pooled(x: Array, window: Any, strides: Any, padding: str, reduce: Callable[..., Array]) -> Array:
    count = x.ndim - 2
    pads = [same_pads(x.shape[i + 1], window[i], strides[i], 1) if padding == "same" else (0, 0) for i in range(count)]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(padded, window, tuple(range(1, count + 1)))
    view = view[(slice(None), *(slice(None, None, s) for s in strides))]
    return np.asarray(reduce(view, axis=tuple(range(-count, 0))))


@pytest.mark.parametrize("channels_first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pooling(count: int, padding: str, channels_first: bool) -> None:
    x = normal(2, *(7, 6, 5)[:count], 3)
    window, strides = [3, 2, 2][:count], [2, 2, 1][:count]
    config = {"pool_size": window, "strides": strides, "padding": padding}
    if channels_first:
        config["data_format"] = "channels_first"
    for name, reduce in (("Max", np.nanmax), ("Average", np.nanmean)):
        expected = pooled(x, window, strides, padding, reduce)
        result = run_layer(f"{name}Pooling{count}D", config, first(x) if channels_first else x)
        close(result, first(expected) if channels_first else expected)
    axes = tuple(range(1, count + 1))
    close(run_layer(f"GlobalMaxPooling{count}D", {}, x), x.max(axes))
    close(run_layer(f"GlobalAveragePooling{count}D", {"keepdims": True}, x), x.mean(axes, keepdims=True))


def test_padding_cropping_and_upsampling_of_images() -> None:
    x = normal(2, 5, 6, 3)
    pads = {"padding": [[1, 2], [0, 3]]}
    close(run_layer("ZeroPadding2D", pads, x), np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0))))
    close(
        run_layer("ZeroPadding2D", {**pads, "data_format": "channels_first"}, first(x)),
        first(np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)))),
    )
    close(run_layer("Cropping2D", {"cropping": [[1, 2], [0, 3]]}, x), x[:, 1:-2, :-3])
    close(run_layer("UpSampling2D", {"size": 2}, x), x.repeat(2, 1).repeat(2, 2))
    volume = normal(1, 2, 3, 4, 2)
    close(run_layer("UpSampling3D", {"size": [2, 1, 3]}, volume), volume.repeat(2, 1).repeat(3, 3))
    close(run_layer("ZeroPadding3D", {"padding": 1}, volume), np.pad(volume, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))))
    close(run_layer("Cropping3D", {"cropping": [[0, 1], [1, 0], [1, 1]]}, volume), volume[:, :-1, 1:, 1:-1])


def test_bilinear_upsampling_samples_at_pixel_centres() -> None:
    x = normal(1, 3, 4, 1)
    result = run_layer("UpSampling2D", {"size": [2, 2], "interpolation": "bilinear"}, x)
    rows, columns = (np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1) for n in (3, 4))
    expected = np.zeros((1, 6, 8, 1))
    for (i, y), (j, z) in itertools.product(enumerate(rows), enumerate(columns)):
        (a, s), (b, t) = divmod(y, 1), divmod(z, 1)
        a, b = int(a), int(b)
        c, d = min(a + 1, 2), min(b + 1, 3)
        top, bottom = ((1 - t) * x[0, r, b, 0] + t * x[0, r, d, 0] for r in (a, c))
        expected[0, i, j, 0] = (1 - s) * top + s * bottom
    close(result, expected)


# Normalisation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((2, 5), -1), ((2, 4, 5), 2), ((2, 3, 4, 5), [3]), ((2, 3, 4, 5), 1)])
def test_batch_normalization(shape: tuple[int, ...], axis: Any) -> None:
    x, at = normal(*shape), axis[0] if isinstance(axis, list) else axis
    size = shape[at]
    gamma, beta, mean, variance = normal(size), normal(size), normal(size), normal(size) ** 2
    spread = [1] * len(shape)
    spread[at] = size
    scaled = (x - mean.reshape(spread)) / np.sqrt(variance.reshape(spread) + 0.01)
    config = {"axis": axis, "epsilon": 0.01}
    result = run_layer("BatchNormalization", config, x, weights=[gamma, beta, mean, variance])
    close(result, scaled * gamma.reshape(spread) + beta.reshape(spread), 1e-5)
    config = {**config, "scale": False, "center": False}
    close(run_layer("BatchNormalization", config, x, weights=[mean, variance]), scaled, 1e-5)


@pytest.mark.parametrize("axes", [[2], [1, 2], [1]])
def test_layer_normalization(axes: list[int]) -> None:
    x = normal(3, 4, 5) + 2
    shape = [x.shape[axis] for axis in axes]
    gamma, beta = normal(*shape), normal(*shape)
    spread = [x.shape[axis] if axis in axes else 1 for axis in range(3)]
    over = tuple(axes)
    scaled = (x - x.mean(over, keepdims=True)) / np.sqrt(x.var(over, keepdims=True) + 1e-3)
    result = run_layer("LayerNormalization", {"axis": axes, "epsilon": 1e-3}, x, weights=[gamma, beta])
    close(result, scaled * gamma.reshape(spread) + beta.reshape(spread), 1e-5)


@pytest.mark.parametrize(("axis", "groups"), [(-1, 4), (-1, 1), (-1, -1), (1, 2)])
def test_group_normalization(axis: int, groups: int) -> None:
    x = normal(2, 8, 5, 8) * 3 + 1
    gamma, beta = normal(8), normal(8)
    count = 8 if groups == -1 else groups
    last = np.moveaxis(x, axis, -1)
    grouped = last.reshape(2, -1, count, 8 // count)
    scaled = (grouped - grouped.mean((1, 3), keepdims=True)) / np.sqrt(grouped.var((1, 3), keepdims=True) + 1e-3)
    expected = np.moveaxis(scaled.reshape(last.shape) * gamma + beta, -1, axis)
    result = run_layer("GroupNormalization", {"groups": groups, "axis": axis}, x, weights=[gamma, beta])
    close(result, expected, 1e-5)


def test_rms_normalization() -> None:
    x, scale = normal(2, 3, 4), normal(4)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale
    close(run_layer("RMSNormalization", {}, x, weights=[scale]), expected, 1e-5)


def test_normalization_with_adapted_weights() -> None:
    x, mean, variance = normal(2, 4), normal(4), normal(4) ** 2
    result = run_layer("Normalization", {"axis": [-1]}, x, weights=[mean, variance, np.array(9, np.int64)])
    close(result, (x - mean) / np.sqrt(variance), 1e-5)


# Merging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Add", lambda x, y, z: x + y + z),
        ("Multiply", lambda x, y, z: x * y * z),
        ("Average", lambda x, y, z: (x + y + z) / 3),
        ("Maximum", lambda x, y, z: np.maximum(np.maximum(x, y), z)),
        ("Minimum", lambda x, y, z: np.minimum(np.minimum(x, y), z)),
    ],
)
def test_merging(class_name: str, expected: Callable[..., Array]) -> None:
    x, y, z = normal(2, 3, 4), normal(2, 3, 4), normal(2, 4)
    # A tensor of lower rank gets its axes behind the batch.
    close(run_layer(class_name, {}, x, y, z), expected(x, y, z[:, None]))


def test_subtract_and_concatenate() -> None:
    x, y = normal(2, 3, 4), normal(2, 5, 4)
    close(run_layer("Subtract", {}, x, x * 3), -2 * x)
    close(run_layer("Concatenate", {"axis": 1}, x, y), np.concatenate([x, y], 1))


@pytest.mark.parametrize(
    ("shapes", "axes", "equation"),
    [
        (((2, 4), (2, 4)), 1, "ab,ab->a"),
        (((2, 3, 4), (2, 5, 4)), 2, "abc,adc->abd"),
        (((2, 3, 4), (2, 4, 5)), [2, 1], "abc,acd->abd"),
        (((2, 3, 4), (2, 3, 5)), 1, "abc,abd->acd"),
        (((2, 4), (2, 3, 4)), [1, 2], "ab,acb->ac"),
        (((2, 3, 4), (2, 4)), [-1, -1], "abc,ac->ab"),
        (((2, 3, 4, 5), (2, 6, 4)), [2, 2], "abcd,aec->abde"),
    ],
    ids=str,
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(shapes: Any, axes: Any, equation: str, normalize: bool) -> None:
    x, y = (normal(*shape) for shape in shapes)
    first_axis, second_axis = (axes, axes) if isinstance(axes, int) else axes
    left, right = x, y
    if normalize:
        left = x / np.linalg.norm(x, axis=first_axis, keepdims=True)
        right = y / np.linalg.norm(y, axis=second_axis, keepdims=True)
    expected = np.einsum(equation, left, right)
    result = run_layer("Dot", {"axes": axes, "normalize": normalize}, x, y)
    close(result, expected if expected.ndim > 1 else expected[:, None])


# Refusals ----------------------------------------------------------------------------------------------------------


def test_lambda_is_named_and_never_run() -> None:
    code = {"function": ["4wEAAAAA", None, None], "function_type": "lambda"}
    with pytest.raises(UnsupportedOpError, match=r"layer 'model/layer' is a Lambda: .*Python code, which is never run"):
        run_layer("Lambda", code, normal(2, 3))


def test_misfits_name_the_layer() -> None:
    x = normal(2, 3)
    with pytest.raises(ModelFormatError, match=r"'model/layer' \(Dense\): weight 'kernel' has shape \[4, 2\]"):
        run_layer("Dense", {}, x, weights=[normal(4, 2), normal(2)])
    with pytest.raises(
        ModelFormatError, match=r"'layer' \(Dense\) has 1 weights in the file; .* 2: layer/kernel, layer/b"
    ):
        run_layer("Dense", {}, x, weights=[normal(3, 2)])
    with pytest.raises(ModelFormatError, match=r"no kernel, bias for layer 'model/layer'"):
        run_layer("Dense", {}, x)
    with pytest.raises(ModelFormatError, match=r"'model/layer' \(Conv2D\) takes an input of rank 4, got shape"):
        run_layer("Conv2D", {"kernel_size": [1, 1]}, x, weights=[normal(1, 1, 3, 2), normal(2)])
    with pytest.raises(UnsupportedOpError, match="activation 'my_own'"):
        run_layer("Activation", {"activation": "my_own"}, x)
    with pytest.raises(ModelFormatError, match=r"'model/layer' \(Reshape\)"):
        run_layer("Reshape", {"target_shape": ["a"]}, x)


def test_grouped_convolutions_are_written_without_groups() -> None:
    # TensorFlow.js' Conv2D has no groups.
    graph = layer_graph(
        "Conv2D", {"kernel_size": [1, 1], "groups": 2}, [normal(1, 2, 2, 4)], [normal(1, 1, 2, 4), normal(4)]
    )
    kernels = [graph.constants[node.inputs[1].node] for node in graph.nodes.values() if node.op == "Conv2D"]
    assert [kernel.shape for kernel in kernels] == [(1, 1, 2, 2)] * 2


def test_back_and_forth_between_formats_costs_one_transposition_each() -> None:
    before = [
        entry("Conv2D", "a", kernel_size=[1, 1], data_format="channels_first", use_bias=False, trainable=True),
    ]
    from keras_layers import functional, input_entry
    from tfgl.keras import graph_of_keras

    layers = [
        input_entry("x", [3, 4, 4]),
        {**before[0], "inbound_nodes": [[["x", 0, 0, {}]]]},
        entry("MaxPooling2D", "p", [[["a", 0, 0, {}]]], pool_size=2, data_format="channels_first"),
    ]
    graph = graph_of_keras(functional(layers, ["x"], ["p"]), {"a": [normal(1, 1, 3, 2)]})
    assert [node.op for node in graph.nodes.values()].count("Transpose") == 2


def test_a_layer_whose_kernel_was_normalised_is_as_it_is() -> None:
    x, kernel, bias = normal(2, 3), normal(3, 4), normal(4)
    inner = {"class_name": "Dense", "config": {"name": "d", "units": 4}}
    result = run_layer("SpectralNormalization", {"layer": inner}, x, weights=[kernel, bias, normal(1, 4)])
    close(result, x @ kernel + bias)


def test_layer_normalization_that_only_scales() -> None:
    x, gamma = normal(2, 3, 4), normal(4)
    variance = x.var(-1, keepdims=True)
    result = run_layer("LayerNormalization", {"rms_scaling": True}, x, weights=[gamma])
    close(result, x / np.sqrt(variance + 1e-3) * gamma, 1e-5)
