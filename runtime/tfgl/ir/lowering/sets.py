"""Distinct elements, differences of sets, and the places of what is not zero."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from ..reference.unique import list_difference
from .call import Call, Value
from .registry import lower


@lower("Unique", inputs=1, kernels=("Unique",))
def unique(call: Call) -> list[Value]:
    """Distinct elements by first occurrence, and which each is."""
    return call.many("Unique", {"x": call.inputs[0]}, axis=0)


@lower("UniqueV2", inputs=2, kernels=("Unique",), host=(1,))
def unique_v2(call: Call) -> list[Value]:
    """Distinct slices along an axis; without one, of a vector."""
    axes = call.host_integers(1)
    if len(axes) > 1 or (not axes and len(call.inputs[0].shape) != 1):
        raise InvalidArgumentError(f"takes one axis, or a vector; got axes {axes}")
    return call.many("Unique", {"x": call.inputs[0]}, axis=axes[0] if axes else 0)


@lower("ListDiff", inputs=2, host=(0, 1))
def list_diff(call: Call) -> list[Value]:
    """What the first vector has and the second lacks, and where."""
    return [call.constant(result) for result in list_difference(call.data(0), call.data(1))]


@lower("Where", inputs=1, host=(0,))
def where(call: Call) -> Value:
    """The places of what is not zero or False, by rows."""
    x = call.data(0)
    if x.dtype == object:
        raise InvalidArgumentError("Where takes numbers or bools, got strings")
    return call.constant(np.argwhere(x).astype(np.int32))
