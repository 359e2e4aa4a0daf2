"""Norms and spectra."""

from __future__ import annotations

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Tensor

from .operator import Operator
from .registry import operator

_SMALLEST_NORM = 1e-6


@operator("L2_NORMALIZATION")
def l2_normalization(o: Operator) -> Tensor:
    """x over its norm along the last axis, which counts as at least 1e-6."""
    b, x = o.b, o.x(0)
    norm = b.unary("Sqrt", b.reduce("Sum", b.unary("Square", x), [-1], keep=True))
    return o.activated(b.div(x, b.binary("Maximum", norm, _SMALLEST_NORM)))


@operator("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(o: Operator) -> Tensor:
    """LRN over channels."""
    return o.result(
        "LRN", [o.x(0)], depth_radius=int(o.option("Radius")), bias=float(o.option("Bias")),
        alpha=float(o.option("Alpha")), beta=float(o.option("Beta")),
    )  # fmt: skip


@operator("RFFT2D")
def rfft_2d(o: Operator) -> Tensor:
    """RFFT along the last axis and, where there are several rows, FFT along the one before."""
    b, x = o.b, o.x(0)
    lengths = o.integers(1)
    if len(lengths) != 2 or x.rank < 2 or -1 in x.shape[-2:] or min(lengths) < 1:
        raise o.unsupported("it needs two constant lengths and an input of known height and width")
    for axis, length in zip((x.rank - 2, x.rank - 1), lengths, strict=True):
        if x.shape[axis] > length:
            x = b.strided_slice(x, [*[slice(None)] * axis, slice(0, length)])
        elif x.shape[axis] < length:
            x = b.pad(x, [(0, length - size if i == axis else 0) for i, size in enumerate(x.shape)])
    bins = lengths[1] // 2 + 1
    spectrum = b.add(
        "RFFT", [x, b.integers([lengths[1]])], (*x.shape[:-1], bins), "complex64", Treal=DataType("float32"),
        Tcomplex=DataType("complex64"),
    )  # fmt: skip
    if lengths[0] == 1:
        return spectrum
    order = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
    parts = [b.unary(part, spectrum, "float32", Tout=DataType("float32")) for part in ("Real", "Imag")]
    turned = b.add("Complex", [b.transpose(part, order) for part in parts], _turned(spectrum.shape), "complex64")
    columns = b.unary("FFT", turned, Tcomplex=DataType("complex64"))
    parts = [b.unary(part, columns, "float32", Tout=DataType("float32")) for part in ("Real", "Imag")]
    return b.add("Complex", [b.transpose(part, order) for part in parts], spectrum.shape, "complex64")


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])
