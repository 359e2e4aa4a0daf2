"""Fourier transforms along the last axis."""

from __future__ import annotations

from collections.abc import Iterator

from tfgl_shaders.assembly import ParameterValue

from ..errors import InvalidArgumentError
from ..registry import kernel
from ..tensor import Tensor
from .rearrange import StridedView, gather_strided


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
    engine = x.engine
    real, imaginary = x.parts
    inputs: dict[str, Tensor] = {"real": real, "imag": imaginary}
    defines: dict[str, object] = {"SEPARATE": ""}
    length = 1
    for radix in radices(size):
        last = length * radix == size
        values: dict[str, ParameterValue] = {
            "fft_size": size,
            "stage_length": length,
            "radix": radix,
            "fft_sign": sign,
            "fft_scale": 1.0 / size if last and sign > 0 else 1.0,
        }
        pairs = engine.emit("fourier", inputs, (x.size * 2,), "float32", values, defines)
        inputs, defines = {"x": pairs}, {}
        length *= radix
    parts = [gather_strided(pairs, StridedView((x.size,), (2,), which), x.shape) for which in (0, 1)]
    return Tensor(engine, x.shape, "complex64").adopt_parts(parts[0], parts[1])


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
