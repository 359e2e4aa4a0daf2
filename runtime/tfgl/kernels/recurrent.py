"""Steps of recurrent networks, each one draw; rewrites of a graph make them."""

from __future__ import annotations

from tfgl_shaders.assembly import ParameterValue, alignment

from ..registry import kernel, run_one
from ..tensor import Tensor
from .tiles import in_parameters

GATES = 4
_TERMS = 4  # of a texel


@kernel("_LSTMCell")
def lstm_cell(
    x: Tensor,
    weights: Tensor,
    bias: Tensor,
    state: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    *,
    step: int = 0,
    features: int,
    units: int,
) -> Tensor:
    """The state after a step: (batch, 2, 1, units), h and then c. ``units`` is a multiple of 4.

    ``x`` is (batch, features), or (steps, batch, features), of which it takes ``step``. The state before is
    ``state``, or ``h`` and ``c`` of (batch, units), or zeros. ``weights`` are (terms, units / 4, gates, 4) with the
    terms of x filled up to a multiple of 4, ``bias`` (units / 4, gates, 4); gates are input, forget, candidate, output
    (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    """
    engine = x.engine
    batch = x.shape[-2]
    shape = (batch, 2, 1, units)
    if state is None and h is not None and c is not None:
        parts = [tensor.view((batch, 1, 1, units)) for tensor in (h, c)]
        joined = run_one("Concat", {"tensors": parts}, {"axis": 1})
        state = joined
    elif state is None:
        state = engine.emit("fill", {}, shape, "float32", {"fill_value": 0.0}, layout="tiles")
    values: dict[str, ParameterValue] = {
        "x_first": step * batch * features,
        "x_features": features,
        "gate_terms": _TERMS,
    }
    inputs = {"x": x, "weights": weights, "bias": bias, "state": state}
    defines = alignment(features)
    return engine.emit("lstm_cell", inputs, shape, "float32", values, defines, layout="tiles", tiled=("state",))


@kernel("_TileLine")
def tile_line(x: Tensor, *, line: int) -> Tensor:
    """Line ``line`` of a (batch, lines, 1, channels) tensor as (batch, channels); channels divide by 4."""
    values = in_parameters(x) | {"line_number": line}
    return x.engine.emit("tile_line", {"x": x}, (x.shape[0], x.shape[3]), x.dtype, values, tiled=("x",))
