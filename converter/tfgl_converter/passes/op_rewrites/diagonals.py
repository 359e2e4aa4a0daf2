"""Diagonals and bands of matrices, taken out and put in; semantics of TensorFlow's MatrixDiag family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfgl.ir.graph import AttrValue, Edge

from .registry import BOOL, INT32, Place, Unfit, rewrite

Array = np.ndarray[Any, Any]
_BANDS = Unfit("the main diagonal, or constant diagonals and known sizes of the matrix")


@dataclass(frozen=True)
class Band:
    """Diagonals ``low`` to ``high`` of a matrix of ``rows`` by ``columns``, and how short ones lie in their row."""

    low: int
    high: int
    rows: int
    columns: int
    align: str = "RIGHT_LEFT"

    @property
    def longest(self) -> int:
        """The length of a row that holds a diagonal."""
        return min(self.rows + min(self.high, 0), self.columns - max(self.low, 0))

    def places(self) -> Iterator[tuple[int, int, int, int]]:
        """(which diagonal, where in its row, matrix row, matrix column) of every element of the band."""
        above, _, beneath = self.align.partition("_")
        for which, diagonal in enumerate(range(self.high, self.low - 1, -1)):
            row, column = max(-diagonal, 0), max(diagonal, 0)
            length = min(self.rows - row, self.columns - column)
            left = (diagonal >= 0 and above == "LEFT") or (diagonal <= 0 and beneath == "LEFT")
            start = 0 if left else self.longest - length
            for step in range(length):
                yield which, start + step, row + step, column + step


@rewrite("MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3")
def matrix_diag_part(place: Place) -> Edge | Unfit:
    """A gather over rows and columns laid out flat; a main diagonal of unknown sizes by a mask and a sum."""
    known, span = place.known_shape(0), _span(place, 1)
    if known is None or len(known) < 2 or min(known[-2:]) < 0 or span is None:
        return _main_diag_part(place) if span == (0, 0) else _BANDS
    band = Band(*span, known[-2], known[-1], _align(place))
    count = band.high - band.low + 1
    if band.longest <= 0:
        return Unfit("diagonals that the matrix has")
    source, filled = np.zeros((count, band.longest), np.int32), np.zeros((count, band.longest), bool)
    for which, at, row, column in band.places():
        source[which, at], filled[which, at] = row * band.columns + column, True
    if span[0] == span[1]:
        source, filled = source[0], filled[0]
    flat = place.reshaped(place.inputs[0], known[:-2], 2, band.rows * band.columns)
    found = _gather(place, flat, source)
    if filled.all():
        return found
    padding = place.inputs[2] if len(place.inputs) > 2 else place.constant(0)
    return place.op("SelectV2", place.constant(filled, BOOL), found, padding)


def _main_diag_part(place: Place) -> Edge | Unfit:
    """What is not on the diagonal becomes 0, and rows are summed."""
    if place.dtype.stored not in ("float32", "int32"):
        return Unfit("numbers, or known sizes of the matrix")
    x = place.inputs[0]
    rows, columns = place.size(0, -2), place.size(0, -1)
    kept = place.op("SelectV2", _diagonal(place, rows, columns), x, place.constant(0))
    summed = place.op("Sum", kept, place.integers(-1), Tidx=INT32, keep_dims=False)
    end = place.expand(place.op("Minimum", rows, columns, dtype=INT32), 0, INT32)
    return place.op(
        "StridedSlice", summed, place.integers(0, 0), place.op("ConcatV2", place.integers(0), end, place.scalar(0),
        dtype=INT32, N=2, Tidx=INT32), place.integers(1, 1), Index=INT32, begin_mask=2, end_mask=0, ellipsis_mask=1,
        new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip


@rewrite("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3")
def matrix_diag(place: Place) -> Edge | Unfit:
    """A gather from the diagonals, and the padding elsewhere; a main diagonal of unknown length by a mask."""
    known, span = place.known_shape(0), _span(place, 1)
    sizes = [-1, -1]
    for i, at in enumerate((2, 3)):
        size = place.value(at) if len(place.inputs) > at else None
        if len(place.inputs) > at and (size is None or size.size != 1):
            return _BANDS
        sizes[i] = -1 if size is None else int(size.reshape(-1)[0])
    padding = place.inputs[4] if len(place.inputs) > 4 else place.constant(0)
    if known is None or not known or known[-1] < 0 or span is None:
        if span != (0, 0) or sizes != [-1, -1]:
            return _BANDS
        count = place.size(0, -1)
        return place.op("SelectV2", _diagonal(place, count, count), place.expand(place.inputs[0], -1), padding)
    low, high = span
    least = known[-1] - min(high, 0), known[-1] + max(low, 0)
    if sizes == [-1, -1]:
        sizes = [max(least)] * 2
    rows, columns = (stated if stated >= 0 else needed for stated, needed in zip(sizes, least, strict=True))
    band = Band(low, high, rows, columns, _align(place))
    return _put(place, band, place.inputs[0], known, padding)


@rewrite("MatrixSetDiag", "MatrixSetDiagV2", "MatrixSetDiagV3")
def matrix_set_diag(place: Place) -> Edge | Unfit:
    """A choice between the matrix and its new diagonals."""
    known, span = place.known_shape(0), _span(place, 2)
    diagonal = place.known_shape(1)
    if known is None or len(known) < 2 or min(known[-2:]) < 0 or span is None:
        return _BANDS
    if diagonal is None:
        diagonal = (-1,) * (len(known) - 1 if span[0] == span[1] else len(known))
    band = Band(*span, known[-2], known[-1], _align(place))
    return _put(place, band, place.inputs[1], diagonal, place.inputs[0])


def _put(place: Place, band: Band, diagonals: Edge, known: tuple[int, ...], rest: Edge) -> Edge:
    source = np.zeros((band.rows, band.columns), np.int32)
    filled = np.zeros((band.rows, band.columns), bool)
    for which, at, row, column in band.places():
        source[row, column], filled[row, column] = which * band.longest + at, True
    if band.low != band.high:
        count = band.high - band.low + 1
        diagonals = place.reshaped(diagonals, known[:-2], 2, count * band.longest)
    return place.op("SelectV2", place.constant(filled, BOOL), _gather(place, diagonals, source), rest)


def _gather(place: Place, x: Edge, source: Array) -> Edge:
    attrs: dict[str, AttrValue] = {"Tparams": place.dtype, "Tindices": INT32, "Taxis": INT32, "batch_dims": 0}
    return place.plain("GatherV2", x, place.constant(source, INT32), place.scalar(-1), attrs=attrs)


def _diagonal(place: Place, rows: Edge, columns: Edge) -> Edge:
    """A mask that is true on the main diagonal."""
    return place.op("Equal", place.expand(place.range(rows), 1, INT32), place.range(columns), dtype=INT32)


def _span(place: Place, at: int) -> tuple[int, int] | None:
    """The first and the last diagonal; None when they are computed."""
    if len(place.inputs) <= at:
        return 0, 0
    span = place.value(at)
    if span is None or span.size not in (1, 2):
        return None
    return int(span.reshape(-1)[0]), int(span.reshape(-1)[-1])


def _align(place: Place) -> str:
    # Before V3 every diagonal lay to the left.
    return bytes(place.attr("align", b"RIGHT_LEFT" if place.node.op.endswith("V3") else b"LEFT_LEFT")).decode()


@rewrite("Diag")
def diag(place: Place) -> Edge | Unfit:
    """The tensor laid out flat on the diagonal of a matrix, in the shape of both sides."""
    known = place.known_shape(0)
    if known is not None and len(known) == 1:
        length = place.size(0, 0)
        mask = _diagonal(place, length, length)
        return place.op("SelectV2", mask, place.expand(place.inputs[0], -1), place.constant(0))
    if known is None or -1 in known:
        return Unfit("a vector or a known shape")
    count = int(np.prod(known, dtype=np.int64))
    flat = place.op("Reshape", place.inputs[0], place.integers(count), Tshape=INT32)
    mask = place.constant(np.eye(count, dtype=bool), BOOL)
    square = place.op("SelectV2", mask, place.expand(flat, -1), place.constant(0))
    return place.op("Reshape", square, place.integers(*known, *known), Tshape=INT32)


@rewrite("DiagPart")
def diag_part(place: Place) -> Edge | Unfit:
    """A gather from the flat tensor."""
    known = place.known_shape(0)
    if known is None or -1 in known:
        return Unfit("a known shape")
    half = known[: len(known) // 2]
    count = int(np.prod(half, dtype=np.int64))
    flat = place.op("Reshape", place.inputs[0], place.integers(-1), Tshape=INT32)
    return _gather(place, flat, (np.arange(count, dtype=np.int32) * (count + 1)).reshape(half))
