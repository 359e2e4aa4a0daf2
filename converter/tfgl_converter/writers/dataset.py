"""Weights into HDF5 datasets, a block at a time."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from tfgl.ir.lazy_array import LazyArray, block_axis, blocks_of


def write_dataset(group: h5py.Group, name: str, value: np.ndarray[Any, Any] | LazyArray) -> None:
    """Write ``value`` as the dataset ``name`` of ``group``, as Keras does: contiguous, in its own dtype.

    >>> with h5py.File("weights", "w", driver="core", backing_store=False) as file:
    ...     write_dataset(file, "dense/bias", np.zeros(3, np.float32))
    ...     file["dense/bias"].shape
    (3,)
    """
    if not value.shape or value.dtype.kind in "OSU":
        group.create_dataset(name, data=np.asarray(value))
        return
    dataset = group.create_dataset(name, shape=value.shape, dtype=value.dtype)
    axis = block_axis(value.shape)
    at = 0
    for block in blocks_of(value):
        until = at + block.shape[axis]
        if block.size:
            dataset[(*(slice(None),) * axis, slice(at, until))] = block
        at = until
