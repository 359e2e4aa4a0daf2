"""Sparse constants of TensorFlow Lite: levels of dense and of compressed dimensions, some of them blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import Array

from .tflite_file import TFLiteFile


@dataclass(frozen=True)
class _Level:
    """One dimension in the order of storage: ``size`` of a dense one, else where its parts begin and their indices."""

    size: int
    segments: Array | None
    indices: Array | None


def densified(
    file: TFLiteFile, sparsity: Any, shape: tuple[int, ...], extent: tuple[int, int], stored: np.dtype[Any], place: str
) -> Callable[[], Array]:
    """What reads the dense array of a sparse tensor whose values lie at ``extent`` of the file.

    The format is that of TensorFlow Lite's SparsityParameters: the levels are the tensor's dimensions and, behind
    them, the blocks that ``block_map`` cuts some of them into, in the order of ``traversal_order``.
    """
    order = _numbers(sparsity.TraversalOrderAsNumpy())
    blocked = _numbers(sparsity.BlockMapAsNumpy())
    levels = [_level(sparsity.DimMetadata(i), place) for i in range(sparsity.DimMetadataLength())]
    rank = len(shape)
    if sorted(order) != list(range(rank + len(blocked))) or len(levels) != len(order):
        raise ModelFormatError(f"{place}: sparse with {len(levels)} levels in the order {order[:8]}, of rank {rank}")
    if any(not 0 <= axis < rank for axis in blocked) or len(set(blocked)) != len(blocked):
        raise ModelFormatError(f"{place}: sparse with blocks of the axes {blocked[:8]}, of rank {rank}")
    sizes = {axis: levels[order.index(rank + i)].size for i, axis in enumerate(blocked)}
    position, size = extent
    count = size // stored.itemsize

    def read() -> Array:
        coordinates = _coordinates(levels, max(count, math.prod(shape)), place)
        if coordinates[0].size != count:
            raise ModelFormatError(f"{place}: {count} sparse values for {coordinates[0].size} places")
        by_dimension = {dimension: coordinates[level] for level, dimension in enumerate(order)}
        where = []
        for axis, extent_of_axis in enumerate(shape):
            index = by_dimension[axis]
            if axis in sizes:
                index = index * sizes[axis] + by_dimension[rank + blocked.index(axis)]
            if index.size and not 0 <= int(index.min()) <= int(index.max()) < extent_of_axis:
                raise ModelFormatError(f"{place}: a sparse value lies outside of axis {axis}, {extent_of_axis} long")
            where.append(index)
        dense = np.zeros(shape, stored)
        dense[tuple(where)] = file.bytes_at(position, count * stored.itemsize).view(stored)
        return dense

    return read


def _coordinates(levels: list[_Level], limit: int, place: str) -> list[Array]:
    """For every stored value its index on each level."""
    found: list[Array] = []
    entries = np.zeros(1, np.int64)  # of the level above, one for each part that is stored below
    for level in levels:
        if level.segments is None or level.indices is None:
            if entries.size * level.size > limit:
                raise ModelFormatError(f"{place}: its sparse levels hold more than {limit} places")
            parents = np.repeat(np.arange(entries.size), level.size)
            index = np.tile(np.arange(level.size), entries.size)
            entries = entries[parents] * level.size + index
        else:
            starts = level.segments
            if starts.size < 1 or (np.diff(starts) < 0).any() or starts[0] < 0 or starts[-1] > level.indices.size:
                raise ModelFormatError(f"{place}: segments of a sparse level do not fit its indices")
            if entries.size and int(entries.max()) + 1 >= starts.size:
                raise ModelFormatError(f"{place}: {starts.size} segments of a sparse level are too few")
            lengths = starts[entries + 1] - starts[entries]
            if int(lengths.sum()) > limit:
                raise ModelFormatError(f"{place}: its sparse levels hold more than {limit} places")
            parents = np.repeat(np.arange(entries.size), lengths)
            within = np.arange(parents.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            entries = starts[entries][parents] + within
            index = level.indices[entries]
        found = [above[parents] for above in found] + [index]
    return found


def _level(metadata: Any, place: str) -> _Level:
    if not metadata.Format():
        size = metadata.DenseSize()
        if size < 0:
            raise ModelFormatError(f"{place}: a sparse level of size {size}")
        return _Level(size, None, None)
    segments = _vector(metadata.ArraySegmentsType(), metadata.ArraySegments())
    indices = _vector(metadata.ArrayIndicesType(), metadata.ArrayIndices())
    if segments is None or indices is None:
        raise ModelFormatError(f"{place}: a compressed sparse level without segments or indices")
    return _Level(0, segments, indices)


def _vector(kind: int, table: Any) -> Array | None:
    import tflite

    classes = (None, tflite.Int32Vector, tflite.Uint16Vector, tflite.Uint8Vector)
    if table is None or not 0 < kind < len(classes):
        return None
    vector: Any = classes[kind]()  # type: ignore[misc]
    vector.Init(table.Bytes, table.Pos)
    values = vector.ValuesAsNumpy()
    return values.astype(np.int64) if isinstance(values, np.ndarray) else np.zeros(0, np.int64)


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in values] if isinstance(values, np.ndarray) else []
