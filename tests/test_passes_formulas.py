"""Formulas that exporters scatter over many nodes: what they become, and that values stay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special

from graphs import FLOAT, INT, apply, node, numbers, ops
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import Edge, Graph, Node, Signature, TensorInfo
from tfgl_converter.passes import PassContext, run_passes
from tfgl_converter.passes.fold_shapes import fold_shapes
from tfgl_converter.passes.fuse_gelu import fuse_gelu
from tfgl_converter.passes.fuse_layer_norm import fuse_layer_norm
from tfgl_converter.passes.fuse_softmax import fuse_softmax

X = node("x", "Placeholder", dtype=FLOAT, shape=(-1, 4, 6))
SPREAD = np.float32(np.linspace(-6, 6, 48).reshape(2, 4, 6))


class Writer:
    """Writes a formula as nodes: ``w("Mul", a, 2.0)``."""

    def __init__(self, *, shape: tuple[int, ...] = (-1, 4, 6)) -> None:
        self.nodes = {"x": node("x", "Placeholder", dtype=FLOAT, shape=shape)}
        self.constants: dict[str, Any] = {}

    def __call__(self, op: str, *inputs: Any, **attrs: Any) -> Edge:
        edges = []
        for value in inputs:
            if not isinstance(value, Edge):
                name = f"c{len(self.nodes)}"
                self.constants[name] = np.asarray(value, np.float32 if isinstance(value, float) else None)
                self.nodes[name] = Node(name, "Const")
                value = Edge(name)
            edges.append(value)
        name = f"n{len(self.nodes)}"
        self.nodes[name] = Node(name, op, tuple(edges), (), {"T": FLOAT, **attrs})
        return Edge(name)

    def mean(self, x: Edge, axes: list[int]) -> Edge:
        return self("Mean", x, np.int32(axes), keep_dims=True, Tidx=INT)

    def graph(self, result: Edge) -> Graph:
        signature = Signature({"x": TensorInfo("x:0", FLOAT)}, {"y": TensorInfo(str(result))})
        return Graph(self.nodes, constants=self.constants, signature=signature)


x = Edge("x")


def erf_forms() -> list[Graph]:
    made = []
    for form in range(5):
        w = Writer()
        if form == 0:
            inner = w("AddV2", w("Erf", w("RealDiv", x, math.sqrt(2))), 1.0)
            y = w("Mul", w("Mul", x, inner), 0.5)
        elif form == 1:
            inner = w("AddV2", 1.0, w("Erf", w("Mul", 1 / math.sqrt(2), x)))
            y = w("Mul", w("Mul", 0.5, x), inner)
        elif form == 2:
            y = w("Mul", w("Mul", x, 0.5), w("Erfc", w("Mul", w("Neg", x), 1 / math.sqrt(2))))
        elif form == 3:
            y = w("RealDiv", w("Mul", w("Erfc", w("RealDiv", x, -math.sqrt(2))), x), 2.0)
        else:
            negative = w("Erf", w("Mul", x, -1 / math.sqrt(2)))
            y = w("Mul", x, w("Mul", w("Sub", 1.0, negative), 0.5))
        made.append(w.graph(y))
    return made


def tanh_forms() -> list[Graph]:
    made = []
    for form in range(4):
        w = Writer()
        root = math.sqrt(2 / math.pi)
        if form == 0:
            u = w("Mul", w("AddV2", x, w("Mul", w("Pow", x, 3.0), 0.044715)), root)
        elif form == 1:
            u = w("Mul", root, w("AddV2", w("Mul", 0.044715, w("Mul", x, w("Mul", x, x))), x))
        elif form == 2:
            u = w("Mul", w("Mul", x, root), w("AddV2", w("Mul", w("Square", x), 0.044715), 1.0))
        else:
            u = w("AddV2", w("Mul", x, root), w("Mul", w("Pow", x, 3.0), root * 0.044715))
        half = w("Mul", w("AddV2", 1.0, w("Tanh", u)), 0.5)
        made.append(w.graph(w("Mul", x, half)))
    return made


@pytest.mark.parametrize("form", range(5))
def test_gelu(form: int) -> None:
    made = erf_forms()[form]
    after, _ = run_passes(made, PassContext())
    assert ops(after) == ["AddV2", "Erf", "Mul", "Mul", "Mul"]
    expected = SPREAD * 0.5 * special.erfc(-SPREAD.astype(np.float64) / math.sqrt(2))
    np.testing.assert_allclose(evaluate(after, {"x": SPREAD}, ["y"])["y"], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", range(4))
def test_gelu_by_tanh(form: int) -> None:
    after = apply(fuse_gelu, tanh_forms()[form], {"x": SPREAD})
    assert sum(node.op == "Sigmoid" for node in after.nodes.values()) == 1
    pruned, _ = run_passes(after, PassContext(), ["prune"])
    assert ops(pruned) == ["AddV2", "Mul", "Mul", "Mul", "Sigmoid", "Square"]


def test_what_looks_like_gelu_stays() -> None:
    for factor, inner in ((0.6, 1 / math.sqrt(2)), (0.5, 0.8)):
        w = Writer()
        total = w("AddV2", w("Erf", w("Mul", x, inner)), 1.0)
        made = w.graph(w("Mul", w("Mul", x, total), factor))
        assert ops(apply(fuse_gelu, made)) == ops(made)
    # The error function is read by somebody else too.
    made = tanh_forms()[0]
    tanh = next(name for name, item in made.nodes.items() if item.op == "Tanh")
    more = made.replace(signature=Signature(made.inputs, {**made.outputs, "t": TensorInfo(tanh)}))
    assert ops(apply(fuse_gelu, more)) == ops(made)


@pytest.mark.parametrize("scaled", [False, True])
def test_layer_norm_of_keras(scaled: bool) -> None:
    w = Writer()
    mean = w.mean(x, [-1])
    variance = w.mean(w("SquaredDifference", x, mean), [-1])
    factor = w("Rsqrt", w("AddV2", variance, 1e-3))
    if scaled:
        factor = w("Mul", factor, numbers(6))
    y = w("AddV2", w("Mul", x, factor), w("Sub", numbers(6, seed=1), w("Mul", mean, factor)))
    after, _ = run_passes(w.graph(y), PassContext())
    assert len(ops(after)) == 8 + scaled
    expected = evaluate(w.graph(y), {"x": SPREAD}, ["y"])["y"]
    np.testing.assert_allclose(evaluate(after, {"x": SPREAD}, ["y"])["y"], expected, rtol=1e-5, atol=1e-6)


def test_layer_norm_by_a_batch_norm_in_training() -> None:
    w = Writer(shape=(2, 4, 6))
    flat = w("Reshape", x, np.int32([1, 8, 6, 1]))
    norm = w(
        "FusedBatchNormV3", flat, np.ones(8, np.float32), np.zeros(8, np.float32), np.float32([]), np.float32([]),
        epsilon=1e-3, data_format=b"NCHW", is_training=True,
    )  # fmt: skip
    back = w("Reshape", norm, np.int32([2, 4, 6]))
    made = w.graph(w("AddV2", w("Mul", back, numbers(6)), numbers(6, seed=1)))
    after, _ = run_passes(made, PassContext())
    assert ops(after) == sorted(["Mean", "Sub", "Square", "Mean", "AddV2", "Rsqrt", "Mul", "Mul", "AddV2"])
    centred = SPREAD - SPREAD.mean(-1, keepdims=True)
    expected = centred / np.sqrt(SPREAD.var(-1, keepdims=True) + 1e-3) * numbers(6) + numbers(6, seed=1)
    np.testing.assert_allclose(evaluate(after, {"x": SPREAD}, ["y"])["y"], expected, rtol=1e-4, atol=1e-5)


def test_norms_over_other_axes_and_of_other_tensors_stay() -> None:
    for axes in ([-1], [1]):
        w = Writer()
        mean = w.mean(x, [-1])
        other = w("Exp", x) if axes == [-1] else x
        variance = w.mean(w("SquaredDifference", other, mean), axes)
        factor = w("Rsqrt", w("AddV2", variance, 1e-3))
        made = w.graph(w("AddV2", w("Mul", x, factor), w("Sub", numbers(6), w("Mul", mean, factor))))
        assert ops(apply(fuse_layer_norm, made)) == ops(made)


@pytest.mark.parametrize("axis", [-1, 2, 1])
def test_softmax_in_parts(axis: int) -> None:
    for log in (False, True):
        w = Writer()
        largest = w("Max", x, np.int32([axis]), keep_dims=True, Tidx=INT)
        centred = w("Sub", x, largest)
        raised = w("Exp", centred)
        total = w("Sum", raised, np.int32([axis]), keep_dims=True, Tidx=INT)
        made = w.graph(w("Sub", centred, w("Log", total)) if log else w("RealDiv", raised, total))
        after = apply(fuse_softmax, made, {"x": SPREAD})
        wanted = "LogSoftmax" if log else "Softmax"
        assert (wanted in ops(after)) == (axis != 1)


def test_logistic_function() -> None:
    w = Writer()
    made = w.graph(w("RealDiv", 1.0, w("AddV2", 1.0, w("Exp", w("Neg", x)))))
    assert "Sigmoid" in ops(apply(fuse_softmax, made, {"x": SPREAD}))
    w = Writer()
    made = w.graph(w("RealDiv", x, w("AddV2", w("Exp", w("Neg", x)), 1.0)))
    after, _ = run_passes(made, PassContext())
    assert ops(after) == ["Mul", "Sigmoid"]


def test_shapes_become_constants() -> None:
    w = Writer()
    shape = w("Shape", x, out_type=INT)
    batch = w("StridedSlice", shape, np.int32([0]), np.int32([1]), np.int32([1]), begin_mask=0, end_mask=0,
              ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=1)  # fmt: skip
    target = w("Pack", batch, np.int32(24), axis=0, N=2)
    zero = w("AddV2", w("Reshape", x, target), np.zeros((1, 24), np.float32))
    whole = w("Slice", zero, np.int32([0, 0]), np.int32([-1, 24]))
    made = w.graph(w("Exp", whole))
    apply(fold_shapes, made, {"x": SPREAD})
    after, _ = run_passes(made, PassContext())
    assert ops(after) == ["Exp", "Reshape"]


def test_unknown_sizes_stay_computed() -> None:
    w = Writer(shape=(-1, -1, 6))
    made = w.graph(w("Reshape", w("Exp", x), w("Shape", w("Square", x), out_type=INT)))
    after, _ = run_passes(made, PassContext())
    assert "Shape" in ops(after)
    np.testing.assert_allclose(evaluate(after, {"x": SPREAD}, ["y"])["y"], np.exp(SPREAD), rtol=1e-6)


def test_the_record_names_all_that_a_formula_came_from() -> None:
    made = erf_forms()[0]
    _, record = run_passes(made, PassContext())
    sources = {name for name, node in made.nodes.items() if node.op not in ("Const", "Placeholder")}
    result = made.outputs["y"].edge.node
    assert sources <= set(record.origins[result])
