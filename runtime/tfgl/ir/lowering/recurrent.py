"""Steps of recurrent networks that rewrites have found."""

from __future__ import annotations

from .call import Call, Value
from .registry import lower


@lower("_LSTMCell", inputs=(3, 5), kernels=("_LSTMCell", "_TileLine"), internal=True)
def lstm_cell(call: Call) -> list[Value | None]:
    """h and c, both (batch, units), and the two as the state that the next step takes."""
    x, weights, bias, *before = call.inputs
    names = ("state",) if len(before) == 1 else ("h", "c")
    inputs = {"x": x, "weights": weights, "bias": bias, **dict(zip(names, before, strict=False))}
    attrs = {name: call.integer(name) for name in ("step", "features", "units")}
    state = call.one("_LSTMCell", inputs, **attrs)
    lines = [call.one("_TileLine", {"x": state}, line=line) if call.wanted(line) else None for line in (0, 1)]
    return [*lines, state]
