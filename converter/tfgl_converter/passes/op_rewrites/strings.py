"""Strings. What TensorFlow.js cannot say exactly has no rewrite and runs in tfgl alone: capitals (it turns the text of
an attribute into small letters), numbers of strings and strings of numbers, parts by position, Unicode."""

from __future__ import annotations

import re
import string

from tfgl.ir.graph import AttrValue, DataType, Edge, Node
from tfgl.ir.reference.patterns import compiled

from .portable_patterns import portable
from .registry import INT32, Place, Unfit, rewrite

STRING = DataType("string")
_SPACES = b" \t\n\v\f\r"
# What TensorFlow.js gets wrong in a pattern.
_READ_OTHERWISE = re.compile(rb"[A-Z\x80-\xff.]|\\[asz]|\\x\{|\[:|\(\?P?<")


def _replaced(place: Place, x: Edge, pattern: bytes, rewritten: bytes, every: bool = True) -> Edge:
    attrs: dict[str, AttrValue] = {"pattern": pattern, "rewrite": rewritten, "replace_global": every}
    return place.plain("StaticRegexReplace", x, attrs=attrs)


def _shaped(place: Place, x: Edge, size: int, rank: int = 1) -> Edge:
    return place.op("Reshape", x, place.integers(*[size] * rank), dtype=STRING, Tshape=INT32)


@rewrite("StringLower")
def lower(place: Place) -> Edge | Unfit:
    """Each capital of ASCII replaced by its small letter; TensorFlow.js reads the strings as UTF-8 meanwhile."""
    if place.attr("encoding", b"") != b"":
        return Unfit("encoding '', which means ASCII")
    (x,) = place.inputs
    for letter in string.ascii_uppercase:
        x = _replaced(place, x, f"\\x{ord(letter):02x}".encode(), letter.lower().encode())
    return x


@rewrite("StringStrip")
def strip(place: Place) -> Edge:
    """White space at the beginning and at the end replaced by nothing."""
    (x,) = place.inputs
    x = _replaced(place, x, rb"^[\t-\r ]+", b"", False)
    return _replaced(place, x, rb"[\t-\r ]+$", b"", False)


@rewrite("StringLength")
def length(place: Place) -> Edge | Unfit:
    """How many bytes a string splits into; its characters are not counted by any op of TensorFlow.js."""
    if place.attr("unit", b"BYTE") != b"BYTE":
        return Unfit("unit BYTE")
    (x,) = place.inputs
    flat = _shaped(place, x, -1)
    split = place.plain("StringSplit", flat, place.constant(b"", STRING), attrs={"skip_empty": False})
    rows = place.op(
        "StridedSlice", split, place.integers(0, 0), place.integers(0, 1), place.integers(1, 1), dtype=INT32,
        Index=INT32, begin_mask=1, end_mask=1, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=2,
    )  # fmt: skip
    count = place.op("Size", flat, dtype=STRING, out_type=INT32)
    counts = place.op("Bincount", rows, count, place.integers(), dtype=INT32)
    shape = place.op("Shape", x, dtype=STRING, out_type=INT32)
    return place.op("Reshape", counts, shape, dtype=INT32, Tshape=INT32)


@rewrite("StringJoin")
def join(place: Place) -> Edge | Unfit:
    """N-grams as wide as there are strings, of the strings side by side."""
    inputs = list(place.inputs)
    shapes = [place.known_shape(i) for i in range(len(inputs))]
    ranks = {len(shape) for shape in shapes if shape is not None}
    if None in shapes or len(ranks - {0}) > 1:
        return Unfit("strings of known rank")
    rank = max(ranks)
    wanted = next(
        (edge for edge, shape in zip(inputs, shapes, strict=True) if shape is not None and len(shape) == rank)
    )
    shape = place.op("Shape", wanted, dtype=STRING, out_type=INT32)
    separator = bytes(place.attr("separator", b""))
    if not separator.isascii() or separator != separator.lower():
        # As a token it keeps its capitals.
        between, separator = place.constant(separator, STRING), b""
        inputs = [between if i % 2 else inputs[i // 2] for i in range(2 * len(inputs) - 1)]
        shapes = [() if i % 2 else shapes[i // 2] for i in range(len(inputs))]
    whole = {
        edge: place.op("Tile", _shaped(place, edge, 1, rank), shape, dtype=STRING, Tmultiples=INT32)
        for edge, known in zip(inputs, shapes, strict=True)
        if rank and not known
    }
    count = len(inputs)
    packed = place.op("Pack", *(whole.get(edge, edge) for edge in inputs), dtype=STRING, N=count, axis=rank)
    total = place.op("Size", packed, dtype=STRING, out_type=INT32)
    end = place.op("AddV2", total, place.scalar(1), dtype=INT32)
    splits = place.op("Range", place.scalar(0), end, place.scalar(count), Tidx=INT32)
    joined = place.plain(
        "StringNGrams", _shaped(place, packed, -1), splits,
        attrs={"separator": separator, "ngram_widths": [count], "left_pad": b"", "right_pad": b"", "pad_width": 0,
               "preserve_short_sequences": False, "Tsplits": INT32},
    )  # fmt: skip
    return place.op("Reshape", joined, shape, dtype=STRING, Tshape=INT32)


def _matched(place: Place, pattern: bytes) -> Edge | Unfit:
    """A match of the whole becomes one of two marks; where both agree, there was none."""
    found = portable(pattern)
    if found is None:
        return Unfit("a pattern that RE2 and JavaScript read alike")
    anchored = b"^(?:" + found + b")$"
    one, other = (_replaced(place, place.inputs[0], anchored, mark, False) for mark in (b"0", b"1"))
    return place.op("NotEqual", one, other, dtype=STRING)


@rewrite("StaticRegexFullMatch")
def static_match(place: Place) -> Edge | Unfit:
    """Two replacements that differ where the pattern matches."""
    return _matched(place, bytes(place.attr("pattern", b"")))


@rewrite("RegexFullMatch")
def match(place: Place) -> Edge | Unfit:
    """The same, for a pattern that is a constant."""
    pattern = place.value(1)
    return Unfit("a constant pattern") if pattern is None else _matched(place, bytes(pattern.item()))


def _portable_replacement(pattern: bytes, rewritten: bytes, every: bool) -> bytes | None:
    """The pattern for a replacement that both engines do alike."""
    plain = rewritten.isascii() and rewritten == rewritten.lower() and not set(rewritten) & set(b"\\$")
    found = portable(pattern) if plain else None
    if found is None:
        return None
    # RE2 leaves out an empty match behind another match, and JavaScript does not.
    may_be_empty = compiled(found).search(b"") is not None or b"\\b" in found
    # Whether a repeated alternative of nothing goes on is another question that they answer differently.
    nothing = any(part in found for part in (b"(|", b":|", b"||", b"|)"))
    return None if nothing or (every and may_be_empty) else found


def replaces_alike(node: Node) -> bool:
    """Whether TensorFlow.js replaces by a StaticRegexReplace what TensorFlow does.

    >>> replaces_alike(Node("x", "StaticRegexReplace", attrs={"pattern": b" +", "rewrite": b"_"}))
    True
    """
    pattern, rewritten = (bytes(node.attrs.get(name) or b"") for name in ("pattern", "rewrite"))  # type: ignore[arg-type]
    if _READ_OTHERWISE.search(pattern):
        return False
    return _portable_replacement(pattern, rewritten, node.attrs.get("replace_global") is not False) is not None


@rewrite("RegexReplace")
def replace(place: Place) -> Edge | Unfit:
    """The static op, for constants that both engines read alike."""
    pattern, rewritten = place.value(1), place.value(2)
    if pattern is None or rewritten is None:
        return Unfit("a constant pattern and rewrite")
    every = bool(place.attr("replace_global", True))
    found = _portable_replacement(bytes(pattern.item()), bytes(rewritten.item()), every)
    if found is None:
        return Unfit("a pattern and rewrite that RE2 and JavaScript read alike")
    return _replaced(place, place.inputs[0], found, bytes(rewritten.item()), every)


@rewrite("StaticRegexReplace")
def static_replace(place: Place) -> Edge | None:
    """A pattern that TensorFlow.js would read otherwise, in a form that it reads alike."""
    if not _READ_OTHERWISE.search(bytes(place.attr("pattern", b""))):
        return None
    pattern, rewritten = bytes(place.attr("pattern", b"")), bytes(place.attr("rewrite", b""))
    every = bool(place.attr("replace_global", True))
    found = _portable_replacement(pattern, rewritten, every)
    if found is None or found == pattern:
        return None
    return _replaced(place, place.inputs[0], found, rewritten, every)


@rewrite("StringSplitV2")
def split(place: Place) -> list[Edge] | Unfit:
    """At white space the older op does the same; elsewhere it makes no token of an empty string."""
    separator = place.value(1)
    if separator is None or separator.item() != b"" or place.attr("maxsplit", -1) != -1:
        return Unfit("sep '' and no limit")
    spaces = place.constant(_SPACES, STRING)
    made = place.plain("StringSplit", place.inputs[0], spaces, attrs={"skip_empty": True})
    return [Edge(made.node, i) for i in range(3)]
