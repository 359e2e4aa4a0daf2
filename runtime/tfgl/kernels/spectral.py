"""Fourier transforms along the last axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tfgl_shaders.assembly import ParameterValue

from ..engine import Engine
from ..errors import InvalidArgumentError
from ..registry import kernel
from ..tensor import Tensor
from .rearrange import StridedView, gather_strided

# Up to this prime factor a stage sums directly, which takes its square for each that many numbers.
_LARGEST_RADIX = 127


@kernel("FFT")
def fft(input: Tensor) -> Tensor:
    """The discrete Fourier transform of complex64 lines."""
    return _transformed(input, -1.0)


@kernel("IFFT")
def ifft(input: Tensor) -> Tensor:
    """The inverse discrete Fourier transform of complex64 lines."""
    return _transformed(input, 1.0)


def _transformed(x: Tensor, sign: float) -> Tensor:
    if x.dtype != "complex64":
        raise InvalidArgumentError(f"{x.engine.node} takes a complex64 tensor, got {x.dtype}; make one with Complex")
    if not x.ndim:
        raise InvalidArgumentError(f"{x.engine.node} takes a tensor of rank 1 or higher, got a scalar")
    size = x.shape[-1]
    if x.size == 0 or size == 1:
        return x.view(x.shape)
    factors = list(radices(size))
    if factors[-1] > _LARGEST_RADIX:
        parts = _by_chirp(x, sign)
    else:
        real, imaginary = x.parts
        pairs = _staged(x.engine, {"real": real, "imag": imaginary}, x.size, factors, sign, 1.0 / size)
        parts = [gather_strided(pairs, StridedView((x.size,), (2,), which), x.shape) for which in (0, 1)]
    return Tensor(x.engine, x.shape, "complex64").adopt_parts(parts[0], parts[1])


def _staged(
    engine: Engine, inputs: dict[str, Tensor], count: int, factors: Sequence[int], sign: float, inverse_scale: float
) -> Tensor:
    """``count`` pairs (real, imaginary): transforms of lines whose length is the product of ``factors``.

    ``inputs`` is a tensor ``x`` of pairs, or the two of ``real`` and ``imag``.
    """
    size, length = math.prod(factors), 1
    for radix in factors:
        last = length * radix == size
        values: dict[str, ParameterValue] = {
            "fft_size": size,
            "stage_length": length,
            "radix": radix,
            "fft_sign": sign,
            "fft_scale": inverse_scale if last and sign > 0 else 1.0,
        }
        defines: dict[str, object] = {} if "x" in inputs else {"SEPARATE": ""}
        inputs = {"x": engine.emit("fourier", inputs, (2 * count,), "float32", values, defines)}
        length *= radix
    return inputs["x"]


def _by_chirp(x: Tensor, sign: float) -> list[Tensor]:
    """Real and imaginary parts of a transform whose length has a large prime factor, by transforms of powers of two.

    L. Bluestein, "A linear filtering approach to the computation of discrete Fourier transform", 1970.
    """
    engine, size = x.engine, x.shape[-1]
    lines = x.size // size
    whole = 1 << (2 * size - 1).bit_length()
    factors = list(radices(whole))
    values: dict[str, ParameterValue] = {"fft_size": size, "line_size": whole, "fft_sign": sign}

    def pairs(inputs: dict[str, Tensor], count: int, mode: str) -> Tensor:
        return engine.emit("chirp", inputs, (2 * count * whole,), "float32", values, {mode: ""})

    real, imaginary = x.parts
    spread = _staged(
        engine, {"x": pairs({"real": real, "imag": imaginary}, lines, "SPREAD")}, lines * whole, factors, -1.0, 1.0
    )
    turned = _staged(engine, {"x": pairs({}, 1, "FILTER")}, whole, factors, -1.0, 1.0)
    product = pairs({"x": spread, "filter": turned}, lines, "TIMES")
    convolved = _staged(engine, {"x": product}, lines * whole, factors, 1.0, 1.0 / whole)
    scale: dict[str, ParameterValue] = {"fft_scale": 1.0 / size if sign > 0 else 1.0}
    return [
        engine.emit("chirp_back", {"x": convolved}, x.shape, "float32", values | scale | {"wanted_part": part})
        for part in (0, 1)
    ]


def radices(size: int) -> Iterator[int]:
    """Factors of ``size``: fours, then primes.

    >>> list(radices(720)), list(radices(7))
    ([4, 4, 3, 3, 5], [7])
    """
    factor = 4
    while size > 1:
        while size % factor == 0:
            yield factor
            size //= factor
        factor = 2 if factor == 4 else 3 if factor == 2 else factor + 2
        if factor > 2 and factor * factor > size > 1:
            factor = size
