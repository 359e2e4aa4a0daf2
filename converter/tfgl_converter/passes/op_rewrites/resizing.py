"""Resizing as a product with one matrix of weights for each axis, built here when sizes are known; warps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tfgl.ir.graph import DataType, Edge

from .registry import INT32, Place, Unfit, rewrite

Array = np.ndarray[Any, Any]
_REAL = DataType("float32")
_SIZES = Unfit("constant sizes, and images of known height and width")
_TABLE_SIZE = 1024


@rewrite("ResizeBicubic")
def bicubic(place: Place) -> Edge | Unfit:
    """Four neighbours along each axis, by Keys' kernel with half-pixel centres and a sharper one without."""
    half = place.attr("half_pixel_centers", False) is True
    corners = place.attr("align_corners", False) is True
    return _resized(place, lambda size, wanted: bicubic_matrix(size, wanted, corners, half))


@rewrite("ResizeArea")
def area(place: Place) -> Edge | Unfit:
    """The mean of what each new pixel covers."""
    corners = place.attr("align_corners", False) is True
    return _resized(place, lambda size, wanted: area_matrix(size, wanted, corners))


@rewrite("ScaleAndTranslate")
def scale_and_translate(place: Place) -> Edge | Unfit:
    """A kernel around the place of each new pixel in the old image, wider when it shrinks and antialias is on."""
    scale, translation = place.value(2), place.value(3)
    kernel = bytes(place.attr("kernel_type", b"lanczos3")).decode()
    if scale is None or translation is None or kernel not in _KERNELS:
        return Unfit("constant scale and translation, and a known kernel")
    antialias = place.attr("antialias", True) is True
    by_axis = iter(zip(scale.tolist(), translation.tolist(), strict=True))
    return _resized(place, lambda size, wanted: sampling_matrix(size, wanted, *next(by_axis), kernel, antialias))


def _resized(place: Place, matrix: Callable[[int, int], Array]) -> Edge | Unfit:
    """First the rows of [batch, height, width * depth], then the columns of [batch, rows, width, depth]."""
    known, wanted = place.known_shape(0), place.value(1)
    if known is None or len(known) != 4 or min(known[1:3]) <= 0 or wanted is None or wanted.size != 2:
        return _SIZES
    _, height, width, depth = known
    rows, columns = (int(n) for n in wanted.reshape(-1))
    if rows <= 0 or columns <= 0:
        return _SIZES
    x = place.inputs[0]
    if place.dtype != "float32":
        x = place.cast(x, place.dtype, _REAL)
    vertical, horizontal = matrix(height, rows), matrix(width, columns)
    if depth > 0:
        flat, deep = place.integers(-1, height, width * depth), place.integers(-1, rows, width, depth)
    else:
        sizes = [place.size(0, axis) for axis in (0, 3)]
        across = place.op("Mul", place.scalar(width), sizes[1], dtype=INT32)
        flat = place.pack(sizes[0], place.scalar(height), across)
        deep = place.pack(sizes[0], place.scalar(rows), place.scalar(width), sizes[1])

    def product(weights: Array, of: Edge) -> Edge:
        return place.op("BatchMatMulV2", place.constant(weights, _REAL), of, dtype=_REAL, adj_x=False, adj_y=False)

    lines = product(vertical, place.op("Reshape", x, flat, dtype=_REAL, Tshape=INT32))
    return product(horizontal, place.op("Reshape", lines, deep, dtype=_REAL, Tshape=INT32))


def _step(size: int, wanted: int, align_corners: bool) -> float:
    if align_corners and wanted > 1:
        return float(np.float32(size - 1) / np.float32(wanted - 1))
    return float(np.float32(size) / np.float32(wanted))


def bicubic_matrix(size: int, wanted: int, align_corners: bool, half_pixel_centers: bool) -> Array:
    """Weights [wanted, size] of TensorFlow's ResizeBicubic, which looks its kernel up at 1024 places.

    >>> bicubic_matrix(2, 2, False, True).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    a = -0.5 if half_pixel_centers else -0.75
    near = np.arange(_TABLE_SIZE + 1, dtype=np.float64) / _TABLE_SIZE
    far = near + 1
    inner = ((a + 2) * near - (a + 3)) * near * near + 1
    outer = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    weights = np.zeros((wanted, size))
    step = np.float32(_step(size, wanted, align_corners))
    for row in range(wanted):
        place = np.float32(row + 0.5) * step - np.float32(0.5) if half_pixel_centers else np.float32(row) * step
        first = math.floor(place)
        at = round(float((place - np.float32(first)) * np.float32(_TABLE_SIZE)))
        shares = (outer[at], inner[at], inner[_TABLE_SIZE - at], outer[_TABLE_SIZE - at])
        for pixel, share in zip(range(first - 1, first + 3), shares, strict=True):
            if not half_pixel_centers:
                weights[row, min(max(pixel, 0), size - 1)] += share
            elif 0 <= pixel < size:
                weights[row, pixel] += share
        if half_pixel_centers:
            # Pixels outside count nothing, and the others make up for them.
            weights[row] /= weights[row].sum()
    return weights


def area_matrix(size: int, wanted: int, align_corners: bool) -> Array:
    """Weights [wanted, size] of TensorFlow's ResizeArea: the share of each pixel that a new one covers.

    >>> area_matrix(4, 2, False).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    step = _step(size, wanted, align_corners) or 1.0  # one pixel with aligned corners is all there is to see
    weights = np.zeros((wanted, size))
    for row in range(wanted):
        start, end = row * step, (row + 1) * step
        for pixel in range(math.floor(start), math.ceil(end)):
            share = min(pixel + 1.0, end) - max(float(pixel), start)
            weights[row, min(max(pixel, 0), size - 1)] += share / step
    return weights


def _lanczos(radius: float) -> Callable[[float], float]:
    return lambda x: 0.0 if x > radius else 1.0 if x <= 1e-3 else (
        radius * math.sin(math.pi * x) * math.sin(math.pi * x / radius) / (math.pi * x) ** 2
    )  # fmt: skip


def _keys_cubic(x: float) -> float:
    if x >= 2:
        return 0.0
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x >= 1 else (1.5 * x - 2.5) * x * x + 1


def _mitchell_cubic(x: float) -> float:
    if x >= 2:
        return 0.0
    if x >= 1:
        return (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9
    return ((7 / 6) * x - 2) * x * x + 8 / 9


# Reach and weight at a distance, as TensorFlow's sampling kernels.
_KERNELS: dict[str, tuple[float, Callable[[float], float]]] = {
    "lanczos1": (1.0, _lanczos(1.0)),
    "lanczos3": (3.0, _lanczos(3.0)),
    "lanczos5": (5.0, _lanczos(5.0)),
    "gaussian": (1.5, lambda x: 0.0 if x >= 1.5 else math.exp(-(x**2) / (2 * 0.5**2))),
    "box": (1.0, lambda x: 1.0 if x < 0.5 else 0.5 if x == 0.5 else 0.0),
    "triangle": (1.0, lambda x: max(1.0 - x, 0.0)),
    "keyscubic": (2.0, _keys_cubic),
    "mitchellcubic": (2.0, _mitchell_cubic),
}


def sampling_matrix(
    size: int, wanted: int, scale: float, translation: float, kernel: str = "triangle", antialias: bool = True
) -> Array:
    """Weights [wanted, size] of TensorFlow's ScaleAndTranslate; zeros where a new pixel lies outside of the old image.

    >>> sampling_matrix(4, 2, 0.5, 0.0, "box").tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    reach, weight = _KERNELS[kernel]
    back = np.float32(1) / np.float32(scale)
    shift = -back * np.float32(translation)
    spread = max(float(back), 1.0) if antialias else 1.0
    weights = np.zeros((wanted, size))
    for row in range(wanted):
        centre = float((np.float32(row) + np.float32(0.5)) * back + shift)
        if centre < 0 or centre > size:
            continue
        first = max(math.ceil(centre - reach * spread - 0.5), 0)
        last = min(math.floor(centre + reach * spread - 0.5), size - 1)
        for pixel in range(first, last + 1):
            weights[row, pixel] = weight(abs(pixel + 0.5 - centre) / spread)
        total = weights[row].sum()
        if abs(total) >= 1000 * np.finfo(np.float32).tiny:
            weights[row] /= total
    return weights


@rewrite("ImageProjectiveTransformV2")
def projective_transform(place: Place) -> Edge:
    """ImageProjectiveTransformV3 with zeros beyond the edges."""
    attrs = {"fill_mode": b"CONSTANT", **place.node.attrs}
    return place.plain(
        "ImageProjectiveTransformV3", *place.inputs, place.constant(0.0, _REAL), attrs=attrs
    )
