"""Ops of strings that TensorFlow.js lacks: they run here, on the host."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InvalidArgumentError, ModelFormatError
from ..reference import patterns, texts, unicode
from ..reference.fingerprint import keyed_hash, plain_hash
from ..reference.registry import Array
from ..reference.string_arrays import text_of
from ..reference.strings import buckets_of
from .call import Call, Value
from .registry import lower

Change = Callable[[Call, Array], Array]


def _faults(call: Call) -> unicode.Faults:
    return unicode.Faults(
        call.text("errors", "replace"),
        call.integer("replacement_char", 0xFFFD),
        call.flag("replace_control_characters"),
    )


def _transcoded(call: Call, x: Array) -> Array:
    return unicode.transcode(x, call.text("input_encoding"), call.text("output_encoding"), _faults(call))


def _as_string(call: Call, x: Array) -> Array:
    return texts.as_string(
        x,
        precision=call.integer("precision", -1),
        scientific=call.flag("scientific"),
        shortest=call.flag("shortest"),
        width=call.integer("width", -1),
        fill=call.raw("fill", b""),
    )


def _bucket(call: Call, x: Array) -> Array:
    key = call.integers("key")
    if len(key) != 2:
        raise ModelFormatError(f"{call.node}, attr 'key': expected two integers, got {key}")
    return buckets_of(x, call.integer("num_buckets"), lambda text: keyed_hash(text, (key[0], key[1])))


def _raw(call: Call, x: Array) -> Array:
    kind = call.required("out_type")
    return texts.from_raw(x, str(kind), call.flag("little_endian", True))


# What becomes of one tensor.
_CHANGES: dict[str, Change] = {
    "StringLower": lambda call, x: texts.lower(x, call.raw("encoding", b"")),
    "StringUpper": lambda call, x: texts.upper(x, call.raw("encoding", b"")),
    "StringStrip": lambda call, x: texts.strip(x),
    "StringLength": lambda call, x: texts.length(x, call.raw("unit", b"BYTE")),
    "StringToNumber": lambda call, x: texts.to_number(x, call.dtype("out_type", "float32")),
    "StaticRegexFullMatch": lambda call, x: patterns.full_matches(x, call.raw("pattern")),
    "AsString": _as_string,
    "EncodeBase64": lambda call, x: texts.to_base64(x, call.flag("pad")),
    "DecodeBase64": lambda call, x: texts.from_base64(x),
    "StringToHashBucket": lambda call, x: buckets_of(x, call.integer("num_buckets"), plain_hash),
    "StringToHashBucketStrong": _bucket,
    "DecodeRaw": _raw,
    "UnicodeTranscode": _transcoded,
}
for _op, _change in _CHANGES.items():

    def _handler(call: Call, change: Change = _change) -> Value:
        return call.constant(change(call, call.data(0)))

    lower(_op, inputs=1, host=(0,))(_handler)


def _scalar(call: Call, i: int) -> bytes:
    array = call.data(i)
    if array.size != 1 or array.dtype != object:
        raise InvalidArgumentError(f"input {i} must be one string, got shape {list(array.shape)} of {array.dtype}")
    return text_of(array.reshape(-1)[0])


@lower("StringJoin", inputs=(1, None), host=(0, -1))
def join(call: Call) -> Value:
    """Strings joined element by element."""
    parts = [call.data(i) for i in range(len(call.inputs))]
    return call.constant(texts.join(parts, call.raw("separator", b"")))


@lower("ReduceJoin", inputs=2, host=(0, 1))
def reduce_join(call: Call) -> Value:
    """Strings joined along axes."""
    separator = call.raw("separator", b"")
    return call.constant(texts.reduce_join(call.data(0), call.host_integers(1), call.flag("keep_dims"), separator))


@lower("UnsortedSegmentJoin", inputs=3, host=(0, 1, 2))
def segment_join(call: Call) -> Value:
    """Strings joined by segment."""
    count = call.host_integer(2)
    return call.constant(texts.segment_join(call.data(0), call.data(1), count, call.raw("separator", b"")))


@lower("Substr", inputs=3, host=(0, 1, 2))
def substring(call: Call) -> Value:
    """Parts of strings by position and length."""
    return call.constant(texts.substring(call.data(0), call.data(1), call.data(2), call.raw("unit", b"BYTE")))


@lower("StringSplitV2", inputs=2, host=(0, 1))
def split(call: Call) -> list[Value]:
    """Indices, tokens and shape of a sparse matrix."""
    results = texts.split(call.data(0), _scalar(call, 1), call.integer("maxsplit", -1))
    return [call.constant(result) for result in results]


@lower("RegexReplace", inputs=3, host=(0, 1, 2))
def regex_replace(call: Call) -> Value:
    """Strings with the matches of a computed pattern replaced."""
    every = call.flag("replace_global", True)
    return call.constant(patterns.replaced(call.data(0), _scalar(call, 1), _scalar(call, 2), every=every))


@lower("RegexFullMatch", inputs=2, host=(0, 1))
def regex_full_match(call: Call) -> Value:
    """Whether a computed pattern matches the whole string."""
    return call.constant(patterns.full_matches(call.data(0), _scalar(call, 1)))


def _decoded(call: Call) -> list[Value]:
    results = unicode.decode(call.data(0), call.text("input_encoding"), _faults(call))
    return [call.constant(result) for result in results]


@lower("UnicodeDecode", inputs=1, host=(0,))
def decode(call: Call) -> list[Value]:
    """Row splits and code points."""
    return _decoded(call)[:2]


@lower("UnicodeDecodeWithOffsets", inputs=1, host=(0,))
def decode_with_offsets(call: Call) -> list[Value]:
    """Row splits, code points, and the byte at which each begins."""
    return _decoded(call)


@lower("UnicodeEncode", inputs=2, host=(0, 1))
def encode(call: Call) -> Value:
    """Strings of ragged rows of code points."""
    return call.constant(unicode.encode(call.data(0), call.data(1), call.text("output_encoding"), _faults(call)))
