"""Ops that TensorFlow.js lacks: what the passes write for them, evaluated and compared with NumPy."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
from scipy import special

from graphs import FLOAT, Array, graph, node, numbers
from tfgl.errors import UnsupportedOpError
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType
from tfgl_converter.op_check import check_ops, unsupported_ops
from tfgl_converter.passes import PassContext, run_passes

INT = DataType("int32")
BOOL = DataType("bool")
WHOLE = np.int32([-7, -3, 0, 4, 9])
DIVISORS = np.int32([3, -2, 5, -4, 2])


def run(op: str, inputs: list[Array], constants: dict[int, Array] | None = None, outputs: int = 1, **attrs: Any) -> Any:
    """The outputs of a node after all passes; inputs in ``constants`` are constants of the graph."""
    fixed = constants or {}
    dtypes = {"f": FLOAT, "i": INT, "b": BOOL, "c": DataType("complex64")}
    holders = [
        node(f"i{at}", "Placeholder", dtype=dtypes[value.dtype.kind], shape=tuple([-1] * value.ndim))
        for at, value in enumerate(inputs)
    ]
    names = [f"i{at}" for at in range(len(inputs))]
    for at in sorted(fixed):
        names.insert(at, f"c{at}")
    typed = {"T": dtypes[inputs[0].dtype.kind], **attrs} if inputs else attrs
    ends = {f"o{at}": f"y:{at}" if at else "y" for at in range(outputs)}
    made = graph(*holders, node("y", op, *names, **typed), outputs=ends, **{f"c{at}": v for at, v in fixed.items()})
    after, _ = run_passes(made, PassContext())
    check_ops(after)
    got = evaluate(after, {f"i{at}": value for at, value in enumerate(inputs)}, list(ends))
    return got["o0"] if outputs == 1 else [got[key] for key in ends]


X = numbers(3, 4)
ROWS: list[tuple[str, list[Array], dict[int, Array], dict[str, Any], Array]] = [
    ("Softsign", [X], {}, {}, X / (1 + np.abs(X))),
    ("Rint", [np.float32([0.5, 1.5, -2.5])], {}, {}, np.float32([0, 2, -2])),
    ("Inv", [X], {}, {}, 1 / X),
    ("Erfc", [X], {}, {}, special.erfc(X)),
    ("Xlogy", [np.float32([0, 2]), np.float32([0, 3])], {}, {}, np.float32([0, 2 * np.log(3)])),
    ("Xlog1py", [np.float32([0, 2]), np.float32([-1, 3])], {}, {}, np.float32([0, 2 * np.log(4)])),
    ("Xdivy", [np.float32([0, 2]), np.float32([0, 3])], {}, {}, np.float32([0, 2 / 3])),
    ("L2Loss", [X], {}, {}, np.float32((X**2).sum() / 2)),
    ("LogicalXor", [np.array([True, True, False]), np.array([True, False, False])], {}, {}, np.array([0, 1, 0], bool)),
    ("TruncateDiv", [WHOLE, DIVISORS], {}, {}, np.trunc(WHOLE / DIVISORS)),
    ("TruncateMod", [WHOLE, DIVISORS], {}, {}, np.fmod(WHOLE, DIVISORS)),
    ("Mod", [WHOLE, DIVISORS], {}, {}, np.fmod(WHOLE, DIVISORS)),
    ("BitwiseOr", [WHOLE, DIVISORS], {}, {}, WHOLE | DIVISORS),
    ("BitwiseXor", [WHOLE, DIVISORS], {}, {}, WHOLE ^ DIVISORS),
    ("Invert", [WHOLE], {}, {}, ~WHOLE),
    ("LeftShift", [WHOLE], {1: np.int32(3)}, {}, WHOLE << 3),
    ("RightShift", [WHOLE], {1: np.int32(1)}, {}, WHOLE >> 1),
    ("Bucketize", [np.float32([-5, 0, 3, 10])], {}, {"boundaries": [0.0, 3.0, 7.0]}, np.int32([0, 1, 2, 3])),
    ("SpaceToDepth", [numbers(1, 4, 4, 2)], {}, {"block_size": 2, "data_format": b"NHWC"},
     numbers(1, 4, 4, 2).reshape(1, 2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(1, 2, 2, 8)),
    ("Roll", [X], {1: np.int32([1, -5]), 2: np.int32([0, 1])}, {}, np.roll(X, (1, -5), (0, 1))),
    ("Roll", [X], {1: np.int32(9), 2: np.int32(-1)}, {}, np.roll(X, 9, -1)),
    ("InvertPermutation", [np.int32([2, 0, 1])], {}, {}, np.int32([1, 2, 0])),
    ("MatrixDiag", [X], {}, {}, np.stack([np.diag(row) for row in X])),
    ("MatrixDiagV3", [X], {1: np.int32(0), 2: np.int32(-1), 3: np.int32(-1), 4: np.float32(0)}, {},
     np.stack([np.diag(row) for row in X])),
    ("MatrixDiagPart", [numbers(2, 3, 5)], {}, {}, np.stack([np.diag(m) for m in numbers(2, 3, 5)])),
    ("MatrixDiagPart", [numbers(5, 3)], {}, {}, np.diag(numbers(5, 3))),
    ("BatchMatMulV3", [numbers(2, 3, 4), numbers(2, 4, 5)], {}, {"Ta": FLOAT, "Tb": FLOAT, "Tout": FLOAT},
     numbers(2, 3, 4) @ numbers(2, 4, 5)),
    ("TensorScatterAdd", [X, np.int32([[0], [0], [2]]), np.ones((3, 4), np.float32)], {}, {},
     X + np.float32([[2], [0], [1]])),
    ("TensorScatterSub", [X, np.int32([[1]]), np.ones((1, 4), np.float32)], {}, {}, X - np.float32([[0], [1], [0]])),
    ("SegmentSum", [X, np.int32([0, 0, 2])], {}, {}, np.stack([X[0] + X[1], 0 * X[0], X[2]])),
    ("SegmentMean", [X, np.int32([0, 0, 2])], {}, {}, np.stack([(X[0] + X[1]) / 2, 0 * X[0], X[2]])),
    ("UnsortedSegmentSum", [X, np.int32([2, -1, 2]), np.int32(4)], {}, {},
     np.stack([0 * X[0], 0 * X[0], X[0] + X[2], 0 * X[0]])),
    ("AdjustContrastv2", [numbers(2, 3, 3, 2), np.float32(2)], {}, {},
     (numbers(2, 3, 3, 2) - numbers(2, 3, 3, 2).mean((1, 2), keepdims=True)) * 2
     + numbers(2, 3, 3, 2).mean((1, 2), keepdims=True)),
    ("Cumsum", [X], {1: np.int32(-1)}, {}, X.cumsum(-1)),
]  # fmt: skip


@pytest.mark.parametrize(("op", "inputs", "constants", "attrs", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_rewritten_op(op: str, inputs: list[Array], constants: dict[int, Array], attrs: Any, expected: Array) -> None:
    got = run(op, inputs, constants, **attrs)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def patches(images: Array, size: tuple[int, int], stride: int, rate: int, pads: tuple[int, int]) -> Array:
    """Patches by TensorFlow's definition: rows, columns and channels of the window in the depth."""
    padded = np.pad(images, [(0, 0), pads, pads, (0, 0)])
    reach = [(n - 1) * rate + 1 for n in size]
    rows, columns = (range(0, padded.shape[1 + axis] - reach[axis] + 1, stride) for axis in (0, 1))
    cut = [[padded[:, r : r + reach[0] : rate, c : c + reach[1] : rate] for c in columns] for r in rows]
    return np.stack([np.stack([one.reshape(len(images), -1) for one in row], 1) for row in cut], 1)


@pytest.mark.parametrize(
    ("size", "stride", "rate", "padding", "pads"),
    [((2, 3), 2, 1, b"VALID", (0, 0)), ((3, 3), 1, 2, b"SAME", (2, 2)), ((1, 1), 3, 1, b"VALID", (0, 0))],
)
def test_image_patches(size: tuple[int, int], stride: int, rate: int, padding: bytes, pads: tuple[int, int]) -> None:
    images = numbers(2, 7, 8, 3)
    images[0, 3, 3, 1] = np.nan
    windows = {"ksizes": [1, *size, 1], "strides": [1, stride, stride, 1], "rates": [1, rate, rate, 1]}
    got = run("ExtractImagePatches", [images], **windows, padding=padding)
    np.testing.assert_array_equal(got, patches(images, size, stride, rate, pads))


def test_patches_of_unknown_size_with_padding_have_no_rewrite() -> None:
    windows = {"ksizes": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "rates": [1, 1, 1, 1]}
    with pytest.raises(UnsupportedOpError, match="known height and width"):
        run("ExtractImagePatches", [numbers(1, 4, 4, 1)], **windows, padding=b"SAME")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_new_axes_of_one_hot(axis: int) -> None:
    indices = np.int32([[0, 2, 5], [1, -1, 3]])
    expected = np.moveaxis(np.where(indices[..., None] == np.arange(4), 2.0, -1.0), -1, axis)
    got = run(
        "OneHot", [indices], {1: np.int32(4), 2: np.float32(2), 3: np.float32(-1)}, T=FLOAT, TI=INT, axis=axis
    )  # fmt: skip
    np.testing.assert_array_equal(got, expected)


def test_a_vector_selects_rows() -> None:
    chosen = np.array([True, False, True])
    x, y = numbers(3, 3), -numbers(3, 3)
    got = run("Select", [chosen, x, y], T=FLOAT)
    np.testing.assert_array_equal(got, np.where(chosen[:, None], x, y))


def test_targets_among_the_largest() -> None:
    predictions = np.float32([[1, 5, 3], [2, 2, 2], [9, 1, np.inf], [0, np.nan, 1], [4, 3, 2]])
    targets = np.int32([2, 1, 0, 2, 7])
    expected = {1: [False, True, False, False, False], 2: [True, True, False, False, False]}
    for k, values in expected.items():
        got = run("InTopKV2", [predictions, targets], {2: np.int32(k)}, T=INT)
        np.testing.assert_array_equal(got, values)


def test_complex_parts_are_broadcast() -> None:
    real = np.float32([[1, -0.0, np.inf]])
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(1, 3)), node("c", "Complex", "x", "zero", T=FLOAT),
        outputs={"y": "c"}, zero=np.float32(0),
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    got = evaluate(after, {"x": real}, ["y"])["y"]
    np.testing.assert_array_equal(got.real, real)
    assert got.shape == (1, 3) and np.signbit(got.real[0, 1]) and not got.imag.any()


def test_diagonals_do_not_spread_nan() -> None:
    row = np.float32([np.nan, 1, np.inf])
    np.testing.assert_array_equal(run("MatrixDiag", [row]), [[np.nan, 0, 0], [0, 1, 0], [0, 0, np.inf]])


@pytest.mark.parametrize(("batch", "along"), [(0, 1), (1, 0), (0, 2)])
def test_reverse_sequence(batch: int, along: int) -> None:
    x = numbers(3, 3, 3)
    lengths = np.int32([0, 2, 3])
    expected = x.copy()
    for row, length in enumerate(lengths):
        place: list[Any] = [slice(None)] * 3
        place[batch], place[along] = row, slice(0, length)
        axis = along - (batch < along)
        expected[tuple(place)] = np.flip(x[tuple(place)], axis)
    np.testing.assert_array_equal(run("ReverseSequence", [x, lengths], batch_dim=batch, seq_dim=along), expected)


def test_colours() -> None:
    colours = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    colours[0] = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0.5, 0.5, 0.2]]
    expected = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in colours.reshape(-1, 3).tolist()]).reshape(5, 4, 3)
    hsv = run("RGBToHSV", [colours])
    np.testing.assert_allclose(hsv, expected, atol=1e-5)
    np.testing.assert_allclose(run("HSVToRGB", [hsv.astype(np.float32)]), colours, atol=1e-5)
    np.testing.assert_allclose(run("AdjustHue", [colours, np.float32(-1)]), colours, atol=1e-5)
    grey = run("AdjustSaturation", [colours, np.float32(0)])
    np.testing.assert_allclose(grey, colours.max(-1, keepdims=True) * np.ones(3), atol=1e-5)


def test_known_sizes_make_constants() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 4, 4, 2)),
        node("y", "SpaceToDepth", "x", T=FLOAT, block_size=2, data_format=b"NHWC"), outputs={"y": "y"},
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    assert sorted(item.op for item in after.nodes.values()) == ["Const"] * 3 + [
        "Placeholder",
        "Reshape",
        "Reshape",
        "Transpose",
    ]


def test_top_k_and_what_has_no_rewrite() -> None:
    values, places = run("TopK", [X], outputs=2, k=2)
    np.testing.assert_array_equal(values, -np.sort(-X)[:, :2])
    np.testing.assert_array_equal(places, np.argsort(-X)[:, :2])
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("a/l", "Zeta", "x", "x"), node("a/m", "Zeta", "a/l", "x"),
        node("d", "MatrixDiagV3", "a/m", "x"), outputs={"d": "d"},
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    second, first = unsupported_ops(after)
    assert (first.op, first.count, first.first, first.scope, first.obstacle) == ("Zeta", 2, "a/l", "a", None)
    assert (second.op, second.obstacle) == (
        "MatrixDiagV3", "the main diagonal, or constant diagonals and known sizes of the matrix"
    )  # fmt: skip
    with pytest.raises(UnsupportedOpError, match=r"lacks 2 ops .* Zeta \(2 nodes, the first 'a/l' in 'a'"):
        check_ops(after)


def test_projective_transforms_without_a_fill_value() -> None:
    shift = np.float32([[1, 0, 1, 0, 1, 0, 0, 0]])
    got = run(
        "ImageProjectiveTransformV2", [numbers(1, 3, 4, 2)], {1: shift, 2: np.int32([3, 4])}, dtype=FLOAT,
        interpolation=b"NEAREST",
    )  # fmt: skip
    np.testing.assert_array_equal(got[:, :, :3], numbers(1, 3, 4, 2)[:, :, 1:])
    np.testing.assert_array_equal(got[:, :, 3], 0)


@pytest.mark.parametrize("step", ["Tanh", "GeluExact", "GeluApproximate", "LeakyRelu", "Relu", "_FusedHardSwish"])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_products_that_the_optimiser_left(step: str, bias: bool) -> None:
    weights, offset = numbers(4, 5), numbers(5, seed=1)
    steps = [b"BiasAdd", step.encode()] if bias else [step.encode()]
    constants: dict[int, Array] = {1: weights} | ({2: offset} if bias else {})
    got = run("_FusedMatMul", [X], constants, fused_ops=steps, num_args=int(bias), leakyrelu_alpha=0.3,
              transpose_a=False, transpose_b=False)  # fmt: skip
    z = (X @ weights + (offset if bias else 0)).astype(np.float64)
    expected = {
        "Tanh": np.tanh(z), "Relu": np.maximum(z, 0), "LeakyRelu": np.where(z < 0, 0.3 * z, z),
        "GeluExact": z * special.ndtr(z),
        "_FusedHardSwish": z * np.clip(z + 3, 0, 6) / 6,
        "GeluApproximate": 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    }[step]  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_fused_norms_that_the_optimiser_left() -> None:
    x, vector, side = numbers(2, 3, 3, 4), np.abs(numbers(4)) + 1, numbers(2, 3, 3, 4, seed=2)
    constants = {1: vector, 2: vector, 3: vector, 4: vector, 5: side}
    got = run("_FusedBatchNormEx", [x], constants, epsilon=1e-3, data_format=b"NHWC", is_training=False,
              activation_mode=b"Relu", num_side_inputs=1)  # fmt: skip
    normal = (x - vector) / np.sqrt(vector + 1e-3) * vector + vector
    np.testing.assert_allclose(got, np.maximum(normal + side, 0), rtol=1e-5, atol=1e-5)
