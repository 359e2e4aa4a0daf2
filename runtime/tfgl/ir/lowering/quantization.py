"""Fake quantization: floats rounded to what a quantized tensor could hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from .arrange import binary, unary
from .call import Call, Value
from .registry import lower

_KERNELS = ("Minimum", "Maximum", "Sub", "Multiply", "Add", "Floor")


@lower("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", inputs=3, kernels=_KERNELS, host=(1, 2))
def fake_quant_vars(call: Call) -> Value:
    """The range is in inputs: scalars, or one number per channel of the last axis."""
    return _fake_quant(call, call.host(1), call.host(2))


@lower("FakeQuantWithMinMaxArgs", inputs=1, kernels=_KERNELS)
def fake_quant_args(call: Call) -> Value:
    """The range is in attributes."""
    low, high = call.number("min", -6.0), call.number("max", 6.0)
    return _fake_quant(call, np.array(low), np.array(high))


def _fake_quant(call: Call, low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> Value:
    """As TensorFlow's fake_quant_ops_functor.h: the range moves until zero is exact, values are rounded."""
    x = call.inputs[0]
    bits = call.integer("num_bits", 8)
    if not 2 <= bits <= 16:
        raise InvalidArgumentError(f"num_bits must lie between 2 and 16, got {bits}")
    channels = (x.shape[-1],) if x.shape else ()
    if low.shape != high.shape or low.shape not in ((), channels) or {low.dtype.kind, high.dtype.kind} != {"f"}:
        raise InvalidArgumentError(
            f"min and max must be floats of shape [] or {list(channels)}, got {list(low.shape)}, {list(high.shape)}"
        )
    lowest = 1.0 if call.flag("narrow_range") else 0.0
    highest = float((1 << bits) - 1)
    low32, high32 = low.astype(np.float32), high.astype(np.float32)
    if np.any(low32 > high32):
        raise InvalidArgumentError(f"min {low32} must not exceed max {high32}")
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (high32 - low32) / np.float32(highest - lowest)
        zero = np.float32(lowest) - low32 / scale
        # std::round of the original rounds halves away from zero; zero points here are never negative.
        nudged = np.clip(np.floor(zero + np.float32(0.5)), lowest, highest).astype(np.float32)
        empty = (low32 == 0) & (high32 == 0)
        scale = np.where(empty, np.float32(0), scale).astype(np.float32)
        nudged = np.where(empty, np.float32(0), nudged).astype(np.float32)
        inverse = np.where(empty, np.float32(0), np.float32(1) / scale).astype(np.float32)
    bottom = call.constant(((lowest - nudged) * scale).astype(np.float32))
    top = call.constant(((highest - nudged) * scale).astype(np.float32))
    shifted = binary(call, "Sub", binary(call, "Maximum", binary(call, "Minimum", x, top), bottom), bottom)
    steps = binary(call, "Multiply", shifted, call.constant(inverse))
    rounded = unary(call, "Floor", binary(call, "Add", steps, call.constant(np.array(0.5, np.float32))))
    return binary(call, "Add", binary(call, "Multiply", rounded, call.constant(scale)), bottom)
