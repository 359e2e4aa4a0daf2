"""Random graphs before and after the passes, all of them and one at a time, on the float64 evaluator."""

from __future__ import annotations

import numpy as np
import pytest

from random_graph_steps import STEPS
from random_graphs import RandomGraph
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Graph
from tfgl.ir.graphdef import graph_from_json
from tfgl_converter.passes import PASSES, PassContext, chosen_passes, run_passes
from tfgl_converter.passes.pipeline import REQUIRED

PER_TEST = 20


def assert_same(made: RandomGraph, before: Graph, after: Graph, where: str) -> None:
    for batch in (2, 3, 1):
        feeds = made.inputs(batch, batch)
        expected = evaluate(before, feeds, before.outputs)
        got = evaluate(after, feeds, before.outputs)
        # What float32 between the nodes does to the graph, a pass may do as well.
        rounded = evaluate(before, feeds, before.outputs, precision="float32")
        for name, value in expected.items():
            assert got[name].shape == value.shape, f"{where}, batch {batch}, {name}"
            if value.dtype.kind != "f":
                np.testing.assert_array_equal(got[name], value, err_msg=f"{where}, batch {batch}, {name}")
            elif value.size:
                largest = float(np.abs(value).max())
                tolerance = 1e-5 * max(largest, 1e-3) + 20 * float(np.abs(rounded[name] - value).max())
                worst = float(np.abs(got[name] - value).max())
                assert worst <= tolerance, f"{where}, batch {batch}, {name}: off by {worst} of {largest}"


@pytest.mark.parametrize("first", range(0, 200, PER_TEST))
def test_all_passes(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        made = RandomGraph(seed, STEPS)
        before = graph_from_json(made.artifacts.model_topology, made.artifacts.weights, made.artifacts.signature)
        after, record = run_passes(before, PassContext())
        assert len(record.steps) > 10
        known = {name for sources in record.origins.values() for name in sources}
        assert known <= set(before.nodes), f"seed {seed}: {sorted(known - set(before.nodes))}"
        assert_same(made, before, after, f"seed {seed}")


@pytest.mark.parametrize("name", sorted(set(PASSES) - set(REQUIRED)))
def test_one_pass(name: str) -> None:
    for seed in range(500, 500 + PER_TEST):
        made = RandomGraph(seed, STEPS)
        before = graph_from_json(made.artifacts.model_topology, made.artifacts.weights, made.artifacts.signature)
        after, _ = run_passes(before, PassContext(), chosen_passes([name]))
        assert_same(made, before, after, f"pass {name}, seed {seed}")
