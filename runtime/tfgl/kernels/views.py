"""Kernels that compute nothing: other views of the same data, and parts of complex tensors."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidArgumentError
from ..ir.shapes import expand_dims_shape
from ..ir.shapes import reshape as reshaped
from ..registry import kernel
from ..tensor import Tensor


@kernel("Identity", runs_on="view")
def identity(x: Tensor) -> Tensor:
    """The same values in a tensor of its own."""
    return x.view(x.shape)


@kernel("Reshape", runs_on="view")
def reshape(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    """The same values in row-major order under ``shape``; one extent may be -1."""
    return x.view(reshaped(x.shape, shape))


@kernel("ExpandDims", runs_on="view")
def expand_dims(input: Tensor, *, dim: int) -> Tensor:
    """``input`` with an axis of extent 1 inserted at ``dim``."""
    return input.view(expand_dims_shape(input.shape, dim))


@kernel("Complex", runs_on="view")
def complex_(real: Tensor, imag: Tensor) -> Tensor:
    """A complex64 tensor of two float32 ones of the same shape."""
    if real.shape != imag.shape:
        raise InvalidArgumentError(
            f"real and imag shapes, {list(real.shape)} and {list(imag.shape)}, must match in call to tf.complex()."
        )
    if real.dtype != "float32" or imag.dtype != "float32":
        raise InvalidArgumentError(f"Complex takes float32 parts; got {real.dtype} and {imag.dtype}")
    result = Tensor(real.engine, real.shape, "complex64")
    return result.adopt_parts(real.view(real.shape), imag.view(imag.shape))


@kernel("Real", runs_on="view")
def real(input: Tensor) -> Tensor:
    """Real part; a real tensor is its own."""
    return input.parts[0].view(input.shape) if input.dtype == "complex64" else input.view(input.shape)


@kernel("Imag")
def imag(input: Tensor) -> Tensor:
    """Imaginary part; zeros for a real tensor."""
    if input.dtype == "complex64":
        return input.parts[1].view(input.shape)
    return input.engine.emit("fill", {}, input.shape, "float32", {"fill_value": 0.0})
