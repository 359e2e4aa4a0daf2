"""Networks written channels first, and transpositions that move until they meet their inverse."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from graphs import FLOAT, INT, apply, graph, node, numbers, ops
from tfgl.ir.evaluate import evaluate
from tfgl_converter.passes import PassContext, run_passes
from tfgl_converter.passes.sink_transposes import sink_transposes

X = node("x", "Placeholder", dtype=FLOAT, shape=(-1, 3, 8, 6))
FIRST = {"T": FLOAT, "data_format": b"NCHW", "dilations": [1, 1, 1, 1]}
LAST, BACK = np.int32([0, 2, 3, 1]), np.int32([0, 3, 1, 2])


def transposed(name: str, x: str, perm: str) -> object:
    return node(name, "Transpose", x, perm, T=FLOAT, Tperm=INT)


def test_a_residual_network_keeps_one_transposition_at_each_end() -> None:
    conv = {**FIRST, "strides": [1, 1, 1, 1], "padding": b"SAME"}
    norm = {"T": FLOAT, "U": FLOAT, "epsilon": 1e-3, "data_format": b"NCHW", "is_training": False}
    made = graph(
        X, node("c1", "Conv2D", "x", "w1", **conv), node("n1", "FusedBatchNormV3", "c1", "g", "b", "m", "v", **norm),
        node("r1", "Relu", "n1", T=FLOAT), node("c2", "Conv2D", "r1", "w2", **conv),
        node("b2", "BiasAdd", "c2", "bias", T=FLOAT, data_format=b"NCHW"), node("s", "AddV2", "b2", "r1", T=FLOAT),
        node("k", "Mul", "s", "scale", T=FLOAT), node("p", "Pad", "k", "frame", T=FLOAT),
        node("pool", "MaxPool", "p", T=FLOAT, ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], padding=b"VALID",
             data_format=b"NCHW"),
        node("j", "ConcatV2", "pool", "pool2", "axis", N=2, T=FLOAT),
        node("pool2", "AvgPool", "p", T=FLOAT, ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], padding=b"VALID",
             data_format=b"NCHW"),
        node("mean", "Mean", "j", "axes", T=FLOAT, Tidx=INT, keep_dims=False), node("y", "Tanh", "mean", T=FLOAT),
        w1=numbers(3, 3, 3, 4), w2=numbers(3, 3, 4, 4), bias=numbers(4), g=numbers(4), b=numbers(4), m=numbers(4),
        v=np.abs(numbers(4)) + 1, scale=numbers(4, 1, 1), frame=np.int32([[0, 0], [0, 0], [1, 1], [0, 2]]),
        axis=np.int32(1), axes=np.int32([2, 3]), outputs={"y": "y"},
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    counted = Counter(ops(after))
    assert counted["Transpose"] == 1
    assert counted["_FusedConv2D"] == 2
    assert all(item.attrs.get("data_format", b"NHWC") == b"NHWC" for item in after.nodes.values())
    feeds = {"x": numbers(2, 3, 8, 6)}
    expected = evaluate(made, feeds, ["y"])["y"]
    np.testing.assert_allclose(evaluate(after, feeds, ["y"])["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [[1], [0, 2], [-1], [1, 2, 3]])
def test_sums_take_the_order_of_their_axes(axes: list[int], keep: bool) -> None:
    made = graph(
        X, transposed("t", "x", "perm"), node("s", "Sum", "t", "axes", T=FLOAT, Tidx=INT, keep_dims=keep),
        node("y", "Neg", "s"), perm=np.int32([2, 0, 3, 1]), axes=np.int32(axes),
    )  # fmt: skip
    apply(sink_transposes, made, {"x": numbers(2, 3, 8, 6)})


def test_what_others_read_stays() -> None:
    made = graph(
        X, transposed("t", "x", "last"), node("a", "Relu", "t", T=FLOAT), node("b", "Exp", "t", T=FLOAT),
        transposed("u", "a", "back"), outputs={"u": "u", "b": "b"}, last=LAST, back=BACK,
    )  # fmt: skip
    after = apply(sink_transposes, made, {"x": numbers(2, 3, 8, 6)})
    assert ops(after) == ops(made)


def test_operands_of_fewer_axes_and_names_of_outputs() -> None:
    made = graph(
        X, transposed("t", "x", "last"), node("a", "AddV2", "three", "t", T=FLOAT),
        node("y", "Mul", "a", "one", T=FLOAT), last=LAST, three=numbers(3), one=np.float32([2]), outputs={"y": "y"},
    )  # fmt: skip
    after = apply(sink_transposes, made, {"x": numbers(2, 3, 8, 6)})
    assert after.nodes["y"].op == "Transpose"
