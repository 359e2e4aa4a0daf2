"""Resizing and cropping against the reference, flat and tiled."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from exact_kernels import Array, Row, check, compare, finite, one, run, values
from goldens.make_kernels import FILE, TRANSFORM, transform_inputs
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.reference import evaluate
from tfgl.kernels.elementwise import emit_elementwise
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

# Weights are differences of positions in single precision, here up to a few dozen pixels.
MIXED = 2e-5

MODES = [
    {"alignCorners": align, "halfPixelCenters": half}
    for align, half in ((False, False), (True, False), (False, True))
]
SIZES: list[tuple[tuple[int, ...], list[int]]] = [
    ((1, 4, 4, 1), [8, 8]),
    ((2, 5, 7, 3), [11, 4]),
    ((2, 9, 17, 4), [5, 31]),
    ((1, 10, 3, 9), [1, 1]),
    ((1, 1, 1, 3), [4, 5]),
    ((1, 3, 3, 2), [3, 3]),
    ((3, 20, 2, 8), [7, 1]),
    ((0, 5, 5, 3), [2, 2]),
    ((1, 5, 5, 3), [0, 2]),
]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("case", SIZES, ids=str)
def test_bilinear(gpu: Engine, case: tuple[tuple[int, ...], list[int]], mode: dict[str, bool]) -> None:
    shape, size = case
    check(gpu, Row("ResizeBilinear", {"images": finite(*shape)}, {"size": size, **mode}, MIXED))


@pytest.mark.parametrize("mode", [*MODES, {"alignCorners": True, "halfPixelCenters": True}], ids=str)
@pytest.mark.parametrize("case", SIZES, ids=str)
def test_nearest(gpu: Engine, case: tuple[tuple[int, ...], list[int]], mode: dict[str, bool]) -> None:
    shape, size = case
    check(gpu, Row("ResizeNearestNeighbor", {"images": values(*shape)}, {"size": size, **mode}))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_nearest_copies_the_right_pixel_at_every_ratio(gpu: Engine, mode: dict[str, bool]) -> None:
    for in_size, out_size in itertools.product((1, 2, 3, 7, 10, 49, 100), (1, 2, 3, 5, 21, 98, 300)):
        images = np.arange(in_size, dtype=np.float32).reshape(1, 1, in_size, 1)
        check(gpu, Row("ResizeNearestNeighbor", {"images": images}, {"size": [1, out_size], **mode}))


@pytest.mark.parametrize("kernel", ["ResizeBilinear", "ResizeNearestNeighbor"])
@pytest.mark.parametrize("channels", [3, 4])
def test_whole_numbers(gpu: Engine, kernel: str, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, channels)).astype(np.int32)
    check(gpu, Row(kernel, {"images": images}, {"size": [9, 4], **MODES[2]}, MIXED))
    got = one(gpu, kernel, {"images": images}, {"size": [5, 6], **MODES[0]})
    compare(got, images if kernel == "ResizeNearestNeighbor" else images.astype(np.float32), 0)


def test_not_a_number_and_infinities_spread_to_their_neighbours_only(gpu: Engine) -> None:
    images = finite(1, 9, 9, 3)
    images[0, 4, 4, 1], images[0, 1, 1, 0], images[0, 7, 7, 2] = np.nan, np.inf, -np.inf
    row = Row("ResizeBilinear", {"images": images}, {"size": [6, 6], **MODES[2]}, MIXED)
    check(gpu, row)
    assert 0 < np.isnan(one(gpu, row.kernel, row.inputs, row.attrs)).sum() < 20


def test_the_same_size_keeps_infinities(gpu: Engine) -> None:
    images = values(1, 3, 4, 2)
    compare(one(gpu, "ResizeBilinear", {"images": images}, {"size": [3, 4], **MODES[0]}), images, 0)


@pytest.mark.parametrize("kernel", ["ResizeBilinear", "ResizeNearestNeighbor"])
@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("case", SIZES[:7], ids=str)
def test_tiled_images_stay_tiled(
    gpu: Engine, kernel: str, mode: dict[str, bool], case: tuple[tuple[int, ...], list[int]]
) -> None:
    shape, size = case
    images = finite(*shape)
    opposite = gpu.tensor(-images)
    opposite.tiles()
    tiled = emit_elementwise([opposite], "-a", "float32")
    result = run_kernel(kernel, {"images": tiled}, {"size": size, **mode})
    assert isinstance(result, Tensor)
    assert result.is_tiled and not result.is_flat
    want = evaluate(kernel, {"images": images}, {"size": size, **mode})
    assert isinstance(want, np.ndarray)
    compare(result.numpy(), want, MIXED)


def boxes(*rows: tuple[float, float, float, float]) -> Array:
    return np.array(rows, np.float32).reshape(-1, 4)


# None puts a sample halfway between two pixels, where the nearest is a matter of rounding.
BOXES = boxes((0, 0, 1, 1), (0.25, 0.11, 0.75, 0.83), (-0.31, 0.21, 1.43, 0.94), (1, 1, 0, 0), (0.5, 0.5, 0.5, 0.5))
OF_IMAGES = np.array([0, 1, 1, 0, 2], np.int32)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("crop", [[5, 3], [1, 1], [1, 9], [13, 17]], ids=str)
def test_crops(gpu: Engine, method: str, channels: int, crop: list[int]) -> None:
    inputs = {"image": finite(2, 9, 13, channels), "boxes": BOXES, "boxInd": OF_IMAGES}
    check(gpu, Row("CropAndResize", inputs, {"cropSize": crop, "method": method, "extrapolationValue": -2.5}, MIXED))


@pytest.mark.parametrize("size", [5, 7, 11, 29, 100, 321])
@pytest.mark.parametrize("crop", [2, 3, 14, 49, 97])
def test_a_whole_box_never_leaves_the_image(gpu: Engine, size: int, crop: int) -> None:
    named = {
        "image": np.ones((1, size, size, 1), np.float32),
        "boxes": boxes((0, 0, 1, 1), (1, 1, 0, 0)),
        "boxInd": np.zeros(2, np.int32),
    }
    attrs = {"cropSize": [crop, crop], "method": "bilinear", "extrapolationValue": -100}
    np.testing.assert_allclose(one(gpu, "CropAndResize", named, attrs), 1, rtol=1e-6)


def test_crops_of_whole_numbers_and_odd_boxes(gpu: Engine) -> None:
    image = np.arange(2 * 4 * 5 * 3, dtype=np.int32).reshape(2, 4, 5, 3)
    attrs = {"cropSize": [3, 3], "method": "bilinear", "extrapolationValue": 7}
    check(gpu, Row("CropAndResize", {"image": image, "boxes": BOXES, "boxInd": OF_IMAGES}, attrs, MIXED))
    nothing = {"image": image, "boxes": boxes((np.nan, 0, 1, 1), (0, 0, 1, 1)), "boxInd": np.array([0, -1])}
    got = one(gpu, "CropAndResize", nothing, attrs)
    assert (got[0] == 7).all() and (got[1] == 0).all()
    empty = {"image": image, "boxes": boxes(), "boxInd": np.zeros(0, np.int32)}
    assert one(gpu, "CropAndResize", empty, attrs).shape == (0, 3, 3, 3)
    missing = {"image": np.zeros((0, 4, 5, 3), np.float32), "boxes": BOXES, "boxInd": OF_IMAGES}
    assert (one(gpu, "CropAndResize", missing, attrs) == 0).all()


def _maps(count: int) -> Array:
    """Projective maps that turn, shear and shift, near the identity."""
    maps = finite(count, 8) * np.float32(0.3)
    maps[:, 6:] *= 0.05
    maps[:, [0, 4]] += 1
    return maps


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill_mode", ["constant", "reflect", "wrap", "nearest"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_transforms(gpu: Engine, interpolation: str, fill_mode: str, channels: int) -> None:
    attrs = {"interpolation": interpolation, "fillMode": fill_mode, "fillValue": -1.5}
    tolerance = MIXED if interpolation == "bilinear" else 0
    image, maps = finite(3, 5, 8, channels), _maps(3)
    for output in ({}, {"outputShape": [7, 9]}, {"outputShape": [3, 20]}):
        check(gpu, Row("Transform", {"image": image, "transforms": maps}, attrs | output, tolerance))
    # Far beyond the edges, where positions are good to a few ten thousandths of a pixel, and to infinity where the
    # divisor is 0.
    far = np.concatenate([maps[:2] * 30, [[1, 0, 0, 0, 1, 0, -0.25, 0]]]).astype(np.float32)
    check(gpu, Row("Transform", {"image": image, "transforms": far}, attrs, 50 * tolerance))
    check(gpu, Row("Transform", {"image": image[:0], "transforms": maps[:1]}, attrs))
    check(gpu, Row("Transform", {"image": finite(2, 1, 1, channels), "transforms": maps[:1]}, attrs, tolerance))


@pytest.mark.parametrize("channels", [3, 4])
def test_whole_numbers_are_moved_exactly(gpu: Engine, channels: int) -> None:
    image = values(2, 5, 8, channels, dtype="int32")
    check(gpu, Row("Transform", {"image": image, "transforms": _maps(1)}, {"fillValue": -(2**31)}))
    check(gpu, Row("RotateWithOffset", {"image": image}, {"radians": 0.7, "fillValue": [1, 2, 3]}))
    away = np.float32([[1, 0, 99, 0, 1, 99, 0, 0]])
    for fill, whole in ((float("nan"), 0), (float("inf"), 2**31 - 1), (-3e9, -(2**31))):
        got = one(gpu, "Transform", {"image": image, "transforms": away}, {"fillValue": fill})
        assert (got == whole).all()


def test_transform_of_not_a_number_and_infinities(gpu: Engine) -> None:
    attrs = {"interpolation": "nearest", "fillMode": "constant", "fillValue": float("inf")}
    check(gpu, Row("Transform", {"image": values(2, 5, 8, 3), "transforms": _maps(2)}, attrs))
    lost = np.full((1, 8), np.nan, np.float32)
    got = one(gpu, "Transform", {"image": finite(1, 5, 8, 3), "transforms": lost}, attrs)
    assert (got == np.inf).all()


@pytest.mark.parametrize("fill", [0, 2.5, [1, 2, 3]])
@pytest.mark.parametrize("center", [0.5, [0.3, 0.8], 0])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_rotations(gpu: Engine, channels: int, center: Any, fill: Any) -> None:
    attrs = {"radians": 0.7, "fillValue": fill, "center": center}
    check(gpu, Row("RotateWithOffset", {"image": values(2, 7, 9, channels)}, attrs))


def test_mirrored(gpu: Engine) -> None:
    check(gpu, Row("FlipLeftRight", {"image": values(2, 7, 9, 3)}))
    check(gpu, Row("FlipLeftRight", {"image": values(2, 7, 0, 3)}))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_from_pixels(gpu: Engine, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.int32)
    got = one(gpu, "FromPixels", {"pixels": pixels}, {"numChannels": channels})
    np.testing.assert_array_equal(got, pixels[:, :, :channels])
    assert got.dtype == np.int32


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("case", [*SIZES, ((1, 2, 3, 1), [29, 100])], ids=str)
@pytest.mark.parametrize("kernel", ["ResizeBilinearGrad", "ResizeNearestNeighborGrad"])
def test_gradients_of_resizing(
    gpu: Engine, kernel: str, case: tuple[tuple[int, ...], list[int]], mode: dict[str, bool]
) -> None:
    shape, size = case
    dy = finite(shape[0], *size, shape[3], seed=1)
    check(gpu, Row(kernel, {"images": finite(*shape), "dy": dy}, {"size": size, **mode}, MIXED))


WRONG: list[tuple[str, dict[str, Array], dict[str, Any], str]] = [
    ("Transform", {"image": finite(2, 3, 3, 1), "transforms": finite(3, 8)}, {}, "batch x 8 or 1 x 8"),
    ("Transform", {"image": finite(2, 3, 3, 1), "transforms": finite(1, 8)}, {"fillMode": "edge"}, "fillMode"),
    ("RotateWithOffset", {"image": finite(1, 3, 3, 1)}, {"radians": 1.0, "fillValue": [1, 2]}, "1 or 3 numbers"),
    ("FromPixels", {"pixels": values(3, 3, 4, dtype="int32")}, {"numChannels": 5}, "numChannels"),
    ("ResizeBilinearGrad", {"images": finite(1, 3, 3, 1), "dy": finite(1, 3, 3, 2)}, {}, "channels of images"),
    ("ResizeBilinear", {"images": finite(3, 3, 1)}, {"size": [2, 2]}, "rank 4"),
    ("ResizeBilinear", {"images": finite(1, 3, 3, 1)}, {"size": [2]}, "2D"),
    ("ResizeNearestNeighbor", {"images": finite(1, 0, 3, 1)}, {"size": [2, 2]}, "empty"),
    ("ResizeNearestNeighbor", {"images": values(1, 2, 3, 1, dtype="string")}, {"size": [2, 2]}, "numbers"),
    (
        "CropAndResize",
        {"image": finite(1, 3, 3, 1), "boxes": BOXES, "boxInd": OF_IMAGES},
        {"cropSize": [2, 2], "method": "cubic"},
        "method",
    ),
    (
        "CropAndResize",
        {"image": finite(1, 3, 3, 1), "boxes": BOXES, "boxInd": OF_IMAGES[:2]},
        {"cropSize": [2, 2]},
        "boxInd",
    ),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]} {row[3]}")
def test_wrong_arguments(gpu: Engine, row: tuple[Any, ...]) -> None:
    kernel, inputs, attrs, message = row
    with pytest.raises(InvalidArgumentError, match=message):
        run(gpu, kernel, inputs, attrs)


@pytest.mark.parametrize(("fill", "interpolation"), TRANSFORM)
def test_transforms_are_those_of_tensorflow(gpu: Engine, fill: str, interpolation: str) -> None:
    images, maps = transform_inputs()
    attrs = {"interpolation": interpolation.lower(), "fillMode": fill.lower(), "fillValue": -1.5, "outputShape": [5, 6]}
    got = one(gpu, "Transform", {"image": images, "transforms": maps}, attrs)
    compare(got, np.load(FILE)[f"transform_{fill}_{interpolation}"], MIXED if interpolation == "BILINEAR" else 0)
