"""Trains the digits network with NumPy and writes it as a Keras HDF5 file, which needs neither Keras nor TensorFlow.

The data are the 1,797 images of 8 x 8 pixels that scikit-learn ships; every fifth one is held out. The same
seed gives the same bytes on the same machine and libraries (a BLAS may sum in another order elsewhere).

    python examples/digits/train.py [--epochs 60] [--seed 7] [--target FILE]
"""

from __future__ import annotations

import argparse
import json
import pathlib

import h5py
import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Weights = dict[str, Array]

FOLDER = pathlib.Path(__file__).resolve().parent
CLASSES = 10
KERAS_VERSION = "2.15.0"  # whose files these are
SHAPES: dict[str, tuple[int, ...]] = {
    "conv1/kernel": (3, 3, 1, 16), "conv1/bias": (16,),
    "conv2/kernel": (3, 3, 16, 32), "conv2/bias": (32,),
    "hidden/kernel": (128, 64), "hidden/bias": (64,),
    "probabilities/kernel": (64, CLASSES), "probabilities/bias": (CLASSES,),
}  # fmt: skip


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
    """Probabilities (count, 10) of images (count, 8, 8, 1): the forward pass."""
    first = Convolution(images, weights["conv1/kernel"], weights["conv1/bias"])
    second = Convolution(first.output, weights["conv2/kernel"], weights["conv2/bias"])
    flat = second.output.reshape(len(images), -1)
    hidden = np.maximum(flat @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    return softmax(hidden @ weights["probabilities/kernel"] + weights["probabilities/bias"])


def loss_gradients(weights: Weights, images: Array, labels: Labels, dropped: Array) -> Weights:
    """Gradients of the mean cross entropy; `dropped` scales the flattened features (dropout)."""
    first = Convolution(images, weights["conv1/kernel"], weights["conv1/bias"])
    second = Convolution(first.output, weights["conv2/kernel"], weights["conv2/bias"])
    flat = second.output.reshape(len(images), -1) * dropped
    hidden = np.maximum(flat @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    probabilities = softmax(hidden @ weights["probabilities/kernel"] + weights["probabilities/bias"])
    at_logits = (probabilities - np.eye(CLASSES)[labels]) / len(images)
    at_hidden = (at_logits @ weights["probabilities/kernel"].T) * (hidden > 0)
    at_flat = (at_hidden @ weights["hidden/kernel"].T) * dropped
    at_first, kernel2, bias2 = second.gradients(at_flat.reshape(second.output.shape))
    _, kernel1, bias1 = first.gradients(at_first)
    return {
        "conv1/kernel": kernel1, "conv1/bias": bias1,
        "conv2/kernel": kernel2, "conv2/bias": bias2,
        "hidden/kernel": flat.T @ at_hidden, "hidden/bias": at_hidden.sum(axis=0),
        "probabilities/kernel": hidden.T @ at_logits, "probabilities/bias": at_logits.sum(axis=0),
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


def keras_layers() -> list[dict[str, object]]:
    """The layers as Keras configures them: input `image` (batch, 8, 8, 1), output `probabilities` (batch, 10)."""
    same = {"kernel_size": [3, 3], "padding": "same", "activation": "relu"}
    return [
        {"class_name": name, "config": config}
        for name, config in (
            ("InputLayer", {"name": "image", "batch_input_shape": [None, 8, 8, 1], "dtype": "float32"}),
            ("Conv2D", {"name": "conv1", "filters": 16, **same}),
            ("MaxPooling2D", {"name": "pool1", "pool_size": [2, 2]}),
            ("Conv2D", {"name": "conv2", "filters": 32, **same}),
            ("MaxPooling2D", {"name": "pool2", "pool_size": [2, 2]}),
            ("Flatten", {"name": "flatten"}),
            ("Dropout", {"name": "dropout", "rate": 0.25}),
            ("Dense", {"name": "hidden", "units": 64, "activation": "relu"}),
            ("Dense", {"name": "probabilities", "units": CLASSES, "activation": "softmax"}),
        )
    ]


def write(weights: Weights, target: pathlib.Path) -> None:
    """Writes the network as Keras' `model.save("model.h5")` does: configuration and float32 weights in HDF5."""
    config = {"class_name": "Sequential", "config": {"name": "digits", "layers": keras_layers()}}
    with h5py.File(target, "w") as file:
        file.attrs.update(backend="tensorflow", keras_version=KERAS_VERSION, model_config=json.dumps(config))
        group = file.create_group("model_weights")
        group.attrs.update(backend="tensorflow", keras_version=KERAS_VERSION)
        names = [layer["config"]["name"] for layer in keras_layers()[1:]]  # type: ignore[index]
        group.attrs["layer_names"] = np.array(names, "S")
        for name in names:
            own = {f"{variable}:0": value for variable, value in weights.items() if variable.startswith(f"{name}/")}
            layer = group.create_group(name)
            layer.attrs["weight_names"] = np.array(list(own), "S")
            for variable, value in own.items():
                layer.create_dataset(variable, data=value.astype(np.float32))


def main() -> None:
    """Trains, checks the held-out accuracy of the rounded weights, and writes the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--target", type=pathlib.Path, default=FOLDER / "model.h5")
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
