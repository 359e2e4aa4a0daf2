"""Convolutions, depthwise and transposed ones too, against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linear_kernels import Row, check, compare, result_of, values
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError, TensorTooLargeError
from tfgl.ir.shapes import conv3d_geometry
from tfgl.registry import run_kernel
from tfgl.tensor import Tensor

# Input, filter, strides, pad, dilations.
WINDOWS: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any, Any]] = [
    ((1, 8, 8, 4), (1, 1, 4, 8), 1, "same", 1),
    ((1, 9, 11, 3), (1, 1, 3, 5), 1, "valid", 1),
    ((1, 9, 11, 3), (1, 1, 3, 5), 2, "same", 1),
    ((1, 9, 11, 3), (1, 1, 3, 5), 1, 1, 1),
    ((2, 9, 7, 3), (3, 3, 3, 5), 1, "same", 1),
    ((2, 9, 7, 6), (3, 2, 6, 5), [2, 1], "valid", [1, 1]),
    ((1, 20, 18, 5), (3, 3, 5, 2), 1, "same", [2, 3]),
    ((1, 17, 5, 5), (3, 3, 5, 5), 2, [[0, 0], [2, 1], [0, 3], [0, 0]], 1),
    ((1, 17, 5, 5), (3, 3, 5, 5), 2, 2, 1),
    ((1, 21, 19, 9), (5, 5, 9, 2), [2, 1], "same", [1, 2]),
    ((1, 30, 3, 1), (7, 1, 1, 9), 3, "same", 1),
    ((1, 7, 7, 16), (7, 7, 16, 10), 1, "valid", 1),
    ((2, 1, 1, 50), (1, 1, 50, 30), 1, "same", 1),
    ((3, 4, 4, 10), (4, 4, 10, 3), 1, "same", 1),
    ((0, 4, 4, 2), (3, 3, 2, 3), 1, "same", 1),
    ((1, 4, 4, 0), (3, 3, 0, 3), 1, "same", 1),
    ((1, 2, 2, 3), (3, 3, 3, 3), 1, "valid", 1),
]


def _attrs(strides: Any, pad: Any, dilations: Any, **others: Any) -> dict[str, Any]:
    return {"strides": strides, "pad": pad, "dilations": dilations, "dataFormat": "NHWC", **others}


def _channels_first(row: Row, *names: str) -> Row:
    shapes = dict(row.shapes)
    for name in names:
        n, h, w, c = shapes[name]
        shapes[name] = (n, c, h, w)
    attrs = {**row.attrs, "dataFormat": "NCHW"}
    pad = attrs["pad"]
    if isinstance(pad, list):
        attrs["pad"] = [pad[0], pad[3], pad[1], pad[2]]
    if "inputShape" in attrs:
        n, h, w, c = attrs["inputShape"]
        attrs["inputShape"] = [n, c, h, w]
    return Row(row.kernel, shapes, attrs, row.dtype)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_convolution(gpu: Engine, window: tuple[Any, ...]) -> None:
    x, filter, *rest = window
    row = Row("Conv2D", {"x": x, "filter": filter}, _attrs(*rest), weights=("filter",))
    check(gpu, row)
    check(gpu, _channels_first(row, "x"))


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_depthwise(gpu: Engine, window: tuple[Any, ...], multiplier: int) -> None:
    x, (height, width, channels, _), *rest = window
    shapes = {"x": x, "filter": (height, width, channels, multiplier)}
    row = Row("DepthwiseConv2dNative", shapes, _attrs(*rest), weights=("filter",))
    check(gpu, row)
    if multiplier == 2:
        check(gpu, _channels_first(row, "x"))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_transposed(gpu: Engine, window: tuple[Any, ...]) -> None:
    x, filter, *rest = window
    forward = run_kernel(
        "Conv2D",
        {"x": gpu.tensor(values(x, "float32", 0)), "filter": gpu.tensor(values(filter, "float32", 1))},
        _attrs(*rest),
    )
    shape = forward.shape  # type: ignore[union-attr]
    del forward
    attrs = _attrs(*rest, inputShape=list(x))
    row = Row("Conv2DBackpropInput", {"dy": shape, "filter": filter}, attrs, weights=("filter",))
    check(gpu, row)
    check(gpu, _channels_first(row, "dy"))


def test_a_gradient_larger_than_the_forward_result_is_cut(gpu: Engine) -> None:
    dy = values((1, 8, 8, 4), "float32", 0)
    filter = gpu.tensor(values((3, 3, 5, 4), "float32", 1))
    attrs = _attrs(1, "same", 1, inputShape=[1, 4, 4, 5])
    whole = run_kernel("Conv2DBackpropInput", {"dy": gpu.tensor(dy), "filter": filter}, attrs)
    part = run_kernel("Conv2DBackpropInput", {"dy": gpu.tensor(dy[:, :4, :4]), "filter": filter}, attrs)
    np.testing.assert_array_equal(result_of(whole), result_of(part))


@pytest.mark.parametrize("mode", ["floor", "round", "ceil"])
def test_rounding_modes(gpu: Engine, mode: str) -> None:
    attrs = _attrs([2, 3], 1, 1, dimRoundingMode=mode)
    check(gpu, Row("Conv2D", {"x": (1, 8, 9, 2), "filter": (3, 3, 2, 4)}, attrs))
    check(gpu, Row("DepthwiseConv2dNative", {"x": (1, 8, 9, 2), "filter": (3, 3, 2, 1)}, attrs))


FUSED: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
    ("FusedConv2D", (2, 9, 7, 3), (1, 1, 3, 6)),
    ("FusedConv2D", (2, 9, 7, 3), (3, 3, 3, 6)),
    ("FusedConv2D", (2, 1, 1, 60), (1, 1, 60, 600)),
    ("FusedDepthwiseConv2D", (2, 9, 7, 6), (3, 3, 6, 1)),
]


@pytest.mark.parametrize("case", FUSED, ids=str)
@pytest.mark.parametrize("activation", ["linear", "relu", "relu6", "prelu", "leakyrelu", "elu", "sigmoid"])
def test_fused(gpu: Engine, case: tuple[str, tuple[int, ...], tuple[int, ...]], activation: str) -> None:
    kernel, x, filter = case
    channels = filter[3] if kernel == "FusedConv2D" else filter[2]
    for size in ((channels,), (1,)):
        shapes: dict[str, tuple[int, ...]] = {"x": x, "filter": filter, "bias": size}
        attrs = _attrs(1, "same", 1, activation=activation)
        if activation == "prelu":
            shapes["preluActivationWeights"] = size
        if activation == "leakyrelu":
            attrs["leakyreluAlpha"] = 0.3
        row = Row(kernel, shapes, attrs, weights=("filter", "bias"))
        check(gpu, row)
    check(gpu, _channels_first(row, "x"))


def test_prelu_weights_of_their_own_shape(gpu: Engine) -> None:
    shapes = {"x": (1, 5, 4, 3), "filter": (3, 3, 3, 2), "bias": (2,), "preluActivationWeights": (5, 4, 2)}
    check(gpu, Row("FusedConv2D", shapes, _attrs(1, "same", 1, activation="prelu")))


def test_channels_first_vectors_with_axes(gpu: Engine) -> None:
    shapes = {"x": (1, 3, 5, 4), "filter": (3, 3, 3, 6), "bias": (6, 1, 1), "preluActivationWeights": (6, 1, 1)}
    attrs = {**_attrs(1, "same", 1, activation="prelu"), "dataFormat": "NCHW"}
    check(gpu, Row("FusedConv2D", shapes, attrs))


@pytest.mark.parametrize("kernel", ["Conv2D", "DepthwiseConv2dNative"])
def test_not_a_number_reaches_its_window_only(gpu: Engine, kernel: str) -> None:
    x = values((1, 9, 9, 3), "float32", 0)
    x[0, 4, 4, 1] = np.nan
    arrays = {"x": x, "filter": values((3, 3, 3, 2), "float32", 1)}
    got = compare(gpu, Row(kernel, {}, _attrs(1, "same", 1)), arrays)
    touched = np.zeros((9, 9), bool)
    touched[3:6, 3:6] = True
    assert (np.isnan(got).any(axis=(0, 3)) == touched).all()


def test_int32_wraps(gpu: Engine) -> None:
    check(gpu, Row("Conv2D", {"x": (1, 9, 7, 3), "filter": (3, 3, 3, 5)}, _attrs(1, "same", 1), dtype="int32"))


def test_a_chain_stays_tiled(gpu: Engine) -> None:
    x = gpu.tensor(values((1, 16, 16, 8), "float32", 0))
    weights = [gpu.tensor(values(shape, "float32", 1)) for shape in ((1, 1, 8, 8), (3, 3, 8, 1), (3, 3, 8, 8))]
    for weight in weights:
        weight.persistent = True
    kernels = ("Conv2D", "DepthwiseConv2dNative", "Conv2D")
    for _ in range(2):
        before = gpu.draw_count
        y = x
        for kernel, weight in zip(kernels, weights, strict=True):
            z = run_kernel(kernel, {"x": y, "filter": weight}, _attrs(1, "same", 1))
            assert not isinstance(z, list)
            y = z
        assert y.is_tiled and not y.is_flat
    assert gpu.draw_count - before == 3


def test_a_batch_over_the_limit_is_split(gpu: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(gpu.device, "info", replace(gpu.device.info, max_texture_size=70))
    shapes = {"x": (5, 9, 9, 30), "filter": (3, 3, 30, 20)}
    check(gpu, Row("Conv2D", shapes, _attrs(1, "same", 1)))
    with pytest.raises(TensorTooLargeError, match="smaller input"):
        check(gpu, Row("Conv2D", {"x": (1, 9, 200, 4), "filter": (3, 3, 4, 4)}, _attrs(1, "same", 1)))


WRONG = [
    ({"x": (1, 5, 5, 3), "filter": (3, 3, 4, 2)}, {}, "must match"),
    ({"x": (5, 5, 3), "filter": (3, 3, 3, 2)}, {}, "rank"),
    ({"x": (1, 5, 5, 3), "filter": (3, 3, 3, 2)}, {"pad": "full"}, "padding"),
    ({"x": (1, 5, 5, 3), "filter": (3, 3, 3, 2)}, {"activation": "mish"}, "mish"),
]


@pytest.mark.parametrize(("shapes", "attrs", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_wrong_arguments(gpu: Engine, shapes: dict[str, tuple[int, ...]], attrs: dict[str, Any], text: str) -> None:
    tensors = {name: gpu.tensor(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    with pytest.raises(InvalidArgumentError, match=text):
        run_kernel("FusedConv2D", tensors, {**_attrs(1, "same", 1), **attrs})


# Input, filter, strides, pad, dilations.
VOLUMES: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any, Any]] = [
    ((1, 4, 5, 5, 2), (2, 3, 3, 2, 6), 1, "valid", 1),
    ((2, 5, 9, 11, 5), (3, 3, 2, 5, 7), 2, "same", 1),
    ((1, 6, 7, 8, 4), (2, 2, 3, 4, 3), 1, "same", 2),
    ((1, 3, 5, 7, 3), (1, 3, 3, 3, 9), [1, 2, 1], "same", 1),
    ((1, 3, 5, 7, 3), (1, 1, 1, 3, 9), 1, "same", 1),
    ((0, 3, 5, 7, 3), (2, 1, 1, 3, 9), 1, "same", 1),
    ((1, 3, 5, 7, 0), (2, 1, 1, 0, 2), 1, "same", 1),
]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("row", VOLUMES, ids=str)
def test_volumes(gpu: Engine, row: tuple[Any, ...], dtype: str) -> None:
    x, filter_, strides, pad, dilations = row
    attrs = {"strides": strides, "pad": pad, "dilations": dilations}
    check(gpu, Row("Conv3D", {"x": x, "filter": filter_}, attrs, dtype))
    first = (x[0], x[4], *x[1:4])
    check(gpu, Row("Conv3D", {"x": first, "filter": filter_}, attrs | {"dataFormat": "NCDHW"}, dtype))
    if dilations == 1:
        dy = conv3d_geometry(x, filter_, strides, pad).out_shape
        back = {"strides": strides, "pad": pad, "inputShape": x}
        check(gpu, Row("Conv3DBackpropInputV2", {"dy": dy, "filter": filter_}, back, dtype))


def test_volumes_over_the_limit_of_the_tiled_layout_go_in_parts(gpu: Engine) -> None:
    # More planes than a texture has lines.
    planes = gpu.device.info.max_texture_size // 2 + 1
    row = Row("Conv3D", {"x": (3, planes, 1, 1, 1), "filter": (2, 1, 1, 1, 1)}, {"strides": 1, "pad": "same"})
    check(gpu, row)


def test_chains_of_volumes_stay_tiled(gpu: Engine) -> None:
    x, filter_ = (gpu.tensor(values(shape, "float32", 0)) for shape in ((1, 3, 9, 9, 4), (2, 3, 3, 4, 4)))
    first = run_kernel("Conv3D", {"x": x, "filter": filter_}, {"strides": 1, "pad": "same"})
    second = run_kernel("Relu", {"x": first}, {}) if isinstance(first, Tensor) else None
    assert isinstance(second, Tensor)
    assert second.is_tiled and not second.is_flat
