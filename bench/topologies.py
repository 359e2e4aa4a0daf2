"""Graph models of well-known shapes with random weights, written as the official converter writes them.

Weights are scaled so that activations keep their size; the figures are about
speed, and about agreement between two runtimes. ``TOPOLOGIES`` of each module
`topologies*.py` names what is measured.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfgl.io import ModelArtifacts

Array = npt.NDArray[Any]


class Builder:
    """Collects nodes and weights; each method returns the name of the node it adds."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.weights: dict[str, Array] = {}
        self._random = np.random.default_rng(seed)
        self._inputs: dict[str, dict[str, Any]] = {}

    def node(self, op: str, inputs: Sequence[str], **attrs: dict[str, Any]) -> str:
        name = f"n{len(self.nodes)}_{op.strip('_')}"
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attrs})
        return name

    def placeholder(self, name: str, shape: Sequence[int], kind: str = "DT_FLOAT") -> str:
        info = {"name": f"{name}:0", "dtype": kind, "tensorShape": {"dim": [{"size": str(n)} for n in shape]}}
        self._inputs[name] = info
        attrs = {"dtype": {"type": kind}, "shape": {"shape": info["tensorShape"]}}
        self.nodes.append({"name": name, "op": "Placeholder", "input": [], "attr": attrs})
        return name

    def constant(self, values: Array) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = values
        kind = "DT_INT32" if values.dtype == np.int32 else "DT_FLOAT"
        self.nodes.append({"name": name, "op": "Const", "input": [], "attr": {"dtype": {"type": kind}}})
        return name

    def normal(self, *shape: int, fan_in: int, gain: float = 2.0) -> str:
        scale = np.sqrt(gain / fan_in)
        return self.constant((self._random.normal(size=shape) * scale).astype(np.float32))

    def bias(self, channels: int) -> str:
        return self.constant((self._random.normal(size=channels) * 0.05).astype(np.float32))

    def convolution(
        self, x: str, size: int, in_channels: int, channels: int, stride: int = 1, activation: str | None = "Relu6",
        padding: str = "SAME", gain: float = 2.0,
    ) -> str:  # fmt: skip
        kernel = self.normal(size, size, in_channels, channels, fan_in=size * size * in_channels, gain=gain)
        return self._fused("_FusedConv2D", [x, kernel, self.bias(channels)], stride, activation, padding)

    def depthwise(
        self, x: str, size: int, channels: int, stride: int = 1, activation: str | None = "Relu6",
        padding: str = "SAME",
    ) -> str:  # fmt: skip
        kernel = self.normal(size, size, channels, 1, fan_in=size * size)
        return self._fused("FusedDepthwiseConv2dNative", [x, kernel, self.bias(channels)], stride, activation, padding)

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        matrix = self.normal(inputs, outputs, fan_in=inputs, gain=1.0)
        operands = [x, matrix, self.bias(outputs)]
        return self.node("_FusedMatMul", operands, fused_ops=texts("BiasAdd"), num_args={"i": "1"})

    def vector(self, *values: float) -> str:
        return self.constant(np.array(values, np.float32))

    def whole(self, *values: int) -> str:
        return self.constant(np.array(values, np.int32))

    def constant_of(self, value: float) -> str:
        return self.constant(np.array(value, np.int32 if isinstance(value, int) else np.float32))

    def _fused(self, op: str, inputs: list[str], stride: int, activation: str | None, padding: str) -> str:
        steps = ["BiasAdd"] + ([activation] if activation else [])
        return self.node(
            op,
            inputs,
            strides={"list": {"i": ["1", str(stride), str(stride), "1"]}},
            dilations={"list": {"i": ["1", "1", "1", "1"]}},
            padding=text(padding),
            data_format=text("NHWC"),
            fused_ops=texts(*steps),
            num_args={"i": "1"},
            epsilon={"f": 0.0},
        )

    def artifacts(self, output: str | Mapping[str, str], key: str = "scores") -> ModelArtifacts:
        outputs = {}
        for name, source in ({key: output} if isinstance(output, str) else output).items():
            identity = f"Identity_{len(outputs)}" if outputs else "Identity"
            self.nodes.append({"name": identity, "op": "Identity", "input": [source], "attr": {}})
            outputs[name] = {"name": f"{identity}:0", "dtype": "DT_FLOAT"}
        signature = {"inputs": self._inputs, "outputs": outputs}
        topology = {"node": self.nodes, "versions": {"producer": 1987}}
        return ModelArtifacts("graph-model", topology, weights=self.weights, signature=signature)


def text(value: str) -> dict[str, Any]:
    return {"s": base64.b64encode(value.encode()).decode()}


def texts(*values: str) -> dict[str, Any]:
    return {"list": {"s": [base64.b64encode(value.encode()).decode() for value in values]}}


def head(builder: Builder, x: str, channels: int, classes: int) -> str:
    """Probabilities of classes from the means over the picture."""
    pooled = builder.node("Mean", [x, builder.whole(1, 2)], keep_dims={"b": False})
    return builder.node("Softmax", [builder.dense(pooled, channels, classes)])


def mobilenet_v2(size: int = 224, classes: int = 1000) -> ModelArtifacts:
    """MobileNetV2 1.0 (Sandler et al. 2018, table 2)."""
    builder = Builder()
    shape = (-1, size, size, 3)
    x = builder.convolution(builder.placeholder("image", shape), 3, 3, 32, stride=2)
    channels = 32
    plan = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, out, repeats, first_stride in plan:
        for block in range(repeats):
            stride = first_stride if block == 0 else 1
            y = x if expansion == 1 else builder.convolution(x, 1, channels, channels * expansion)
            y = builder.depthwise(y, 3, channels * expansion, stride)
            y = builder.convolution(y, 1, channels * expansion, out, activation=None)
            x = builder.node("AddV2", [x, y]) if stride == 1 and channels == out else y
            channels = out
    x = builder.convolution(x, 1, channels, 1280)
    return builder.artifacts(head(builder, x, 1280, classes))


def mobilenet_v1(size: int = 224, alpha: float = 0.25, classes: int = 1000) -> ModelArtifacts:
    """MobileNetV1 (Howard et al. 2017, table 1) with width multiplier ``alpha``."""
    builder = Builder()
    shape = (-1, size, size, 3)
    channels = int(32 * alpha)
    x = builder.convolution(builder.placeholder("image", shape), 3, 3, channels, stride=2)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for out, stride in plan:
        wide = int(out * alpha)
        x = builder.convolution(builder.depthwise(x, 3, channels, stride), 1, channels, wide)
        channels = wide
    return builder.artifacts(head(builder, x, channels, classes))


def resnet50(size: int = 224, classes: int = 1000) -> ModelArtifacts:
    """ResNet50 v1 (He et al. 2015, table 1), batch norms folded."""
    builder = Builder()
    shape = (-1, size, size, 3)
    x = builder.convolution(builder.placeholder("image", shape), 7, 3, 64, stride=2, activation="Relu")
    window = {"list": {"i": ["1", "3", "3", "1"]}}
    strides = {"list": {"i": ["1", "2", "2", "1"]}}
    x = builder.node("MaxPool", [x], ksize=window, strides=strides, padding=text("SAME"))
    channels = 64
    for width, repeats, first_stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for block in range(repeats):
            stride = first_stride if block == 0 else 1
            y = builder.convolution(x, 1, channels, width, stride, "Relu")
            y = builder.convolution(y, 3, width, width, 1, "Relu")
            # Both summands at full size would double the variance with each of the 16 blocks.
            y = builder.convolution(y, 1, width, width * 4, 1, None, gain=0.2)
            shortcut = builder.convolution(x, 1, channels, width * 4, stride, None, gain=1.0) if block == 0 else x
            x = builder.node("Relu", [builder.node("AddV2", [shortcut, y])])
            channels = width * 4
    return builder.artifacts(head(builder, x, 2048, classes))


TOPOLOGIES: Mapping[str, Callable[[], ModelArtifacts]] = {
    "MobileNetV2": mobilenet_v2,
    "MobileNetV1-0.25": mobilenet_v1,
    "ResNet50": resnet50,
}
