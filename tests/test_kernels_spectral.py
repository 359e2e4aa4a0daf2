"""Fourier transforms against NumPy's, as kernels and as the ops of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tfgl
from exact_kernels import Array, one
from graph_models import graph_model, i32, node, placeholder
from tfgl.engine import Engine
from tfgl.errors import InvalidArgumentError
from tfgl.ir.evaluate import evaluate_node
from tfgl.ir.graph import Edge, Node

# Of the largest result, which is what rounding errors grow with.
RELATIVE = 5e-7


def numbers(*shape: int) -> Array:
    rng = np.random.default_rng(0)
    both: Array = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    return both


def assert_near(got: Array, want: Array) -> None:
    assert got.shape == want.shape
    assert got.dtype == (np.complex64 if want.dtype.kind == "c" else np.float32)
    if want.size:
        np.testing.assert_allclose(got, want, rtol=0, atol=RELATIVE * np.abs(want).max())


SHAPES = [
    (1,), (2,), (3,), (8,), (3, 7), (2, 3, 16), (1, 2, 1, 2, 2, 12), (4, 97), (3, 360), (1000,), (4096,), (2, 127),
    (2, 131), (3, 262), (1, 20011), (0, 4), (4, 0),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kernel", "reference"), [("FFT", np.fft.fft), ("IFFT", np.fft.ifft)])
def test_transforms(gpu: Engine, kernel: str, reference: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    want = reference(x.astype(np.complex128)) if x.size else x
    assert_near(one(gpu, kernel, {"input": x}, {}), want)


def test_there_and_back(gpu: Engine) -> None:
    x = gpu.tensor(numbers(3, 240))
    there = tfgl.run_kernel("FFT", {"input": x})
    assert isinstance(there, tfgl.Tensor)
    back = tfgl.run_kernel("IFFT", {"input": there})
    assert isinstance(back, tfgl.Tensor)
    assert_near(back.numpy(), numbers(3, 240))


@pytest.mark.parametrize("length", [12, 131])
def test_not_a_number_stays_in_its_line(gpu: Engine, length: int) -> None:
    x = numbers(3, length)
    x[1, 5] = np.nan
    got = one(gpu, "FFT", {"input": x}, {})
    assert np.isnan(got[1]).all() and not np.isnan(got[[0, 2]]).any()


@pytest.mark.parametrize("shape", [(8,), (2, 9), (1, 3, 7), (2, 1)], ids=str)
@pytest.mark.parametrize("length", [1, 2, 7, 8, 12])
def test_real_transforms_of_graphs(gpu: Engine, shape: tuple[int, ...], length: int) -> None:
    real = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    complex_ = numbers(*shape)
    for op, x, dtype, want in (
        ("RFFT", real, "DT_FLOAT", np.fft.rfft(real.astype(np.float64), length)),
        ("IRFFT", complex_, "DT_COMPLEX64", np.fft.irfft(complex_.astype(np.complex128), length)),
    ):
        (reference,) = evaluate_node(Node("y", op, (Edge("x"), Edge("n"))), [x, i32([length])])
        assert reference is not None
        assert_near(reference, want)
        nodes = [placeholder("x", (-1,) * x.ndim, dtype), node("y", op, ["x", "n"])]
        with tfgl.load_graph_model(graph_model(nodes, {"n": i32([length])})) as model:
            for _ in range(2):
                assert_near(model.execute({"x": x}, "y").numpy(), want)


def test_wrong_arguments(gpu: Engine) -> None:
    with pytest.raises(InvalidArgumentError, match="complex64"):
        one(gpu, "FFT", {"input": np.zeros(4, np.float32)}, {})
    with pytest.raises(InvalidArgumentError, match="rank 1"):
        one(gpu, "IFFT", {"input": np.array(1j, np.complex64)}, {})
    lengths: list[Any] = [i32([0]), i32([-2])]
    for length in lengths:
        with pytest.raises(InvalidArgumentError, match="fft_length must be positive"):
            evaluate_node(Node("y", "RFFT", (Edge("x"), Edge("n"))), [np.zeros(4, np.float32), length])
