"""Models of pictures with swish and squeeze-and-excite, and with instance norms: graph models with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tfgl.io import ModelArtifacts
from topologies import Builder, head, text


def efficientnet_b0(size: int = 224, classes: int = 1000) -> ModelArtifacts:
    """EfficientNetB0 (Tan and Le 2019, table 1) as Keras has it: batch norms folded, stride 2 after a Pad."""
    builder = Builder()
    x = builder.placeholder("image", (-1, size, size, 3))
    x = builder.node("Mul", [x, builder.vector(2.0)])
    x = builder.node("Sub", [x, builder.vector(1.0, 0.9, 0.8)])
    x, extent = _before_stride(builder, x, 3, size)
    x = _swish(builder, builder.convolution(x, 3, 3, 32, 2, None, "VALID"))
    channels = 32
    plan = [
        (3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2), (5, 6, 112, 3, 1), (5, 6, 192, 4, 2),
        (3, 6, 320, 1, 1),
    ]  # fmt: skip
    for window, expansion, out, repeats, first_stride in plan:
        for block in range(repeats):
            stride = first_stride if block == 0 else 1
            wide = channels * expansion
            y = x if expansion == 1 else _swish(builder, builder.convolution(x, 1, channels, wide, 1, None))
            padding = "SAME"
            if stride == 2:
                padding = "VALID"
                y, extent = _before_stride(builder, y, window, extent)
            y = _swish(builder, builder.depthwise(y, window, wide, stride, None, padding))
            y = _squeezed_and_excited(builder, y, wide, max(1, channels // 4))
            y = builder.convolution(y, 1, wide, out, 1, None, gain=4.0)
            x = builder.node("AddV2", [y, x]) if stride == 1 and channels == out else y
            channels = out
    x = _swish(builder, builder.convolution(x, 1, channels, 1280, 1, None))
    return builder.artifacts(head(builder, x, 1280, classes))


def _swish(builder: Builder, x: str) -> str:
    return builder.node("Mul", [x, builder.node("Sigmoid", [x])])


def _before_stride(builder: Builder, x: str, window: int, extent: int) -> tuple[str, int]:
    """``x`` padded as Keras does before a convolution with stride 2 and no padding, and that one's extent."""
    before, after = window // 2 - 1 + extent % 2, window // 2
    pads = builder.whole(0, 0, before, after, before, after, 0, 0)
    builder.weights[pads] = builder.weights[pads].reshape(4, 2)
    return builder.node("Pad", [x, pads]), (extent + before + after - window) // 2 + 1


def _squeezed_and_excited(builder: Builder, x: str, channels: int, fewer: int) -> str:
    """``x`` times what two 1x1 convolutions make of its means (Hu et al. 2017)."""
    means = builder.node("Mean", [x, builder.whole(1, 2)], keep_dims={"b": False})
    means = builder.node("Reshape", [means, builder.whole(-1, 1, 1, channels)])
    squeezed = _swish(builder, builder.convolution(means, 1, channels, fewer, 1, None))
    excited = builder.convolution(squeezed, 1, fewer, channels, 1, None)
    return builder.node("Mul", [x, builder.node("Sigmoid", [excited])])


def style_transfer(size: int = 256, *, separable: bool = False) -> ModelArtifacts:
    """The transformer of arbitrary image stylization (Ghiasi et al. 2017, table 1), for a style of 100 numbers.

    Pictures are padded by reflection, and each instance norm takes scale and offset
    from the style. With ``separable`` all convolutions but the outer two are depthwise and 1x1 ones.
    """
    builder = Builder()
    x = builder.placeholder("image", (-1, size, size, 3))
    style = builder.placeholder("style", (-1, 1, 1, 100))

    def convolved(x: str, window: int, channels: int, out: int, stride: int = 1, activation: str = "Relu") -> str:
        side = window // 2
        pads = builder.whole(0, 0, side, side, side, side, 0, 0)
        builder.weights[pads] = builder.weights[pads].reshape(4, 2)
        x = builder.node("MirrorPad", [x, pads], mode=text("REFLECT"))
        if separable and window == 3:
            x = builder.depthwise(x, window, channels, stride, None, "VALID")
            x = builder.convolution(x, 1, channels, out, 1, None)
        else:
            x = builder.convolution(x, window, channels, out, stride, None, "VALID")
        x = _normalized_by_style(builder, x, style, out)
        return builder.node(activation, [x]) if activation else x

    x = convolved(x, 9, 3, 32)
    x = convolved(x, 3, 32, 64, 2)
    x = convolved(x, 3, 64, 128, 2)
    for _ in range(5):
        y = convolved(convolved(x, 3, 128, 128), 3, 128, 128, activation="")
        x = builder.node("AddV2", [x, y])
    for channels, out, extent in [(128, 64, size // 2), (64, 32, size)]:
        extents = builder.whole(extent, extent)
        corners = {"align_corners": {"b": False}, "half_pixel_centers": {"b": False}}
        x = convolved(builder.node("ResizeNearestNeighbor", [x, extents], **corners), 3, channels, out)
    return builder.artifacts(convolved(x, 9, 32, 3, activation="Sigmoid"), "stylized")


def _normalized_by_style(builder: Builder, x: str, style: str, channels: int) -> str:
    """An instance norm, as TensorFlow's moments and batch_normalization spell it out."""
    scale, offset = (builder.convolution(style, 1, 100, channels, 1, None) for _ in range(2))
    mean = builder.node("Mean", [x, builder.whole(1, 2)], keep_dims={"b": True})
    squares = builder.node("SquaredDifference", [x, mean])
    variance = builder.node("Mean", [squares, builder.whole(1, 2)], keep_dims={"b": True})
    return batch_normalized(builder, x, mean, variance, scale, offset, 1e-5)


def batch_normalized(
    builder: Builder, x: str, mean: str, variance: str, scale: str, offset: str, epsilon: float
) -> str:
    """The nodes of tf.nn.batch_normalization."""
    factor = builder.node("Rsqrt", [builder.node("AddV2", [variance, builder.constant_of(epsilon)])])
    factor = builder.node("Mul", [factor, scale])
    shift = builder.node("Sub", [offset, builder.node("Mul", [mean, factor])])
    return builder.node("AddV2", [builder.node("Mul", [x, factor]), shift])


TOPOLOGIES: Mapping[str, Callable[[], ModelArtifacts]] = {
    "EfficientNetB0": efficientnet_b0,
    "style-transfer": style_transfer,
}
