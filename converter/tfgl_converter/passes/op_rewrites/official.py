"""Ops that TensorFlow.js has but runs differently: written so that both agree."""

from __future__ import annotations

from tfgl.ir.graph import Edge

from .registry import INT32, Place, rewrite


@rewrite("Cumsum", "Cumprod")
def scan(place: Place) -> Edge | None:
    """An axis counted from the front: TensorFlow.js permutes wrongly for one counted from the back."""
    axis, known = place.value(1), place.known_shape(0)
    if axis is None or axis.size != 1 or axis.reshape(-1)[0] >= 0 or known is None:
        return None
    front = place.scalar(int(axis.reshape(-1)[0]) + len(known))
    attrs = {**place.node.attrs, "Tidx": INT32}
    return place.editor.add(f"{place.node.name}/scan", place.node.op, (place.inputs[0], front), attrs)


@rewrite("LookupTableFindV2", "LookupTableFind")
def lookup(place: Place) -> Edge | None:
    """The values in the shape of the keys: TensorFlow.js returns a vector."""
    known = place.known_shape(1)
    if known is not None and len(known) == 1:
        return None
    _, keys, _ = place.inputs
    found = place.editor.add(f"{place.node.name}/values", place.node.op, place.inputs, place.node.attrs)
    dtype = place.attr("Tin")
    shape = place.op("Shape", keys, dtype=dtype, out_type=INT32)
    return place.op("Reshape", found, shape, dtype=place.attr("Tout"), Tshape=INT32)
