"""What the official TensorFlow.js specs talk to: tfgl's kernels, called as TensorFlow.js calls its own."""

from __future__ import annotations

from typing import Any

import numpy as np

import tfgl

FLOAT_PRECISION = 32

Handles = dict[str, Any]


def kernel_names() -> set[str]:
    return set(tfgl.kernel_names())


def register(values: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: str) -> Any:
    return tfgl.tensor(values, shape, dtype)


def read(handle: Any) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = handle.numpy()
    return array


def dispose(handle: Any) -> None:
    handle.dispose()


def run_kernel(name: str, inputs: Handles, attrs: dict[str, Any]) -> Any:
    return tfgl.run_kernel(name, inputs, attrs)


def num_live() -> int:
    """Tensors that are neither disposed nor collected: an input is uploaded, and takes a texture, when first read."""
    return tfgl.memory().num_tensors
