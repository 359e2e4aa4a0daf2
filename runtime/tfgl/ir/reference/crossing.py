"""Crossed features: a number for each combination of the values of several columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from .fingerprint import fingerprint64, joined_fingerprint
from .registry import Array
from .string_arrays import text_of

# A column: for each row its values.
Column = list[list[object]]


def sparse_column(indices: Array, values: Array, rows: int) -> Column:
    """The rows of a sparse matrix.

    >>> sparse_column(np.array([[0, 0], [2, 1]]), np.array([7, 8]), 3)
    [[7], [], [8]]
    """
    if indices.ndim != 2 or indices.dtype.kind != "i" or values.shape != indices.shape[:1]:
        raise InvalidArgumentError(f"integer indices {list(indices.shape)} and values {list(values.shape)} do not fit")
    check_count(rows, "rows")
    column: Column = [[] for _ in range(rows)]
    for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        if not 0 <= row < rows:
            raise InvalidArgumentError(f"row {row} is not in [0, {rows})")
        column[row].append(value)
    return column


def cross(columns: Sequence[Column], num_buckets: int, hash_key: int) -> list[Array]:
    """[int32 indices, int32 numbers, int32 shape] of the sparse matrix of all combinations, the last column fastest.

    Numbers are FarmHash fingerprints put together from ``hash_key`` on, modulo ``num_buckets``.

    >>> cross([[[1], [2]], [[3, 4], []]], 10, 0)[2].tolist()
    [2, 2]
    """
    if not 0 < num_buckets <= 1 << 31:
        raise InvalidArgumentError(f"num_buckets must be in [1, 2147483648], got {num_buckets}")
    heights = {len(column) for column in columns}
    if len(heights) != 1:
        raise InvalidArgumentError(f"the inputs have {sorted(heights)} rows; they must be as many")
    places: list[tuple[int, int]] = []
    numbers: list[int] = []
    for row, parts in enumerate(zip(*columns, strict=True)):
        check_count(len(numbers) + math.prod(map(len, parts)), "crosses")
        hashed = [[_number(value) for value in part] for part in parts]
        for at, combination in enumerate(itertools.product(*hashed)):
            value = hash_key
            for feature in combination:
                value = joined_fingerprint(value, feature)
            places.append((row, at))
            numbers.append(value % num_buckets)
    shape = [len(columns[0]), max((at + 1 for _, at in places), default=0)]
    return [
        np.array(places, np.int32).reshape(len(places), 2),
        np.array(numbers, np.int64).astype(np.int32),
        np.array(shape, np.int32),
    ]


def _number(value: object) -> int:
    return value if isinstance(value, int) else fingerprint64(text_of(value))
