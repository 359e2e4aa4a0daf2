"""The op table itself, and lowerings that no zoo model reaches, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tfgl.errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from tfgl.ir.evaluate import evaluate, evaluate_node
from tfgl.ir.graph import DataType, Edge, Graph, Node
from tfgl.ir.lowering import kernels_of, row_of, rows, supported_ops
from tfgl.ir.lowering.registry import lower


def run(op: str, *inputs: Any, **attrs: Any) -> Any:
    """The first output of one node, floats in float64; str attributes stand for bytes."""
    encoded = {key: value.encode() if type(value) is str else value for key, value in attrs.items()}
    node = Node("n", op, tuple(Edge(f"x{i}") for i in range(len(inputs))), (), encoded)
    arrays = [np.asarray(x) if not isinstance(x, (float, int)) or isinstance(x, bool) else number(x) for x in inputs]
    outputs = evaluate_node(node, arrays, precision="float64")
    return outputs[0] if len(outputs) == 1 else outputs


def number(x: float) -> np.ndarray[Any, Any]:
    return np.array(x, np.int32 if isinstance(x, int) else np.float64)


def ints(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, np.int32)


def test_rows_are_complete() -> None:
    for op, row in rows().items():
        assert row.op == op
        assert isinstance(row.kernels, tuple)
        assert len(set(row.kernels)) == len(row.kernels), op


def test_a_second_row_for_an_op_raises() -> None:
    assert "Relu" in supported_ops()
    with pytest.raises(RuntimeError, match="'Relu' has two rows"):
        lower("Relu", inputs=1)(row_of("Relu").handler)


def test_unknown_ops() -> None:
    with pytest.raises(UnsupportedOpError, match="op 'Nope' is not supported"):
        kernels_of("Nope")
    with pytest.raises(UnsupportedOpError, match=r"node 'n' \(op Nope\)"):
        run("Nope")


def test_arity_is_checked() -> None:
    with pytest.raises(ModelFormatError, match=r"node 'n' \(op Add\) has 1 inputs; its op takes 2"):
        run("Add", 1.0)
    with pytest.raises(ModelFormatError, match="takes at least 2"):
        run("ConcatV2", 1)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "message"),
    [
        ("Conv2D", (np.zeros((1, 2, 2, 1)), np.zeros((1, 1, 1, 1))), {"strides": [1, 1, 1, 1]}, "no attr 'padding'"),
        ("Conv2D", (np.zeros((1, 2, 2, 1)), np.zeros((1, 1, 1, 1))), {"strides": [1.5], "padding": "SAME"}, "strides"),
        (
            "Conv2D",
            (np.zeros((1, 2, 2, 1)), np.zeros((1, 1, 1, 1))),
            {"strides": [1, 1], "padding": "SAME"},
            "expected 4",
        ),
        (
            "MaxPool",
            (np.zeros((1, 2, 2, 1)),),
            {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "ODD"},
            "ODD",
        ),
        ("Cast", (ints(1),), {"DstT": DataType("resource")}, "DstT"),
        ("Sum", (np.zeros(3), np.zeros(1)), {}, "must hold integers"),
        ("ExpandDims", (np.zeros(3), ints(0, 1)), {}, "must hold one integer"),
        ("_FusedMatMul", (np.eye(2), np.eye(2)), {"fused_ops": [b"BiasAdd"]}, "more inputs"),
        ("_FusedMatMul", (np.eye(2), np.eye(2)), {"fused_ops": [b"Fancy"]}, "'Fancy'"),
        ("Einsum", (np.eye(2),), {"equation": "ab,bc->ac"}, "does not fit 1 inputs"),
    ],
)
def test_malformed_nodes(op: str, inputs: tuple[Any, ...], attrs: dict[str, Any], message: str) -> None:
    pytest.importorskip("tfgl.ir.reference")
    with pytest.raises(ModelFormatError, match=message):
        run(op, *inputs, **attrs)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs"),
    [
        ("Reshape", (np.zeros(6), ints(4, -1)), {}),
        ("Reshape", (np.zeros(6), ints(-1, -1)), {}),
        ("Reshape", (np.zeros(6), ints(7)), {}),
        ("Squeeze", (np.zeros((1, 2)),), {"squeeze_dims": [1]}),
        ("Transpose", (np.zeros((1, 2)), ints(0, 0)), {}),
        ("ExpandDims", (np.zeros(2), 3), {}),
        ("Slice", (np.zeros(3), ints(2), ints(2)), {}),
        ("Split", (0, np.zeros(3)), {"num_split": 2}),
        ("SplitV", (np.zeros(3), ints(1, 1), 0), {}),
        ("Tile", (np.zeros(3), ints(1, 1)), {}),
        ("Unpack", (np.zeros(()),), {}),
        ("BroadcastTo", (np.zeros(3), ints(2)), {}),
        ("EnsureShape", (np.zeros(3),), {"shape": (2,)}),
        ("SpaceToDepth", (np.zeros((1, 3, 2, 1)),), {"block_size": 2}),
        ("Softmax", (np.zeros(()),), {}),
        ("Range", (0, 3, 0), {}),
        ("Fill", (ints(-1), 1.0), {}),
        ("InvertPermutation", (ints(0, 2),), {}),
        ("MaxPool", (np.zeros((1, 2, 2, 1)),), {"ksize": [2, 1, 1, 1], "strides": [1, 1, 1, 1], "padding": "SAME"}),
        ("Placeholder", (), {}),
    ],
)
def test_impossible_arguments(op: str, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"node 'n' \(op {op}\)"):
        run(op, *inputs, **attrs)


def test_shapes_need_no_kernel() -> None:
    x = np.zeros((2, 0, 3), np.float32)
    assert run("Shape", x).tolist() == [2, 0, 3]
    assert run("Shape", x).dtype == np.int32
    assert [shape.dtype for shape in run("ShapeN", x, x)] == [np.int32] * 2
    assert run("Size", x) == 0
    assert run("Rank", x) == 3
    assert run("BroadcastArgs", ints(2, 1), ints(3)).tolist() == [2, 3]
    assert run("InvertPermutation", ints(2, 0, 1)).tolist() == [1, 2, 0]
    assert run("NoOp") == []
    assert run("Assert", True) == []


GENERATOR = np.random.default_rng(7)
X = GENERATOR.normal(size=(2, 4, 6, 8))
BITS = ints(0, 1, -1, 12345, -98765, 2147483647, -2147483648, 255)
OTHER = ints(3, -3, 7, -7, 1000, 2, 3, -16)
FLOATS = np.array([5.5, -5.5, 5.5, -5.5, 0.0, 3.0, np.inf, 1.0])
DIVISORS = np.array([2.0, 2.0, -2.0, -2.0, 3.0, np.inf, 2.0, np.nan])


def c_division(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(
        [
            int(abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1)
            for x, y in zip(a.tolist(), b.tolist(), strict=True)
        ],
        np.int32,
    )


def space_to_depth(x: np.ndarray[Any, Any], block: int) -> np.ndarray[Any, Any]:
    parts = [x[:, i::block, j::block] for i in range(block) for j in range(block)]
    return np.concatenate(parts, axis=-1)


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("Div", (BITS, OTHER), {}, c_division(BITS, OTHER)),
    ("TruncateDiv", (BITS, OTHER), {}, c_division(BITS, OTHER)),
    ("Mod", (BITS, OTHER), {}, BITS - c_division(BITS, OTHER) * OTHER),
    ("Mod", (FLOATS, DIVISORS), {}, np.array([1.5, -1.5, 1.5, -1.5, 0.0, 3.0, np.nan, np.nan])),
    ("FloorMod", (BITS, OTHER), {}, np.mod(BITS, OTHER)),
    ("FloorDiv", (BITS, OTHER), {}, np.floor_divide(BITS, OTHER)),
    ("FloorDiv", (FLOATS, DIVISORS), {}, np.floor(FLOATS / DIVISORS)),
    ("BitwiseOr", (BITS, OTHER), {}, BITS | OTHER),
    ("BitwiseXor", (BITS, OTHER), {}, BITS ^ OTHER),
    ("BitwiseXor", (BITS, ints(5)), {}, BITS ^ 5),
    ("BitwiseAnd", (BITS, OTHER), {}, BITS & OTHER),
    ("Invert", (BITS,), {}, ~BITS),
    ("LeftShift", (BITS, ints(0, 1, 31, 5, 9, 1, 1, 30)), {}, np.left_shift(BITS, ints(0, 1, 31, 5, 9, 1, 1, 30))),
    (
        "RightShift",
        (BITS, ints(0, 1, 31, 5, 17, 30, 31, 2)),
        {},
        np.right_shift(BITS, ints(0, 1, 31, 5, 17, 30, 31, 2)),
    ),
    ("Cast", (BITS,), {"SrcT": DataType("int32"), "DstT": DataType("uint8")}, BITS.astype(np.uint8).astype(np.int32)),
    ("Cast", (BITS,), {"SrcT": DataType("int32"), "DstT": DataType("int16")}, BITS.astype(np.int16).astype(np.int32)),
    ("Cast", (FLOATS[:6],), {"SrcT": DataType("float32"), "DstT": DataType("int64")}, ints(5, -5, 5, -5, 0, 3)),
    ("Xlogy", (np.array([0.0, 2.0]), np.array([0.0, 3.0])), {}, np.array([0, 2 * np.log(3)])),
    ("Xdivy", (np.array([0.0, 2.0]), np.array([0.0, 4.0])), {}, np.array([0, 0.5])),
    ("DivNoNan", (np.array([[np.nan], [2.0]]), np.array([0.0, 4.0])), {}, np.array([[0, np.nan], [0, 0.5]])),
    ("MulNoNan", (np.array([np.inf, 2.0]), np.array([0.0, 4.0])), {}, np.array([0.0, 8.0])),
    ("Softsign", (FLOATS[:6],), {}, FLOATS[:6] / (1 + np.abs(FLOATS[:6]))),
    ("Rint", (np.array([0.5, 1.5, -2.5]),), {}, np.array([0.0, 2.0, -2.0])),
    ("Inv", (np.array([2.0, -4.0]),), {}, np.array([0.5, -0.25])),
    ("L2Loss", (X,), {}, np.sum(X**2) / 2),
    ("EuclideanNorm", (X, ints(-1, 1)), {"keep_dims": True}, np.sqrt(np.sum(X**2, axis=(1, 3), keepdims=True))),
    ("Mean", (BITS[:5], ints(0)), {}, np.int32((0 + 1 - 1 + 12345 - 98765) / 5)),
    ("Mean", (X, ints()), {}, X),
    ("Max", (X, ints(-1)), {}, X.max(axis=-1)),
    (
        "LogSoftmax",
        (X,),
        {},
        X - X.max(-1, keepdims=True) - np.log(np.exp(X - X.max(-1, keepdims=True)).sum(-1, keepdims=True)),
    ),
    ("Select", (np.array([True, False]), X, -X), {}, np.stack([X[0], -X[1]])),
    ("SelectV2", (np.array([True] * 4 + [False] * 4), X, 0.0), {}, np.where(np.arange(8) < 4, X, 0)),
    ("Equal", (np.zeros(2), np.zeros(3)), {"incompatible_shape_error": False}, np.array(False)),
    ("NotEqual", (np.zeros(2), np.zeros(3)), {"incompatible_shape_error": False}, np.array(True)),
    ("ApproximateEqual", (np.array([1.0, 2.0]), np.array([1.0, 2.1])), {}, np.array([True, False])),
    ("ClipByValue", (X, np.full(8, -0.5), np.full(8, 0.5)), {}, np.clip(X, -0.5, 0.5)),
    ("ClipByValue", (BITS, -5, 2147483646), {}, np.clip(BITS, -5, 2147483646)),
    ("BiasAdd", (X, np.arange(4.0)), {"data_format": "NCHW"}, X + np.arange(4.0)[:, None, None]),
    ("BiasAdd", (X, np.arange(8.0)), {}, X + np.arange(8.0)),
    ("SpaceToDepth", (X,), {"block_size": 2}, space_to_depth(X, 2)),
    (
        "SpaceToDepth",
        (np.moveaxis(X, -1, 1),),
        {"block_size": 2, "data_format": "NCHW"},
        np.moveaxis(space_to_depth(X, 2), -1, 1),
    ),
    ("Roll", (X, ints(1, -9), ints(2, 3)), {}, np.roll(X, (1, -9), (2, 3))),
    ("Squeeze", (X[:1, :, :1],), {"squeeze_dims": [-2]}, X[:1, :, 0]),
    ("Squeeze", (X[:1, :, :1],), {}, X[0, :, 0]),
    ("Reshape", (X, ints(-1, 8)), {}, X.reshape(-1, 8)),
    ("Reshape", (X[:0], ints(0, -1)), {}, X[:0].reshape(0, 0)),
    ("BroadcastTo", (X[:, :1], ints(3, 2, 4, 6, 8)), {}, np.broadcast_to(X[:, :1], (3, 2, 4, 6, 8))),
    ("ReverseV2", (X, ints(-1)), {}, X[..., ::-1]),
    ("Reverse", (X, np.array([True, False, False, True])), {}, X[::-1, :, :, ::-1]),
    ("Pad", (X[0, 0], np.array([[1, 2], [0, 3]], np.int32)), {}, np.pad(X[0, 0], [(1, 2), (0, 3)])),
    (
        "MirrorPad",
        (X[0, 0], np.array([[1, 2], [0, 3]], np.int32)),
        {"mode": "REFLECT"},
        np.pad(X[0, 0], [(1, 2), (0, 3)], "reflect"),
    ),
    ("Gather", (X, ints(1, 0, 1)), {}, X[[1, 0, 1]]),
    ("GatherV2", (X, ints(1, 0, 1), -1), {}, X[..., [1, 0, 1]]),
    ("OneHot", (ints(1, 0), 3, 5.0, -1.0), {"axis": 0}, np.array([[-1.0, 5.0], [5.0, -1.0], [-1.0, -1.0]])),
    ("TensorScatterAdd", (np.zeros(4), ints(1, 1, 3)[:, None], np.arange(3.0)), {}, np.array([0.0, 1.0, 0.0, 2.0])),
    ("Einsum", (X, X[0, 0]), {"equation": "...ab,ab->...b"}, np.einsum("...ab,ab->...b", X, X[0, 0])),
    (
        "Einsum",
        (X[:1], X[:, :1]),
        {"equation": "...ab, ...ab -> ...a"},
        np.einsum("...ab,...ab->...a", X[:1], X[:, :1]),
    ),
    ("MatrixBandPart", (X, 1, -1), {}, np.triu(X, -1)),
    ("MatrixBandPart", (X, -1, 2), {}, np.tril(X, 2)),
    ("MatrixBandPart", (X, 0, 0), {}, X * np.eye(6, 8)),
    ("Angle", (np.array([1j, -1 + 0j], np.complex64),), {}, np.array([np.pi / 2, np.pi])),
    ("Fill", (ints(2, 1), 7), {}, np.full((2, 1), 7, np.int32)),
    ("Range", (1, 8, 3), {}, ints(1, 4, 7)),
    ("AddN", (X, X, X), {}, 3 * X),
    ("BatchMatMulV3", (X, X), {"adj_y": True}, X @ np.swapaxes(X, -1, -2)),
    (
        "_FusedMatMul",
        (X[0, 0], X[0, 0].T, np.arange(6.0)),
        {"fused_ops": [b"BiasAdd", b"Tanh"]},
        np.tanh(X[0, 0] @ X[0, 0].T + np.arange(6.0)),
    ),
    (
        "_FusedMatMul",
        (X[0, 0], X[0, 0].T, np.arange(6.0), np.ones((6, 6))),
        {"fused_ops": [b"BiasAdd", b"Add", b"Relu"]},
        np.maximum(X[0, 0] @ X[0, 0].T + np.arange(6.0) + 1, 0),
    ),
    (
        "_FusedMatMul",
        (X[0, 0], X[0, 0].T),
        {"fused_ops": [b"_FusedHardSwish"]},
        (lambda z: z * np.clip(z + 3, 0, 6) / 6)(X[0, 0] @ X[0, 0].T),
    ),
]


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "expected"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)]
)
def test_against_numpy(op: str, inputs: tuple[Any, ...], attrs: dict[str, Any], expected: Any) -> None:
    pytest.importorskip("tfgl.ir.reference")
    got = run(op, *inputs, **attrs)
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype.kind == expected.dtype.kind
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


def first(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize(
    ("op", "weights", "attrs"),
    [
        ("Conv2D", ((3, 2, 8, 5),), {"strides": 2, "padding": "SAME"}),
        ("Conv2D", ((3, 2, 8, 5),), {"dilations": 2, "padding": "SAME"}),
        ("Conv2D", ((3, 2, 4, 6),), {"padding": "SAME"}),
        ("DepthwiseConv2dNative", ((2, 3, 8, 2),), {"padding": "VALID"}),
        (
            "_FusedConv2D",
            ((3, 3, 8, 4), (4,)),
            {"padding": "SAME", "fused_ops": [b"BiasAdd", b"LeakyRelu"], "leakyrelu_alpha": 0.1},
        ),
        (
            "_FusedConv2D",
            ((3, 3, 8, 4), (4,), (4,), (4,), (4,)),
            {"padding": "SAME", "fused_ops": [b"FusedBatchNorm", b"Relu"], "epsilon": 2.0},
        ),
        ("MaxPool", (), {"ksize": 2, "strides": 2, "padding": "SAME"}),
        ("AvgPool", (), {"ksize": 3, "strides": 2, "padding": "VALID"}),
        ("FusedBatchNormV3", ((8,), (8,), (8,), (8,)), {"is_training": False}),
        ("FusedBatchNormV3", ((8,), (8,), (0,), (0,)), {"is_training": True, "epsilon": 1e-3}),
    ],
)
def test_channels_first_equals_channels_last(op: str, weights: tuple[Any, ...], attrs: dict[str, Any]) -> None:
    pytest.importorskip("tfgl.ir.reference")
    generator = np.random.default_rng(3)
    given = [np.abs(generator.normal(size=shape)) for shape in weights]
    windowed = op != "FusedBatchNormV3"
    both = []
    for name, x in (("NHWC", X), ("NCHW", first(X))):
        own = dict(attrs, data_format=name)
        for key in ("strides", "dilations", "ksize") if windowed else ():
            if key in attrs or key == "strides":
                n = attrs.get(key, 1)
                own[key] = [1, n, n, 1] if name == "NHWC" else [1, 1, n, n]
        result = run(op, x, *given, **own)
        both.append(result[0] if isinstance(result, list) else result)
    np.testing.assert_allclose(both[1], first(both[0]), rtol=1e-6, atol=1e-9)


def test_training_statistics() -> None:
    pytest.importorskip("tfgl.ir.reference")
    scale, offset = np.arange(1.0, 9.0), np.arange(8.0)
    y, mean, variance, *_ = run("FusedBatchNormV3", X, scale, offset, np.zeros(0), np.zeros(0), epsilon=1e-3)
    axes = (0, 1, 2)
    np.testing.assert_allclose(mean, X.mean(axes), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(variance, X.var(axes, ddof=1), rtol=1e-6)
    wanted = (X - X.mean(axes)) / np.sqrt(X.var(axes) + 1e-3) * scale + offset
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)


def test_a_dilated_transposed_convolution_is_the_adjoint() -> None:
    """<conv(x), y> = <x, transposed conv(y)>, which defines the gradient with respect to the input."""
    pytest.importorskip("tfgl.ir.reference")
    generator = np.random.default_rng(5)
    kernel = generator.normal(size=(3, 2, 8, 5))
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME", "dilations": [1, 2, 3, 1]}
    forward = run("Conv2D", X, kernel, **attrs)
    y = generator.normal(size=forward.shape)
    back = run("Conv2DBackpropInput", ints(*X.shape), kernel, y, **attrs)
    np.testing.assert_allclose(np.sum(forward * y), np.sum(X * back), rtol=1e-9)


def test_grouped_convolution() -> None:
    pytest.importorskip("tfgl.ir.reference")
    kernel = np.random.default_rng(6).normal(size=(1, 1, 4, 6))
    got = run("Conv2D", X, kernel, strides=[1, 1, 1, 1], padding="VALID")
    halves = [X[..., :4] @ kernel[0, 0, :, :3], X[..., 4:] @ kernel[0, 0, :, 3:]]
    np.testing.assert_allclose(got, np.concatenate(halves, -1), rtol=1e-6)


def test_fake_quantization() -> None:
    """Values of TensorFlow's documentation: with 8 bits [-10, 245] has steps of 1 and an exact zero."""
    pytest.importorskip("tfgl.ir.reference")
    x = np.array([-20.0, -9.6, 0.2, 0.6, 300.0])
    got = run("FakeQuantWithMinMaxVars", x, -10.0, 245.0)
    np.testing.assert_allclose(got, [-10, -10, 0, 1, 245], atol=1e-5)
    rows_of_two = run("FakeQuantWithMinMaxVarsPerChannel", np.array([[3.4, 3.4]]), np.zeros(2), np.array([255.0, 2.55]))
    np.testing.assert_allclose(rows_of_two, [[3, 2.55]], rtol=1e-6)
    assert run("FakeQuantWithMinMaxArgs", np.array([7.0]), min=0.0, max=0.0).tolist() == [0.0]


def chain() -> Graph:
    nodes = [
        Node("x", "Placeholder", attrs={"dtype": DataType("float32"), "shape": (-1, 2)}),
        Node("axis", "Const"),
        Node("parts", "Split", (Edge("axis"), Edge("x")), (), {"num_split": 2}),
        Node("y", "Identity", (Edge("parts", 1),)),
        Node("bad", "Identity", (Edge("parts", 5),)),
        Node("unknown", "Mystery", (Edge("x"),)),
        Node("guarded", "Identity", (Edge("x"),), ("unknown",)),
    ]
    return Graph({node.name: node for node in nodes}, constants={"axis": np.array(1, np.int32)})


def test_feeds_are_checked() -> None:
    x = np.ones((3, 2), np.float32)
    assert evaluate(chain(), {"x": x}, ["x:0"])["x:0"].dtype == np.float64
    assert evaluate(chain(), {"x": x}, ["x"], precision="float32")["x"].dtype == np.float32
    assert evaluate(chain(), {"parts:1": x}, ["y"])["y"].shape == (3, 2)
    assert evaluate(chain(), {"x": x}, ["guarded"])["guarded"].shape == (3, 2)
    with pytest.raises(InvalidArgumentError, match=r"expected shape \[-1, 2\], got \[3\]"):
        evaluate(chain(), {"x": x[:, 0]}, ["y"])
    with pytest.raises(InvalidArgumentError, match="expected dtype float32, got"):
        evaluate(chain(), {"x": x.astype("S1")}, ["y"])
    with pytest.raises(InvalidArgumentError, match=r"node 'x' \(op Placeholder\): this input got no value"):
        evaluate(chain(), {}, ["y"])
    with pytest.raises(InvalidArgumentError, match="given twice"):
        evaluate(chain(), {"x": x, "x:0": x}, ["y"])
    with pytest.raises(UnsupportedOpError, match="'unknown'"):
        evaluate(chain(), {"x": x}, ["unknown"])


def test_outputs_that_an_op_does_not_have() -> None:
    pytest.importorskip("tfgl.ir.reference")
    x = np.ones((3, 2), np.float32)
    with pytest.raises(ModelFormatError, match=r"'bad' \(op Identity\) reads 'parts:5'"):
        evaluate(chain(), {"x": x}, ["bad"])
    with pytest.raises(InvalidArgumentError, match="has no output 7"):
        evaluate(chain(), {"x": x}, ["parts:7"])
    assert evaluate(chain(), {"x": x}, ["y"])["y"].shape == (3, 1)


@pytest.mark.parametrize("data_format", ["NDHWC", "NCDHW"])
def test_transposed_convolution_of_volumes_with_dilations(data_format: str) -> None:
    rng = np.random.default_rng(0)
    filter_, x = rng.normal(size=(2, 2, 3, 3, 4)), rng.normal(size=(1, 5, 6, 7, 3))
    attrs = {"strides": [1] * 5, "padding": "VALID", "data_format": data_format}
    spread = [1, 1, 2, 1, 2] if data_format == "NCDHW" else [1, 2, 1, 2, 1]
    dy = rng.normal(size=(1, 3, 5, 3, 4))
    shape = x.shape
    if data_format == "NCDHW":
        x, dy, shape = np.moveaxis(x, 4, 1), np.moveaxis(dy, 4, 1), (1, 3, 5, 6, 7)
    # The transpose by its definition: <y, conv(x)> is <convT(y), x>.
    forward = run("Conv3D", x, filter_, dilations=spread, **attrs)
    back = run("Conv3DBackpropInputV2", ints(*shape), filter_, dy, dilations=spread, **attrs)
    np.testing.assert_allclose((forward * dy).sum(), (back * x).sum(), rtol=1e-10)


def test_the_value_that_pad_may_name_as_an_attribute() -> None:
    got = run("Pad", np.ones((2,)), ints(1, 2).reshape(1, 2), constant_value=2.5)
    np.testing.assert_array_equal(got, [2.5, 1, 1, 2.5, 2.5])
    assert run("Pad", ints(1), ints(1, 0).reshape(1, 2)).tolist() == [0, 1]
    assert run("Pad", np.array([True]), ints(1, 0).reshape(1, 2)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("op", "inputs", "attrs"),
    [
        ("StatelessRandomUniform", [ints(1 << 20, 1 << 20), ints(1, 2)], {}),
        ("StatelessTruncatedNormal", [ints(1 << 20, 1 << 20), ints(1, 2)], {}),
        ("RandomUniformInt", [ints(1 << 20, 1 << 20), 0, 5], {}),
        ("Multinomial", [np.zeros((1, 4)), 2**31 - 1], {}),
    ],
)
def test_more_random_numbers_than_a_host_holds(op: str, inputs: list[Any], attrs: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="more than the"):
        run(op, *inputs, **attrs)
