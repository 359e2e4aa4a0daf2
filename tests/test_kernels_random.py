"""Random numbers: TensorFlow's for equal seeds, others at each call and replay without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import tfgl
from exact_kernels import Array, Row, check, compare, one
from goldens.make_kernels import FILE, RANDOM
from graph_models import f32, graph_model, i32, node, placeholder
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.evaluate import evaluate_node
from tfgl.ir.graph import Edge, Node

# Normal numbers go through a logarithm, a root and a sine, each good to some units in the last place.
NORMAL = 2e-6

SEEDED = [
    Row("RandomUniform", {}, {"shape": [5, 7], "seed": [1, 2]}),
    Row("RandomUniform", {}, {"shape": [2, 3, 1, 2, 1, 3], "minval": -2, "maxval": 3, "seed": 0.371}, 1e-7),
    Row("RandomUniform", {}, {"shape": [], "seed": -1}),
    Row("RandomUniform", {}, {"shape": [3, 0], "seed": 1}),
    Row("RandomStandardNormal", {}, {"shape": [999], "seed": [2**63 - 1, 5]}, NORMAL),
    Row("TruncatedNormal", {}, {"shape": [1001], "mean": 3, "stdDev": 0.5, "seed": [0, 5]}, NORMAL),
    Row("RandomUniformInt", {}, {"shape": [999], "minval": -5, "maxval": 6, "seed": 5}),
    Row("RandomUniformInt", {}, {"shape": [9], "minval": -(2**31), "maxval": 2**31 - 1, "seed": 5}),
    Row("RandomUniformInt", {}, {"shape": [9], "minval": 2**31 - 2, "maxval": 2**31 - 1, "seed": 5}),
    Row("Multinomial", {"logits": f32([[0, 1, 2], [5, -9, 5]])}, {"numSamples": 500, "seed": 3}),
    Row("Multinomial", {"logits": f32([[0.5, 0.25, 0.25]])}, {"numSamples": 99, "seed": 0.5, "normalized": True}),
    Row("Multinomial", {"logits": np.zeros((0, 3), np.float32)}, {"numSamples": 4, "seed": 3}),
]


@pytest.mark.parametrize("row", SEEDED, ids=str)
def test_equal_seeds_give_equal_numbers(gpu: Engine, row: Row) -> None:
    check(gpu, row)


@pytest.mark.parametrize("name", RANDOM)
def test_the_numbers_are_those_of_tensorflow(gpu: Engine, name: str) -> None:
    op, arguments = RANDOM[name]
    want = np.load(FILE)[name]
    arrays = [i32(arguments["shape"])]
    if "minval" in arguments:
        arrays += [np.array(arguments[key], np.int32) for key in ("minval", "maxval")]
    if op.startswith("Stateless"):
        arrays.insert(1, i32(arguments["seed"]))
    seeds = {key: arguments[key] for key in ("seed", "seed2") if key in arguments and not op.startswith("Stateless")}
    (reference,) = evaluate_node(Node("n", op, tuple(Edge(f"x{k}") for k in range(len(arrays))), (), seeds), arrays)
    assert reference is not None
    tolerance = 0 if want.dtype.kind == "i" or "uniform" in name else NORMAL
    compare(reference, want, tolerance)
    weights = {f"w{k}": array for k, array in enumerate(arrays)}
    model = tfgl.load_graph_model(graph_model([node("y", op, list(weights), **seeds)], weights))
    with model:
        compare(model.execute({}, "y").numpy(), want, tolerance)


def test_key_and_counter_carry_a_stateless_seed(gpu: Engine) -> None:
    op, arguments = RANDOM["stateless_uniform"]
    nodes = [
        node("k", "StatelessRandomGetKeyCounter", ["seed"]),
        node("alg", "StatelessRandomGetAlg"),
        node("y", f"{op}V2", ["shape", "k", "k:1", "alg"]),
    ]
    weights = {"seed": i32(arguments["seed"]), "shape": i32(arguments["shape"])}
    with tfgl.load_graph_model(graph_model(nodes, weights)) as model:
        np.testing.assert_array_equal(model.execute({}, "y").numpy(), np.load(FILE)["stateless_uniform"])


FRESH: list[tuple[str, dict[str, Any], Any]] = [
    ("RandomUniform", {"minval": -2, "maxval": 3}, stats.uniform(-2, 5).cdf),
    ("RandomStandardNormal", {}, stats.norm().cdf),
    ("TruncatedNormal", {"mean": 1, "stdDev": 3}, stats.truncnorm(-2, 2, 1, 3).cdf),
]


@pytest.mark.parametrize("row", FRESH, ids=lambda row: row[0])
def test_distributions(gpu: Engine, row: tuple[str, dict[str, Any], Any]) -> None:
    kernel, attrs, cumulative = row
    first, second = (one(gpu, kernel, {}, {"shape": [40_000], **attrs}) for _ in range(2))
    assert (first == second).mean() < 0.01
    # One run in a million fails by chance.
    assert stats.kstest(first, cumulative).pvalue > 1e-6
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.03


def test_whole_numbers_and_classes_come_as_often_as_they_should(gpu: Engine) -> None:
    drawn = one(gpu, "RandomUniformInt", {}, {"shape": [200, 200], "minval": -3, "maxval": 4, "seed": 0})
    counts = np.bincount(drawn.reshape(-1) + 3, minlength=7)
    assert len(counts) == 7 and stats.chisquare(counts).pvalue > 1e-6
    likely = np.array([[0.1, 0.2, 0, 0.3, 0.4, 0], [0, 0, 1, 0, 0, 0]])
    with np.errstate(divide="ignore"):
        logits = np.log(likely).astype(np.float32)
    classes = one(gpu, "Multinomial", {"logits": logits}, {"numSamples": 20_000})
    counts = np.bincount(classes[0], minlength=6)
    assert not counts[likely[0] == 0].any()
    assert stats.chisquare(counts[likely[0] > 0], 20_000 * likely[0][likely[0] > 0]).pvalue > 1e-6
    assert (classes[1] == 2).all()


@pytest.mark.parametrize("constants", [False, True])
@pytest.mark.parametrize("op", ["RandomUniform", "RandomStandardNormal", "TruncatedNormal", "Multinomial"])
def test_a_replay_draws_anew_unless_it_has_a_seed(gpu: Engine, op: str, constants: bool) -> None:
    # Large enough that no part of it is evaluated on the host.
    inputs, weights = (
        (["l", "n"], {"l": np.zeros((9, 50), np.float32), "n": i32(40)})
        if op == "Multinomial"
        else (["s"], {"s": i32([9, 40])})
    )
    nodes = [
        placeholder("x", (-1, 40)),
        node("free", op, inputs, seed=0, seed2=0),
        node("other", op, inputs, seed=0, seed2=0),
        node("held", op, inputs, seed=5, seed2=7),
        # An element-wise tail, which merges into the draw that makes the numbers.
        *(
            part
            for name in ("free", "other", "held")
            for part in (
                node(f"{name}_f", "Cast", [name], DstT="DT_FLOAT"),
                node(f"{name}_y", "AddV2", [f"{name}_f", "x"]),
            )
        ),
    ]
    before = gpu.flags.shapes_as_constants
    gpu.flags.set("shapes_as_constants", constants)
    try:
        with tfgl.load_graph_model(graph_model(nodes, weights)) as model:
            x = np.zeros((9, 40), np.float32)
            runs = [[t.numpy() for t in model.execute({"x": x}, ["free_y", "other_y", "held_y"])] for _ in range(4)]
    finally:
        gpu.flags.set("shapes_as_constants", before)
    free = [array for run in runs for array in run[:2]]
    for k, array in enumerate(free):
        assert all((array == other).mean() < 0.1 for other in free[:k])
    held = [run[2] for run in runs]
    assert all((array == held[0]).all() for array in held)
    assert np.ptp(held[0]) > 0


def test_seeds_of_fractions_differ(gpu: Engine) -> None:
    # As the original's multinomial draws them.
    numbers = [one(gpu, "RandomUniform", {}, {"shape": [8], "seed": seed}) for seed in (0.25, 0.5, 1, -1)]
    assert len({array.tobytes() for array in numbers}) == 4


WRONG: list[tuple[str, dict[str, Array], dict[str, Any], str]] = [
    ("RandomUniform", {}, {"shape": [-1]}, "negative"),
    ("RandomUniform", {}, {"shape": [1], "seed": [1, 2, 3]}, "one number or two"),
    ("RandomUniform", {}, {"shape": [1], "seed": float("nan")}, "finite"),
    ("RandomUniformInt", {}, {"shape": [1], "minval": 3, "maxval": 3}, "minval must be less"),
    ("Multinomial", {"logits": f32([1, 2])}, {"numSamples": 3}, r"\(batch, classes\)"),
    ("Multinomial", {"logits": np.zeros((2, 0), np.float32)}, {"numSamples": 3}, "at least one class"),
    ("Multinomial", {"logits": f32([[1, 2]])}, {"numSamples": -3}, "numSamples"),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]} {row[3]}")
def test_wrong_arguments(gpu: Engine, row: tuple[Any, ...]) -> None:
    kernel, inputs, attrs, message = row
    with pytest.raises(InvalidArgumentError, match=message):
        one(gpu, kernel, inputs, attrs)
