"""Each fusion where it applies: counted, fewer draws or nodes, and with and without it what float64 gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import Array, graph_model, i32, node, placeholder
from layer_norm_graphs import layer_norm
from lstm_graphs import lstm_step, lstm_weights
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.flags import FUSIONS
from tfgl.graph.model import graph_of
from tfgl.graph.stats import ModelStats
from tfgl.ir.evaluate import evaluate

# Sums of up to some hundred products of numbers around 1.
TOLERANCE = 2e-5


@dataclass(frozen=True)
class Case:
    """A graph in which the fusion ``name`` applies ``count`` times, and values for its placeholders."""

    name: str
    nodes: list[dict[str, Any]]
    feeds: Mapping[str, Array]
    weights: Mapping[str, Array]
    count: int = 1
    label: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.label}".rstrip()


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(name: str, x: str, kernel: str, op: str = "Conv2D", padding: str = "SAME") -> dict[str, Any]:
    return node(name, op, [x, kernel], strides=[1, 1, 1, 1], padding=padding)


IMAGE = placeholder("x", (-1, -1, -1, -1))
X = {"x": numbers(2, 9, 7, 6)}
KERNELS = {"k": numbers(3, 3, 6, 5, seed=1) / 5, "p": numbers(1, 1, 6, 6, seed=2) / 2, "b": numbers(6, seed=3)}

NUMBERS = {
    "zero": 0.0, "one": 1.0, "three": 3.0, "six": 6.0, "half": 0.5, "sixth": 1 / 6, "root_half": 0.5**0.5,
    "root_2": 2**0.5, "minus_root_half": -(0.5**0.5), "cubic": 0.044715, "root_2_pi": (2 / np.pi) ** 0.5,
}  # fmt: skip
NUMBERS |= {"eps": 1e-3, "two": 2.0}
NUMBERS = {name: np.float32(value) for name, value in NUMBERS.items()}
# As frameworks write them, on the node named first; the result is y.
FORMULAS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "clips to 6": lambda x: [node("low", "Maximum", [x, "zero"]), node("y", "Minimum", ["low", "six"])],
    "clips from 6": lambda x: [node("high", "Minimum", ["six", x]), node("y", "Maximum", ["high", "zero"])],
    "clips by value": lambda x: [node("y", "ClipByValue", [x, "zero", "six"])],
    "clips of relu": lambda x: [node("r", "Relu", [x]), node("low", "Maximum", ["r", "zero"]),
                                node("y", "Minimum", ["low", "six"])],
    "swish": lambda x: [node("g", "Sigmoid", [x]), node("y", "Mul", [x, "g"])],
    "swish with a number": lambda x: [node("bx", "Mul", ["one", x]), node("g", "Sigmoid", ["bx"]),
                                      node("y", "Mul", ["g", x])],
    "hard_swish": lambda x: [node("s", "AddV2", [x, "three"]), node("r", "Relu6", ["s"]),
                             node("g", "Mul", ["r", "sixth"]), node("y", "Mul", [x, "g"])],
    "hard_swish divided": lambda x: [node("s", "AddV2", ["three", x]), node("r", "Relu6", ["s"]),
                                     node("xr", "Mul", [x, "r"]), node("y", "RealDiv", ["xr", "six"])],
    "hard_swish of the gate": lambda x: [node("s", "AddV2", [x, "three"]), node("r", "Relu6", ["s"]),
                                             node("y", "Mul", ["r", "sixth"])],
    "gelu with erf": lambda x: [node("d", "RealDiv", [x, "root_2"]), node("e", "Erf", ["d"]),
                                node("o", "AddV2", ["one", "e"]), node("h", "Mul", ["half", x]),
                                node("y", "Mul", ["h", "o"])],
    "gelu with erfc": lambda x: [node("n", "Neg", [x]), node("d", "Mul", ["n", "root_half"]), node("e", "Erfc", ["d"]),
                                 node("h", "Mul", ["half", x]), node("y", "Mul", ["h", "e"])],
    "gelu with tanh": lambda x: [node("c3", "Pow", [x, "three"]), node("k3", "Mul", ["cubic", "c3"]),
                                 node("sum", "AddV2", [x, "k3"]), node("in", "Mul", ["root_2_pi", "sum"]),
                                 node("t", "Tanh", ["in"]), node("o", "AddV2", ["one", "t"]),
                                 node("g", "Mul", ["half", "o"]), node("y", "Mul", [x, "g"])],
    "gelu with tanh, factored": lambda x: [
        node("x2", "Square", [x]), node("k2", "Mul", ["x2", "cubic"]), node("more", "AddV2", ["k2", "one"]),
        node("kx", "Mul", [x, "root_2_pi"]), node("in", "Mul", ["kx", "more"]), node("t", "Tanh", ["in"]),
        node("o", "AddV2", ["t", "one"]), node("h", "Mul", [x, "half"]), node("y", "Mul", ["h", "o"]),
    ],
}  # fmt: skip

_MEAN = node("mean", "Mean", ["x", "axes"], keep_dims=True)
_SPREAD = [
    _MEAN, node("stop", "StopGradient", ["mean"]), node("d", "SquaredDifference", ["x", "stop"]),
    node("v", "Mean", ["d", "axes"], keep_dims=True), node("ve", "AddV2", ["v", "eps"]), node("f", "Rsqrt", ["ve"]),
]  # fmt: skip
_CENTRED = [_MEAN, node("c", "Sub", ["x", "mean"])]
_SCALED = [node("m", "Mul", ["f", "gamma"]), node("xm", "Mul", ["x", "m"])]
NORMALIZATIONS: dict[str, list[dict[str, Any]]] = {
    "of TensorFlow": [*_SPREAD, *_SCALED, node("mm", "Mul", ["mean", "m"]), node("o", "Sub", ["beta", "mm"]),
                      node("y", "AddV2", ["xm", "o"])],
    "of TensorFlow without scale": [*_SPREAD, node("xm", "Mul", ["x", "f"]), node("mm", "Mul", ["mean", "f"]),
                                    node("o", "Sub", ["beta", "mm"]), node("y", "AddV2", ["xm", "o"])],
    "of Keras 3": [*_SPREAD, *_SCALED, node("n", "Neg", ["mean"]), node("nm", "Mul", ["n", "m"]),
                   node("o", "AddV2", ["nm", "beta"]), node("y", "AddV2", ["xm", "o"])],
    "of Keras 3 without offset": [*_SPREAD, *_SCALED, node("n", "Neg", ["mean"]), node("nm", "Mul", ["n", "m"]),
                                  node("y", "AddV2", ["xm", "nm"])],
    "without scale and offset": [*_SPREAD, node("xm", "Mul", ["x", "f"]), node("mm", "Mul", ["mean", "f"]),
                                 node("y", "Sub", ["xm", "mm"])],
    "of squares": [*_CENTRED, node("q", "Square", ["c"]), node("v", "Mean", ["q", "axes"], keep_dims=True),
                   node("ve", "AddV2", ["v", "eps"]), node("f", "Rsqrt", ["ve"]), node("z", "Mul", ["c", "f"]),
                   node("s", "Mul", ["z", "gamma"]), node("y", "AddV2", ["s", "beta"])],
    "of PyTorch": [*_CENTRED, node("q", "Pow", ["c", "two"]), node("v", "Mean", ["q", "axes"], keep_dims=True),
                   node("ve", "AddV2", ["v", "eps"]), node("f", "Sqrt", ["ve"]), node("z", "RealDiv", ["c", "f"]),
                   node("s", "Mul", ["z", "gamma"]), node("y", "AddV2", ["s", "beta"])],
}  # fmt: skip


def cases() -> Iterator[Case]:
    yield Case(
        "constants",
        [IMAGE, node("kk", "Mul", ["k", "half"]), conv("y", "x", "kk")],
        X, {**KERNELS, "half": np.float32(0.5)},
    )  # fmt: skip
    norm = node(
        "y", "FusedBatchNormV3", ["c", "gamma", "beta", "mean", "variance"], epsilon=0.001, is_training=False,
    )  # fmt: skip
    yield Case(
        "batch_norms",
        [IMAGE, conv("c", "x", "k"), norm],
        X,
        {
            **KERNELS, "gamma": numbers(5), "beta": numbers(5, seed=1), "mean": numbers(5, seed=2),
            "variance": np.abs(numbers(5, seed=3)) + 0.5,
        },
    )  # fmt: skip
    yield Case(
        "padding",
        [IMAGE, node("f", "Pad", ["x", "frame"]), conv("y", "f", "k", padding="VALID")],
        X, {**KERNELS, "frame": i32([[0, 0], [1, 2], [0, 1], [0, 0]])},
    )  # fmt: skip
    yield Case(
        "lstm_cells",
        [*(placeholder(name, (-1, -1)) for name in "xhc"), *lstm_step("y", "x", "h", "c")],
        {"x": numbers(3, 5), "h": numbers(3, 8, seed=1), "c": numbers(3, 8, seed=2)}, lstm_weights(5, 8),
    )  # fmt: skip
    norm_weights = {"gamma": numbers(8), "beta": numbers(8, seed=1), "epsilon": np.float32(1e-5), "axes": i32(-1)}
    yield Case("layer_norms", [placeholder("x", (-1, 8)), *layer_norm("y", "x")], {"x": numbers(5, 8)}, norm_weights)
    yield Case(
        "activations",
        [IMAGE, conv("c", "x", "p"), node("biased", "BiasAdd", ["c", "b"]), node("y", "Relu6", ["biased"])],
        X, KERNELS, count=2,
    )  # fmt: skip
    yield Case(
        "chains",
        [IMAGE, node("e", "Exp", ["x"]), node("s", "Mul", ["e", "b"]), node("y", "Sub", ["s", "x"])],
        X, KERNELS, count=2,
    )  # fmt: skip
    yield Case(
        "tails",
        [IMAGE, conv("c", "x", "p"), node("e", "Softplus", ["c"]), node("y", "Mul", ["e", "b"])],
        X, KERNELS, count=2,
    )  # fmt: skip
    for label, steps in FORMULAS.items():
        name, _, label = label.partition(" ")
        for after, last in (("alone", "x"), ("after a convolution", "c")):
            nodes = [IMAGE, *([conv("c", "x", "p")] if last == "c" else []), *steps(last)]
            yield Case(name, nodes, X, {**KERNELS, **NUMBERS}, label=f"{label} {after}".strip())
    rows = {"x": numbers(2, 9, 7, 12)}
    weights = {**NUMBERS, "gamma": numbers(12, seed=1), "beta": numbers(12, seed=2), "axes": i32([-1])}
    for label, steps in NORMALIZATIONS.items():
        if label not in ("of TensorFlow", "of squares"):  # layer norms with constant vectors
            yield Case("standardized", [IMAGE, *steps], rows, weights, label=label)
    two = {**weights, "axes": i32([2, 3]), "gamma": numbers(7, 12), "beta": numbers(7, 12, seed=1)}
    yield Case("standardized", [IMAGE, *NORMALIZATIONS["of Keras 3"]], rows, two, label="over two axes")
    odd = {**weights, "gamma": numbers(6, seed=1), "beta": numbers(6, seed=2)}
    yield Case("standardized", [IMAGE, *NORMALIZATIONS["of Keras 3"]], X, odd, label="of rows that are not aligned")
    space = {**weights, "axes": i32([1, 2])}
    yield Case("standardized", [IMAGE, *NORMALIZATIONS["of TensorFlow"]], rows, space, label="of instances")
    # What Keras 2 makes of LayerNormalization: rows as channels of one image.
    keras_2 = [
        IMAGE, node("n", "Fill", ["count", "one"]), node("o", "Fill", ["count", "zero"]),
        node("image", "Reshape", ["x", "as_image"]),
        node("b", "FusedBatchNormV3", ["image", "n", "o", "none", "none"], data_format="NCHW", is_training=True,
             epsilon=0.001),
        node("r", "Reshape", ["b", "as_rows"]), node("s", "Mul", ["r", "gamma"]), node("y", "AddV2", ["s", "beta"]),
    ]  # fmt: skip
    shapes = {"count": i32([126]), "as_image": i32([1, 126, 12, 1]), "as_rows": i32([2, 9, 7, 12])}
    yield Case(
        "standardized", keras_2, rows, {**weights, **shapes, "none": np.zeros(0, np.float32)}, label="of Keras 2"
    )
    for axis in (-1, 1):
        spelt = [node("m", "Max", ["x", "at"], keep_dims=True), node("d", "Sub", ["x", "m"]), node("e", "Exp", ["d"]),
                 node("s", "Sum", ["e", "at"], keep_dims=True), node("y", "RealDiv", ["e", "s"])]  # fmt: skip
        yield Case("softmax", [IMAGE, *spelt], X, {"at": i32([axis])}, label=f"along {axis}")
    for label, value in (("one number", np.float32(-0.5)), ("by channel", numbers(1, 1, 6, seed=7))):
        steps = [conv("c", "x", "p"), node("m", "Mul", ["v", "c"]), node("a", "AddV2", ["m", "b"]),
                 node("s", "Sub", ["a", "v"]), node("y", "RealDiv", ["s", "v"])]  # fmt: skip
        yield Case("scales", [IMAGE, *steps], X, {**KERNELS, "v": value}, count=4, label=label)
    deep = [conv("c", "x", "d", "DepthwiseConv2dNative"), node("biased", "BiasAdd", ["c", "v"])]
    scaled = [*deep, node("m", "Mul", ["biased", "v"]), node("y", "AddV2", ["m", "v"])]
    weights = {"d": numbers(3, 3, 6, 2), "v": numbers(12, seed=1)}
    yield Case("scales", [IMAGE, *scaled], X, weights, count=2, label="of a depthwise convolution")
    product = [placeholder("x", (-1, -1)), node("p", "MatMul", ["x", "w"], transpose_b=True),
               node("m", "Mul", ["p", "v"]), node("y", "Relu", ["m"])]  # fmt: skip
    weights = {"w": numbers(5, 7), "v": numbers(5, seed=1)}
    yield Case("scales", product, {"x": numbers(4, 7)}, weights, label="of a matrix product")
    for add, activation in (("BiasAdd", "Relu"), ("AddV2", "LeakyRelu")):
        layer = [
            placeholder("x", (-1, -1, -1)), node("rows", "Reshape", ["x", "as_rows"]),
            node("p", "MatMul", ["rows", "w"]), node("shaped", "Reshape", ["p", "back"]),
            node("biased", add, ["shaped", "v"]), node("y", activation, ["biased"]),
        ]  # fmt: skip
        weights = {"w": numbers(7, 5), "v": numbers(5, seed=1), "as_rows": i32([-1, 7]), "back": i32([2, -1, 5])}
        yield Case("reshapes", layer, {"x": numbers(2, 3, 7)}, weights, count=2, label=f"{add} and {activation}")
    yield Case("residual", [IMAGE, conv("c", "x", "p"), node("y", "AddV2", ["x", "c"])], X, KERNELS)
    pixels = {"x": np.random.default_rng(0).integers(0, 256, (1, 9, 7, 3)).astype(np.int32)}
    floats = node("f", "Cast", ["x"], SrcT="DT_INT32", DstT="DT_FLOAT")
    scaled = [placeholder("x", (-1, -1, -1, 3), "DT_INT32"), floats, node("s", "Mul", ["f", "scale"])]
    yield Case("casts", [*scaled[:2], node("y", "Sub", ["f", "scale"])], pixels, {"scale": np.float32(3)})
    for label, scale in (("of a number", np.float32(1 / 127)), ("of a vector", numbers(3))):
        kernel = {"k": numbers(3, 3, 3, 4), "scale": scale}
        yield Case("layouts", [*scaled, conv("y", "s", "k")], pixels, kernel, label=label)
    yield Case(
        "layouts",
        [
            IMAGE, node("s", "Mul", ["x", "b"]), node("t", "Square", ["s"]), node("u", "Sub", ["t", "b"]),
            conv("y", "u", "p"),
        ],
        X, KERNELS, count=2, label="of a chain",
    )  # fmt: skip


CASES = list(cases())


def ran(engine: Engine, case: Case) -> tuple[Array, ModelStats, int]:
    """The output ``y``, what the model counted, and how many nodes were left."""
    with tfgl.load_graph_model(graph_model(case.nodes, case.weights)) as model:
        model.predict(dict(case.feeds))  # captures
        result = model.predict(dict(case.feeds))
        assert isinstance(result, tfgl.Tensor) and model.stats.replays == 1
        return result.numpy(), model.stats, len(model._executor.graph.nodes)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fusion_switched_off_and_on(gpu: Engine, case: Case, fusions_off: Callable[..., None]) -> None:
    expected = evaluate(graph_of(graph_model(case.nodes, case.weights)), case.feeds, ["y"])["y"]
    fusions_off(case.name)
    plain, before, nodes_before = ran(gpu, case)
    fusions_off()
    fused, after, nodes_after = ran(gpu, case)
    assert after.fusions[case.name] == case.count
    assert before.fusions.get(case.name, 0) == 0
    assert after.draws < before.draws or nodes_after < nodes_before
    for found in (plain, fused):
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


def test_every_fusion_has_a_case() -> None:
    assert {case.name for case in CASES} | {"arguments"} == set(FUSIONS)  # arguments: tests of control flow


def test_without_any_fusion(gpu: Engine) -> None:
    case = CASES[0]
    gpu.flags.fusion = False
    try:
        _, stats, _ = ran(gpu, case)
    finally:
        gpu.flags.fusion = True
    assert not any(stats.fusions.values())


@pytest.mark.parametrize("wrong", ["residual", {"residuals"}, 3])
def test_only_names_of_fusions(wrong: Any) -> None:
    flags = tfgl.flags.__class__()
    with pytest.raises(InvalidArgumentError, match="fusion"):
        flags.set("fusions_off", wrong)


def test_conversions_are_counted(gpu: Engine) -> None:
    nodes = [IMAGE, conv("c", "x", "p"), conv("y", "c", "p")]
    _, stats, _ = ran(gpu, Case("", nodes, X, KERNELS))
    assert {name: found.draws for name, found in stats.conversions.items()} == {"to_tiles": 1, "to_flat": 1}
    # Batch, height and width of X; its 6 channels are two blocks of 4 in tiles.
    lines = -(-9 // gpu.device.layers) * gpu.device.layers
    assert stats.conversions["to_tiles"].bytes == 2 * lines * 7 * 2 * 16
    assert stats.conversions["to_flat"].bytes >= 2 * 9 * 7 * 6 * 4


@pytest.fixture
def fusions_off(gpu: Engine) -> Iterator[Callable[..., None]]:
    """Switches the named fusions off, all others on; ends with all on."""

    def switch(*names: str) -> None:
        gpu.flags.fusions_off = frozenset(names)

    yield switch
    switch()
