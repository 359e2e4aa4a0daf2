"""Random programs of nested loops and branches: Python against graphs of frames and of functions, both evaluators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from control_programs import NAMES, graph_of, random_program, run
from tfgl.engine import Engine
from tfgl.graph.runner import GraphRunner
from tfgl.graph.stats import ModelStats
from tfgl.ir.evaluate import evaluate

Array = np.ndarray[Any, Any]
# What a seed happens to give is little without the cases that are known to be hard.
WRITTEN: dict[str, Any] = {
    "no iterations": [("while", 0, [("x", "AddV2", "x", 1)])],
    "loop in loop": [("while", "i", [("while", "j", [("x", "AddV2", "x", "y")]), ("j", "AddV2", "j", 1)])],
    "loop in branch": [("if", "i even", [("while", 3, [("x", "Mul", "x", 2)])], [("y", "Sub", "y", "x")])],
    "branch in loop": [("while", 4, [("if", "i even", [("x", "AddV2", "x", 1)], []), ("i", "AddV2", "i", 1)])],
    "branch in branch": [("if", "i even", [("if", "j even", [("x", "Mul", "x", "y")], [("j", "AddV2", "j", 1)])], [])],
    "loop of constants in a branch": [("if", "j even", [("while", 2, [("i", "AddV2", "i", 3)])], [("i", "Sub", 1, 3)])],
    "condition in the device": [("while", 6, [("x", "Sub", "x", 1)], "x positive")],
    "three deep": [("while", 2, [("while", "i", [("while", 2, [("x", "AddV2", "x", "y"), ("i", "Sub", "i", 1)])])])],
}


def values(seed: int, i: int, j: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    floats = {name: (rng.integers(-8, 9, 3) / 4).astype(np.float32) for name in ("x", "y")}
    return {**floats, "i": np.array(i, np.int32), "j": np.array(j, np.int32)}


def programs() -> list[Any]:
    found = [pytest.param(program, id=name) for name, program in WRITTEN.items()]
    for seed in range(30):
        rng = np.random.default_rng(seed)
        found.append(pytest.param(random_program(rng, 3, device=seed % 3 == 0), id=f"seed {seed}"))
    return found


def expected_of(program: Any, feeds: dict[str, Array]) -> dict[str, Array]:
    doubles = {name: value.astype(np.float64) if value.dtype == np.float32 else value for name, value in feeds.items()}
    return run(program, doubles)


def check(got: dict[str, Any], expected: dict[str, Array]) -> None:
    for name in NAMES:
        result = np.asarray(got[f"{name}_out"])
        assert result.shape == expected[name].shape
        np.testing.assert_allclose(result, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("functions", [False, True], ids=["frames", "functions"])
@pytest.mark.parametrize("program", programs())
def test_reference_runs_what_python_runs(program: Any, functions: bool) -> None:
    graph = graph_of(program, functions=functions)
    for feeds in (values(1, 3, 2), values(2, 2, 3), values(3, 0, 0)):
        check(evaluate(graph, feeds, graph.outputs), expected_of(program, feeds))


@pytest.mark.parametrize("functions", [False, True], ids=["frames", "functions"])
def test_shaders_run_what_python_runs(gpu: Engine, functions: bool) -> None:
    for parameter in programs()[:20]:
        (program,) = parameter.values
        with GraphRunner(graph_of(program, functions=functions), gpu, ModelStats()) as model:
            for feeds in (values(1, 3, 2), values(2, 2, 3), values(4, 3, 2), values(3, 0, 0)):
                check(model.predict_dict(feeds), expected_of(program, feeds))


def test_the_frames_are_those_of_tensorflow_1() -> None:
    graph = graph_of(WRITTEN["loop in branch"], functions=False)
    ops = {item.op for item in graph.nodes.values()}
    assert {"Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond"} <= ops
    assert any(item.op == "Const" and item.control_inputs for item in graph.nodes.values())
