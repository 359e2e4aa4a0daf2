"""The formulas of quantised weights, against the converter's rules worked out in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgl.errors import InvalidArgumentError
from tfgl.io import Quantization, dequantize, quantization_by_name, quantize
from tfgl.io.quantization import quantized, stores_exactly

STEPS = {"uint8": 255, "uint16": 65535}
finite = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(finite, min_size=1, max_size=20), st.sampled_from(["uint8", "uint16"]))
def test_the_error_is_at_most_half_a_step(values: list[float], dtype: Any) -> None:
    array = np.array(values, np.float32)
    stored, how = quantize(array, dtype)
    assert stored.dtype == np.dtype(dtype) and how.dtype == dtype
    back = dequantize(stored, how).astype(np.float64)
    # Moving the range onto zero costs up to half a step more at its ends.
    slack = 1e-6 * np.abs(array).max()
    assert np.all(np.abs(back - array) <= how.scale * 1.0001 + slack)
    if array.min() <= 0 <= array.max() and array.min() != array.max():
        zero = round(-how.minimum / how.scale)
        assert 0 <= zero <= STEPS[dtype]
        assert zero * how.scale + how.minimum == pytest.approx(0, abs=1e-9 * how.scale)


@given(st.lists(finite, max_size=20), st.sampled_from(["uint8", "uint16", "float16"]))
def test_what_was_read_is_stored_again_without_loss(values: list[float], dtype: Any) -> None:
    stored, how = quantize(np.array(values, np.float32), dtype)
    if dtype != "float16" and stored.size and abs(how.minimum) > 1e5 * how.scale * STEPS[dtype]:
        return  # steps that float32 cannot tell apart
    assert stores_exactly(dequantize(stored, how), how)
    again = quantized(dequantize(stored, how), how)
    np.testing.assert_array_equal(dequantize(again, how), dequantize(stored, how))


def test_changed_values_are_not_forced_into_an_old_range() -> None:
    how = Quantization("uint8", 0.5, -1.0)
    assert not stores_exactly(np.array([0.25], np.float32), how)
    assert not stores_exactly(np.array([500.0], np.float32), how)
    assert not stores_exactly(np.array([np.nan], np.float32), how)


def test_a_constant_keeps_its_value() -> None:
    stored, how = quantize(np.full(3, 0.1, np.float32), "uint8")
    assert stored.tolist() == [0, 0, 0] and how.scale == 1.0
    np.testing.assert_array_equal(dequantize(stored, how), np.full(3, 0.1, np.float32))


def test_a_range_without_zero_is_not_moved() -> None:
    stored, how = quantize(np.array([2.0, 257.0], np.float32), "uint8")
    assert (how.scale, how.minimum, stored.tolist()) == (1.0, 2.0, [0, 255])


def test_zero_points_round_halves_to_even() -> None:
    # scale 1, -min / scale = 2.5 -> 2, not 3
    _, how = quantize(np.array([-2.5, 252.5], np.float32), "uint8")
    assert (how.scale, how.minimum) == (1.0, -2.0)


def test_dequantisation_rounds_once() -> None:
    how = Quantization("uint16", 0.1, 1e-3)
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = (stored.astype(np.float64) * 0.1 + 1e-3).astype(np.float32)
    np.testing.assert_array_equal(dequantize(stored, how), expected)


def test_empty_and_scalar() -> None:
    for shape in ((0, 3), ()):
        for dtype in ("uint8", "uint16", "float16"):
            stored, how = quantize(np.ones(shape, np.float32), dtype)
            assert dequantize(stored, how).shape == stored.shape == shape


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([np.nan], np.float32), "uint8"),
        (np.array([np.inf, 1], np.float32), "uint16"),
        (np.array([1], np.int32), "uint8"),
        (np.array([1], np.float32), "int8"),
    ],
)
def test_what_cannot_be_quantised(values: Any, dtype: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        quantize(values, dtype)


def test_half_floats_may_overflow() -> None:
    stored, how = quantize(np.array([-1e9, 1], np.float32), "float16")
    assert dequantize(stored, how).tolist() == [-np.inf, 1.0]


def test_names_and_wildcards() -> None:
    names = ["conv/kernel", "conv/bias", "dense/kernel"]
    assert quantization_by_name(names, {"uint8": ["conv/*"], "float16": True}) == {
        "conv/kernel": "uint8", "conv/bias": "uint8", "dense/kernel": "float16",
    }  # fmt: skip
    assert quantization_by_name(names, {"uint16": ["*/bias"], "uint8": False}) == {"conv/bias": "uint16"}
    with pytest.raises(InvalidArgumentError, match="both uint8 and uint16"):
        quantization_by_name(names, {"uint8": ["conv/*"], "uint16": ["*/bias"]})
    with pytest.raises(InvalidArgumentError, match="choose one"):
        quantization_by_name(names, {"uint8": True, "uint16": True})
