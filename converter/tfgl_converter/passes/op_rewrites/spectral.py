"""Fourier transforms of real numbers: TensorFlow.js transforms what it gets, whatever length is asked for."""

from __future__ import annotations

from tfgl.ir.graph import DataType, Edge

from .registry import INT32, Place, Unfit, rewrite

_COMPLEX, _REAL = DataType("complex64"), DataType("float32")
# What backends of TensorFlow.js pad.
_MOST_AXES = 4


@rewrite("RFFT")
def real_transform(place: Place) -> Edge | Unfit | None:
    """The input cut, or filled up with zeros, to ``fft_length``."""
    known, length = place.known_shape(0), _length(place)
    if known is None or not known or length is None:
        return Unfit("an input of known rank and a constant fft_length")
    if known[-1] == length:
        return None
    x = _resized(place, place.inputs[0], known, length, _REAL)
    return x if isinstance(x, Unfit) else place.plain("RFFT", x, place.inputs[1], attrs=place.node.attrs)


@rewrite("IRFFT")
def inverse_real_transform(place: Place) -> Edge | Unfit | None:
    """IFFT of what is given and of its mirror image: TensorFlow.js knows even lengths and two or three axes."""
    known, length = place.known_shape(0), _length(place)
    if known is None or not known or length is None:
        return Unfit("an input of known rank and a constant fft_length")
    if len(known) in (2, 3) and length % 2 == 0 and 2 < known[-1] == length // 2 + 1:
        return None
    last = len(known) - 1
    mirrored = (length - 1) // 2
    begin, size = place.integers(*[0] * last, 1), place.integers(*[-1] * last, mirrored)
    whole: list[Edge] = []
    for op in ("Real", "Imag"):
        part = place.op(op, place.inputs[0], dtype=_COMPLEX, Tout=_REAL)
        half = _resized(place, part, known, length // 2 + 1, _REAL)
        if isinstance(half, Unfit):
            return half
        mirror = place.op("Slice", half, begin, size, dtype=_REAL, Index=INT32)
        mirror = place.op("ReverseV2", mirror, place.integers(last), dtype=_REAL, Tidx=INT32)
        if op == "Imag":
            mirror = place.op("Neg", mirror, dtype=_REAL)
        whole.append(place.op("ConcatV2", half, mirror, place.scalar(last), dtype=_REAL, N=2, Tidx=INT32))
    numbers = place.op("Complex", *whole, dtype=_REAL, Tout=_COMPLEX)
    transformed = place.op("IFFT", numbers, dtype=_COMPLEX, Tcomplex=_COMPLEX)
    return place.op("Real", transformed, dtype=_COMPLEX, Tout=_REAL)


def _length(place: Place) -> int | None:
    value = place.value(1)
    return None if value is None or value.size != 1 or value.reshape(-1)[0] < 1 else int(value.reshape(-1)[0])


def _resized(place: Place, x: Edge, known: tuple[int, ...], length: int, dtype: DataType) -> Edge | Unfit:
    """``x`` with its last axis cut to ``length``, or filled up with zeros."""
    outer, last = len(known) - 1, known[-1]
    if last == length:
        return x
    if last < length:
        if len(known) > _MOST_AXES:
            return Unfit(f"up to {_MOST_AXES} axes")
        more = length - last if last >= 0 else length
        pairs = place.constant([[0, 0]] * outer + [[0, more]], INT32)
        x = place.op("Pad", x, pairs, dtype=dtype, Tpaddings=INT32)
    if last < 0 or last > length:
        begin, size = place.integers(*[0] * (outer + 1)), place.integers(*[-1] * outer, length)
        x = place.op("Slice", x, begin, size, dtype=dtype, Index=INT32)
    return x


@rewrite("RFFT2D")
def real_transform_of_images(place: Place) -> Edge | Unfit:
    """RFFT of the rows, then FFT of the columns; of the image's own size."""
    known, length = place.known_shape(0), place.value(1)
    if known is None or length is None or tuple(known[-2:]) != tuple(length.reshape(-1).tolist()):
        return Unfit("an input of the known size that fft_length says")
    turn = place.integers(*range(len(known) - 2), len(known) - 1, len(known) - 2)
    rows = place.op("RFFT", place.inputs[0], place.integers(known[-1]), dtype=_REAL, Treal=_REAL, Tcomplex=_COMPLEX)
    turned = place.op("Transpose", rows, turn, dtype=_COMPLEX, Tperm=INT32)
    columns = place.op("FFT", turned, dtype=_COMPLEX, Tcomplex=_COMPLEX)
    return place.op("Transpose", columns, turn, dtype=_COMPLEX, Tperm=INT32)
