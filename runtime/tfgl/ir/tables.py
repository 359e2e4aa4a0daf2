"""Hash tables: keys and values on the host, filled once, asked by key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import NUMPY, DType, dtype_of
from ..errors import InvalidArgumentError
from .graph import Node
from .lowering.call import Opaque

Array = np.ndarray[Any, Any]


class Table(Opaque):
    """Values by key; ``value_shape`` is the shape of one value, ``mutable`` lets a key be filled again."""

    __slots__ = ("_places", "_values", "filled", "key_dtype", "mutable", "name", "value_dtype", "value_shape")
    described = "a table"

    def __init__(self, name: str, key_dtype: DType, value_dtype: DType, *, mutable: bool = False) -> None:
        """An empty table; ``name`` is for messages."""
        self.name = name
        self.key_dtype = key_dtype
        self.value_dtype = value_dtype
        self.mutable = mutable
        self.filled = mutable
        self.value_shape: tuple[int, ...] = ()
        self._places: dict[Any, int] = {}
        self._values = np.empty(0, NUMPY[value_dtype])

    def __len__(self) -> int:
        return len(self._places)

    def fill(self, keys: Array, values: Array) -> None:
        """Put ``values``, of the shape of ``keys`` and that of one value, in under ``keys``.

        Raises InvalidArgumentError for other dtypes and shapes, and for a key that has another value already.

        >>> table = Table("t", "int32", "float32")
        >>> table.fill(np.array([3, 5]), np.array([0.5, 1.5]))
        >>> table.find(np.array([5, 4]), np.array(-1.0))
        array([ 1.5, -1. ], dtype=float32)
        """
        self._check("keys", keys, self.key_dtype)
        self._check("values", values, self.value_dtype)
        if values.shape[: keys.ndim] != keys.shape:
            raise InvalidArgumentError(
                f"{self.name} takes values for its keys, got shape {list(keys.shape)} of keys and "
                f"{list(values.shape)} of values"
            )
        shape = tuple(values.shape[keys.ndim :])
        if self._places and shape != self.value_shape:
            raise InvalidArgumentError(
                f"{self.name} holds values of shape {list(self.value_shape)}, got shape {list(shape)}"
            )
        self.value_shape = shape
        rows = values.reshape((keys.size, *shape)).astype(NUMPY[self.value_dtype], copy=False)
        held = list(self._values) if self._places else []
        for key, row in zip(_scalars(keys), rows, strict=True):
            place = self._places.get(key)
            if place is None:
                self._places[key] = len(held)
                held.append(row)
            elif self.mutable:
                held[place] = row
            elif not np.array_equal(held[place], row):
                raise InvalidArgumentError(f"{self.name} is given two values for the key {key!r}")
        self._values = _stacked(held, shape, NUMPY[self.value_dtype])
        self.filled = True

    def find(self, keys: Array, default: Array) -> Array:
        """The values at ``keys``, ``default`` for those that it does not hold: keys' shape, then that of one value.

        Raises InvalidArgumentError for other dtypes, a default of another shape, and a table that was never filled.
        """
        if not self.filled:
            raise InvalidArgumentError(f"{self.name} was never filled; the model has no initialiser that does")
        self._check("keys", keys, self.key_dtype)
        self._check("the default", default, self.value_dtype)
        shape = self.value_shape if self._places else tuple(default.shape)
        if default.shape not in (shape, ()):
            raise InvalidArgumentError(
                f"{self.name} holds values of shape {list(shape)}, got a default of shape {list(default.shape)}"
            )
        get = self._places.get
        places = np.fromiter((get(key, -1) for key in _scalars(keys)), np.int64, keys.size)
        found = np.empty((keys.size, *shape), NUMPY[self.value_dtype])
        found[...] = default
        known = places >= 0
        if known.any():
            found[known] = self._values[places[known]]
        return found.reshape((*keys.shape, *shape))

    def _check(self, what: str, array: Array, dtype: DType) -> None:
        if dtype_of(array) != dtype:
            raise InvalidArgumentError(f"{self.name} takes {what} of dtype {dtype}, got {dtype_of(array)}")


def _scalars(keys: Array) -> list[Any]:
    return [key.encode() if isinstance(key, str) else key for key in keys.reshape(-1).tolist()]


def _stacked(rows: Sequence[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    stacked = np.empty((len(rows), *shape), dtype)
    for at, row in enumerate(rows):
        stacked[at] = row
    return stacked


class Resources:
    """The tables of a model: those of one name are one, in the graph and in its initialiser."""

    def __init__(self) -> None:
        self._by_name: dict[str, Table] = {}
        self.by_id: dict[int, Table] = {}
        """Tables by the ``resourceId`` of the signatures."""

    def table(self, node: Node, make: Callable[[], Table]) -> Table:
        """The table that ``node`` stands for, by its ``shared_name``, else by its own; made when it is new."""
        shared = node.attrs.get("shared_name")
        names = [f"shared {shared.decode('utf-8', 'replace')}"] if isinstance(shared, bytes) and shared else []
        names.append(f"node {node.name}")
        found = next((self._by_name[name] for name in names if name in self._by_name), None)
        table = make() if found is None else found
        for name in names:
            self._by_name.setdefault(name, table)
        return table
