"""Ops that TensorFlow.js has but runs differently: written so that both agree."""

from __future__ import annotations

import string

import numpy as np

from tfgl.ir.graph import DataType, Edge

from .arithmetic import truncated_quotient
from .registry import BOOL, INT32, Place, Unfit, rewrite


@rewrite("Cumsum", "Cumprod")
def scan(place: Place) -> Edge | None:
    """An axis counted from the front: TensorFlow.js permutes wrongly for one counted from the back."""
    axis, known = place.value(1), place.known_shape(0)
    if axis is None or axis.size != 1 or axis.reshape(-1)[0] >= 0 or known is None:
        return None
    front = place.scalar(int(axis.reshape(-1)[0]) + len(known))
    attrs = {**place.node.attrs, "Tidx": INT32}
    return place.plain(place.node.op, place.inputs[0], front, attrs=attrs)


@rewrite("LookupTableFindV2", "LookupTableFind")
def lookup(place: Place) -> Edge | None:
    """The values in the shape of the keys: TensorFlow.js returns a vector."""
    known = place.known_shape(1)
    if known is not None and len(known) == 1:
        return None
    _, keys, _ = place.inputs
    # Without the exporter's note of its shape, which TensorFlow.js does not keep to.
    attrs = {key: value for key, value in place.node.attrs.items() if key != "_output_shapes"}
    found = place.plain(place.node.op, *place.inputs, attrs=attrs)
    dtype = place.attr("Tin")
    shape = place.op("Shape", keys, dtype=dtype, out_type=INT32)
    return place.op("Reshape", found, shape, dtype=place.attr("Tout"), Tshape=INT32)


@rewrite("ShapeN")
def shape_n(place: Place) -> list[Edge]:
    """Shapes one by one: TensorFlow.js returns the list as floats."""
    dtype = place.attr("out_type", INT32)
    return [place.op("Shape", edge, out_type=dtype) for edge in place.inputs]


@rewrite("Div")
def div(place: Place) -> Edge | None:
    """Whole numbers towards zero: TensorFlow.js rounds down."""
    return None if place.dtype.stored != "int32" else truncated_quotient(place)


@rewrite("Einsum")
def einsum(place: Place) -> Edge | Unfit | None:
    """An ellipsis as letters and one letter for each axis of an operand: TensorFlow.js knows neither."""
    equation = bytes(place.attr("equation", b"")).decode().replace(" ", "")
    terms, arrow, result = equation.partition("->")
    operands = terms.split(",")
    if arrow and "." not in equation and all(len(set(term)) == len(term) for term in operands):
        return None
    ranks = [None if (shape := place.known_shape(i)) is None else len(shape) for i in range(len(operands))]
    if len(operands) != len(place.inputs) or None in ranks:
        return Unfit("operands of known rank")
    free = iter(sorted(set(string.ascii_letters) - set(equation)))
    hidden = [max((rank or 0) - len(term.replace("...", "")), 0) * ("..." in term)
              for rank, term in zip(ranks, operands, strict=True)]  # fmt: skip
    extra = [next(free) for _ in range(max(hidden))]
    if not arrow:
        letters = "".join(operands).replace("...", "")
        once = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
        result = ("..." if extra else "") + once
    edges = list(place.inputs)
    for i, term in enumerate(operands):
        spelled = term.replace("...", "".join(extra[len(extra) - hidden[i] :]))
        shape = place.known_shape(i) or ()
        if any(letter in extra and size == 1 for letter, size in zip(spelled, shape, strict=True)) and len(edges) > 1:
            return Unfit("ellipses without axes of size 1, which broadcast")
        operands[i], edges[i] = _without_repeats(place, spelled, edges[i], list(shape))
    text = f"{','.join(operands)}->{result.replace('...', ''.join(extra))}"
    return place.op("Einsum", *edges, equation=text.encode(), N=len(edges))


def _without_repeats(place: Place, term: str, x: Edge, shape: list[int]) -> tuple[str, Edge]:
    """The diagonal over axes of one letter: what is beside it becomes 0 and one axis is summed."""
    while len(set(term)) < len(term):
        letter = next(letter for letter in term if term.count(letter) > 1)
        first, second = (at for at, other in enumerate(term) if other == letter and term[:at].count(letter) < 2)
        rank = len(term)
        known = max(shape[first], shape.pop(second))
        size = place.scalar(known) if known >= 0 else place.at(place.shape(x), first)

        def along(axis: int, size: Edge = size, rank: int = rank) -> Edge:
            shape = place.integers(*(-1 if at == axis else 1 for at in range(rank)))
            return place.op("Reshape", place.range(size), shape, dtype=INT32, Tshape=INT32)

        mask = place.op("Equal", along(first), along(second), dtype=INT32)
        kept = place.op("SelectV2", mask, x, place.constant(0))
        x = place.op("Sum", kept, place.integers(second), Tidx=INT32, keep_dims=False)
        term = term[:second] + term[second + 1 :]
    return term, x


@rewrite("MatrixBandPart")
def band_part(place: Place) -> Edge:
    """A choice by a mask: graph models of TensorFlow.js read the first limit for both."""
    x, lower, upper = place.inputs
    known = place.known_shape(0)
    limits = [place.value(1), place.value(2)]
    zero = place.constant(0)
    constant = [int(limit.reshape(-1)[0]) for limit in limits if limit is not None]
    if known is not None and len(known) >= 2 and min(known[-2:]) >= 0 and len(constant) == 2:
        below, above = constant
        distance = np.arange(known[-2])[:, None] - np.arange(known[-1])
        mask = (distance <= (below if below >= 0 else known[-2])) & (-distance <= (above if above >= 0 else known[-1]))
        return place.op("SelectV2", place.constant(mask, BOOL), x, zero)
    rows, columns = place.range(place.size(0, -2)), place.range(place.size(0, -1))
    away = place.op("Sub", place.expand(rows, 1, INT32), columns, dtype=INT32)

    def inside(limit: Edge, distance: Edge) -> Edge:
        reached = place.op("LessEqual", distance, limit, dtype=INT32)
        return place.op("LogicalOr", reached, place.op("Less", limit, place.scalar(0), dtype=INT32), dtype=BOOL)

    near = place.op(
        "LogicalAnd", inside(lower, away), inside(upper, place.op("Neg", away, dtype=INT32)), dtype=BOOL
    )
    return place.op("SelectV2", near, x, zero)


@rewrite("GatherV2", "Pad", "ReverseV2", "Slice", "StridedSlice", "Tile")
def complex_parts(place: Place) -> Edge | None:
    """Complex numbers as their real and imaginary parts: backends of TensorFlow.js move real ones only."""
    key = "Tparams" if place.node.op == "GatherV2" else "T"
    if place.attr(key, INT32) not in ("complex64", "complex128"):
        return None
    real, whole = DataType("float32"), DataType("complex64")
    attrs = {name: value for name, value in place.node.attrs.items() if name != "_output_shapes"} | {key: real}
    first, *rest = place.inputs
    parts = [
        place.plain(place.node.op, place.op(part, first, dtype=whole, Tout=real), *rest, attrs=attrs)
        for part in ("Real", "Imag")
    ]
    return place.op("Complex", *parts, dtype=real, Tout=whole)


@rewrite("OneHot")
def one_hot(place: Place) -> Edge | Unfit | None:
    """TensorFlow.js always makes the new axis the last; another is put where it belongs behind."""
    axis = int(place.attr("axis", -1))
    known = place.known_shape(0)
    if axis == -1 or (known is not None and axis == len(known)):
        return None
    if known is None:
        return Unfit("indices of known rank, or the last axis")
    attrs = {"TI": place.attr("TI", INT32), "axis": -1}
    last = place.op("OneHot", *place.inputs, **attrs)
    order = [*range(axis), len(known), *range(axis, len(known))]
    return place.op("Transpose", last, place.integers(*order), Tperm=INT32)


@rewrite("Select")
def select_rows(place: Place) -> Edge | None:
    """A vector that chooses among rows gets the rank of the values; TensorFlow.js lays it along their last axis."""
    condition, values = place.known_shape(0), place.known_shape(1)
    if condition is None or values is None or len(condition) != 1 or len(values) < 2:
        return None
    spread = place.op(
        "Reshape", place.inputs[0], place.integers(-1, *[1] * (len(values) - 1)), dtype=BOOL, Tshape=INT32
    )
    return place.op("SelectV2", spread, *place.inputs[1:])
