"""Factors, dilations and what stands around convolutions and matrix products."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import FLOAT, INT, apply, graph, node, numbers, ops
from tfgl_converter.passes import PassContext, run_passes
from tfgl_converter.passes.dilate_convolutions import dilate_convolutions
from tfgl_converter.passes.einsum_products import einsum_products
from tfgl_converter.passes.merge_constants import merge_constants
from tfgl_converter.passes.push_scales import push_scales
from tfgl_converter.passes.sink_reshapes import sink_reshapes

CONV = {"T": FLOAT, "strides": [1, 1, 1, 1], "padding": b"SAME", "data_format": b"NHWC", "dilations": [1, 1, 1, 1]}
VALID = {**CONV, "padding": b"VALID"}
X = node("x", "Placeholder", dtype=FLOAT, shape=(-1, 8, 8, 3))
FEEDS = {"x": numbers(2, 8, 8, 3)}


@pytest.mark.parametrize("op", ["Conv2D", "DepthwiseConv2dNative"])
@pytest.mark.parametrize("factor", [np.float32(1 / 255), np.float32([0.5, 2, 3]), np.float32([[[[4]]]])])
def test_a_factor_before_a_convolution(op: str, factor: np.ndarray) -> None:  # type: ignore[type-arg]
    product = node("m", "Mul", "x", "c", T=FLOAT)
    made = graph(X, product, node("y", op, "m", "w", **CONV), c=factor, w=numbers(3, 3, 3, 2))
    after = apply(push_scales, made, FEEDS)
    assert ("Mul" in ops(after)) == (factor.ndim > 2)


def test_a_quotient_before_a_product_of_transposed_weights() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("d", "RealDiv", "x", "c", T=FLOAT),
        node("y", "MatMul", "d", "w", T=FLOAT, transpose_a=False, transpose_b=True), c=np.float32([1, 2, 4, 8]),
        w=numbers(3, 4),
    )  # fmt: skip
    assert ops(apply(push_scales, made, {"x": numbers(2, 4)})) == ["MatMul"]


def test_a_hard_swish_with_squeeze_and_excitation() -> None:
    made = graph(
        X, node("a", "AddV2", "x", "three", T=FLOAT), node("r", "Relu6", "a", T=FLOAT),
        node("s", "Mul", "r", "sixth", T=FLOAT), node("h", "Mul", "x", "s", T=FLOAT),
        node("p", "Mean", "h", "axes", T=FLOAT, Tidx=INT, keep_dims=True), node("e", "Conv2D", "p", "w1", **CONV),
        node("g", "Sigmoid", "e", T=FLOAT), node("k", "Mul", "h", "g", T=FLOAT), node("y", "Conv2D", "k", "w2", **CONV),
        three=np.float32(3), sixth=np.float32(1 / 6), axes=np.int32([1, 2]), w1=numbers(1, 1, 3, 3),
        w2=numbers(1, 1, 3, 4),
    )  # fmt: skip
    after = apply(push_scales, made, FEEDS)
    assert ops(after).count("Mul") == 2


@pytest.mark.parametrize("reader", ["Relu", "Exp", "AddV2"])
def test_a_factor_that_something_else_reads_stays(reader: str) -> None:
    more = ("m", "x") if reader == "AddV2" else ("m",)
    made = graph(
        X, node("m", "Mul", "x", "c", T=FLOAT), node("a", "Conv2D", "m", "w", **CONV),
        node("b", reader, *more, T=FLOAT), c=np.float32(2), w=numbers(1, 1, 3, 4), outputs={"a": "a", "b": "b"},
    )  # fmt: skip
    assert ops(apply(push_scales, made, FEEDS)) == ops(made)


def test_shared_weights_and_factors_on_both_sides_stay() -> None:
    shared = graph(
        X, node("m", "Mul", "x", "c", T=FLOAT), node("a", "Conv2D", "m", "w", **CONV),
        node("b", "Conv2D", "x", "w", **CONV), c=np.float32(2), w=numbers(1, 1, 3, 4), outputs={"a": "a", "b": "b"},
    )  # fmt: skip
    assert ops(apply(push_scales, shared, FEEDS)) == ops(shared)
    twice = graph(
        X, node("m", "Mul", "x", "c", T=FLOAT), node("p", "Mean", "m", "axes", T=FLOAT, Tidx=INT, keep_dims=True),
        node("k", "Mul", "m", "p", T=FLOAT), node("y", "Conv2D", "k", "w", **CONV), c=np.float32(2),
        axes=np.int32([1, 2]), w=numbers(1, 1, 3, 4),
    )  # fmt: skip
    assert ops(apply(push_scales, twice, FEEDS)) == ops(twice)


@pytest.mark.parametrize(
    ("pads", "crops", "padding"),
    [([[2, 2], [3, 4]], [[0, 0], [0, 1]], b"SAME"), ([[0, 0], [0, 1]], [[0, 0], [0, 1]], b"VALID"),
     ([[4, 0], [1, 3]], [[0, 0], [0, 1]], b"EXPLICIT")],
)  # fmt: skip
@pytest.mark.parametrize("op", ["Conv2D", "DepthwiseConv2dNative"])
def test_dilation_by_blocks(op: str, pads: list[list[int]], crops: list[list[int]], padding: bytes) -> None:
    made = graph(
        X, node("s", "SpaceToBatchND", "x", "block", "pads", T=FLOAT),
        node("c", op, "s", "w", **VALID),
        node("b", "BiasAdd", "c", "bias", T=FLOAT), node("r", "Relu", "b", T=FLOAT),
        node("y", "BatchToSpaceND", "r", "block", "crops", T=FLOAT), block=np.int32([2, 3]), pads=np.int32(pads),
        crops=np.int32(crops), w=numbers(3, 3, 3, 2), bias=numbers(6 if op.startswith("D") else 2),
    )  # fmt: skip
    after = apply(dilate_convolutions, made, {"x": numbers(1, 8, 8, 3)})
    convolution = next(item for item in after.nodes.values() if item.op == op)
    assert convolution.attrs["dilations"] == [1, 2, 3, 1]
    assert convolution.attrs["padding"] == padding
    assert "SpaceToBatchND" not in ops(after)


def test_dilation_of_a_sequence() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 12, 3)),
        node("s", "SpaceToBatchND", "x", "block", "pads", T=FLOAT),
        node("e", "ExpandDims", "s", "one", T=FLOAT, Tdim=INT), node("c", "Conv2D", "e", "w", **VALID),
        node("q", "Squeeze", "c", T=FLOAT, squeeze_dims=[1]),
        node("y", "BatchToSpaceND", "q", "block", "crops", T=FLOAT), block=np.int32([4]), pads=np.int32([[4, 0]]),
        crops=np.int32([[0, 0]]), one=np.int32(1), w=numbers(1, 2, 3, 5),
    )  # fmt: skip
    after = apply(dilate_convolutions, made, {"x": numbers(2, 12, 3)})
    assert ops(after) == ["Conv2D", "ExpandDims", "Identity", "Squeeze"]


def test_blocks_that_are_no_dilation_stay() -> None:
    made = graph(
        X, node("s", "SpaceToBatchND", "x", "block", "pads", T=FLOAT), node("c", "Conv2D", "s", "w", **CONV),
        node("y", "BatchToSpaceND", "c", "block", "crops", T=FLOAT), block=np.int32([2, 2]),
        pads=np.int32([[0, 0], [0, 0]]), crops=np.int32([[0, 0], [0, 0]]), w=numbers(3, 3, 3, 2),
    )  # fmt: skip
    assert ops(apply(dilate_convolutions, made, FEEDS)) == ops(made)


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [(("Mul", "x", "a"), ("Mul", "b", "m"), ["Mul"]), (("RealDiv", "x", "a"), ("Mul", "m", "b"), ["Mul"]),
     (("Mul", "a", "x"), ("RealDiv", "m", "b"), ["Mul"]), (("AddV2", "x", "a"), ("Sub", "m", "b"), ["AddV2"]),
     (("Sub", "x", "a"), ("Add", "b", "m"), ["AddV2"]), (("Sub", "a", "x"), ("Add", "b", "m"), ["Add", "Sub"]),
     (("Mul", "x", "a"), ("AddV2", "m", "b"), ["AddV2", "Mul"]),
     (("Mul", "x", "row"), ("Mul", "m", "column"), ["Mul"] * 2),
     (("Mul", "x", "huge"), ("Mul", "m", "huge"), ["Mul"] * 2), (("Mul", "x", "a"), ("Mul", "m", "row"), ["Mul"])],
)  # fmt: skip
def test_constants_in_a_row(first: tuple[str, ...], second: tuple[str, ...], left: list[str]) -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("m", *first, T=FLOAT), node("y", *second, T=FLOAT),
        a=np.float32(3), b=np.float32(5), row=numbers(4), column=numbers(3, 1), huge=np.float32(1e30),
    )  # fmt: skip
    assert ops(apply(merge_constants, made, {"x": numbers(3, 4) * np.float32(1e-25)})) == left


def test_a_chain_of_constants_is_one() -> None:
    chain = [node(f"m{i}", "Mul", f"m{i - 1}" if i else "x", "c", T=FLOAT) for i in range(8)]
    made = graph(node("x", "Placeholder", dtype=FLOAT), *chain, c=np.float32(2), outputs={"y": "m7"})
    assert ops(apply(merge_constants, made, {"x": numbers(3)})) == ["Mul"]


def test_a_dense_layer_over_a_sequence_is_one_product() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 5, 3)), node("r", "Reshape", "x", "flat", T=FLOAT, Tshape=INT),
        node("m", "MatMul", "r", "w", T=FLOAT, transpose_a=False, transpose_b=False),
        node("s", "Reshape", "m", "back", T=FLOAT, Tshape=INT), node("a", "AddV2", "s", "b", T=FLOAT),
        node("y", "Relu", "a", T=FLOAT), flat=np.int32([-1, 3]), back=np.int32([-1, 5, 4]), w=numbers(3, 4),
        b=numbers(4),
    )  # fmt: skip
    feeds = {"x": numbers(2, 5, 3)}
    assert ops(apply(sink_reshapes, made, feeds)) == ops(made)
    after, _ = run_passes(made, PassContext())
    assert ops(after) == ["Reshape", "Reshape", "_FusedMatMul"]


def test_a_bias_over_another_axis_stays_behind_its_reshape() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 3)), node("m", "MatMul", "x", "w", T=FLOAT),
        node("s", "Reshape", "m", "back", T=FLOAT, Tshape=INT), node("y", "AddV2", "s", "b", T=FLOAT),
        back=np.int32([-1, 2, 2]), w=numbers(3, 4), b=numbers(2),
    )  # fmt: skip
    assert apply(sink_reshapes, made, {"x": numbers(2, 3)}).nodes["y"].op == "AddV2"


@pytest.mark.parametrize(
    ("equation", "shapes", "op"),
    [("ab,bc->ac", [(2, 3), (3, 4)], "MatMul"), ("ba,bc->ca", [(3, 2), (3, 4)], "MatMul"),
     ("ab,cb->ac", [(2, 3), (4, 3)], "MatMul"), ("bsh,hd->bsd", [(2, 5, 3), (3, 4)], "BatchMatMulV2"),
     ("hd,bsh->bsd", [(3, 4), (2, 5, 3)], "BatchMatMulV2"),
     ("bnth,bnsh->bnts", [(2, 3, 4, 5), (2, 3, 6, 5)], "BatchMatMulV2"),
     ("bnth,bnsh->bnst", [(2, 3, 4, 5), (2, 3, 6, 5)], "BatchMatMulV2"),
     ("btnh,bsnh->bnts", [(2, 3, 4, 5), (2, 6, 4, 5)], "Einsum"),
     ("abcd,cde->abe", [(2, 3, 4, 5), (4, 5, 6)], "Einsum"),
     ("ab,ab->ab", [(2, 3), (2, 3)], "Einsum"), ("ab,ab->a", [(2, 3), (2, 3)], "Einsum"),
     ("ab,cd->abcd", [(2, 3), (2, 3)], "Einsum"), ("abc,bcd->abd", [(2, 3, 4), (3, 4, 5)], "Einsum"),
     ("bsh,hd->sbd", [(2, 5, 3), (3, 4)], "Einsum"), ("ab,bc->a", [(2, 3), (3, 4)], "Einsum")],
)  # fmt: skip
def test_einsums_that_are_products(equation: str, shapes: list[tuple[int, ...]], op: str) -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT), node("z", "Placeholder", dtype=FLOAT),
        node("y", "Einsum", "x", "z", equation=equation.encode(), N=2, T=FLOAT),
    )  # fmt: skip
    assert ops(apply(einsum_products, made, {"x": numbers(*shapes[0]), "z": numbers(*shapes[1], seed=1)})) == [op]
