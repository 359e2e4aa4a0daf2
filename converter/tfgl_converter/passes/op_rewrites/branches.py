"""Branches as frozen graphs have them."""

from __future__ import annotations

from tfgl.ir.graph import Edge

from .registry import BOOL, INT32, Place, rewrite


@rewrite("_SwitchN")
def switch(place: Place) -> list[Edge]:
    """A Switch for each branch but the last, which takes every index that none has."""
    data, index = place.inputs
    found: list[Edge] = []
    for number in range(int(place.attr("num_outs", 1)) - 1):
        mine = place.op("Equal", index, place.scalar(number), dtype=INT32)
        turned = place.op("Switch", data, mine)
        found.append(Edge(turned.node, 1))
        data = turned
    return [*found, data] if found else [place.op("Identity", data, dtype=BOOL if place.dtype == "bool" else None)]
