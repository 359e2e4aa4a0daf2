"""The five dtypes of TensorFlow.js and how they stand in NumPy."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .errors import InvalidArgumentError

DType = Literal["float32", "int32", "bool", "complex64", "string"]

NUMPY: dict[DType, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "int32": np.dtype(np.int32),
    "bool": np.dtype(np.bool_),
    "complex64": np.dtype(np.complex64),
    "string": np.dtype(object),
}

_BY_KIND: dict[str, DType] = {
    "f": "float32",
    "i": "int32",
    "u": "int32",
    "b": "bool",
    "c": "complex64",
    "O": "string",
    "S": "string",
    "U": "string",
    "T": "string",
}

# Result of combining two dtypes, as TensorFlow.js' `upcastType` orders them.
_RANK: dict[DType, int] = {"bool": 0, "int32": 1, "float32": 2, "complex64": 3}


def dtype_of(array: np.ndarray[Any, Any]) -> DType:
    """The tfgl dtype that holds ``array``'s values.

    Raises InvalidArgumentError for a kind that has none (dates, records).

    >>> dtype_of(np.zeros(3, np.float64)), dtype_of(np.array([b"a"]))
    ('float32', 'string')
    """
    try:
        return _BY_KIND[array.dtype.kind]
    except KeyError:
        raise InvalidArgumentError(
            f"NumPy dtype {array.dtype} has no tensor dtype; expected one of {', '.join(NUMPY)}"
        ) from None


def check_dtype(name: object) -> DType:
    """``name`` itself when it is a tfgl dtype, else InvalidArgumentError.

    >>> check_dtype("int32")
    'int32'
    """
    for known in NUMPY:
        if name == known:
            return known
    raise InvalidArgumentError(f"unknown dtype {name!r}; expected one of {', '.join(NUMPY)}")


def upcast(a: DType, b: DType) -> DType:
    """The dtype two operands are brought to: bool < int32 < float32 < complex64.

    >>> upcast("bool", "int32"), upcast("int32", "float32")
    ('int32', 'float32')
    """
    if a == b:
        return a
    if "string" in (a, b):
        raise InvalidArgumentError(f"cannot combine dtypes {a} and {b}")
    return a if _RANK[a] >= _RANK[b] else b
