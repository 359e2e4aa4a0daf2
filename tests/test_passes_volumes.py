"""Transposed convolutions of volumes as TensorFlow.js' own ops, against the gradient by its definition."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import FLOAT, graph, node, numbers
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Graph
from tfgl.ir.reference import evaluate as evaluate_kernel
from tfgl.ir.shapes import conv3d_geometry
from tfgl_converter.op_check import check_ops, unsupported_ops
from tfgl_converter.passes import PassContext, run_passes

INT = DataType("int32")


def model(sizes: list[int], dy: tuple[int, ...], filter_: np.ndarray, *, first: bool = False, **attrs: object) -> Graph:
    layout = b"NCDHW" if first else b"NDHWC"
    return graph(
        node("x", "Placeholder", dtype=FLOAT, shape=dy),
        node("y", "Conv3DBackpropInputV2", "s", "f", "x", T=FLOAT, data_format=layout, Tshape=INT, **attrs),
        outputs={"o": "y"},
        s=np.int32(sizes),
        f=filter_,
    )


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 2, 2), (3, 1, 2)], ids=str)
@pytest.mark.parametrize("window", [(2, 3, 2), (1, 1, 1), (3, 3, 4)], ids=str)
def test_transposed_convolution(window: tuple[int, ...], strides: tuple[int, ...], padding: str, first: bool) -> None:
    space = (7, 3, 8)
    attrs = {"strides": strides, "pad": padding.lower()}
    filter_ = numbers(*window, 3, 5)
    dy = numbers(*conv3d_geometry((2, *space, 3), filter_.shape, strides, padding.lower()).out_shape)
    want = evaluate_kernel(
        "Conv3DBackpropInputV2", {"dy": dy, "filter": filter_}, {**attrs, "inputShape": (2, *space, 3)}
    )
    sizes, steps = [2, *space, 3], [1, *strides, 1]
    if first:
        dy, want = np.moveaxis(dy, 4, 1), np.moveaxis(np.asarray(want), 4, 1)
        sizes, steps = [2, 3, *space], [1, 1, *strides]
    made = model(sizes, (-1, *dy.shape[1:]), filter_, first=first, strides=steps, padding=padding.encode())
    after, _ = run_passes(made, PassContext())
    check_ops(after)
    np.testing.assert_allclose(evaluate(after, {"x": dy}, ["o"])["o"], want, atol=1e-5)


def test_sizes_must_be_known() -> None:
    made = model([2, 4, 4, 4, 3], (-1, -1, 4, 4, 5), numbers(1, 1, 1, 3, 5), strides=[1] * 5, padding=b"SAME")
    after, _ = run_passes(made, PassContext())
    assert "known sizes" in str(unsupported_ops(after))
