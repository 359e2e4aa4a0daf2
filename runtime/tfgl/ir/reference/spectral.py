"""Fourier transforms."""

from __future__ import annotations

import numpy as np

from .registry import Array, reference


@reference("FFT")
def fft(input: Array) -> Array:
    """The discrete Fourier transform along the last axis."""
    return np.fft.fft(input, axis=-1) if input.size else input


@reference("IFFT")
def ifft(input: Array) -> Array:
    """The inverse discrete Fourier transform along the last axis."""
    return np.fft.ifft(input, axis=-1) if input.size else input
