"""What is known of shapes before a model runs, against the shapes that come out when it runs."""

from __future__ import annotations

import pytest

from graphs import FLOAT, graph, node
from random_graph_steps import STEPS
from random_graphs import RandomGraph
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Edge, Versions
from tfgl.ir.graphdef import graph_from_json
from tfgl_converter.passes.known_shapes import KnownShapes


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_known_sizes_are_those_that_come_out(first: int) -> None:
    named = 0
    for seed in range(first, first + 20):
        made = RandomGraph(seed, STEPS)
        model = graph_from_json(made.artifacts.model_topology, made.artifacts.weights, made.artifacts.signature)
        known = KnownShapes(model)
        for batch in (2, 3):
            found = evaluate(model, made.inputs(seed, batch), list(model.nodes))
            for name, value in found.items():
                shape = known.of(Edge(name))
                if shape is None:
                    continue
                named += 1
                assert len(shape) == value.ndim, (seed, model.nodes[name], shape, value.shape)
                fits = all(size in (-1, real) for size, real in zip(shape, value.shape, strict=True))
                assert fits, (seed, model.nodes[name], shape, value.shape)
    assert named > 100


def test_arithmetic_on_shapes() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 4, 6)), node("s", "Shape", "x"),
        node("d", "StridedSlice", "s", "one", "three", "one", begin_mask=0, end_mask=0),
        node("n", "Prod", "d", "zero", keep_dims=False), node("b", "StridedSlice", "s", "zero", "one", "one",
        shrink_axis_mask=1), node("p", "Pack", "b", "n", axis=0), node("r", "Reshape", "x", "p"),
        zero=[0], one=[1], three=[3],
    )  # fmt: skip
    known = KnownShapes(made)
    assert known.elements(Edge("p")) == (-1, 24)
    assert known.of(Edge("r")) == (-1, 24)
    assert known.of(Edge("nowhere")) is None


def test_transforms_and_random_numbers() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 4, 6)), node("f", "RFFT", "x", "ten"),
        node("g", "FFT", "f"), node("b", "IRFFT", "g", "ten"), node("r", "RandomUniform", "sizes"),
        node("v", "Conv3DBackpropInputV2", "sizes", "x", "x"), node("i", "Placeholder", dtype=FLOAT,
        shape=(-1, 7, 9, 3)), node("w", "ImageProjectiveTransformV3", "i", "x", "pair", "x"),
        ten=[10], sizes=[2, 3, 4, 5, 6], pair=[8, 5],
    )  # fmt: skip
    known = KnownShapes(made)
    assert [known.of(Edge(name)) for name in "fgb"] == [(-1, 4, 6), (-1, 4, 6), (-1, 4, 10)]
    assert [known.of(Edge(name)) for name in "rv"] == [(2, 3, 4, 5, 6)] * 2
    assert known.of(Edge("w")) == (-1, 8, 5, 3)


@pytest.mark.parametrize(("producer", "expected"), [(22, None), (24, ())])
def test_what_old_graphs_say_of_placeholders(producer: int, expected: tuple[int, ...] | None) -> None:
    made = graph(node("x", "Placeholder", dtype=FLOAT, shape=()), node("y", "Neg", "x"))
    known = KnownShapes(made.replace(versions=Versions(producer, 0)))
    assert known.of(Edge("y")) == expected
