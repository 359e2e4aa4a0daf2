"""Attribute values of a NodeDef in protobuf JSON: strings, numbers, dtypes, shapes, tensors, lists."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np

from ..dtypes import NUMPY, dtype_of
from ..errors import InvalidArgumentError, ModelFormatError
from .graph import AttrValue, DataType, FunctionName, Shape
from .lazy_array import LazyArray

Array = np.ndarray[Any, Any]
T = TypeVar("T")

# tensorflow/core/framework/types.proto; 100 more means a reference to such a value.
_DTYPES: dict[str, tuple[int, str]] = {
    "DT_INVALID": (0, "invalid"),
    "DT_FLOAT": (1, "float32"),
    "DT_DOUBLE": (2, "float64"),
    "DT_INT32": (3, "int32"),
    "DT_UINT8": (4, "uint8"),
    "DT_INT16": (5, "int16"),
    "DT_INT8": (6, "int8"),
    "DT_STRING": (7, "string"),
    "DT_COMPLEX64": (8, "complex64"),
    "DT_INT64": (9, "int64"),
    "DT_BOOL": (10, "bool"),
    "DT_QINT8": (11, "qint8"),
    "DT_QUINT8": (12, "quint8"),
    "DT_QINT32": (13, "qint32"),
    "DT_BFLOAT16": (14, "bfloat16"),
    "DT_QINT16": (15, "qint16"),
    "DT_QUINT16": (16, "quint16"),
    "DT_UINT16": (17, "uint16"),
    "DT_COMPLEX128": (18, "complex128"),
    "DT_HALF": (19, "float16"),
    "DT_RESOURCE": (20, "resource"),
    "DT_VARIANT": (21, "variant"),
    "DT_UINT32": (22, "uint32"),
    "DT_UINT64": (23, "uint64"),
    "DT_FLOAT8_E5M2": (24, "float8_e5m2"),
    "DT_FLOAT8_E4M3FN": (25, "float8_e4m3fn"),
    "DT_INT4": (29, "int4"),
    "DT_UINT4": (30, "uint4"),
}
_ENUM_NAMES = {name: enum for enum, (_, name) in _DTYPES.items()}
_DTYPE_BY_NUMBER = {number: name for number, name in _DTYPES.values()}

# Which field of a TensorProto holds the values of a dtype when `tensorContent` does not.
_VALUE_FIELDS: dict[str, str] = {
    "float32": "floatVal",
    "float64": "doubleVal",
    "float16": "halfVal",
    "bfloat16": "halfVal",
    "int32": "intVal",
    "int16": "intVal",
    "int8": "intVal",
    "uint8": "intVal",
    "uint16": "intVal",
    "qint8": "intVal",
    "quint8": "intVal",
    "qint16": "intVal",
    "quint16": "intVal",
    "qint32": "intVal",
    "int64": "int64Val",
    "uint32": "uint32Val",
    "uint64": "uint64Val",
    "bool": "boolVal",
    "complex64": "scomplexVal",
    "complex128": "dcomplexVal",
    "string": "stringVal",
}

# A tensor of a Const may state any shape; what a damaged file may make us allocate ends here.
_MAX_ELEMENTS = 1 << 28
_MAX_REPEATED = 1 << 22
_INT64 = range(-(1 << 63), 1 << 63)
_JSON_NAMES = {"dict": "an object", "list": "a list", "str": "a string", "bool": "true or false"}


def expect(value: object, kind: type[T], place: str) -> T:
    """``value`` when it is a ``kind``, else ModelFormatError at ``place``.

    >>> expect("relu", str, "node 'a'")
    'relu'
    """
    if not isinstance(value, kind):
        wanted = _JSON_NAMES.get(kind.__name__, kind.__name__)
        raise ModelFormatError(f"{place}: expected {wanted}, got {_shown(value)}")
    return value


def expect_list(value: object, place: str) -> list[Any]:
    """``value`` when it is a list, [] when it is absent, else ModelFormatError.

    >>> expect_list(None, "node 'a'")
    []
    """
    return [] if value is None else expect(value, list, place)


def field_of(fields: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A field under its JSON name, or under the name of the .proto file, which protobuf JSON allows too.

    >>> field_of({"tensor_shape": 1}, "tensorShape")
    1
    """
    if name in fields:
        return fields[name]
    return fields.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name), default)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def decode_attr(encoded: Mapping[str, Any], place: str) -> AttrValue:
    """The Python value of an AttrValue message; ModelFormatError when it is malformed.

    >>> decode_attr({"s": "U0FNRQ=="}, "attr 'padding'")
    b'SAME'
    >>> decode_attr({"list": {"i": ["1", "2"]}}, "attr 'ksize'")
    [1, 2]
    """
    for kind, decode in _DECODERS.items():
        if kind in encoded:
            return decode(encoded[kind], place)
    if "list" not in encoded:
        raise ModelFormatError(f"{place}: expected one of {', '.join(_DECODERS)} or list, got {_shown(encoded)}")
    fields = expect(encoded["list"], dict, place)
    for kind, decode in _DECODERS.items():
        if kind in fields:
            return [decode(item, f"{place}[{i}]") for i, item in enumerate(expect_list(fields[kind], place))]
    return []


def decode_bytes(value: object, place: str) -> bytes:
    """Bytes from base64 (standard or URL alphabet, padded or not), or from a list of byte values.

    >>> decode_bytes("TkhXQw", "attr"), decode_bytes([82, 101], "attr")
    (b'NHWC', b'Re')
    """
    if isinstance(value, list):
        codes = [decode_int(code, place) for code in value]
        if any(code not in range(256) for code in codes):
            raise ModelFormatError(f"{place}: expected byte values from 0 to 255")
        return bytes(codes)
    text = expect(value, str, place).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=\n")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelFormatError(f"{place}: {_shown(value)} is not base64 ({error})") from None


def decode_int(value: object, place: str) -> int:
    """An integer of 64 bits from a number or, as protobuf JSON writes int64, from its digits.

    >>> decode_int("-1", "attr"), decode_int(3.0, "attr")
    (-1, 3)
    """
    number: int | None = None
    if isinstance(value, str) and len(value) <= 20:
        try:
            number = int(value)
        except ValueError:
            number = None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        number = int(value)
    if number is None or number not in _INT64:
        raise ModelFormatError(f"{place}: expected an integer, got {_shown(value)}")
    return number


def decode_float(value: object, place: str) -> float:
    """A float from a number, or from NaN, Infinity and -Infinity, which JSON writes as strings.

    >>> decode_float("-Infinity", "attr")
    -inf
    """
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ModelFormatError(f"{place}: expected a number, got {_shown(value)}")


def _decode_bool(value: object, place: str) -> bool:
    return expect(value, bool, place)


def decode_dtype(value: object, place: str) -> DataType:
    """A dtype from its enum name or number; references count as what they refer to.

    >>> decode_dtype("DT_HALF", "attr"), decode_dtype(9, "attr"), decode_dtype("DT_FLOAT_REF", "attr")
    ('float16', 'int64', 'float32')
    """
    name: str | None = None
    if isinstance(value, str) and not value.isdigit():
        name = _DTYPES.get(value.removesuffix("_REF"), (0, None))[1]
    elif not isinstance(value, bool):
        number = decode_int(value, place)
        name = _DTYPE_BY_NUMBER.get(number - 100 if number > 100 else number)
    if name is None:
        raise ModelFormatError(f"{place}: {_shown(value)} is no TensorFlow dtype, such as DT_FLOAT")
    return DataType(name)


def encode_dtype(dtype: str) -> str:
    """The enum name of a dtype.

    >>> encode_dtype("int64")
    'DT_INT64'
    """
    try:
        return _ENUM_NAMES[dtype]
    except KeyError:
        raise InvalidArgumentError(f"{dtype!r} is no TensorFlow dtype, such as float32") from None


def decode_shape(value: object, place: str) -> Shape | None:
    """A tuple with -1 for unknown dimensions, or None when the rank is unknown.

    A dimension without a size is 0, because protobuf JSON leaves zeros out.

    >>> decode_shape({"dim": [{"size": "-1"}, {"size": "3"}, {}]}, "attr")
    (-1, 3, 0)
    """
    fields = expect(value, dict, place)
    if field_of(fields, "unknownRank", False):
        return None
    dims = expect_list(fields.get("dim"), place)
    sizes = [decode_int(expect(dim, dict, place).get("size", 0), place) for dim in dims]
    # Grappler leaves ids of symbolic dimensions, -2 and below; they say no more than -1.
    return tuple(max(size, -1) for size in sizes)


def _decode_function(value: object, place: str) -> FunctionName:
    return FunctionName(expect(expect(value, dict, place).get("name"), str, place))


def is_stripped_tensor(encoded: Mapping[str, Any], place: str) -> bool:
    """Whether a Const's tensor states dtype and shape only, its values being in the weight shards.

    >>> is_stripped_tensor({"tensor": {"dtype": "DT_INT32", "tensorShape": {}}}, "attr")
    True
    """
    fields = expect(encoded.get("tensor"), dict, place)
    held = ("tensorContent", *_VALUE_FIELDS.values())
    if any(field_of(fields, name) not in (None, "", []) for name in held):
        return False
    shape = decode_shape(field_of(fields, "tensorShape", {}), place)
    return shape is None or 0 not in shape


def decode_tensor(value: object, place: str) -> Array:
    """The array of a TensorProto in its own dtype; strings as an object array of bytes.

    The last of the listed values fills what the shape has beyond them; none at all means zeros.

    >>> splat = {"dtype": "DT_INT64", "tensorShape": {"dim": [{"size": "3"}]}, "int64Val": ["7"]}
    >>> decode_tensor(splat, "attr")
    array([7, 7, 7])
    """
    fields = expect(value, dict, place)
    dtype = decode_dtype(fields.get("dtype", 0), place)
    shape = decode_shape(field_of(fields, "tensorShape", {}), place)
    if dtype not in _VALUE_FIELDS:
        raise ModelFormatError(f"{place}: a tensor of dtype {dtype} has no values that can be read")
    if shape is None or -1 in shape:
        raise ModelFormatError(f"{place}: a tensor needs a known shape, got {shape}")
    count = math.prod(shape)
    if count > _MAX_ELEMENTS or len(shape) > 32 or max(shape, default=0) > _MAX_ELEMENTS:
        raise ModelFormatError(f"{place}: a tensor of shape {shape} is too large to be a constant")
    content = field_of(fields, "tensorContent", "")
    if content not in ("", []):
        return _from_content(decode_bytes(content, place), dtype, shape, place)
    values = _listed_values(expect_list(field_of(fields, _VALUE_FIELDS[dtype]), place), dtype, place)
    if values.size > count:
        raise ModelFormatError(f"{place}: {values.size} values for a tensor of shape {shape}")
    if values.size == 0:
        fill = np.array(b"", dtype=object) if dtype == "string" else np.zeros((), values.dtype)
        return np.broadcast_to(fill, shape)
    if values.size == 1:
        return np.broadcast_to(values[0:1].reshape(()), shape)
    if values.size < count > _MAX_REPEATED:
        raise ModelFormatError(f"{place}: {values.size} values are too few for a tensor of shape {shape}")
    return np.concatenate([values, np.repeat(values[-1:], count - values.size)]).reshape(shape)


def _from_content(content: bytes, dtype: str, shape: Shape, place: str) -> Array:
    if dtype == "string":
        raise ModelFormatError(f"{place}: strings are expected in stringVal, not in tensorContent")
    stored = np.dtype(_NUMPY_OF.get(dtype, dtype)).newbyteorder("<")
    if len(content) != stored.itemsize * math.prod(shape):
        raise ModelFormatError(
            f"{place}: a {dtype} tensor of shape {shape} needs {stored.itemsize * math.prod(shape)} bytes, "
            f"got {len(content)}"
        )
    array: Array = np.frombuffer(content, stored).reshape(shape)
    return _from_bfloat16(array) if dtype == "bfloat16" else array


_NUMPY_OF = {
    "bfloat16": "uint16",
    "qint8": "int8",
    "quint8": "uint8",
    "qint16": "int16",
    "quint16": "uint16",
    "qint32": "int32",
}


def _from_bfloat16(bits: Array) -> Array:
    # A bfloat16 is the upper half of a float32.
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _listed_values(items: list[Any], dtype: str, place: str) -> Array:
    if dtype == "string":
        strings = np.empty(len(items), dtype=object)
        strings[:] = [decode_bytes(item, place) for item in items]
        return strings
    if dtype == "bool":
        return np.array([_decode_bool(item, place) for item in items], np.bool_)
    if dtype in ("float32", "float64"):
        with np.errstate(over="ignore"):
            return np.array([decode_float(item, place) for item in items], np.float64).astype(dtype)
    if dtype in ("complex64", "complex128"):
        parts = np.array([decode_float(item, place) for item in items], np.float64)
        if parts.size % 2:
            raise ModelFormatError(f"{place}: complex values come in pairs, got {parts.size} numbers")
        with np.errstate(over="ignore"):
            return (parts[0::2] + 1j * parts[1::2]).astype(dtype)
    numbers = [decode_int(item, place) for item in items]
    bits = np.dtype("uint16" if dtype in ("float16", "bfloat16") else _NUMPY_OF.get(dtype, dtype))
    limits = np.iinfo(bits)
    # uint8 weights of old files are written as signed numbers; the bits are what counts.
    if any(number < -(limits.max + 1) or number > limits.max for number in numbers):
        raise ModelFormatError(f"{place}: a value does not fit into {dtype}")
    wrapped = np.array([number & int(np.iinfo(_unsigned(bits)).max) for number in numbers], _unsigned(bits))
    if dtype == "bfloat16":
        return _from_bfloat16(wrapped)
    return wrapped.view(np.float16 if dtype == "float16" else bits)


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"u{dtype.itemsize}")


def stored_array(array: Array | LazyArray, place: str) -> Array:
    """``array`` in the run-time dtype that holds its values: int64 as int32 (wrapping), float64 as float32.

    A LazyArray of numbers stays one.

    >>> stored_array(np.array([1, 2], np.int64), "weight").dtype
    dtype('int32')
    """
    in_file = array if isinstance(array, LazyArray) and array.dtype.kind not in "OSU" else None
    array = np.asarray(array) if in_file is None else np.empty(0, array.dtype)
    try:
        wanted = NUMPY[dtype_of(array)]
    except InvalidArgumentError as error:
        raise ModelFormatError(f"{place}: {error}") from None
    if in_file is not None:
        same = in_file.dtype == wanted
        return cast(Array, in_file if same else in_file.mapped(lambda block: stored_array(block, place), wanted))
    if array.dtype == wanted:
        return array
    if wanted.kind == "O":
        strings = np.empty(array.size, dtype=object)
        strings[:] = [_as_bytes(value) for value in array.reshape(-1)]
        return strings.reshape(array.shape)
    if array.size > 1 and not any(array.strides):
        # A splat stays one element in memory.
        return np.broadcast_to(array[(0,) * array.ndim].astype(wanted), array.shape)
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


_DECODERS: dict[str, Callable[[object, str], AttrValue]] = {
    "s": decode_bytes,
    "i": decode_int,
    "f": decode_float,
    "b": _decode_bool,
    "type": decode_dtype,
    "shape": decode_shape,
    "tensor": decode_tensor,
    "func": _decode_function,
    "placeholder": lambda value, place: expect(value, str, place).encode(),
}
