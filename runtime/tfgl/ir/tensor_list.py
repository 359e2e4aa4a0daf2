"""Lists of tensors as values: TensorFlow's TensorList, and the TensorArray of its first version."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ..dtypes import DType
from ..errors import InvalidArgumentError
from .graph import Shape
from .lowering.call import Opaque, Value


@dataclass(frozen=True, slots=True)
class TensorList(Opaque):
    """A list that never changes: what writes to it makes another one, which shares the elements.

    An element that was reserved and never written is None. ``limit`` is how many it may hold, ``dtype_of_items`` None
    for lists of lists.
    """

    dtype_of_items: DType | None
    shape_of_items: Shape | None
    items: tuple[Value | None, ...] = ()
    limit: int | None = None

    described = "a tensor list"

    def with_items(self, items: tuple[Value | None, ...]) -> TensorList:
        """The same kind of list with other elements."""
        return dataclasses.replace(self, items=items)

    def at(self, index: int) -> int:
        """``index`` itself; InvalidArgumentError when the list has no such element."""
        if not 0 <= index < len(self.items):
            raise InvalidArgumentError(f"index {index} lies outside the list, which has {len(self.items)} elements")
        return index

    def check(self, value: Value) -> Value:
        """``value`` itself; InvalidArgumentError when the list holds others."""
        return _checked(value, self.dtype_of_items, self.shape_of_items, "the list")


@dataclass(slots=True)
class TensorArray(Opaque):
    """An array of tensors that its ops write into, in the order of the flow between them."""

    dtype_of_items: DType
    shape_of_items: Shape | None
    items: list[Value | None]
    dynamic: bool = False
    clear_after_read: bool = True
    same_shapes: bool = False
    closed: bool = False
    cleared: set[int] = field(default_factory=set)

    described = "a tensor array"

    def write(self, index: int, value: Value) -> None:
        """Set an element once; an array of dynamic size grows. InvalidArgumentError for what does not fit."""
        if index < 0 or (index >= len(self.items) and not self.dynamic):
            raise InvalidArgumentError(
                f"index {index} lies outside the array, which is not resizeable and has {len(self.items)} elements"
            )
        _checked(value, self.dtype_of_items, self.shape_of_items, "the array")
        if index >= len(self.items):
            self.items += [None] * (index + 1 - len(self.items))
        if self.items[index] is not None or index in self.cleared:
            raise InvalidArgumentError(f"element {index} of the array has already been written")
        if self.same_shapes and self.shape_of_items is None:
            self.shape_of_items = tuple(value.shape)
        self.items[index] = value

    def read(self, index: int) -> Value | None:
        """An element, which leaves the array if it clears what is read; None for one that was never written."""
        if not 0 <= index < len(self.items):
            raise InvalidArgumentError(f"index {index} lies outside the array, which has {len(self.items)} elements")
        if index in self.cleared:
            raise InvalidArgumentError(
                f"element {index} of the array was cleared when it was read before; is clear_after_read meant?"
            )
        value = self.items[index]
        if self.clear_after_read and value is not None:
            self.items[index] = None
            self.cleared.add(index)
        return value


def merged_shape(a: Shape | None, b: Shape | None) -> Shape | None:
    """What two partly known shapes say together; InvalidArgumentError when they contradict each other.

    >>> merged_shape((-1, 3), (2, -1)), merged_shape(None, (2,))
    ((2, 3), (2,))
    """
    if a is None or b is None:
        return b if a is None else a
    if len(a) != len(b) or any(m != n and -1 not in (m, n) for m, n in zip(a, b, strict=True)):
        raise InvalidArgumentError(f"elements of shape {list(a)} cannot be of shape {list(b)}")
    return tuple(max(m, n) for m, n in zip(a, b, strict=True))


def _checked(value: Value, dtype: DType | None, shape: Shape | None, what: str) -> Value:
    if isinstance(value, Opaque):
        if dtype is not None:
            raise InvalidArgumentError(f"{what} holds {dtype} tensors, got {value.described}")
        return value
    if dtype is not None and value.dtype != dtype:
        raise InvalidArgumentError(f"{what} holds {dtype} tensors, got a {value.dtype} one")
    fits = shape is None or (
        len(shape) == len(value.shape) and all(n in (-1, m) for n, m in zip(shape, value.shape, strict=True))
    )
    if not fits:
        raise InvalidArgumentError(
            f"{what} holds elements of shape {list(shape or ())}, got one of shape {list(value.shape)}"
        )
    return value


def expect_list(value: Any) -> TensorList:
    """``value`` when it is a list; InvalidArgumentError else."""
    if not isinstance(value, TensorList):
        raise InvalidArgumentError(f"expected a tensor list, got {_named(value)}")
    return value


def expect_array(value: Any) -> TensorArray:
    """``value`` when it is an array that is not closed; InvalidArgumentError else."""
    if not isinstance(value, TensorArray):
        raise InvalidArgumentError(f"expected a tensor array, got {_named(value)}")
    if value.closed:
        raise InvalidArgumentError("the tensor array has been closed")
    return value


def _named(value: Any) -> str:
    return value.described if isinstance(value, Opaque) else f"a tensor of shape {list(value.shape)}"
