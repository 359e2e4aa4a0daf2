"""Gradients of pools, dilation and convolutions against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exact_kernels import Array, Row, check, finite, one, run
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.shapes import conv2d_geometry, conv3d_geometry, dilation2d_geometry, pool2d_geometry, pool3d_geometry
from tfgl.kernels import filter_gradients

# Sums of up to some hundred terms of about 1.
SUMS = 2e-5

# Input, filter size, strides, pad.
POOLS: list[tuple[tuple[int, ...], Any, Any, Any]] = [
    ((2, 9, 11, 6), 3, 2, "same"),
    ((2, 9, 11, 6), [2, 3], [1, 2], "valid"),
    ((1, 9, 11, 1), 3, 1, 1),
    ((1, 9, 11, 2), 3, 1, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    ((1, 5, 5, 3), 1, 2, "same"),
    ((1, 7, 8, 7), [1, 2], 2, 2),
    ((0, 5, 5, 3), 2, 2, "same"),
    ((1, 2, 2, 3), 3, 1, "valid"),
    ((2, 5, 9, 11, 6), 3, 2, "same"),
    ((2, 4, 9, 11, 6), [2, 2, 3], [1, 1, 2], "valid"),
    ((1, 3, 9, 11, 1), 3, 1, 1),
]


@pytest.mark.parametrize("window", POOLS, ids=str)
def test_pools(gpu: Engine, window: tuple[Any, ...]) -> None:
    shape, size, strides, pad = window
    attrs = {"filterSize": size, "strides": strides, "pad": pad}
    suffix, geometry = ("3DGrad", pool3d_geometry) if len(shape) == 5 else ("Grad", pool2d_geometry)
    dy = finite(*geometry(shape, size, strides, pad).out_shape, seed=1)
    # Whole numbers, so that many are equal: the first of them counts.
    x = np.round(finite(*shape))
    check(gpu, Row(f"AvgPool{suffix}", {"dy": dy, "input": x}, attrs, SUMS))
    check(gpu, Row(f"MaxPool{suffix}", {"dy": dy, "input": x, "output": dy}, attrs, SUMS))


def test_what_is_not_a_number_reaches_only_its_window(gpu: Engine) -> None:
    dy, x = finite(1, 4, 4, 1), finite(1, 8, 8, 1)
    dy[0, 1, 1, 0], x[0, 2, 2, 0] = np.nan, np.nan
    attrs = {"filterSize": 2, "strides": 2, "pad": "valid"}
    for kernel, named, count in (
        ("AvgPoolGrad", {"dy": dy, "input": x}, 4),
        ("MaxPoolGrad", {"dy": dy, "input": x, "output": dy}, 1),
    ):
        check(gpu, Row(kernel, named, attrs, SUMS))
        assert np.isnan(one(gpu, kernel, named, attrs)).sum() == count


DILATIONS: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any, Any]] = [
    ((2, 9, 11, 6), (3, 3, 6), [2, 2], "same", 1),
    ((1, 9, 11, 1), (2, 3, 1), 1, "valid", [1, 2]),
    ((2, 5, 5, 8), (3, 2, 8), 1, 1, 1),
    ((0, 3, 3, 2), (1, 1, 2), 1, "same", 1),
]


@pytest.mark.parametrize("kernel", ["Dilation2DBackpropInput", "Dilation2DBackpropFilter"])
@pytest.mark.parametrize("row", DILATIONS, ids=str)
def test_dilation(gpu: Engine, row: tuple[Any, ...], kernel: str) -> None:
    x, filter_, strides, pad, dilations = row
    dy = finite(*dilation2d_geometry(x, filter_, strides, pad, dilations=dilations).out_shape, seed=2)
    named = {"x": np.round(finite(*x)), "filter": np.round(finite(*filter_, seed=1)), "dy": dy}
    check(gpu, Row(kernel, named, {"strides": strides, "pad": pad, "dilations": dilations}, SUMS))


FILTERS: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any]] = [
    ((2, 9, 11, 6), (3, 3, 6, 5), 2, "same"),
    ((1, 7, 8, 4), (2, 3, 4, 8), [2, 1], "valid"),
    ((2, 5, 6, 3), (1, 1, 3, 2), 1, "same"),
    ((1, 5, 6, 1), (3, 3, 1, 1), 1, [[0, 0], [1, 0], [0, 2], [0, 0]]),
    ((0, 5, 6, 3), (3, 3, 3, 2), 1, "same"),
]


def _of_filter(x: tuple[int, ...], filter_: tuple[int, ...], strides: Any, pad: Any) -> Row:
    dy = finite(*conv2d_geometry(x, filter_, strides, pad).out_shape, seed=1)
    attrs = {"strides": strides, "pad": pad, "filterShape": filter_}
    return Row("Conv2DBackpropFilter", {"x": finite(*x), "dy": dy}, attrs, SUMS)


@pytest.mark.parametrize("row", FILTERS, ids=str)
def test_filters(gpu: Engine, row: tuple[Any, ...]) -> None:
    check(gpu, _of_filter(*row))


def test_filters_place_by_place_and_with_channels_first(gpu: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_gradients, "_MOST", 2 * 9 * 11 * 6)
    row = _of_filter(*FILTERS[0])
    check(gpu, row)
    first = {name: np.ascontiguousarray(np.moveaxis(np.asarray(array), 3, 1)) for name, array in row.inputs.items()}
    check(gpu, Row(row.kernel, first, {**row.attrs, "dataFormat": "NCHW"}, SUMS))


@pytest.mark.parametrize(
    "row", [((2, 4, 5, 6, 3), (2, 3, 2, 3, 5), 2, "same"), ((1, 4, 5, 6, 4), (2, 2, 2, 4, 4), 1, "valid")], ids=str
)
def test_filters_of_volumes(gpu: Engine, row: tuple[Any, ...]) -> None:
    x, filter_, strides, pad = row
    dy = finite(*conv3d_geometry(x, filter_, strides, pad).out_shape, seed=1)
    attrs = {"strides": strides, "pad": pad, "filterShape": filter_}
    check(gpu, Row("Conv3DBackpropFilterV2", {"x": finite(*x), "dy": dy}, attrs, SUMS))


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("dilations", [1, 2])
@pytest.mark.parametrize("row", FILTERS, ids=str)
def test_depthwise(gpu: Engine, row: tuple[Any, ...], multiplier: int, dilations: int) -> None:
    x, filter_, strides, pad = row
    filter_ = (*filter_[:3], multiplier)
    attrs = {"strides": strides, "pad": pad, "dilations": dilations}
    geometry = conv2d_geometry(x, filter_, strides, pad, dilations=dilations, depthwise=True)
    dy = finite(*geometry.out_shape, seed=1)
    of_filter = {"x": finite(*x), "dy": dy}
    check(gpu, Row("DepthwiseConv2dNativeBackpropFilter", of_filter, {**attrs, "filterShape": filter_}, SUMS))
    of_input = {"dy": dy, "filter": finite(*filter_, seed=2)}
    check(gpu, Row("DepthwiseConv2dNativeBackpropInput", of_input, {**attrs, "inputShape": x}, SUMS))


WRONG: list[tuple[str, dict[str, Array], dict[str, Any]]] = [
    ("AvgPoolGrad", {"dy": finite(1, 3, 3, 1), "input": finite(1, 4, 4, 1)}, {"filterSize": 2}),
    ("Conv2DBackpropFilter", {"x": finite(1, 4, 4, 1), "dy": finite(1, 2, 3, 1)}, {"filterShape": [3, 3, 1, 1]}),
    (
        "DepthwiseConv2dNativeBackpropInput",
        {"dy": finite(1, 2, 3, 1), "filter": finite(3, 3, 1, 1)},
        {"inputShape": (1, 4, 4, 1)},
    ),
    ("Dilation2DBackpropInput", {"x": finite(1, 4, 4, 1), "filter": finite(3, 3, 1), "dy": finite(1, 3, 2, 1)}, {}),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row[0])
def test_wrong_shapes_of_the_gradient(gpu: Engine, row: tuple[Any, ...]) -> None:
    kernel, named, attrs = row
    with pytest.raises(InvalidArgumentError, match=r"dy has shape .*gives"):
        run(gpu, kernel, named, {"strides": 2 if kernel == "AvgPoolGrad" else 1, "pad": "valid", **attrs})
