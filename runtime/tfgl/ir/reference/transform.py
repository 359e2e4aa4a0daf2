"""Projective transforms and rotations of NHWC images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import transform_shape
from .registry import Array, reference


def _reflected(at: Array, size: int) -> Array:
    if size <= 1:
        return np.zeros_like(at)
    below = at + 2 * size * np.trunc(-at / (2 * size))
    below = np.where(below < -size, below + 2 * size, -below - 1)
    above = at - 2 * size * np.trunc(at / (2 * size))
    above = np.where(above >= size, 2 * size - above - 1, above)
    return np.clip(np.where(at < 0, below, np.where(at > size - 1, above, at)), 0, size - 1)


def _wrapped(at: Array, size: int) -> Array:
    if size <= 1:
        return np.zeros_like(at)
    below = at + size * (np.trunc(-at / (size - 1)) + 1)
    above = at - size * np.trunc(at / (size - 1))
    return np.clip(np.where(at < 0, below, np.where(at > size - 1, above, at)), 0, size - 1)


_MODES: dict[str, Callable[[Array, int], Array]] = {
    "constant": lambda at, size: at,
    "nearest": lambda at, size: np.clip(at, 0, size - 1),
    "reflect": _reflected,
    "wrap": _wrapped,
}


def _read(image: Array, y: Array, x: Array, fill: float) -> Array:
    inside = (y >= 0) & (y < image.shape[0]) & (x >= 0) & (x < image.shape[1])
    rows, columns = (np.where(inside, at, 0).astype(np.intp) for at in (y, x))
    return np.where(inside[..., None], image[rows, columns], fill)


@reference("Transform")
def transform(
    image: Array,
    transforms: Array,
    *,
    interpolation: str = "nearest",
    fill_mode: str = "constant",
    fill_value: float = 0,
    output_shape: Sequence[int] | None = None,
) -> Array:
    """Each output pixel (x, y) read at ((a x + b y + c) / k, (d x + e y + f) / k), k = g x + h y + 1.

    ``transforms`` has a row a..h for each image, or one for all. Formulas:
    https://www.tensorflow.org/api_docs/python/tf/raw_ops/ImageProjectiveTransformV3
    """
    _, height, width, _ = transform_shape(image.shape, transforms.shape, output_shape)
    if interpolation not in ("nearest", "bilinear"):
        raise InvalidArgumentError(f"Error in Transform: Expect 'nearest' or 'bilinear', but got {interpolation}")
    if fill_mode not in _MODES:
        raise InvalidArgumentError(f"Error in Transform: fillMode must be one of {', '.join(_MODES)}, got {fill_mode}")
    # Which pixel is nearest is decided in float32, as TensorFlow does: halves are common.
    precision = np.float32 if interpolation == "nearest" else np.float64
    columns, rows = np.meshgrid(np.arange(width, dtype=precision), np.arange(height, dtype=precision))
    out = np.empty((image.shape[0], height, width, image.shape[3]), image.dtype)
    for k, picture in enumerate(image):
        a, b, c, d, e, f, g, h = transforms[k if len(transforms) > 1 else 0].astype(precision)
        divisor = g * columns + h * rows + 1
        x = _MODES[fill_mode]((a * columns + b * rows + c) / divisor, image.shape[2])
        y = _MODES[fill_mode]((d * columns + e * rows + f) / divisor, image.shape[1])
        if interpolation == "nearest":
            # Halves go away from zero, as C's round has them.
            row, column = (np.copysign(np.floor(np.abs(v)) + (np.abs(v) % 1 >= 0.5), v) for v in (y, x))
            value = _read(picture, row, column, fill_value)
        else:
            top, left = np.floor(y), np.floor(x)
            across, down = (x - left)[..., None], (y - top)[..., None]
            upper, lower = (
                (1 - across) * _read(picture, row, left, fill_value)
                + across * _read(picture, row, left + 1, fill_value)
                for row in (top, top + 1)
            )
            value = (1 - down) * upper + down * lower
        # A pixel that the projection sends to infinity lies outside every image.
        out[k] = np.where((divisor == 0)[..., None], fill_value, value)
    return out


@reference("RotateWithOffset")
def rotate_with_offset(
    image: Array,
    *,
    radians: float,
    fill_value: float | Sequence[float] = 0,
    center: float | Sequence[float] = 0.5,
) -> Array:
    """Images turned about ``center`` (in parts of width and height), nearest pixels.

    A ``fill_value`` of three numbers fills the colours, and a fourth channel with 255.
    """
    _, height, width, channels = image.shape
    about = (center, center) if isinstance(center, (int, float)) else tuple(center)
    cx, cy = width * about[0], height * about[1]
    columns, rows = np.meshgrid(np.arange(width) - cx, np.arange(height) - cy)
    sine, cosine = math.sin(radians), math.cos(radians)
    x = np.floor(columns * cosine - rows * sine + cx + 0.5)
    y = np.floor(columns * sine + rows * cosine + cy + 0.5)
    if isinstance(fill_value, (int, float)):
        fill = np.full(channels, fill_value, np.float64)
    else:
        fill = np.array([*fill_value, 255.0, *[0.0] * channels])[:channels]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = image[:, np.where(inside, y, 0).astype(np.intp), np.where(inside, x, 0).astype(np.intp)]
    return np.where(inside[..., None], source, fill).astype(image.dtype)
