"""What a lowering sees of one node: its inputs, attributes, and the means to run kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ...dtypes import DType
from ...errors import ModelFormatError
from ..graph import DataType, Node

Array = np.ndarray[Any, Any]


class Value(Protocol):
    """A tensor of whoever evaluates: a lowering reads nothing of it but shape and dtype."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""

    @property
    def dtype(self) -> DType:
        """The name of its dtype, such as ``float32``."""


# A kernel's inputs: values by the names of kernels.json, or {"tensors": [...]} for those that take a list.
Inputs = Mapping[str, Value | Sequence[Value]]
Outputs = Value | Sequence[Value | None]


class Call(ABC):
    """One evaluation of ``node``. Evaluators implement ``run``, ``host`` and ``constant``."""

    def __init__(self, node: Node, inputs: Sequence[Value]) -> None:
        """A call of ``node`` with the values of its data inputs, in order."""
        self.node = node
        self.inputs = inputs

    @abstractmethod
    def run(self, kernel: str, inputs: Inputs, attrs: Mapping[str, Any]) -> Any:
        """What a kernel returns: one value, or a list of them. Names are those of kernels.json."""

    @abstractmethod
    def host(self, i: int) -> Array:
        """The value of input ``i`` on the host, for axes, shapes, sizes and the like."""

    def data(self, i: int) -> Array:
        """The value of input ``i`` on the host, for ops that compute there: what follows is not recorded."""
        return self.host(i)

    @abstractmethod
    def constant(self, array: Array) -> Value:
        """A value that holds ``array``."""

    def wanted(self, i: int) -> bool:
        """Whether anything reads output ``i``; an unread output may be None. True when unknown."""
        return True

    def one(self, kernel: str, inputs: Inputs, **attrs: Any) -> Value:
        """The only output of a kernel."""
        result: Value = self.run(kernel, inputs, attrs)
        return result

    def many(self, kernel: str, inputs: Inputs, **attrs: Any) -> list[Value]:
        """The outputs of a kernel that returns a list."""
        return list(self.run(kernel, inputs, attrs))

    def attr(self, name: str, default: Any = None) -> Any:
        """The decoded attribute, or ``default`` where the node has none."""
        value = self.node.attrs.get(name)
        return default if value is None else value

    def required(self, name: str) -> Any:
        """The decoded attribute; ModelFormatError where the node has none."""
        value = self.node.attrs.get(name)
        if value is None:
            raise ModelFormatError(f"{self.node} has no attr {name!r}, which its op requires")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute; required when there is no default."""
        if default is not None and name not in self.node.attrs:
            return default
        value = self.required(name)
        if not isinstance(value, bytes):
            raise self._wrong(name, "a string", value)
        return value.decode("utf-8", "replace")

    def raw(self, name: str, default: bytes | None = None) -> bytes:
        """The bytes of a string attribute, which need not be text; required when there is no default."""
        value = self.required(name) if default is None else self.attr(name, default)
        if not isinstance(value, bytes):
            raise self._wrong(name, "a string", value)
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty where the node has none."""
        values = self.attr(name, [])
        if not isinstance(values, list) or not all(isinstance(value, bytes) for value in values):
            raise self._wrong(name, "a list of strings", values)
        return [value.decode("utf-8", "replace") for value in values]

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute; required when there is no default."""
        value = self.required(name) if default is None else self.attr(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "an integer", value)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A float attribute; required when there is no default."""
        value = self.required(name) if default is None else self.attr(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(name, "a number", value)
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A bool attribute."""
        value = self.attr(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """A list of integers; required when there is no default."""
        values = self.required(name) if default is None else self.attr(name, list(default))
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise self._wrong(name, "a list of integers", values)
        return list(values)

    def dtype(self, name: str, default: DType | None = None) -> DType:
        """The run-time dtype of a dtype attribute; required when there is no default."""
        if default is not None and self.attr(name) is None:
            return default
        value = self.required(name)
        stored = value.stored if isinstance(value, DataType) else None
        if stored is None:
            raise self._wrong(name, "a dtype of numbers, bools or strings", value)
        return stored

    def host_integers(self, i: int) -> list[int]:
        """Input ``i`` as a flat list of integers."""
        array = self.host(i)
        if array.dtype.kind not in "iub":
            raise ModelFormatError(f"{self.node}: input {i} must hold integers, got {array.dtype}")
        return [int(value) for value in array.reshape(-1)]

    def host_integer(self, i: int) -> int:
        """Input ``i`` as one integer."""
        values = self.host_integers(i)
        if len(values) != 1:
            raise ModelFormatError(f"{self.node}: input {i} must hold one integer, got {len(values)}")
        return values[0]

    def host_scalar(self, i: int) -> Any:
        """Input ``i``, which holds one value, as a Python number, bool or bytes."""
        array = self.host(i)
        if array.size != 1:
            raise ModelFormatError(f"{self.node}: input {i} must hold one value, got shape {array.shape}")
        return array.reshape(-1)[0].item() if array.dtype != np.dtype(object) else array.reshape(-1)[0]

    def _wrong(self, name: str, expected: str, value: object) -> ModelFormatError:
        return ModelFormatError(f"{self.node}, attr {name!r}: expected {expected}, got {value!r}")
