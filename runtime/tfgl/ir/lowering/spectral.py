"""Fourier transforms along the last axis, of complex and of real numbers."""

from __future__ import annotations

from ...errors import InvalidArgumentError
from .arrange import unary
from .call import Call, Value
from .registry import lower


@lower("FFT", "IFFT", inputs=1, kernels=("FFT", "IFFT"))
def fft(call: Call) -> Value:
    """Complex numbers to complex ones."""
    return call.one(call.node.op, {"input": call.inputs[0]})


@lower("RFFT", inputs=2, kernels=("FFT", "Complex", "ZerosLike", "Slice", "PadV2"), host=(1,))
def rfft(call: Call) -> Value:
    """``fft_length`` real numbers, cut or filled up with zeros, to the fft_length / 2 + 1 that tell all others."""
    length = _length(call)
    x = _resized(call, call.inputs[0], length)
    numbers = call.one("Complex", {"real": x, "imag": unary(call, "ZerosLike", x)})
    return _resized(call, call.one("FFT", {"input": numbers}), length // 2 + 1)


@lower(
    "IRFFT",
    inputs=2,
    kernels=("IFFT", "Complex", "Real", "Imag", "Neg", "Reverse", "Concat", "Slice", "PadV2"),
    host=(1,),
)
def irfft(call: Call) -> Value:
    """``fft_length`` real numbers from the fft_length / 2 + 1 that RFFT gives, cut or filled up with zeros."""
    length = _length(call)
    half = _resized(call, call.inputs[0], length // 2 + 1)
    real, imaginary = (call.one(part, {"input": half}) for part in ("Real", "Imag"))
    # The other half is the first one's mirror image with the sign of the imaginary part turned.
    mirrored = (length - 1) // 2
    real, imaginary = (
        call.one("Concat", {"tensors": [part, _mirror(call, other, mirrored)]}, axis=len(half.shape) - 1)
        for part, other in ((real, real), (imaginary, unary(call, "Neg", imaginary)))
    )
    numbers = call.one("Complex", {"real": real, "imag": imaginary})
    return call.one("Real", {"input": call.one("IFFT", {"input": numbers})})


def _length(call: Call) -> int:
    if not call.inputs[0].shape:
        raise InvalidArgumentError("the input must have rank 1 or higher, got a scalar")
    length = call.host_integer(1)
    if length < 1:
        raise InvalidArgumentError(f"fft_length must be positive, got {length}")
    return length


def _resized(call: Call, x: Value, length: int) -> Value:
    """``x`` with its last axis cut to ``length``, or filled up with zeros."""
    last = x.shape[-1]
    outer = len(x.shape) - 1
    if last > length:
        return call.one("Slice", {"x": x}, begin=[0] * (outer + 1), size=[*x.shape[:-1], length])
    if last < length:
        return call.one("PadV2", {"x": x}, paddings=[[0, 0]] * outer + [[0, length - last]], constantValue=0)
    return x


def _mirror(call: Call, x: Value, count: int) -> Value:
    """Numbers 1 to ``count`` of the last axis, the last of them first."""
    outer = len(x.shape) - 1
    some = call.one("Slice", {"x": x}, begin=[0] * outer + [1], size=[*x.shape[:-1], count])
    return call.one("Reverse", {"x": some}, dims=[outer])
