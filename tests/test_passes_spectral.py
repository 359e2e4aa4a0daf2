"""Fourier transforms of a length of their own, as TensorFlow.js computes them without one."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import FLOAT, Array, graph, node
from tfgl.ir.evaluate import evaluate
from tfgl.ir.graph import DataType, Graph
from tfgl_converter.op_check import check_ops
from tfgl_converter.passes import PassContext, run_passes

COMPLEX, INT = DataType("complex64"), DataType("int32")


def converted(op: str, x: Array, length: int, *, known: bool) -> Graph:
    shape = (-1, *x.shape[1:]) if known else (-1,) * x.ndim
    dtype = FLOAT if op == "RFFT" else COMPLEX
    made = graph(
        node("x", "Placeholder", dtype=dtype, shape=shape),
        node("y", op, "x", "n", Treal=FLOAT, Tcomplex=COMPLEX), outputs={"y": "y"}, n=np.int32([length]),
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    check_ops(after)
    return after


def without_length(graph: Graph, x: Array) -> Array:
    """The result when RFFT and IRFFT take the length of what they get, as in TensorFlow.js."""
    for item in graph.nodes.values():
        if item.op in ("RFFT", "IRFFT"):
            size = evaluate(graph, {"x": x}, [str(item.inputs[0])])[str(item.inputs[0])].shape[-1]
            length = graph.constants[item.inputs[1].node].reshape(-1)[0]
            assert length == (size if item.op == "RFFT" else 2 * (size - 1))
    return evaluate(graph, {"x": x}, ["y"])["y"]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("shape", [(2, 8), (2, 3, 9), (1, 2, 1, 7)], ids=str)
@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 12])
def test_lengths(length: int, shape: tuple[int, ...], known: bool) -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=shape).astype(np.float32)
    got = without_length(converted("RFFT", real, length, known=known), real)
    np.testing.assert_allclose(got, np.fft.rfft(real.astype(np.float64), length), atol=1e-5)
    numbers = (real + 1j * rng.normal(size=shape)).astype(np.complex64)
    got = without_length(converted("IRFFT", numbers, length, known=known), numbers)
    np.testing.assert_allclose(got, np.fft.irfft(numbers.astype(np.complex128), length), atol=1e-5)


def test_what_fits_stays() -> None:
    real, numbers = np.zeros((2, 8), np.float32), np.zeros((2, 5), np.complex64)
    for op, x in (("RFFT", real), ("IRFFT", numbers)):
        assert sorted(item.op for item in converted(op, x, 8, known=True).nodes.values()) == sorted(
            ["Const", "Placeholder", op]
        )


def test_numbers_of_a_constant_stateless_seed_become_constants() -> None:
    made = graph(
        node("x", "Placeholder", dtype=FLOAT, shape=(-1, 7)),
        node("k", "StatelessRandomGetKeyCounter", "seed", Tseed=INT),
        node("alg", "StatelessRandomGetAlg"),
        node("r", "StatelessRandomNormalV2", "shape", "k", "k:1", "alg", dtype=FLOAT, Tshape=INT),
        node("y", "AddV2", "x", "r", T=FLOAT),
        outputs={"y": "y"}, seed=np.int32([3, -5]), shape=np.int32([5, 7]),
    )  # fmt: skip
    after, _ = run_passes(made, PassContext())
    assert sorted(item.op for item in after.nodes.values()) == ["AddV2", "Const", "Placeholder"]
