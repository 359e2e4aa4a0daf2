"""Layer norms as one node, against the float64 reference of the nodes they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tfgl
from graph_models import Array, graph_model, i32, node, placeholder
from layer_norm_graphs import layer_norm
from tfgl.engine import Engine
from tfgl.graph.model import graph_of
from tfgl.graph.stats import ModelStats
from tfgl.ir.evaluate import evaluate

FORMS = ["batch_normalization", "deviation", "factor"]


def weights(size: int, axes: int | list[int] = -1, epsilon: float = 1e-5) -> dict[str, Array]:
    generator = np.random.default_rng(7)
    gamma, beta = generator.normal(size=(2, size)).astype(np.float32)
    return {"gamma": gamma, "beta": beta, "epsilon": np.float32(epsilon), "axes": i32(axes)}


def numbers(*shape: int) -> Array:
    return (np.random.default_rng(0).normal(size=shape) * 3 + 2).astype(np.float32)


def check(x: Array, held: dict[str, Array], nodes: list[dict[str, Any]], outputs: list[str]) -> ModelStats:
    """Captured and replayed, the outputs are those of the reference."""
    artifacts = graph_model([placeholder("x", (-1,) * x.ndim), *nodes], held)
    with np.errstate(all="ignore"):
        expected = evaluate(graph_of(artifacts), {"x": x}, outputs)
    with tfgl.load_graph_model(artifacts) as model:
        for _ in range(2):
            results = model.execute({"x": x}, outputs)
            for name, result in zip(outputs, results if isinstance(results, list) else [results], strict=True):
                np.testing.assert_allclose(result.numpy(), expected[name], rtol=5e-6, atol=5e-6)
        return model.stats


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 128), (1, 2, 3, 4), (12,), (300, 772), (2, 9000)], ids=str)
def test_over_the_last_axis(gpu: Engine, form: str, shape: tuple[int, ...]) -> None:
    stats = check(numbers(*shape), weights(shape[-1]), layer_norm("y", "x", form), ["y"])
    assert stats.fusions["layer_norms"] == 1
    assert stats.draws == (2 if np.prod(shape) / 4 * shape[-1] / 4 > 1 << 17 else 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "axes"), [((5, 7), -1), ((3, 8, 8), 1), ((3, 8, 8), [2])])
def test_over_other_axes(gpu: Engine, form: str, shape: tuple[int, ...], axes: int | list[int]) -> None:
    stats = check(numbers(*shape), weights(shape[-1], axes), layer_norm("y", "x", form), ["y"])
    assert stats.fusions["layer_norms"] == 1


def test_a_mean_that_is_asked_for_stays(gpu: Engine) -> None:
    nodes = [*layer_norm("y", "x"), *layer_norm("z", "y", "factor")]
    stats = check(numbers(4, 16), weights(16), nodes, ["y", "y/mean", "z"])
    assert stats.fusions["layer_norms"] == 2


@pytest.mark.parametrize("form", FORMS)
def test_not_a_number_stays_in_its_row(gpu: Engine, form: str) -> None:
    x = numbers(3, 8)
    x[0, 3], x[1, 5] = np.nan, np.inf
    check(x, weights(8), layer_norm("y", "x", form), ["y"])


@pytest.mark.parametrize("form", FORMS)
def test_equal_values_give_the_offset(gpu: Engine, form: str) -> None:
    check(np.full((3, 8), 7, np.float32), weights(8, epsilon=1e-12), layer_norm("y", "x", form), ["y"])


@pytest.mark.parametrize("change", ["two axes", "another mean", "a matrix"])
def test_what_is_no_layer_norm(gpu: Engine, change: str) -> None:
    held = weights(8, [0, 1] if change == "two axes" else -1)
    nodes = layer_norm("y", "x")
    if change == "another mean":
        nodes = [{**one, "input": ["x", "other"]} if one["name"] == "y/mean" else one for one in nodes]
        held["other"] = i32(0)
    if change == "a matrix":
        held["gamma"] = np.stack([held["gamma"]] * 5)
    stats = check(numbers(5, 8), held, [*nodes, node("z", "Neg", ["y"])], ["z"])
    assert stats.fusions["layer_norms"] == 0
