"""The NumPy reference against SciPy, brute force, and properties that need no second implementation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import signal, special

from tfgl.errors import InvalidArgumentError
from tfgl.ir.reference import evaluate, evaluate_as, has, reference_names, registry

Array = np.ndarray[Any, Any]
rng = np.random.default_rng(7)
X = np.array([-np.inf, -3.5, -1.0, -0.5, -0.0, 0.0, 0.25, 0.5, 1.0, 2.5, 40.0, np.inf, np.nan])
INT_MAX, INT_MIN = 2**31 - 1, -(2**31)


def run(kernel: str, *inputs: Any, **attrs: Any) -> Any:
    """The kernel on inputs in the order of its signature."""
    assert has(kernel)
    names = list(registry._references[kernel].inputs)
    return evaluate(kernel, dict(zip(names, inputs, strict=False)), attrs)


def same(got: Array, expected: Any, **tolerance: float) -> None:
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, **({"rtol": 1e-12, "atol": 1e-12} | tolerance))


UNARY = {
    "Abs": np.abs,
    "Acos": np.arccos,
    "Atanh": np.arctanh,
    "Ceil": np.ceil,
    "Elu": lambda x: np.where(x >= 0, x, np.exp(x) - 1),
    "Erf": special.erf,
    "Expm1": special.expm1,
    "Log1p": special.log1p,
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Round": np.round,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "Sigmoid": special.expit,
    "Sign": np.sign,
    "Softplus": lambda x: np.where(np.isposinf(x), x, special.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)),
    "Square": np.square,
    "Tanh": np.tanh,
}


@pytest.mark.parametrize("kernel", UNARY)
def test_unary(kernel: str) -> None:
    with np.errstate(all="ignore"):
        same(run(kernel, X), UNARY[kernel](X))


def test_dtypes_of_results() -> None:
    whole = np.array([3, -4], np.int32)
    table: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
        ("Exp", (whole,), {}, "float32"),
        ("Abs", (whole,), {}, "int32"),
        ("Neg", (np.array([True]),), {}, "int32"),
        ("IsNan", (whole,), {}, "bool"),
        ("Equal", (whole, whole), {}, "bool"),
        ("Add", (whole, np.float32([1])), {}, "float32"),
        ("RealDiv", (whole, whole), {}, "int32"),
        ("FloorDiv", (np.float32([1]), np.float32([2])), {}, "int32"),
        ("LogicalAnd", (whole, whole), {}, "bool"),
        ("Mean", (whole,), {}, "float32"),
        ("Sum", (np.array([True, True]),), {}, "int32"),
        ("Max", (whole,), {}, "int32"),
        ("All", (whole,), {}, "bool"),
        ("ArgMax", (np.float32([1, 2]),), {}, "int32"),
        ("Prelu", (whole, whole), {}, "float32"),
        ("Complex", (np.float32([1]), np.float32([1])), {}, "complex64"),
        ("ComplexAbs", (np.complex64([1j]),), {}, "float32"),
        ("OneHot", (whole,), {"depth": 2}, "int32"),
        ("Range", (), {"start": 0, "stop": 3, "step": 1}, "float32"),
        ("AvgPool", (np.ones((1, 2, 2, 1), np.int32),), {"filterSize": 2, "strides": 1, "pad": "valid"}, "float32"),
        ("Cumsum", (np.array([True]),), {"axis": 0}, "int32"),
        ("ClipByValue", (whole,), {"clipValueMin": 0.5, "clipValueMax": 2.5}, "int32"),
    ]
    for kernel, inputs, attrs, expected in table:
        names = registry._references[kernel].inputs if has(kernel) else ()
        result = evaluate_as(kernel, dict(zip(names, inputs, strict=True)), attrs)
        assert isinstance(result, np.ndarray)
        assert result.dtype == expected, kernel


def test_int32() -> None:
    a = np.array([7, -7, 7, -7, INT_MIN, INT_MAX, 5], np.int32)
    b = np.array([2, 2, -2, -2, -1, 1, 0], np.int32)
    assert run("FloorDiv", a, b).tolist() == [3, -4, -4, 3, INT_MIN, INT_MAX, 0]
    assert run("Mod", a, b).tolist() == [1, 1, -1, -1, 0, 0, 0]
    assert run("RealDiv", a, b).tolist() == [3, -3, -3, 3, INT_MIN, INT_MAX, 0]
    assert run("Add", a, np.int32(1)).tolist() == [8, -6, 8, -6, INT_MIN + 1, INT_MIN, 6]
    assert run("Multiply", np.int32(65536), np.int32(65536)).tolist() == 0
    base, exponent = np.int32([2, 3, -1, -1, 1, 0, 0]), np.int32([31, -1, -3, -2, -5, 0, -1])
    assert run("Pow", base, exponent).tolist() == [INT_MIN, 0, -1, 1, 1, 1, 0]
    assert run("Sum", np.int32([INT_MAX, 1])).tolist() == INT_MIN
    assert run("Cumprod", np.int32([[65536, 65536]]), axis=1).tolist() == [[65536, 0]]
    assert run("BitwiseAnd", np.int32([12, -1]), np.int32([10, 7])).tolist() == [8, 7]
    assert run("Cast", np.array([1.9, -1.9, np.nan, 1e20, -np.inf]), dtype="int32").tolist() == [
        1,
        -1,
        0,
        INT_MAX,
        INT_MIN,
    ]


def test_floats_by_halves_and_signs() -> None:
    assert run("Round", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])).tolist() == [-2, -2, 0, 0, 2, 2]
    same(run("Mod", np.array([5.5, -5.5, 5.5, -5.5]), np.array([2.0, 2.0, -2.0, -2.0])), [1.5, 0.5, -0.5, -1.5])
    assert run("FloorDiv", np.array([-3.5, 3.5]), np.array([2.0, 2.0])).tolist() == [-2, 1]
    same(run("LeakyRelu", np.array([-2.0, 3.0]), alpha=0.1), [-0.2, 3])
    same(run("Step", np.array([-2.0, 0.0, 3.0, np.nan]), alpha=0.5), [0.5, 0.5, 1, np.nan])
    same(run("Maximum", np.array([np.nan, 1]), np.array([0.0, np.nan])), [np.nan, np.nan])
    same(run("ClipByValue", np.array([np.nan, -9, 9]), clipValueMin=-1, clipValueMax=2), [np.nan, -1, 2])
    assert run("Less", np.array([1, np.nan]), np.array([2.0, 1.0])).tolist() == [True, False]
    assert run("Equal", np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)).tolist() == [True, False]


def test_select() -> None:
    t, e = np.arange(6.0).reshape(2, 3), -np.ones((2, 3))
    same(run("Select", np.array([True, False]), t, e), [[0, 1, 2], [-1, -1, -1]])
    same(run("Select", np.array([[True], [False]]), t, np.float64(9)), [[0, 1, 2], [9, 9, 9]])
    with pytest.raises(InvalidArgumentError, match="first dimension"):
        run("Select", np.array([True, False, True]), t, e)


CONVOLUTIONS: list[tuple[Any, ...]] = [
    (1, "valid", 1),
    (2, "same", 1),
    ([2, 3], "same", 1),
    (1, "same", [2, 1]),
    (2, 1, 1),
    (1, [[0, 0], [1, 2], [0, 1], [0, 0]], 1),
    (1, "valid", 2),
]


def _brute_convolution(x: Array, w: Array, strides: Any, pad: Any, dilations: Any) -> Array:
    """NHWC, over an input that is padded in memory."""
    sy, sx = strides if isinstance(strides, list) else (strides, strides)
    dy, dx = dilations if isinstance(dilations, list) else (dilations, dilations)
    tall, wide = (w.shape[0] - 1) * dy + 1, (w.shape[1] - 1) * dx + 1
    if pad == "same":
        pads = []
        for extent, step, size in ((x.shape[1], sy, tall), (x.shape[2], sx, wide)):
            total = max((math.ceil(extent / step) - 1) * step + size - extent, 0)
            pads.append((total // 2, total - total // 2))
    elif pad == "valid":
        pads = [(0, 0)] * 2
    else:
        pads = [(pad, pad)] * 2 if isinstance(pad, int) else [tuple(pad[1]), tuple(pad[2])]
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    rows = range(0, x.shape[1] - tall + 1, sy)
    columns = range(0, x.shape[2] - wide + 1, sx)
    out = np.zeros((x.shape[0], len(rows), len(columns), w.shape[3]))
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        window = x[:, row : row + tall : dy, column : column + wide : dx]
        out[:, i, j] = np.einsum("bhwc,hwco->bo", window, w)
    return out


@pytest.mark.parametrize(("strides", "pad", "dilations"), CONVOLUTIONS, ids=str)
def test_convolution(strides: Any, pad: Any, dilations: Any) -> None:
    x, w = rng.normal(size=(2, 7, 6, 3)), rng.normal(size=(3, 2, 3, 4))
    expected = _brute_convolution(x, w, strides, pad, dilations)
    attrs: dict[str, Any] = {"strides": strides, "pad": pad, "dilations": dilations}
    same(run("Conv2D", x, w, **attrs), expected)
    if isinstance(pad, list):
        attrs["pad"] = [pad[0], pad[3], pad[1], pad[2]]
    got = run("Conv2D", x.transpose(0, 3, 1, 2), w, dataFormat="NCHW", **attrs)
    same(got, expected.transpose(0, 3, 1, 2))
    attrs["pad"] = pad
    deep = rng.normal(size=(3, 2, 3, 2))
    apart = [_brute_convolution(x[..., c : c + 1], deep[:, :, c : c + 1], strides, pad, dilations) for c in range(3)]
    same(run("DepthwiseConv2dNative", x, deep, **attrs), np.concatenate(apart, -1))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolution_is_scipys(mode: str) -> None:
    x, w = rng.normal(size=(6, 5)), rng.normal(size=(3, 3))
    pad = {"full": 2, "same": "same", "valid": "valid"}[mode]
    got = run("Conv2D", x[None, ..., None], w[..., None, None], strides=1, pad=pad)
    same(got[0, ..., 0], signal.correlate2d(x, w, mode))


def test_convolution_gradients_are_adjoint() -> None:
    x, w = rng.normal(size=(2, 6, 5, 3)), rng.normal(size=(3, 2, 3, 4))
    for strides, pad in itertools.product([1, 2], ["same", "valid", 1]):
        attrs = {"strides": strides, "pad": pad}
        y = run("Conv2D", x, w, **attrs)
        dy = rng.normal(size=y.shape)
        product = float((y * dy).sum())
        dx = run("Conv2DBackpropInput", dy, w, inputShape=list(x.shape), **attrs)
        dw = run("Conv2DBackpropFilter", x, dy, filterShape=list(w.shape), **attrs)
        assert (x * dx).sum() == pytest.approx(product)
        assert (w * dw).sum() == pytest.approx(product)
        deep = rng.normal(size=(3, 2, 3, 2))
        y = run("DepthwiseConv2dNative", x, deep, **attrs)
        dy = rng.normal(size=y.shape)
        product = float((y * dy).sum())
        dx = run("DepthwiseConv2dNativeBackpropInput", dy, deep, inputShape=list(x.shape), **attrs)
        dw = run("DepthwiseConv2dNativeBackpropFilter", x, dy, filterShape=list(deep.shape), **attrs)
        assert (x * dx).sum() == pytest.approx(product)
        assert (deep * dw).sum() == pytest.approx(product)


def test_convolution_of_volumes() -> None:
    x, w = rng.normal(size=(1, 4, 5, 6, 2)), rng.normal(size=(2, 3, 2, 2, 3))
    got = run("Conv3D", x, w, strides=1, pad="valid")
    channels = [sum(signal.correlate(x[0, ..., i], w[..., i, o], "valid") for i in range(2)) for o in range(3)]
    same(got[0], np.stack(channels, -1))
    y = run("Conv3D", x, w, strides=2, pad="same")
    dy = rng.normal(size=y.shape)
    dx = run("Conv3DBackpropInputV2", dy, w, strides=2, pad="same", inputShape=x.shape)
    dw = run("Conv3DBackpropFilterV2", x, dy, strides=2, pad="same", filterShape=w.shape)
    assert (x * dx).sum() == pytest.approx((y * dy).sum())
    assert (w * dw).sum() == pytest.approx((y * dy).sum())


def test_padding_never_meets_a_weight() -> None:
    w = np.full((3, 3, 1, 1), np.inf)
    assert np.isposinf(run("Conv2D", np.ones((1, 2, 2, 1)), w, strides=1, pad="same")).all()


def test_fused_kernels() -> None:
    x, w = rng.normal(size=(1, 4, 4, 2)), rng.normal(size=(2, 2, 2, 3))
    bias, slopes = rng.normal(size=3), rng.normal(size=3)
    attrs = {"strides": 1, "pad": "same"}
    plain = run("Conv2D", x, w, **attrs) + bias
    same(run("FusedConv2D", x, w, bias, activation="relu6", **attrs), np.clip(plain, 0, 6))
    expected = np.where(plain < 0, plain * slopes, plain)
    same(run("FusedConv2D", x, w, bias, slopes, activation="prelu", **attrs), expected)
    got = run("FusedConv2D", x.transpose(0, 3, 1, 2), w, bias, slopes, activation="prelu", dataFormat="NCHW", **attrs)
    same(got, expected.transpose(0, 3, 1, 2))
    a, b = rng.normal(size=(3, 2)), rng.normal(size=(4, 3))
    got = run("_FusedMatMul", a, b, transposeA=True, transposeB=True, activation="leakyrelu", leakyreluAlpha=0.5)
    same(got, np.where(a.T @ b.T < 0, a.T @ b.T * 0.5, a.T @ b.T))
    with pytest.raises(InvalidArgumentError, match="has not been implemented"):
        run("_FusedMatMul", a, b, transposeA=True, transposeB=True, activation="wobble")


@pytest.mark.parametrize(
    ("equation", "operands"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (7, 1, 3, 4)]),
        ("bhqd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 3, 5)]),
        ("ii->i", [(3, 3)]),
        ("iij,jk->ki", [(3, 3, 2), (2, 4)]),
        ("a,b,c->cab", [(2,), (3,), (4,)]),
        ("abc->", [(2, 3, 4)]),
        ("a...,a->...", [(2, 3, 4), (2,)]),
    ],
)
def test_einsum(equation: str, operands: list[tuple[int, ...]]) -> None:
    tensors = [rng.normal(size=shape) for shape in operands]
    same(evaluate("Einsum", {"tensors": tensors}, {"equation": equation}), np.einsum(equation, *tensors))  # type: ignore[arg-type]


@pytest.mark.parametrize("pad", ["valid", "same", 1])
@pytest.mark.parametrize("strides", [1, 2])
def test_pools(pad: Any, strides: int) -> None:
    x = rng.normal(size=(2, 5, 6, 3))
    attrs = {"filterSize": [3, 2], "strides": strides, "pad": pad}
    ones = np.ones((3, 2, 1, 1))
    sums = run("DepthwiseConv2dNative", x, np.repeat(ones, 3, 2), strides=strides, pad=pad)
    counts = run("Conv2D", np.ones((1, 5, 6, 1)), ones, strides=strides, pad=pad)
    same(run("AvgPool", x, **attrs), sums / counts)
    top, where = run("MaxPoolWithArgmax", x, includeBatchInIndex=True, **attrs)
    same(run("MaxPool", x, **attrs), top)
    same(x.reshape(-1)[where], top)
    dy = rng.normal(size=top.shape)
    expected = np.zeros(x.size)
    np.add.at(expected, where.reshape(-1), dy.reshape(-1))
    same(run("MaxPoolGrad", dy, x, top, **attrs), expected.reshape(x.shape))
    assert (run("AvgPoolGrad", dy, x, **attrs) * x).sum() == pytest.approx((run("AvgPool", x, **attrs) * dy).sum())


def test_pools_at_the_edges_of_numbers() -> None:
    x = np.array([[1.0, np.nan], [-np.inf, 2.0]])[None, ..., None]
    assert run("MaxPool", x, filterSize=2, strides=1, pad="valid").tolist() == [[[[2.0]]]]
    assert np.isnan(run("MaxPool", x * np.nan, filterSize=2, strides=1, pad="valid")).all()
    x = np.full((1, 2, 2, 1), -7.0)
    assert run("MaxPool", x, filterSize=3, strides=1, pad="same").tolist() == x.tolist()
    y = np.arange(24, dtype=np.int32).reshape(1, 2, 3, 4, 1)
    assert run("MaxPool3D", y, filterSize=2, strides=2, pad="valid").reshape(-1).tolist() == [17, 19]
    same(run("AvgPool3D", y, filterSize=2, strides=2, pad="valid").reshape(-1), [8.5, 10.5])


def test_reductions() -> None:
    x = rng.normal(size=(2, 3, 4))
    same(run("Sum", x, axis=[0, -1], keepDims=True), x.sum((0, 2), keepdims=True))
    same(run("Mean", x, axis=1), x.mean(1))
    same(run("Prod", x), x.prod())
    same(run("Max", x, reductionIndices=[0]), x.max(0))
    same(run("Min", x, axis=-1), x.min(-1))
    same(run("Sum", x, axis=[]), x)
    assert run("All", np.array([[True, False], [True, True]]), axis=1).tolist() == [False, True]
    assert run("Any", np.array([[False, False], [True, False]]), axis=1).tolist() == [False, True]
    empty = np.zeros((0, 2))
    same(run("Sum", empty, axis=0), [0, 0])
    same(run("Prod", empty, axis=0), [1, 1])
    same(run("Mean", empty, axis=0), [np.nan, np.nan])
    same(run("Max", empty, reductionIndices=0), [-np.inf, -np.inf])
    assert run("Min", empty.astype(np.int32), axis=0).tolist() == [INT_MAX, INT_MAX]
    same(run("Max", np.array([1, np.nan, 3])), np.nan)
    assert run("ArgMax", np.array([0, 3, np.nan, 5, 5])).tolist() == 3
    assert run("ArgMin", np.array([[1, 0], [0, 7]]), axis=1).tolist() == [1, 0]


def test_running_sums() -> None:
    x = np.array([[1.0, 2, 3], [4, 5, 6]])
    same(run("Cumsum", x, axis=1), [[1, 3, 6], [4, 9, 15]])
    same(run("Cumsum", x, axis=1, exclusive=True), [[0, 1, 3], [0, 4, 9]])
    same(run("Cumsum", x, axis=1, reverse=True), [[6, 5, 3], [15, 11, 6]])
    same(run("Cumsum", x, axis=1, exclusive=True, reverse=True), [[5, 3, 0], [11, 6, 0]])
    same(run("Cumprod", x, axis=0, exclusive=True), [[1, 1, 1], [1, 2, 3]])
    assert run("Cumsum", np.zeros((2, 0)), axis=1, exclusive=True).shape == (2, 0)


def test_normalizations() -> None:
    x = rng.normal(size=(2, 3, 4, 5)) * 50
    same(run("Softmax", x), special.softmax(x, -1))
    same(run("Softmax", x, dim=1), special.softmax(x, 1))
    same(run("LogSoftmax", x), special.log_softmax(x, -1))
    scale, offset, mean, variance = rng.uniform(0.5, 2, size=(4, 5))
    got = run("FusedBatchNorm", x, scale, offset, mean, variance, varianceEpsilon=0.01)
    same(got, (x - mean) / np.sqrt(variance + 0.01) * scale + offset)
    total = np.stack([(x[..., max(0, c - 2) : c + 3] ** 2).sum(-1) for c in range(5)], -1)
    attrs = {"depthRadius": 2, "bias": 1.5, "alpha": 0.3, "beta": 0.75}
    y = run("LRN", x, **attrs)
    same(y, x / (1.5 + 0.3 * total) ** 0.75)
    small, dy, step = x / 50, rng.normal(size=x.shape), 1e-6
    direction = rng.normal(size=x.shape)
    slope = (run("LRN", small + step * direction, **attrs) - run("LRN", small - step * direction, **attrs)) / (2 * step)
    got = run("LRNGrad", small, run("LRN", small, **attrs), dy, **attrs)
    assert (got * direction).sum() == pytest.approx((slope * dy).sum(), rel=1e-6)


def test_moves() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    same(run("Transpose", x, perm=[2, 0, 1]), x.transpose(2, 0, 1))
    same(run("Slice", x, begin=[1, 0, 1], size=[1, -1, 2]), x[1:2, :, 1:3])
    same(run("StridedSlice", x, begin=[1, 0], end=[0, 3], strides=[1, 2], shrinkAxisMask=1), x[1, ::2])
    same(run("StridedSlice", x, begin=[0], end=[0], strides=[-1], beginMask=1, endMask=1), x[::-1])
    same(evaluate("Concat", {"tensors": [x, x[:, :0], x]}, {"axis": 1}), np.concatenate([x, x], 1))  # type: ignore[arg-type]
    same(evaluate("Pack", {"tensors": [x, x]}, {"axis": -1}), np.stack([x, x], -1))  # type: ignore[arg-type]
    assert [part.shape for part in run("SplitV", x, numOrSizeSplits=[1, -1], axis=2)] == [(2, 3, 1), (2, 3, 3)]
    assert [part.tolist() for part in run("Unpack", x[0], axis=1)] == x[0].T.tolist()
    pads = [(1, 0), (0, 2), (1, 2)]
    same(run("PadV2", x, paddings=pads, constantValue=7), np.pad(x, pads, constant_values=7))
    same(run("MirrorPad", x, paddings=pads, mode="reflect"), np.pad(x, pads, "reflect"))
    same(run("MirrorPad", x, paddings=pads, mode="symmetric"), np.pad(x, pads, "symmetric"))
    same(run("Tile", x, reps=[1, 2, 2]), np.tile(x, (1, 2, 2)))
    same(run("Reverse", x, dims=[-1, 0]), x[::-1, :, ::-1])
    same(run("ExpandDims", x, dim=-1), x[..., None])
    same(run("BroadcastTo", x[:, :1], shape=[5, 2, 3, 4]), np.broadcast_to(x[:, :1], (5, 2, 3, 4)))
    same(run("Reshape", x, shape=[4, -1]), x.reshape(4, 6))
    assert run("Tile", np.array([b"a"], object), reps=[2]).tolist() == [b"a", b"a"]


def test_space_batch_and_depth() -> None:
    x = np.arange(1.0, 17).reshape(1, 4, 4, 1)
    # The examples of https://www.tensorflow.org/api_docs/python/tf/space_to_batch
    batches = run("SpaceToBatchND", x, blockShape=[2, 2], paddings=[[0, 0], [0, 0]])
    assert batches[..., 0].tolist() == [
        [[1, 3], [9, 11]],
        [[2, 4], [10, 12]],
        [[5, 7], [13, 15]],
        [[6, 8], [14, 16]],
    ]
    same(run("BatchToSpaceND", batches, blockShape=[2, 2], crops=[[0, 0], [0, 0]]), x)
    same(run("BatchToSpaceND", batches, blockShape=[2, 2], crops=[[1, 0], [0, 2]]), x[:, 1:, :2])
    wide = run("SpaceToBatchND", x[:, :3], blockShape=[2, 3], paddings=[[1, 0], [0, 2]])
    same(run("BatchToSpaceND", wide, blockShape=[2, 3], crops=[[1, 0], [0, 2]]), x[:, :3])
    # https://www.tensorflow.org/api_docs/python/tf/nn/depth_to_space
    deep = np.arange(1.0, 13).reshape(1, 1, 1, 12)
    same(run("DepthToSpace", deep, blockSize=2)[0, :, 0], [[1, 2, 3], [7, 8, 9]])
    first = rng.normal(size=(2, 3, 2, 8))
    got = run("DepthToSpace", first.transpose(0, 3, 1, 2), blockSize=2, dataFormat="NCHW")
    same(got.transpose(0, 2, 3, 1), run("DepthToSpace", first, blockSize=2))


def test_indexing() -> None:
    x = rng.normal(size=(2, 3, 4, 5))
    indices = rng.integers(0, 4, size=(2, 6)).astype(np.int32)
    same(run("GatherV2", x, indices, axis=2), np.take(x, indices, 2))
    expected = np.stack([np.take(x[b], indices[b], 1) for b in range(2)])
    same(run("GatherV2", x, indices, axis=2, batchDims=1), expected)
    with pytest.raises(InvalidArgumentError, match=r"the index value 4 is not in \[0, 3\]"):
        run("GatherV2", x, np.int32([4]), axis=2)
    tuples = np.int32([[[0, 1], [1, 2]]])
    same(run("GatherNd", x, tuples), [[x[0, 1], x[1, 2]]])
    same(run("GatherNd", x, np.zeros((3, 0), np.int32)), np.stack([x] * 3))
    with pytest.raises(InvalidArgumentError, match="Invalid indices: 0,3 does not index into 2,3"):
        run("GatherNd", x, np.int32([0, 3]))
    got = run("ScatterNd", np.int32([[1], [3], [1]]), np.array([[1.0, 2], [3, 4], [5, 6]]), shape=[4, 2])
    same(got, [[0, 0], [6, 8], [0, 0], [3, 4]])
    same(run("TensorScatterUpdate", np.zeros(3), np.int32([[1], [1]]), np.array([5.0, 6])), [0, 6, 0])
    same(
        run("OneHot", np.int32([[0, 2], [5, -1]]), depth=3, onValue=4, offValue=-1, dtype="float32")[0, 1], [-1, -1, 4]
    )
    values, order = run("TopK", np.array([[1.0, 9, 9, 3]]), k=3)
    assert (values.tolist(), order.tolist()) == ([[9, 9, 3]], [[1, 2, 3]])
    assert run("Bincount", np.int32([0, 2, 2, 9]), np.float32([]), size=4).tolist() == [1, 0, 2, 0]
    same(run("UnsortedSegmentSum", np.ones((3, 2)), np.int32([1, -1, 1]), numSegments=2), [[0, 0], [2, 2]])
    assert run("SearchSorted", np.array([[1.0, 3, 3]]), np.array([[3.0]]), side="right").tolist() == [[3]]
    same(run("Diag", np.array([1.0, 2])), [[1, 0], [0, 2]])


def test_creation() -> None:
    assert run("Fill", shape=[2], value=3, dtype="int32").tolist() == [3, 3]
    assert run("Fill", shape=[1], value="a").tolist() == [b"a"]
    same(run("Range", start=1, stop=4, step=1.5), [1, 2.5])
    assert run("Range", start=5, stop=0, step=-2, dtype="int32").tolist() == [5, 3, 1]
    same(run("LinSpace", start=1, stop=2, num=3), [1, 1.5, 2])
    assert run("ZerosLike", np.array([b"x"], object)).tolist() == [b""]
    same(run("OnesLike", np.zeros((2, 1))), [[1], [1]])


@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
def test_resize(align: bool, half: bool) -> None:
    x = rng.normal(size=(1, 4, 5, 2))
    got = run("ResizeBilinear", x, size=[7, 3], alignCorners=align, halfPixelCenters=half)
    for i, j in itertools.product(range(7), range(3)):
        position = []
        for at, old, new in ((i, 4, 7), (j, 5, 3)):
            scale = (old - 1) / (new - 1) if align else old / new
            position.append(min(max((at + 0.5) * scale - 0.5 if half else at * scale, 0), old - 1))
        (y, x_), lower = position, [int(p) for p in position]
        weights = np.outer([1 - y % 1, y % 1], [1 - x_ % 1, x_ % 1])
        patch = np.pad(x[0], [(0, 1), (0, 1), (0, 0)])[lower[0] : lower[0] + 2, lower[1] : lower[1] + 2]
        same(got[0, i, j], np.einsum("ij,ijc->c", weights, patch))
    dy = rng.normal(size=got.shape)
    back = run("ResizeBilinearGrad", x, dy, alignCorners=align, halfPixelCenters=half)
    assert (back * x).sum() == pytest.approx((got * dy).sum())
    near = run("ResizeNearestNeighbor", x, size=[7, 3], alignCorners=align, halfPixelCenters=half)
    back = run("ResizeNearestNeighborGrad", x, dy, alignCorners=align, halfPixelCenters=half)
    assert (back * x).sum() == pytest.approx((near * dy).sum())


def test_crop_and_resize() -> None:
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    whole, flipped, outside = [0, 0, 1, 1], [1, 1, 0, 0], [-1, 0, 1, 1]
    boxes = np.array([whole, flipped, outside, whole], float)
    attrs = {"cropSize": [3, 3], "extrapolationValue": -5}
    got = run("CropAndResize", image, boxes, np.int32([0, 0, 0, 7]), method="bilinear", **attrs)[..., 0]
    same(got[0], [[0, 1.5, 3], [6, 7.5, 9], [12, 13.5, 15]])
    same(got[1], got[0][::-1, ::-1])
    same(got[2], [[-5, -5, -5], [0, 1.5, 3], [12, 13.5, 15]])
    same(got[3], np.zeros((3, 3)))
    got = run("CropAndResize", image, boxes[:1], np.int32([0]), method="nearest", **attrs)[0, ..., 0]
    same(got, [[0, 2, 3], [8, 10, 11], [12, 14, 15]])


def test_complex() -> None:
    z = run("Complex", np.array([1.0, 2]), np.array([3.0, -4]))
    assert z.tolist() == [1 + 3j, 2 - 4j]
    same(run("Real", z), [1, 2])
    same(run("Imag", z), [3, -4])
    same(run("ComplexAbs", z), np.abs(z))
    same(run("Multiply", z, np.array([2.0])), z * 2)
    same(run("IFFT", run("FFT", z)), z)


def test_wrong_arguments() -> None:
    for call, message in [
        (("Wobble", {}, {}), "no reference"),
        (("Add", {"a": np.ones(1)}, {}), "needs 'b'"),
        (("Add", {"a": np.ones(1), "c": np.ones(1)}, {}), "no input 'c'"),
        (("Abs", {"x": np.ones(1)}, {"alpha": 1}), "no attribute 'alpha'"),
        (("Add", {"a": np.ones(2), "b": np.ones(3)}, {}), "could not be broadcast"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            evaluate(*call)  # type: ignore[arg-type]


def test_dtypes_that_come_back_are_the_reference_ones() -> None:
    for kernel in ("Add", "Multiply", "Sub", "Maximum"):
        assert run(kernel, np.float32(1.5), np.float16(2)).dtype == np.float64
        assert run(kernel, np.int64(1), np.uint8(2)).dtype == np.int32
    assert len(reference_names()) > 150


def test_dilation() -> None:
    from scipy import ndimage

    x, w = rng.normal(size=(7, 6)), rng.normal(size=(3, 3))
    attrs = {"strides": 1, "pad": "same", "dilations": 1}
    got = run("Dilation2D", x[None, ..., None], w[..., None], **attrs)
    # SciPy mirrors the structure, as its definition of dilation says.
    expected = ndimage.grey_dilation(x, structure=w[::-1, ::-1], mode="constant", cval=-np.inf)
    same(got[0, ..., 0], expected)
    many, filter = rng.normal(size=(2, 7, 6, 3)), rng.normal(size=(2, 3, 3))
    attrs = {"strides": 2, "pad": "valid", "dilations": 2}
    y = run("Dilation2D", many, filter, **attrs)
    dy, step = rng.normal(size=y.shape), 1e-7
    for kernel, which in (("Dilation2DBackpropInput", 0), ("Dilation2DBackpropFilter", 1)):
        direction = rng.normal(size=(many, filter)[which].shape)
        moved = [many, filter]
        moved[which] = moved[which] + step * direction
        slope = (run("Dilation2D", *moved, **attrs) - y) / step
        assert (run(kernel, many, filter, dy, **attrs) * direction).sum() == pytest.approx((slope * dy).sum(), rel=1e-5)


def test_bands() -> None:
    x = rng.normal(size=(2, 4, 5))
    same(run("MatrixBandPart", x, np.int32(1), np.int32(-1)), np.triu(x, -1))
    same(run("MatrixBandPart", x, np.int32(-1), np.int32(0)), np.tril(x))


def test_transforms() -> None:
    image = np.arange(1.0, 13).reshape(1, 3, 4, 1)
    moved = np.float32([[1, 0, 1, 0, 1, 0, 0, 0]])
    table = {
        "constant": [2, 3, 4, 9],
        "nearest": [2, 3, 4, 4],
        "reflect": [2, 3, 4, 4],
        "wrap": [2, 3, 4, 1],
    }
    for mode, row in table.items():
        for interpolation in ("nearest", "bilinear"):
            got = run("Transform", image, moved, interpolation=interpolation, fillMode=mode, fillValue=9)
            same(got[0, 0, :, 0], row)
    half = np.float32([[1, 0, 0.5, 0, 1, 0, 0, 0]])
    got = run("Transform", image, half, interpolation="bilinear", fillValue=0, outputShape=[1, 4])
    same(got[0, 0, :, 0], [1.5, 2.5, 3.5, 2])
    square = np.arange(9.0).reshape(1, 3, 3, 1)
    turned = run("RotateWithOffset", square, radians=np.pi / 2, center=1 / 3, fillValue=-1)
    same(turned[0, ..., 0], np.rot90(square[0, ..., 0]))
