"""What a lowering sees of one node: its inputs, attributes, and the means to run kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np

from ...dtypes import DType
from ...errors import ModelFormatError, UnsupportedOpError
from ..graph import DataType, FunctionName, Node, Shape

if TYPE_CHECKING:
    from ..tables import Table

Array = np.ndarray[Any, Any]


class Value(Protocol):
    """A tensor of whoever evaluates: a lowering reads nothing of it but shape and dtype."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""

    @property
    def dtype(self) -> DType:
        """The name of its dtype, such as ``float32``."""


class Opaque:
    """A value that is no tensor, such as a list or a table: nodes hand it on, and the ops of its kind read it."""

    __slots__ = ()
    described: ClassVar[str] = "no tensor"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the scalar that stands for it in TensorFlow."""
        return ()

    @property
    def dtype(self) -> DType:
        """It has none."""
        raise TypeError(f"{self.described} has no dtype")


class _Dead(Opaque):
    __slots__ = ()
    described = "nothing, since its branch was not taken"


DEAD: Final = _Dead()
"""What stands on the side of a Switch that was not taken, and in all that reads it, up to a Merge."""


# A kernel's inputs: values by the names of kernels.json, or {"tensors": [...]} for those that take a list.
Inputs = Mapping[str, Value | Sequence[Value]]
Outputs = Value | Sequence[Value | None]


class Call(ABC):
    """One evaluation of ``node``. Evaluators implement ``run``, ``read`` and ``constant``.

    Those that run whole graphs implement ``invoke`` and ``table`` as well; without them UnsupportedOpError says so.
    """

    def __init__(self, node: Node, inputs: Sequence[Value]) -> None:
        """A call of ``node`` with the values of its data inputs, in order."""
        self.node = node
        self.inputs = inputs

    @abstractmethod
    def run(self, kernel: str, inputs: Inputs, attrs: Mapping[str, Any]) -> Any:
        """What a kernel returns: one value, or a list of them. Names are those of kernels.json."""

    @abstractmethod
    def read(self, value: Value) -> Array:
        """A value on the host, for axes, shapes, sizes, conditions and the like."""

    def data(self, i: int) -> Array:
        """The value of input ``i`` on the host, for ops that compute there: what follows is not recorded."""
        return self.host(i)

    @abstractmethod
    def constant(self, array: Array) -> Value:
        """A value that holds ``array``."""

    def invoke(self, function: str, arguments: Sequence[Value]) -> list[Value]:
        """What a function of the library returns for ``arguments``."""
        raise UnsupportedOpError(f"{self.node} calls function {function!r}, and this evaluation has no library")

    def table(self, make: Callable[[], Table]) -> Table:
        """The table that ``node`` stands for: ``make()`` when it is new, and the same one ever after."""
        raise UnsupportedOpError(f"{self.node} stands for a table, and this evaluation keeps none")

    def host(self, i: int) -> Array:
        """The value of input ``i`` on the host."""
        return self.read(self.inputs[i])

    def truth(self, value: Value) -> bool:
        """A condition as TensorFlow takes it: a number other than 0, a string or a tensor that is not empty."""
        array = self.read(value)
        if array.ndim:
            return array.size > 0
        element = array.reshape(-1)[0]
        return bool(element)

    def function(self, name: str) -> FunctionName:
        """The attribute that names a function; ModelFormatError where it does not."""
        value = self.required(name)
        if not isinstance(value, FunctionName):
            raise self._wrong(name, "the name of a function", value)
        return value

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

    def shape_attr(self, name: str) -> Shape | None:
        """A shape attribute; None where it, or its rank, is unknown."""
        value = self.attr(name)
        if value is not None and not isinstance(value, tuple):
            raise self._wrong(name, "a shape", value)
        return value

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
