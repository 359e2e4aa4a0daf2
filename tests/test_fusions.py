"""Each fusion where it applies: counted, fewer draws or nodes, and with and without it what float64 gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import Array, graph_model, i32, node, placeholder
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
        [IMAGE, conv("c", "x", "p"), node("e", "Tanh", ["c"]), node("y", "Mul", ["e", "b"])],
        X, KERNELS, count=2,
    )  # fmt: skip
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
