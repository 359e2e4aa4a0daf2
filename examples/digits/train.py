"""Trains the digits network with NumPy and writes it as a TensorFlow.js graph model.

The data are the 1,797 images of 8 x 8 pixels that scikit-learn ships; every fifth one is held out. The same
seed gives the same bytes on the same machine and libraries (a BLAS may sum in another order elsewhere).

    python examples/digits/train.py [--epochs 60] [--seed 7] [--target FOLDER]
"""

from __future__ import annotations

import argparse
import base64
import json
import pathlib

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Weights = dict[str, Array]

FOLDER = pathlib.Path(__file__).resolve().parent
CLASSES = 10
SCOPE = "digits"
SHAPES: dict[str, tuple[int, ...]] = {
    "conv1/kernel": (3, 3, 1, 16), "conv1/bias": (16,),
    "conv2/kernel": (3, 3, 16, 32), "conv2/bias": (32,),
    "hidden/kernel": (128, 64), "hidden/bias": (64,),
    "logits/kernel": (64, CLASSES), "logits/bias": (CLASSES,),
}  # fmt: skip
FLATTEN_SHAPE = np.array([-1, 128], np.int32)


def digits() -> tuple[Array, Labels, Array, Labels]:
    """Training images and labels, held-out images and labels; images are (count, 8, 8, 1) in 0..1."""
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16.0).reshape(-1, 8, 8, 1)
    held_out = np.arange(len(images)) % 5 == 4
    return images[~held_out], labels[~held_out], images[held_out], labels[held_out]


def patches(x: Array) -> Array:
    """The 3 x 3 neighbourhoods of x, zero beyond its border: (batch, height, width, 9 * channels)."""
    batch, height, width, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parts = [padded[:, dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return np.stack(parts, axis=3).reshape(batch, height, width, 9 * channels)


def patches_gradient(gradient: Array, channels: int) -> Array:
    """What `patches` takes apart, summed back: (batch, height, width, channels)."""
    batch, height, width, _ = gradient.shape
    parts = gradient.reshape(batch, height, width, 9, channels)
    padded = np.zeros((batch, height + 2, width + 2, channels), gradient.dtype)
    for position in range(9):
        dy, dx = divmod(position, 3)
        padded[:, dy : dy + height, dx : dx + width] += parts[:, :, :, position]
    return padded[:, 1:-1, 1:-1]


def windows(x: Array) -> Array:
    """The 2 x 2 pooling windows of x: (batch, height / 2, width / 2, 4, channels)."""
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4, channels)


def windows_gradient(gradient: Array) -> Array:
    """The inverse rearrangement of `windows`."""
    batch, height, width, _, channels = gradient.shape
    split = gradient.reshape(batch, height, width, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(batch, height * 2, width * 2, channels)


class Convolution:
    """3 x 3 convolution with padding SAME, ReLU and 2 x 2 max pooling; keeps what its gradient needs."""

    def __init__(self, x: Array, kernel: Array, bias: Array) -> None:
        """Computes `output` (batch, height / 2, width / 2, filters)."""
        self.kernel, self.columns = kernel, patches(x)
        taps = windows(np.maximum(self.columns @ kernel.reshape(-1, kernel.shape[-1]) + bias, 0))
        self.choice = taps.argmax(axis=3)[:, :, :, None]
        self.output = taps.max(axis=3)

    def gradients(self, gradient: Array) -> tuple[Array, Array, Array]:
        """Gradients of input, kernel and bias, given that of `output`."""
        filters = self.kernel.shape[-1]
        at_taps = np.zeros((*gradient.shape[:3], 4, filters), gradient.dtype)
        np.put_along_axis(at_taps, self.choice, (gradient * (self.output > 0))[:, :, :, None], axis=3)
        before = windows_gradient(at_taps)
        flat = before.reshape(-1, filters)
        kernel = (self.columns.reshape(len(flat), -1).T @ flat).reshape(self.kernel.shape)
        columns = before @ self.kernel.reshape(-1, filters).T
        return patches_gradient(columns, self.kernel.shape[2]), kernel, flat.sum(axis=0)


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def predict(weights: Weights, images: Array) -> Array:
    """Probabilities (count, 10) of images (count, 8, 8, 1): the forward pass of the graph model."""
    first = Convolution(images, weights["conv1/kernel"], weights["conv1/bias"])
    second = Convolution(first.output, weights["conv2/kernel"], weights["conv2/bias"])
    flat = second.output.reshape(len(images), -1)
    hidden = np.maximum(flat @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    return softmax(hidden @ weights["logits/kernel"] + weights["logits/bias"])


def loss_gradients(weights: Weights, images: Array, labels: Labels, dropped: Array) -> Weights:
    """Gradients of the mean cross entropy; `dropped` scales the flattened features (dropout)."""
    first = Convolution(images, weights["conv1/kernel"], weights["conv1/bias"])
    second = Convolution(first.output, weights["conv2/kernel"], weights["conv2/bias"])
    flat = second.output.reshape(len(images), -1) * dropped
    hidden = np.maximum(flat @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    probabilities = softmax(hidden @ weights["logits/kernel"] + weights["logits/bias"])
    at_logits = (probabilities - np.eye(CLASSES)[labels]) / len(images)
    at_hidden = (at_logits @ weights["logits/kernel"].T) * (hidden > 0)
    at_flat = (at_hidden @ weights["hidden/kernel"].T) * dropped
    at_first, kernel2, bias2 = second.gradients(at_flat.reshape(second.output.shape))
    _, kernel1, bias1 = first.gradients(at_first)
    return {
        "conv1/kernel": kernel1, "conv1/bias": bias1,
        "conv2/kernel": kernel2, "conv2/bias": bias2,
        "hidden/kernel": flat.T @ at_hidden, "hidden/bias": at_hidden.sum(axis=0),
        "logits/kernel": hidden.T @ at_logits, "logits/bias": at_logits.sum(axis=0),
    }  # fmt: skip


def shifted(images: Array, random: np.random.RandomState) -> Array:
    """Each image moved by -1, 0 or 1 pixel in either direction, zeros moving in."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    offsets = random.choice([0, 1, 1, 1, 2], size=(len(images), 2))
    moved = [image[dy : dy + 8, dx : dx + 8] for image, (dy, dx) in zip(padded, offsets, strict=True)]
    return np.stack(moved)


def train(images: Array, labels: Labels, epochs: int, seed: int, batch: int = 64) -> Weights:
    """Weights after `epochs` of Adam (Kingma and Ba, 2015) with a learning rate that falls along a cosine."""
    random = np.random.RandomState(seed)  # its stream is frozen across NumPy versions
    weights = {
        name: random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1])) * (len(shape) > 1)
        for name, shape in SHAPES.items()
    }
    first = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    second = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    steps = epochs * (len(images) // batch)
    step = 0
    for _ in range(epochs):
        order = random.permutation(len(images))
        for start in range(0, len(images) - batch + 1, batch):
            chosen = order[start : start + batch]
            dropped = (random.random_sample((batch, 128)) < 0.75) / 0.75
            gradients = loss_gradients(weights, shifted(images[chosen], random), labels[chosen], dropped)
            rate = 0.003 * 0.5 * (1 + np.cos(np.pi * step / steps))
            step += 1
            for name, gradient in gradients.items():
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.999 * second[name] + 0.001 * gradient**2
                mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                weights[name] = weights[name] - rate * mean / (np.sqrt(square) + 1e-8)
    return weights


def _text(value: str) -> dict[str, object]:
    return {"s": base64.b64encode(value.encode()).decode()}


def _integers(*values: int) -> dict[str, object]:
    return {"list": {"i": [str(value) for value in values]}}


def _fused(*names: str) -> dict[str, object]:
    return {"list": {"s": [base64.b64encode(name.encode()).decode() for name in names]}}


def _shape(*sizes: int) -> dict[str, object]:
    return {"dim": [{"size": str(size)} for size in sizes]} if sizes else {}


FLOAT: dict[str, object] = {"type": "DT_FLOAT"}
INTEGER: dict[str, object] = {"type": "DT_INT32"}


def _node(name: str, op: str, inputs: list[str], attrs: dict[str, object]) -> dict[str, object]:
    scoped = [source if source == "image" else f"{SCOPE}/{source}" for source in inputs]
    node: dict[str, object] = {"name": f"{SCOPE}/{name}", "op": op}
    return {**node, "input": scoped, "attr": {**attrs, "T": FLOAT}}


def _constant(name: str, value: npt.NDArray[np.generic]) -> dict[str, object]:
    dtype = INTEGER if value.dtype == np.int32 else FLOAT
    tensor = {"dtype": dtype["type"], "tensorShape": _shape(*value.shape)}
    return {"name": name, "op": "Const", "attr": {"value": {"tensor": tensor}, "dtype": dtype}}


def _convolution(layer: str, source: str) -> list[dict[str, object]]:
    plain = {"data_format": _text("NHWC"), "explicit_paddings": {"list": {}}}
    fused = {
        **plain, "padding": _text("SAME"), "filter_format": _text("HWIO"),
        "strides": _integers(1, 1, 1, 1), "dilations": _integers(1, 1, 1, 1),
        "num_args": {"i": "1"}, "num_host_args": {"i": "0"}, "TArgs": {"list": {"type": ["DT_FLOAT"]}},
        "fused_ops": _fused("BiasAdd", "Relu"), "use_cudnn_on_gpu": {"b": True},
        "epsilon": {"f": 0.0}, "leakyrelu_alpha": {"f": 0.2},
    }  # fmt: skip
    two_by_two = _integers(1, 2, 2, 1)
    pool = {**plain, "padding": _text("VALID"), "ksize": two_by_two, "strides": two_by_two}
    return [
        _node(f"{layer}/Relu", "_FusedConv2D", [source, f"{layer}/kernel", f"{layer}/bias"], fused),
        _node(f"{layer}/MaxPool", "MaxPool", [f"{layer}/Relu"], pool),
    ]


def _dense(layer: str, source: str, output: str, *fused_ops: str) -> dict[str, object]:
    attrs: dict[str, object] = {
        "transpose_a": {"b": False}, "transpose_b": {"b": False}, "num_args": {"i": "1"},
        "fused_ops": _fused(*fused_ops), "epsilon": {"f": 0.0}, "leakyrelu_alpha": {"f": 0.2},
    }  # fmt: skip
    return _node(output, "_FusedMatMul", [source, f"{layer}/kernel", f"{layer}/bias"], attrs)


def graph_model(constants: dict[str, npt.NDArray[np.generic]]) -> dict[str, object]:
    """The contents of model.json: input `image` (batch, 8, 8, 1), output `probabilities` (batch, 10)."""

    def endpoint(name: str, *sizes: int) -> dict[str, object]:
        return {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": _shape(*sizes)}

    image = {"shape": {"shape": _shape(-1, 8, 8, 1)}, "dtype": FLOAT}
    nodes = [
        *(_constant(name, value) for name, value in constants.items()),
        {"name": "image", "op": "Placeholder", "attr": image},
        *_convolution("conv1", "image"),
        *_convolution("conv2", "conv1/MaxPool"),
        _node("flatten/Reshape", "Reshape", ["conv2/MaxPool", "flatten/shape"], {"Tshape": INTEGER}),
        _dense("hidden", "flatten/Reshape", "hidden/Relu", "BiasAdd", "Relu"),
        _dense("logits", "hidden/Relu", "logits/BiasAdd", "BiasAdd"),
        _node("Softmax", "Softmax", ["logits/BiasAdd"], {}),
        {"name": "Identity", "op": "Identity", "input": [f"{SCOPE}/Softmax"], "attr": {"T": FLOAT}},
    ]
    weights = [
        {"name": name, "shape": list(value.shape), "dtype": value.dtype.name}
        for name, value in constants.items()
    ]
    return {
        "format": "graph-model",
        "generatedBy": "examples/digits/train.py",
        "convertedBy": "examples/digits/train.py",
        "signature": {
            "inputs": {"image": endpoint("image", -1, 8, 8, 1)},
            "outputs": {"probabilities": endpoint("Identity", -1, CLASSES)},
        },
        "modelTopology": {"node": nodes, "library": {}, "versions": {"producer": 2129}},
        "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": weights}],
    }


def write(weights: Weights, target: pathlib.Path) -> None:
    """Writes model.json and group1-shard1of1.bin (float32, little-endian) into the folder `target`."""
    constants: dict[str, npt.NDArray[np.generic]] = {f"{SCOPE}/flatten/shape": FLATTEN_SHAPE}
    constants.update((f"{SCOPE}/{name}", value.astype(np.float32)) for name, value in weights.items())
    target.mkdir(parents=True, exist_ok=True)
    shard = b"".join(value.astype(value.dtype.newbyteorder("<")).tobytes() for value in constants.values())
    (target / "group1-shard1of1.bin").write_bytes(shard)
    (target / "model.json").write_text(json.dumps(graph_model(constants)) + "\n", encoding="utf-8")


def main() -> None:
    """Trains, checks the held-out accuracy of the rounded weights, and writes the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--target", type=pathlib.Path, default=FOLDER / "model")
    options = parser.parse_args()
    images, labels, held_images, held_labels = digits()
    trained = train(images, labels, options.epochs, options.seed)
    weights = {name: value.astype(np.float32).astype(np.float64) for name, value in trained.items()}
    accuracy = float((predict(weights, held_images).argmax(axis=-1) == held_labels).mean())
    count = sum(value.size for value in weights.values())
    print(f"{count} parameters, {accuracy:.2%} of {len(held_labels)} held-out images")
    if accuracy < 0.98:
        raise SystemExit("less than 98 %: nothing written")
    write(weights, options.target)


if __name__ == "__main__":
    main()
