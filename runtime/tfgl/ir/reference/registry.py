"""The table of reference kernels, and `evaluate`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ...dtypes import NUMPY, dtype_of
from ...errors import InvalidArgumentError

Array = np.ndarray[Any, Any]
Result = Array | list[Array]
F = TypeVar("F", bound=Callable[..., Any])

_FLOAT = np.dtype(np.float64)
_INT = np.dtype(np.int32)
_COMPLEX = np.dtype(np.complex128)
# Inputs that are lists of tensors.
_LISTS = frozenset({"tensors", "paramsNestedSplits", "rowPartitionTensors"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A kernel in NumPy; ``inputs`` and ``attrs`` map its tfjs names to the function's parameters."""

    function: Callable[..., Any]
    inputs: Mapping[str, str]
    attrs: Mapping[str, str]
    required: frozenset[str]


_references: dict[str, Reference] = {}
_loaded = False


def reference(*names: str) -> Callable[[F], F]:
    """Register a function as the reference of the kernels ``names``.

    Positional parameters are inputs, keyword-only ones attributes, in snake case.
    It gets float64, int32, bool, complex128 or object arrays and returns such.

    >>> @reference("_Doubled")
    ... def doubled(x):
    ...     return x + x
    >>> evaluate("_Doubled", {"x": np.array([1.5])}).tolist()
    [3.0]
    """

    def register(function: F) -> F:
        parameters = inspect.signature(function).parameters.values()
        inputs = {_camel_case(p.name): p.name for p in parameters if p.kind is not p.KEYWORD_ONLY}
        attrs = {_camel_case(p.name): p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        required = frozenset(_camel_case(p.name) for p in parameters if p.default is p.empty)
        for name in names:
            if name in _references:
                raise ValueError(f"reference kernel {name} is registered twice")
            _references[name] = Reference(function, inputs, attrs, required)
        return function

    return register


def has(kernel: str) -> bool:
    """Whether `evaluate` knows ``kernel``.

    >>> has("Add"), has("Sorcery")
    (True, False)
    """
    _load()
    return kernel in _references


def reference_names() -> frozenset[str]:
    """Names of the kernels that `evaluate` knows.

    >>> "Conv2D" in reference_names()
    True
    """
    _load()
    return frozenset(_references)


def evaluate(kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any] | None = None) -> Result:
    """The result of ``kernel`` computed in float64: one array, or a list for several outputs.

    ``inputs`` are arrays (a list of arrays for ``tensors``) and ``attrs`` values,
    both by their tfjs names. Results are float64, int32, bool, complex128 or
    object (strings, as bytes); int32 wraps. Raises InvalidArgumentError for an
    unknown kernel and for arguments that do not fit.

    >>> evaluate("Add", {"a": np.float32([1, 2]), "b": np.float32([0.5])})
    array([1.5, 2.5])
    """
    entry = _references.get(kernel)
    if entry is None:
        _load()
        entry = _references.get(kernel)
        if entry is None:
            raise InvalidArgumentError(f"no reference of a kernel {kernel!r}; see reference_names()")
    arguments: dict[str, Any] = {}
    for name, value in inputs.items():
        if value is None:
            continue
        if name not in entry.inputs:
            raise InvalidArgumentError(
                f"{kernel} has no input {name!r}; its inputs are {', '.join(entry.inputs) or 'none'}"
            )
        several = isinstance(value, (list, tuple)) and name in _LISTS
        arguments[entry.inputs[name]] = [_widened(item) for item in value] if several else _widened(value)
    for name, value in (attrs or {}).items():
        if value is None:
            continue
        if name not in entry.attrs:
            raise InvalidArgumentError(
                f"{kernel} has no attribute {name!r}; its attributes are {', '.join(entry.attrs) or 'none'}"
            )
        arguments[entry.attrs[name]] = _plain(value)
    if len(arguments) < len(entry.required) or not all(
        (entry.inputs.get(name) or entry.attrs[name]) in arguments for name in entry.required
    ):
        given = {*inputs, *(attrs or {})}
        missing = next(name for name in (*entry.inputs, *entry.attrs) if name in entry.required - given)
        raise InvalidArgumentError(f"{kernel} needs {missing!r}; got {', '.join(sorted(given)) or 'nothing'}")
    with np.errstate(all="ignore"):
        result = entry.function(**arguments)
    if isinstance(result, (list, tuple)):
        return [_widened(item) for item in result]
    return _widened(result)


def evaluate_as(kernel: str, inputs: Mapping[str, Any], attrs: Mapping[str, Any] | None = None) -> Result:
    """`evaluate` with the result in TensorFlow.js' dtypes: float32, int32, bool, complex64, object.

    >>> evaluate_as("Mean", {"x": np.int32([1, 2])}).dtype, evaluate_as("ArgMax", {"x": np.ones(3)}).dtype
    (dtype('float32'), dtype('int32'))
    """
    result = evaluate(kernel, inputs, attrs)
    with np.errstate(all="ignore"):
        if isinstance(result, list):
            return [item.astype(NUMPY[dtype_of(item)], copy=False) for item in result]
        return result.astype(NUMPY[dtype_of(result)], copy=False)


def _widened(value: Any) -> Array:
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind == "f":
        return array if array.dtype == _FLOAT else array.astype(_FLOAT)
    if kind in "iu":
        return array if array.dtype == _INT else array.astype(_INT)
    if kind == "c":
        return array if array.dtype == _COMPLEX else array.astype(_COMPLEX)
    if kind == "S":
        return array.astype(object)
    if kind == "U":
        return np.frompyfunc(str.encode, 1, 1)(array.astype(object)) if array.size else array.astype(object)
    dtype_of(array)
    return array


def _plain(value: Any) -> Any:
    """Attributes without NumPy's types, so that rules see numbers and sequences."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def _camel_case(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match.group(1).upper(), name.rstrip("_"))


def _load() -> None:
    global _loaded
    if not _loaded:
        package = importlib.import_module(__package__ or "")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        _loaded = True
