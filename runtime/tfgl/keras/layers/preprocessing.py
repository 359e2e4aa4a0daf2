"""Preprocessing layers that stand inside models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..builder import Tensor
from ..call import Call
from ..registry import Weight, layer
from .resampling import resized


@layer("Rescaling", masking="pass")
def rescaling(c: Call) -> Tensor:
    """x scale + offset; each a number or one for each channel."""
    x = c.b.cast(c.x, "float32")
    scale, offset = (
        np.asarray(_plain(c.get(key, default)), np.float32) for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    if scale.ndim > x.rank or offset.ndim > x.rank:
        raise c.wrong("scale", "a number or a list", c.get("scale"))
    x = x if (scale == 1).all() else c.b.mul(x, c.constant("scale", scale))
    return x if (offset == 0).all() else c.b.add_(x, c.constant("offset", offset))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        config = value.get("config")
        return value.get("value", config.get("value", config) if isinstance(config, Mapping) else config)
    return value


def _normalization_weights(config: Mapping[str, Any]) -> Sequence[Weight]:
    if config.get("mean") is not None:
        return ()
    return [Weight(name, trainable=False) for name in ("mean", "variance", "count")]


@layer("Normalization", weights=_normalization_weights, masking="pass")
def normalization(c: Call) -> Tensor:
    """(x - mean) / max(sqrt(variance), 1e-7) along ``axis``; ``invert`` turns it round."""
    b, x = c.b, c.b.cast(c.x, "float32")
    given = c.config.get("axis", -1)
    axes = [] if given is None else [a % x.rank for a in ([given] if isinstance(given, int) else c.integers("axis"))]
    if c.has("mean"):
        mean, variance = c.array("mean"), c.array("variance")
    else:
        mean, variance = (np.asarray(_plain(c.get(key)), np.float64) for key in ("mean", "variance"))
    spread = [x.shape[axis] if axis in axes else 1 for axis in range(x.rank)]
    if axes and mean.size > 1:
        mean, variance = (array.reshape(spread) for array in (mean, variance))
    deviation = np.maximum(np.sqrt(variance.astype(np.float64)), 1e-7)
    while mean.ndim and mean.shape[0] == 1:
        mean, deviation = mean[0], deviation[0]
    centre = c.constant("mean", mean.astype(np.float32))
    width = c.constant("deviation", deviation.astype(np.float32))
    if c.flag("invert"):
        return b.add_(b.mul(x, width), centre)
    return b.div(b.sub(x, centre), width)


def _images(c: Call) -> tuple[Tensor, bool]:
    """The images channels last, with a batch axis if there was none."""
    x = c.rank(3, 4)
    single = x.rank == 3
    return c.to_last(c.b.expand(x, 0) if single else x), single


def _back(c: Call, x: Tensor, single: bool) -> Tensor:
    x = c.from_last(x)
    return c.b.squeeze(x, 0) if single else x


@layer("Resizing")
def resizing(c: Call) -> Tensor:
    """Images in another size by nearest or bilinear interpolation, cropped to the new aspect if asked to."""
    x, single = _images(c)
    height, width = c.integer("height"), c.integer("width")
    method = c.text("interpolation", "bilinear")
    if method not in ("nearest", "bilinear"):
        raise c.unsupported(f"interpolation {method!r} is not supported", "nearest and bilinear are")
    if c.flag("antialias"):
        raise c.unsupported("antialias is not supported", "leave it off")
    if c.flag("crop_to_aspect_ratio"):
        x = _cropped(c, x, height, width)
    elif c.flag("pad_to_aspect_ratio"):
        x = _padded(c, x, height, width)
    result = x if x.shape[1:3] == (height, width) else resized(c.b, x, height, width, method)
    return _back(c, result, single)


def _space(c: Call, x: Tensor) -> tuple[int, int]:
    return c.known(x, 1, "the height of its images"), c.known(x, 2, "the width of its images")


def _cropped(c: Call, x: Tensor, height: int, width: int) -> Tensor:
    """The middle of the images in the aspect of (height, width)."""
    rows, columns = _space(c, x)
    keep_rows = min(int(float(columns * height) / width), rows)
    keep_columns = min(int(float(rows * width) / height), columns)
    top, left = int(float(rows - keep_rows) / 2), int(float(columns - keep_columns) / 2)
    items = [slice(None), slice(top, top + keep_rows), slice(left, left + keep_columns)]
    return x if (keep_rows, keep_columns) == (rows, columns) else c.b.strided_slice(x, items)


def _padded(c: Call, x: Tensor, height: int, width: int) -> Tensor:
    """The images with a rim of ``fill_value`` that gives them the aspect of (height, width)."""
    rows, columns = _space(c, x)
    to_rows = max(int(float(columns * height) / width), rows)
    to_columns = max(int(float(rows * width) / height), columns)
    top, left = int(float(to_rows - rows) / 2), int(float(to_columns - columns) / 2)
    pairs = [[0, 0], [top, to_rows - rows - top], [left, to_columns - columns - left], [0, 0]]
    return c.b.pad(x, pairs, c.number("fill_value", 0.0))


@layer("CenterCrop")
def center_crop(c: Call) -> Tensor:
    """The middle of the images; images that are too small are cropped to the aspect and resized."""
    x, single = _images(c)
    height, width = c.integer("height"), c.integer("width")
    rows, columns = _space(c, x)
    if rows >= height and columns >= width:
        top, left = (rows - height) // 2, (columns - width) // 2
        x = c.b.strided_slice(x, [slice(None), slice(top, top + height), slice(left, left + width)])
    else:
        x = resized(c.b, _cropped(c, x, height, width), height, width, "bilinear")
    return _back(c, x, single)


@layer(
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness", "RandomTranslation",
    "RandomHeight", "RandomWidth", "RandomShear", "RandomHue", "RandomSaturation", "RandomPosterization",
    "RandomColorJitter", "RandomGrayscale", "RandomErasing", "RandomInvert", "RandomSharpness", "RandomGaussianBlur",
    "RandomColorDegeneration", "RandomPerspective", "RandomElasticTransform", "RandAugment", "AugMix", "MixUp",
    "CutMix",
    masking="pass",
)  # fmt: skip
def random_image(c: Call) -> Tensor:
    """Augmentation, which does nothing once a model is trained."""
    return c.x


@layer("RandomCrop")
def random_crop(c: Call) -> Tensor:
    """Outside training, Keras 2 resizes images to the size of the crop, after cropping to its aspect; Keras 3 does
    nothing."""
    if c.keras3:
        return c.x
    x, single = _images(c)
    height, width = c.integer("height"), c.integer("width")
    rows, columns = _space(c, x)
    if (rows, columns) != (height, width):
        x = resized(c.b, _cropped(c, x, height, width), height, width, "bilinear")
    return _back(c, x, single)


_ENCODINGS = ("one_hot", "multi_hot", "count")


def encoded(c: Call, x: Tensor, count: int, mode: str, weights: Tensor | None = None) -> Tensor:
    """Indices below ``count`` as one_hot, multi_hot or count vectors; ``weights`` says how much each index counts."""
    b = c.b
    c.bounded(count, "the list of tokens")
    if mode not in _ENCODINGS:
        raise c.wrong("output_mode", "one_hot, multi_hot or count", mode)
    if mode == "one_hot" and x.rank > 1 and x.shape[-1] == 1:
        x = b.squeeze(x, -1)
    indices = b.expand(b.cast(x, "int32"), -1)
    hot = b.cast(b.binary("Equal", indices, b.constant(np.arange(count, dtype=np.int32))), "float32")
    if mode == "one_hot" or x.rank == 1:
        return hot
    if mode == "multi_hot":
        return b.reduce("Max", hot, [-2])
    if weights is not None:
        hot = b.mul(hot, b.expand(b.cast(weights, "float32"), -1))
    return b.reduce("Sum", hot, [-2])


@layer("CategoryEncoding", takes=None)
def category_encoding(c: Call) -> Tensor:
    """Indices as one_hot, multi_hot or count vectors of ``num_tokens``."""
    weights = c.kwargs.get("count_weights")
    given = weights if isinstance(weights, Tensor) else None
    return encoded(c, c.x, c.integer("num_tokens"), c.text("output_mode", "multi_hot"), given)


@layer("Discretization")
def discretization(c: Call) -> Tensor:
    """The number of the bin of each value, how many boundaries are not above it, or that number encoded."""
    boundaries = np.asarray(_plain(c.get("bin_boundaries", [])), np.float32)
    if boundaries.ndim != 1 or not boundaries.size:
        raise c.unsupported("it has no boundaries of its bins", "give bin_boundaries, or save it once it is adapted")
    x = c.b.expand(c.b.cast(c.x, "float32"), -1)
    above = c.b.binary("GreaterEqual", x, c.constant("boundaries", boundaries))
    bins = c.b.reduce("Sum", c.b.cast(above, "int32"), [-1])
    mode = c.text("output_mode", "int")
    return bins if mode == "int" else encoded(c, bins, boundaries.size + 1, mode)
