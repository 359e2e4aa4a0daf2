"""Hostile and damaged graph models: each gives a TfglError that names the place, in seconds, and nothing is lost."""

from __future__ import annotations

import copy
import dataclasses
import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
from digits_model import DIGITS
from graph_models import Array, f32, graph_model, i32, node, placeholder
from graph_mutations import Mutation
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError, ModelFormatError, TensorTooLargeError, TfglError, UnsupportedOpError

MOST = 2**31 - 1
Case = tuple[list[dict[str, Any]], dict[str, Array], dict[str, Any], str]
CASES: dict[str, Case] = {}

IMAGE = np.ones((1, 4, 4, 2), np.float32)
FILTER = np.ones((3, 3, 2, 2), np.float32)
CONV: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME"}


def case(
    name: str, message: str, *nodes: dict[str, Any], feeds: dict[str, Any] | None = None, **weights: Array
) -> None:
    """A model that must not run, with what its error has to say."""
    CASES[name] = (list(nodes), weights, feeds or {}, message)


def fed(*nodes: dict[str, Any], x: Any = IMAGE) -> tuple[dict[str, Any], ...]:
    array = np.asarray(x)
    types = {"f": "DT_FLOAT", "i": "DT_INT32", "b": "DT_BOOL", "c": "DT_COMPLEX64", "O": "DT_STRING"}
    return (placeholder("x", (-1,) * array.ndim, types[array.dtype.kind]), *nodes)


def on(x: Any, name: str, message: str, *nodes: dict[str, Any], **weights: Array) -> None:
    """As `case`, fed with ``x``."""
    case(name, message, *fed(*nodes, x=x), feeds={"x": x}, **weights)


ONE, VECTOR, SQUARE = f32(1.0), f32([1.0, 2.0, 3.0, 4.0]), f32([[1.0]])

# Sizes that would take terabytes, asked for at run time, folded at load, and steered by an input.
for size in ([MOST], [1 << 20, 1 << 20], [MOST, MOST], [1 << 16, 1 << 15]):
    label, shape = "x".join(map(str, size)), i32(size)
    case(f"fill {label}", "node 'y' .*Fill", node("y", "Fill", ["s", "v"]), s=shape, v=ONE)
    on(
        ONE,
        f"folded fill {label}",
        "node 'f'",
        node("f", "Fill", ["s", "v"]),
        node("y", "Mul", ["x", "f"]),
        s=shape,
        v=ONE,
    )
    on(shape, f"steered fill {label}", "node 'y'", node("y", "Fill", ["x", "v"]), v=ONE)
    on(ONE, f"broadcast {label}", "node 'y'", node("y", "BroadcastTo", ["x", "s"]), s=shape)
    on(VECTOR, f"reshape {label}", "node 'y'", node("y", "Reshape", ["x", "s"]), s=shape)
    case(f"complex fill {label}", "node 'y'", node("y", "Fill", ["s", "v"]), s=shape, v=np.array(1j, np.complex64))
    case(f"string fill {label}", "node 'y'", node("y", "Fill", ["s", "v"]), s=shape, v=np.array(b"abc", object))
for label, weights in {
    "Tile": {"s": i32([MOST, MOST])},
    "Pad": {"s": i32([[MOST, MOST], [MOST, 0]])},
    "MirrorPad": {"s": i32([[MOST, MOST], [MOST, 0]])},
}.items():
    attrs = {"mode": "SYMMETRIC"} if label == "MirrorPad" else {}
    on(SQUARE, label, "node 'y'", node("y", label, ["x", "s"], **attrs), **weights)
    folded = node("f", label, ["c", "s"], **attrs), node("y", "Mul", ["x", "f"])
    on(ONE, f"folded {label}", "node 'f'", *folded, c=SQUARE, **weights)
case("range", "node 'y'", node("y", "Range", ["a", "b", "c"]), a=i32(-MOST), b=i32(MOST), c=i32(1))
case("range of tiny steps", "node 'y'", node("y", "Range", ["a", "b", "c"]), a=f32(0.0), b=f32(1.0), c=f32(1e-38))
case("range of NaN", "finite", node("y", "Range", ["a", "b", "c"]), a=f32(0.0), b=f32(np.nan), c=f32(1.0))
case("range of step 0", "delta", node("y", "Range", ["a", "b", "c"]), a=i32(0), b=i32(5), c=i32(0))
case("linspace", "node 'y'", node("y", "LinSpace", ["a", "b", "n"]), a=f32(0.0), b=f32(1.0), n=i32(MOST))
on(i32([0, 1]), "one hot", "node 'y'", node("y", "OneHot", ["x", "d", "on", "off"]), d=i32(MOST), on=ONE, off=f32(0.0))
for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
    on(IMAGE, op, "node 'y'", node("y", op, ["x", "s"]), s=i32([MOST, MOST]))
    on(IMAGE, f"{op} to nothing", "positive", node("y", op, ["x", "s"]), s=i32([0, 4]))
on(
    IMAGE,
    "crop",
    "node 'y'",
    node("y", "CropAndResize", ["x", "b", "i", "s"]),
    s=i32([MOST, MOST]),
    b=f32([[0, 0, 1, 1]]),
    i=i32([0]),
)
on(f32([1.0]), "scatter", "node 'y'", node("y", "ScatterNd", ["i", "x", "s"]), i=i32([[0]]), s=i32([MOST]))
on(
    ONE,
    "outer sum",
    "node 'f'",
    node("f", "Add", ["c", "d"]),
    node("y", "Mul", ["f", "x"]),
    c=np.ones((60000, 1), np.float32),
    d=np.ones((1, 60000), np.float32),
)
on(
    ONE,
    "outer product",
    "node 'f'",
    node("f", "MatMul", ["c", "d"]),
    node("y", "Mul", ["f", "x"]),
    c=np.ones((60000, 1), np.float32),
    d=np.ones((1, 60000), np.float32),
)
on(np.ones(60000, np.float32), "outer einsum", "node 'y'", node("y", "Einsum", ["x", "x"], equation="a,b->ab"))
on(
    ONE,
    "gather",
    "node 'f'",
    node("f", "GatherV2", ["c", "i", "a"]),
    node("y", "Mul", ["f", "x"]),
    c=np.ones((2, 40000), np.float32),
    i=np.zeros(40000, np.int32),
    a=i32(0),
)
on(np.ones(60000, np.float32), "diagonal", "node 'y'", node("y", "Diag", ["x"]))
case(
    "unpacked",
    "16384",
    node("f", "Fill", ["s", "v"]),
    node("u", "Unpack", ["f"]),
    node("y", "Neg", ["u:5"]),
    s=i32([1 << 22]),
    v=ONE,
)
on(
    np.zeros((0, 3), np.float32),
    "split of nothing",
    "node 'y'",
    node("y", "Split", ["a", "x"], num_split=10**6),
    a=i32(0),
)

# Windows.
WINDOWS: dict[str, dict[str, Any]] = {
    "stride 2**62": {"strides": [1, 2**62, 1, 1]},
    "stride 0": {"strides": [1, 0, 1, 1]},
    "negative stride": {"strides": [1, -1, 1, 1]},
    "three strides": {"strides": [1, 1, 1]},
    "dilation 2**31 - 1": {"dilations": [1, MOST, 1, 1]},
    "batch stride": {"strides": [2, 1, 1, 1]},
    "unknown padding": {"padding": "FULL"},
    "explicit padding 2**62": {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 2**62, 2**62, 0, 0, 0, 0]},
    "explicit padding 2**14": {"padding": "EXPLICIT", "explicit_paddings": [0, 0, *[1 << 14] * 4, 0, 0]},
    "explicit padding lacks": {"padding": "EXPLICIT"},
    "unknown layout": {"data_format": "NWHC"},
    "layout as a number": {"data_format": 3},
    "strides as a float": {"strides": 1.5},
    "strides as bytes": {"strides": ["1"] * 4},
}
for label, attributes in WINDOWS.items():
    on(
        IMAGE,
        f"convolution, {label}",
        "node 'y' .*Conv2D",
        node("y", "Conv2D", ["x", "w"], **{**CONV, **attributes}),
        w=FILTER,
    )
for label, filter_ in {
    "no rank": f32(1.0),
    "other channels": np.ones((3, 3, 7, 2), np.float32),
    "no extent": np.zeros((0, 3, 2, 2), np.float32),
    "bool": FILTER > 0,
    "int32": FILTER.astype(np.int32),
    "complex": FILTER.astype(np.complex64),
    "strings": np.full((3, 3, 2, 2), b"a", object),
}.items():
    on(IMAGE, f"convolution, filter {label}", "node 'y' .*Conv2D", node("y", "Conv2D", ["x", "w"], **CONV), w=filter_)
for op in ("MaxPool", "AvgPool"):
    for window in (0, MOST, 2**62):
        pool = node("y", op, ["x"], ksize=[1, window, 2, 1], **CONV)
        on(IMAGE, f"{op} of {window}", "node 'y' .*ksize", pool)
on(
    IMAGE,
    "transposed convolution",
    "node 'y'",
    node("y", "Conv2DBackpropInput", ["s", "w", "x"], **CONV),
    w=FILTER,
    s=i32([1, MOST, MOST, 2]),
)
on(
    IMAGE,
    "normalization of other channels",
    "node 'y'",
    node("c", "Conv2D", ["x", "w"], **CONV),
    node("y", "FusedBatchNormV3", ["c", "g", "g", "g", "g"], is_training=False),
    w=FILTER,
    g=f32([1, 2, 3]),
)
on(
    IMAGE,
    "bias of other channels",
    "node 'y'",
    node("c", "Conv2D", ["x", "w"], **CONV),
    node("y", "BiasAdd", ["c", "b"]),
    w=FILTER,
    b=f32([1, 2, 3]),
)
for label, fused in {"lacking": ["BiasAdd", "Add"], "unknown": ["BiasAdd", "Magic"], "spare": []}.items():
    conv = node("y", "_FusedConv2D", ["x", "w", "b"], fused_ops=fused, **CONV)
    on(IMAGE, f"fused ops, {label}", "node 'y' .*fused", conv, w=FILTER, b=f32([1, 2]))
for label, op in {"DepthToSpace": "DepthToSpace", "SpaceToDepth": "SpaceToDepth"}.items():
    for block in (0, -1, 3, 2**62):
        on(IMAGE, f"{label} of {block}", "node 'y'", node("y", op, ["x"], block_size=block))
on(
    IMAGE,
    "space to batch of 0",
    "node 'y'",
    node("y", "SpaceToBatchND", ["x", "b", "p"]),
    b=i32([0, 0]),
    p=i32([[0, 0]] * 2),
)
on(
    IMAGE,
    "batch to space of many",
    "node 'y'",
    node("y", "BatchToSpaceND", ["x", "b", "p"]),
    b=i32([1] * 9),
    p=i32([[0, 0]] * 9),
)

# Axes, ranks, counts and dtypes.
for axis in (4, -5, MOST, -(2**31)):
    for op in ("Sum", "ArgMax", "Cumsum", "ExpandDims"):
        if op != "ExpandDims" or axis not in (4, -5):
            on(IMAGE, f"{op} along {axis}", "node 'y'.*ax", node("y", op, ["x", "a"]), a=i32(axis))
    on(IMAGE, f"concat along {axis}", "node 'y'", node("y", "ConcatV2", ["x", "x", "a"]), a=i32(axis))
on(IMAGE, "permutation", "node 'y'", node("y", "Transpose", ["x", "p"]), p=i32([0, 0, 1, 2]))
on(IMAGE, "permutation of floats", "integers", node("y", "Transpose", ["x", "p"]), p=f32([0, 1, 2, 3]))
on(IMAGE, "index beyond the end", "node 'y'", node("y", "GatherV2", ["x", "i", "a"]), i=i32([5]), a=i32(0))
on(IMAGE, "index tuples too long", "node 'y'", node("y", "GatherNd", ["x", "i"]), i=i32([[0] * 9]))
on(VECTOR, "stride 0", "strides", node("y", "StridedSlice", ["x", "b", "e", "s"]), b=i32([0]), e=i32([4]), s=i32([0]))
on(
    VECTOR,
    "slice of 40 axes",
    "node 'y'",
    node("y", "StridedSlice", ["x", "b", "b", "s"]),
    b=i32([0] * 40),
    s=i32([1] * 40),
)
on(VECTOR, "slice before the start", "node 'y'", node("y", "Slice", ["x", "b", "s"]), b=i32([-1]), s=i32([MOST]))
on(VECTOR, "top of too many", "node 'y'", node("y", "TopKV2", ["x", "k"]), k=i32(MOST))
on(ONE, "softmax of a scalar", "scalar", node("y", "Softmax", ["x"]))
on(ONE, "unpacked scalar", "scalar", node("y", "Unpack", ["x"]))
on(VECTOR, "shapes that do not broadcast", "node 'y'", node("y", "Add", ["x", "c"]), c=f32([1, 2, 3]))
on(VECTOR, "product of vectors", "rank", node("y", "MatMul", ["x", "x"]))
on(np.array([b"a"], object), "negative string", "node 'y'", node("y", "Neg", ["x"]))
on(VECTOR, "cast to a resource", "DstT", node("y", "Cast", ["x"], DstT="DT_RESOURCE"))
on(VECTOR, "cast to nothing", "DstT", node("y", "Cast", ["x"]))
on(VECTOR, "slope that is a dtype", "alpha", node("y", "LeakyRelu", ["x"], alpha="DT_FLOAT"))
on(VECTOR, "k that is text", "'k'", node("y", "TopK", ["x"], k="many"))
on(VECTOR, "one input too few", "has 1 inputs; its op takes 2", node("y", "Add", ["x"]))
on(VECTOR, "one input too many", "has 2 inputs; its op takes 1", node("y", "Relu", ["x", "x"]))
on(VECTOR, "no axis", "has 0 inputs", node("y", "ConcatV2", []))
on(VECTOR, "second output of an input", "one output", node("y", "Neg", ["x:1"]))
on(
    VECTOR,
    "output out of range",
    "s:7",
    node("s", "Split", ["a", "x"], num_split=2),
    node("y", "Neg", ["s:7"]),
    a=i32(0),
)
on(
    ONE,
    "folded output out of range",
    "s:7",
    node("s", "Split", ["a", "c"], num_split=2),
    node("y", "Mul", ["x", "s:7"]),
    a=i32(0),
    c=VECTOR,
)
case("no nodes", "no nodes")
case("no outputs", "no outputs", placeholder("x", (1,)), feeds={"x": f32([1.0])})
case("unknown op", "Magic.*'y'", node("y", "Magic"))
case("cycle", "cycle", node("a", "Neg", ["b"]), node("b", "Neg", ["c"]), node("c", "Neg", ["a"]))
case("reads itself", "cycle", node("a", "Neg", ["a"]))
case("two of a name", "'a'", placeholder("x", (1,)), node("a", "Neg", ["x"]), node("a", "Abs", ["x"]))
case("reads what is not there", "'gone'", node("a", "Neg", ["gone"]))


@pytest.mark.parametrize("name", CASES)
def test_models_that_must_not_run(gpu: Engine, name: str) -> None:
    nodes, weights, feeds, message = CASES[name]
    with pytest.raises(TfglError, match=message) as caught:
        model: Any = tfgl.load_graph_model(graph_model(nodes, weights))
        outputs = model.predict(feeds)
        for tensor in outputs if isinstance(outputs, list) else [outputs]:
            tensor.numpy()
    assert ") cannot run:" not in str(caught.value) or name == "negative string", "an error by accident"


def run(nodes: list[dict[str, Any]], weights: dict[str, Array], feeds: dict[str, Any]) -> Any:
    with tfgl.load_graph_model(graph_model(nodes, weights)) as model:
        for _ in range(2):
            outputs = model.predict(feeds)
        assert not isinstance(outputs, dict)
        values = [tensor.numpy() for tensor in outputs] if isinstance(outputs, list) else outputs.numpy()
        return values


@pytest.mark.parametrize("order", ["as it runs", "reversed"])
def test_a_chain_of_20000_nodes(gpu: Engine, order: str) -> None:
    nodes = [node(f"n{i}", "Neg" if i % 2 else "Abs", ["x" if i == 0 else f"n{i - 1}"]) for i in range(20_000)]
    nodes = [placeholder("x", (-1,)), *(nodes if order == "as it runs" else nodes[::-1])]
    assert run(nodes, {}, {"x": f32([1.0, -2.0])}).tolist() == [-1.0, -2.0]


def test_a_node_with_2000_inputs(gpu: Engine) -> None:
    nodes = [placeholder("x", (2,)), node("y", "Pack", ["x"] * 2000), node("z", "AddN", ["x"] * 2000)]
    packed, total = run(nodes, {}, {"x": f32([1.0, 2.0])})
    assert packed.shape == (2000, 2) and total.tolist() == [2000.0, 4000.0]


def test_many_constants_of_one_value_are_refused(gpu: Engine) -> None:
    def constant(name: str, size: int) -> dict[str, Any]:
        tensor = {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": str(size)}]}, "floatVal": [1.0]}
        return {"name": name, "op": "Const", "attr": {"value": {"tensor": tensor}, "dtype": {"type": "DT_FLOAT"}}}

    constants = [constant(f"c{i}", 1 << 27) for i in range(4)]
    nodes = [*constants, placeholder("x", (1,)), node("y", "AddN", ["x", *(f"c{i}" for i in range(4))])]
    with pytest.raises(ModelFormatError, match="2147483648 bytes"):
        run(nodes, {}, {"x": f32([1.0])})
    with pytest.raises(ModelFormatError, match="too large"):
        run([constant("c", 1 << 31), placeholder("x", (1,)), node("y", "Mul", ["x", "c"])], {}, {"x": f32([1.0])})
    small = run([constant("c", 3), placeholder("x", (1,)), node("y", "Mul", ["x", "c"])], {}, {"x": f32([5.0])})
    assert small.tolist() == [5.0, 5.0, 5.0]


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (3, 8, 8, 1)])
def test_an_empty_batch_of_digits(gpu: Engine, shape: tuple[int, ...]) -> None:
    with tfgl.load_graph_model(DIGITS) as model:
        for _ in range(2):
            assert np.asarray(model.predict(np.zeros(shape, np.float32))).shape == (shape[0], 10)


EMPTY = [
    node("c", "Conv2D", ["x", "w"], **CONV),
    node("m", "MaxPool", ["c"], ksize=[1, 2, 2, 1], **CONV),
    node("a", "AvgPool", ["m"], ksize=[1, 2, 2, 1], **CONV),
    node("r", "Mean", ["a", "axes"]),
    node("p", "MatMul", ["r", "k"]),
    node("b", "BiasAdd", ["p", "bias"]),
    node("s", "Softmax", ["b"]),
    node("i", "ArgMax", ["s", "one"]),
    node("h", "Cast", ["i"], SrcT="DT_INT32", DstT="DT_FLOAT"),
    node("e", "ExpandDims", ["h", "one"]),
    node("j", "ConcatV2", ["e", "b", "one"]),
    node("y", "Tile", ["j", "twice"]),
    node("t", "Sum", ["y", "zero"]),
    node("u", "Max", ["y", "one"]),
    node("v", "Transpose", ["y", "turn"]),
    node("q", "ResizeBilinear", ["a", "size"]),
    node("g", "GatherV2", ["k", "i", "zero"]),
]


def test_nothing_goes_through_the_usual_ops(gpu: Engine) -> None:
    weights = {
        "w": FILTER,
        "k": np.ones((2, 2), np.float32),
        "bias": f32([1.0, 2.0]),
        "axes": i32([1, 2]),
        "one": i32(1),
        "zero": i32(0),
        "twice": i32([1, 2]),
        "turn": i32([1, 0]),
        "size": i32([7, 5]),
    }
    for batch in (0, 1):
        outputs = run([placeholder("x", (-1, 4, 4, 2)), *EMPTY], weights, {"x": np.ones((batch, 4, 4, 2), np.float32)})
        assert [value.shape for value in outputs] == [(6,), (batch,), (6, batch), (batch, 7, 5, 2), (batch, 2)]
    sums = run(
        [placeholder("x", (-1, 3)), node("y", "Sum", ["x", "zero"])], weights, {"x": np.ones((0, 3), np.float32)}
    )
    assert sums.tolist() == [0.0] * 3


def test_division_by_zero_of_constants(gpu: Engine) -> None:
    nodes = [
        placeholder("x", (2,), "DT_INT32"),
        node("f", "FloorDiv", ["one", "zero"]),
        node("m", "FloorMod", ["one", "zero"]),
        node("d", "RealDiv", ["eins", "null"]),
        node("h", "Add", ["x", "f"]),
        node("y", "Add", ["h", "m"]),
        node("z", "Add", ["d", "null"]),
    ]
    weights = {"one": i32(1), "zero": i32(0), "eins": f32([1.0, 0.0]), "null": f32(0.0)}
    y, z = run(nodes, weights, {"x": i32([1, 2])})
    assert y.dtype == np.int32 and np.isinf(z[0]) and np.isnan(z[1])


def test_nan_weights_give_nan(gpu: Engine) -> None:
    weights = np.full((3, 3, 2, 2), np.nan, np.float32)
    nodes = [placeholder("x", (-1, 4, 4, 2)), node("c", "Conv2D", ["x", "w"], **CONV), node("y", "Relu", ["c"])]
    assert np.isnan(run(nodes, {"w": weights}, {"x": IMAGE})).all()


@pytest.mark.parametrize("shape", [(1 << 20, 1 << 20), (1 << 31,), (2**62, 2**62)])
def test_a_placeholder_of_terabytes(gpu: Engine, shape: tuple[int, ...]) -> None:
    with tfgl.load_graph_model(graph_model([placeholder("x", shape), node("y", "Neg", ["x"])])) as model:
        with pytest.raises(TensorTooLargeError, match="input 'x'"):
            model.warmup()
        with pytest.raises(InvalidArgumentError, match="input 'x'"):
            model.predict(f32([1.0]))


@pytest.mark.parametrize("dtype", ["DT_FLOAT", "DT_INT32", "DT_BOOL", "DT_COMPLEX64", "DT_STRING"])
def test_warmup_takes_every_dtype(gpu: Engine, dtype: str) -> None:
    with tfgl.load_graph_model(graph_model([placeholder("x", (-1, 2), dtype), node("y", "Identity", ["x"])])) as model:
        model.warmup()
        assert model.stats.first_ms is not None


def test_an_input_beyond_the_device_is_named(gpu: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with tfgl.load_graph_model(graph_model([placeholder("x", (-1,)), node("y", "Neg", ["x"])])) as model:
        monkeypatch.setattr(gpu.device, "info", dataclasses.replace(gpu.device.info, max_texture_size=16))
        with pytest.raises(TensorTooLargeError, match=r"input 'x'.*bytes"):
            model.predict(np.zeros(1 << 20, np.float32))
        with pytest.raises(TensorTooLargeError, match=r"weight 'w'.*bytes"):
            run([placeholder("x", (-1,)), node("y", "Mul", ["x", "w"])], {"w": np.ones(1 << 20, np.float32)}, {})
        monkeypatch.undo()
        assert np.asarray(model.predict(f32([1.0]))).tolist() == [-1.0]


# -- the files ---------------------------------------------------------------------


def damaged(tmp_path: Path, change: Any) -> Path:
    """The digits model in ``tmp_path`` after ``change(model, shard)``, which gives the shard's bytes or None."""
    model = json.loads((DIGITS / "model.json").read_text())
    shard = (DIGITS / "group1-shard1of1.bin").read_bytes()
    shard = change(model, shard)
    (tmp_path / "model.json").write_text(json.dumps(model))
    if shard is not None:
        (tmp_path / "group1-shard1of1.bin").write_bytes(shard)
    return tmp_path


def weight(model: dict[str, Any], name: str) -> dict[str, Any]:
    found = next(entry for entry in model["weightsManifest"][0]["weights"] if entry["name"] == name)
    assert isinstance(found, dict)
    return found


def updated(target: Any, data: bytes, **members: Any) -> bytes:
    target.update(members)
    return data


QUANTIZED = {"dtype": "uint8", "min": 0.0, "scale": float("nan")}
KERNEL = "digits/conv1/kernel"
DAMAGE: dict[str, tuple[Any, str]] = {
    "no shard": (lambda m, d: None, "missing"),
    "a truncated shard": (lambda m, d: d[:-5], "group1-shard1of1.bin"),
    "an oversized shard": (lambda m, d: d + b"1234", "group1-shard1of1.bin"),
    "an empty shard": (lambda m, d: b"", "group1-shard1of1.bin"),
    "a path out of the folder": (lambda m, d: updated(m["weightsManifest"][0], d, paths=["../w.bin"]), "climbs out"),
    "sizes that do not add up": (lambda m, d: updated(weight(m, KERNEL), d, shape=[3, 3, 1, 17]), "bytes"),
    "a size of 2**62": (lambda m, d: updated(weight(m, KERNEL), d, shape=[2**31 - 1] * 2), "more|needs"),
    "NaN scale": (lambda m, d: updated(weight(m, KERNEL), d, quantization=QUANTIZED), "finite"),
    "a weight that is gone": (lambda m, d: updated(weight(m, KERNEL), d, name="other"), KERNEL),
    "a layers model": (lambda m, d: updated(m, d, format="layers-model"), "layers model"),
    "an output that is not there": (
        lambda m, d: updated(m["signature"]["outputs"]["probabilities"], d, name="gone:0"),
        "'gone'",
    ),
    "a signature that is text": (lambda m, d: updated(m, d, signature="x"), "signature"),
    "no topology": (lambda m, d: updated(m, d, modelTopology=None), "modelTopology"),
    "a topology without nodes": (lambda m, d: updated(m, d, modelTopology={"node": []}), "'Identity'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files(gpu: Engine, tmp_path: Path, name: str) -> None:
    change, message = DAMAGE[name]
    with pytest.raises(ModelFormatError, match=message):
        tfgl.load_graph_model(damaged(tmp_path, change))


def test_an_input_of_the_signature_that_is_gone_changes_nothing(gpu: Engine, tmp_path: Path) -> None:
    def change(model: dict[str, Any], data: bytes) -> bytes:
        model["signature"]["inputs"]["spare"] = {"name": "spare:0"}
        return data

    with tfgl.load_graph_model(damaged(tmp_path, change)) as model, tfgl.load_graph_model(DIGITS) as whole:
        x = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
        np.testing.assert_array_equal(np.asarray(model.predict({"image": x})), np.asarray(whole.predict(x)))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"picture": np.zeros((1, 8, 8, 1))}, "no input 'picture'"),
        (np.zeros((1, 8, 8, 1), np.int32), "float32"),
        (np.zeros((8, 8, 1), np.float32), r"\[\?, 8, 8, 1\]"),
        (np.zeros((1, 8, 9, 1), np.float32), r"got \[1, 8, 9, 1\]"),
        ([np.zeros((1, 8, 8, 1), np.float32)] * 2, "1 inputs|2 inputs|got 2"),
    ],
    ids=["name", "dtype", "rank", "shape", "count"],
)
def test_wrong_inputs(gpu: Engine, inputs: Any, message: str) -> None:
    with tfgl.load_graph_model(DIGITS) as model, pytest.raises(InvalidArgumentError, match=message):
        model.predict(inputs)


# -- mutations -----------------------------------------------------------------------


def run_damaged(model: dict[str, Any], data: bytes, x: Array) -> bool:
    """True when the model loads and runs, captured and replayed."""
    with tfgl.load_graph_model((model, data)) as loaded:
        for _ in range(2):
            outputs: Any = loaded.predict(x)
            values = list(outputs.values()) if isinstance(outputs, dict) else outputs
            for tensor in values if isinstance(values, list) else [values]:
                tensor.numpy()
    return True


def test_mutations_raise_nothing_but_tfgl_errors(gpu: Engine) -> None:
    base = json.loads((DIGITS / "model.json").read_text())
    data = (DIGITS / "group1-shard1of1.bin").read_bytes()
    x = np.random.default_rng(0).random((1, 8, 8, 1), np.float32)
    gc.collect()
    tensors, textures = gpu.live_tensors, gpu.pool.live_textures
    with tfgl.load_graph_model(DIGITS) as good:
        expected = np.asarray(good.predict(x))
        loaded = 0
        for seed in range(400):
            mutation = Mutation(copy.deepcopy(base), data, seed)
            try:
                loaded += run_damaged(mutation.model, bytes(mutation.data), x)
            except TfglError:
                pass
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
            if seed % 50 == 49:
                np.testing.assert_array_equal(np.asarray(good.predict(x)), expected)
        assert 80 < loaded < 300, "the mutations are too mild, or too harsh, to tell anything"
    gc.collect()
    assert gpu.live_tensors == tensors and gpu.pool.live_textures == textures


def test_unknown_ops_are_all_listed(gpu: Engine) -> None:
    nodes = [placeholder("x", (1,)), node("a", "Magic", ["x"]), node("b", "Magic", ["a"]), node("c", "Trick", ["b"])]
    with pytest.raises(UnsupportedOpError, match=r"Magic \(2x, first node 'a'\), Trick \(1x, first node 'c'\)"):
        tfgl.load_graph_model(graph_model(nodes))
