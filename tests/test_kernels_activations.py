"""Activations of tfgl's own, against formulas in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import special

from exact_kernels import run
from tfgl.engine import Engine
from tfgl.ir.reference import evaluate

Array = np.ndarray[Any, Any]


def _gelu_tanh(x: Array) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


FORMULAS: Mapping[str, Callable[[Array], Any]] = {
    "_Gelu": lambda x: x * special.ndtr(x),
    "_GeluTanh": _gelu_tanh,
    "_HardSigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "_HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "_Swish": lambda x: x * special.expit(x),
}
EXTREMES = [0.0, -0.0, 1e-30, -1e-30, 1e30, np.inf, np.nan]
VALUES = np.concatenate([np.linspace(-12, 12, 501), EXTREMES]).astype(np.float32)


@pytest.mark.parametrize("kernel", FORMULAS)
def test_values(gpu: Engine, kernel: str) -> None:
    with np.errstate(all="ignore"):
        expected = FORMULAS[kernel](VALUES.astype(np.float64))
    np.testing.assert_allclose(evaluate(kernel, {"x": VALUES}), expected, rtol=1e-9, atol=1e-12)
    # 1 + erf and 1 + tanh are differences where they are small.
    np.testing.assert_allclose(run(gpu, kernel, {"x": VALUES}, {}), expected, rtol=5e-7, atol=1e-6)


@pytest.mark.parametrize("activation", ["swish", "gelu", "gelutanh", "hardswish", "hardsigmoid"])
@pytest.mark.parametrize("rows", [3, 40])
def test_after_a_product(gpu: Engine, activation: str, rows: int) -> None:
    rng = np.random.default_rng(0)
    inputs = {
        "a": rng.normal(size=(rows, 9)).astype(np.float32),
        "b": rng.normal(size=(9, 7)).astype(np.float32),
        "bias": rng.normal(size=7).astype(np.float32),
    }
    attrs: dict[str, Any] = {"transposeA": False, "transposeB": False, "activation": activation}
    if activation.startswith("hard"):
        attrs["leakyreluAlpha"] = 0.15
    found = run(gpu, "_FusedMatMul", inputs, attrs)
    z = inputs["a"].astype(np.float64) @ inputs["b"] + inputs["bias"]
    kernel = {"swish": "_Swish", "gelu": "_Gelu", "gelutanh": "_GeluTanh", "hardswish": "_HardSwish"}
    expected = FORMULAS[kernel.get(activation, "_HardSigmoid")](z)
    if activation.startswith("hard"):
        expected = expected * 6 * 0.15
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
