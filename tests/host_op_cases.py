"""Nodes whose work is on the host, in TensorFlow's own terms; what TensorFlow gives lies in goldens/host_ops.json."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
GOLDENS = Path(__file__).parent / "goldens" / "host_ops.json"
IMAGES = Path(__file__).parent / "data" / "images"


@dataclass(frozen=True)
class Case:
    """One node: its op, its inputs by TensorFlow's names in order, and its attributes.

    A list is an input of several tensors.
    """

    name: str
    op: str
    inputs: Mapping[str, Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)


def texts(*values: str | bytes) -> Array:
    """A vector of strings."""
    array = np.empty(len(values), object)
    array[:] = [value.encode() if isinstance(value, str) else value for value in values]
    return array


def text(value: str | bytes) -> Array:
    """One string."""
    return texts(value).reshape(())


def whole(*values: int) -> Array:
    """A vector of int32."""
    return np.array(values, np.int32)


def number(value: float) -> Array:
    """A float32 scalar."""
    return np.array(value, np.float32)


def count(value: int) -> Array:
    """An int32 scalar."""
    return np.array(value, np.int32)


_RANDOM = np.random.default_rng(3)
_CORNERS = _RANDOM.random((60, 2, 2)).astype(np.float32)
BOXES = np.concatenate([_CORNERS[:, 0], _CORNERS[:, 0] + 0.3 * _CORNERS[:, 1]], axis=1)
# Some boxes name their corners the other way round, and one has no area.
BOXES[::7] = BOXES[::7][:, [2, 3, 0, 1]]
BOXES[11] = [0.5, 0.5, 0.5, 0.9]
SCORES = np.round(_RANDOM.random(60), 2).astype(np.float32)
TOUCHING = np.float32([[0, 0, 1, 2], [0, 0, 1, 1], [0, 0, 1, 2.125], [0, 0, 0, 0], [0, 0, 0, 0]])
WORDS = texts("", "The quick brown Fox", "a,b;;c,", "naïve Straße – Ω", " \t lead and trail\n", "x" * 70, "日本 語")
LONG = texts(*(bytes(i % 251 for i in range(n)) for n in (*range(34), 63, 64, 65, 127, 128, 129, 200, 1000)))


def _suppression(name: str, boxes: Array, scores: Array, most: int, overlap: float, lowest: float) -> list[Case]:
    base = {"boxes": boxes, "scores": scores, "max_output_size": count(most), "iou_threshold": number(overlap)}
    scored = {**base, "score_threshold": number(lowest)}
    hard, soft = ({**scored, "soft_nms_sigma": number(sigma)} for sigma in (0.0, 0.4))
    return [
        Case(f"nms v2 {name}", "NonMaxSuppressionV2", base),
        Case(f"nms v3 {name}", "NonMaxSuppressionV3", scored),
        Case(f"nms v4 {name}", "NonMaxSuppressionV4", scored),
        Case(f"nms v4 padded {name}", "NonMaxSuppressionV4", scored, {"pad_to_max_output_size": True}),
        Case(f"nms v5 {name}", "NonMaxSuppressionV5", hard),
        Case(f"nms v5 padded {name}", "NonMaxSuppressionV5", hard, {"pad_to_max_output_size": True}),
        Case(f"nms v5 soft {name}", "NonMaxSuppressionV5", soft),
    ]


def _n_grams(name: str, widths: list[int], pad: int = 0, short: bool = False, **pads: bytes) -> Case:
    attrs = {"separator": b"|", "left_pad": b"<", "right_pad": b">", **pads}
    return Case(
        f"n-grams {name}",
        "StringNGrams",
        {"data": texts("a", "bé", "", "c", "d"), "data_splits": whole(0, 3, 3, 4, 5)},
        {**attrs, "ngram_widths": widths, "pad_width": pad, "preserve_short_sequences": short},
    )


def _replace(name: str, pattern: bytes, rewrite: bytes, every: bool = True) -> Case:
    attrs = {"pattern": pattern, "rewrite": rewrite, "replace_global": every}
    return Case(f"replace {name}", "StaticRegexReplace", {"input": WORDS}, attrs)


def _number(name: str, *values: str | bytes, **attrs: str) -> Case:
    return Case(f"number {name}", "StringToNumber", {"string_tensor": texts(*values)}, attrs)


def _as_string(name: str, x: Array, **attrs: Any) -> Case:
    return Case(f"as string {name}", "AsString", {"input": x}, attrs)


def _change(op: str, name: str = "", x: Array = WORDS, **attrs: Any) -> Case:
    return Case(" ".join(filter(None, (op, name))), op, {"input": x}, attrs)


def _part(name: str, x: Array, position: Array, size: Array, unit: bytes = b"BYTE") -> Case:
    return Case(f"substring {name}", "Substr", {"input": x, "pos": position, "len": size}, {"unit": unit})


def _split(separator: str, most: int = -1) -> Case:
    inputs = {"input": WORDS, "sep": text(separator)}
    return Case(f"split v2 at {separator!r}, {most}", "StringSplitV2", inputs, {"maxsplit": most})


def _code_points(name: str, x: Array, encoding: bytes = b"UTF-8", **attrs: Any) -> Case:
    return _change("UnicodeDecodeWithOffsets", name, x, input_encoding=encoding, **attrs)


FLOATS = np.float32([1.5, -2.25e-7, 1e20, np.nan, np.inf, -np.inf, 0.1, -0.0])
ROWS = np.float32([[1, -2], [3, 0.5], [-np.inf, 4], [2, 2], [0, -1]])
IDS = whole(0, 0, 2, 2, 5)
ANY_IDS = whole(3, -1, 0, 3, 0)


def _segments(name: str, op: str, data: Array, ids: Array, segments: int | None = None) -> Case:
    given = {"data": data, "segment_ids": ids}
    return Case(f"{op} {name}", op, given if segments is None else {**given, "num_segments": count(segments)})


def _stitch(name: str, indices: list[Array], data: list[Array], op: str = "DynamicStitch") -> Case:
    return Case(f"{op} {name}", op, {"indices": indices, "data": data})


def _sparse_product(name: str, a: bool, b: bool) -> Case:
    dense = np.arange(12, dtype=np.float32).reshape(3, 4) if a == b else np.arange(12, dtype=np.float32).reshape(4, 3)
    if a and b:
        dense = np.arange(8, dtype=np.float32).reshape(4, 2)
    elif a:
        dense = np.arange(6, dtype=np.float32).reshape(2, 3)
    inputs = {"a_indices": np.int32([[0, 2], [1, 0], [1, 2], [0, 2]]), "a_values": np.float32([1, 2, -3, 0.5]),
              "a_shape": whole(2, 3), "b": dense}  # fmt: skip
    return Case(f"sparse product {name}", "SparseTensorDenseMatMul", inputs, {"adjoint_a": a, "adjoint_b": b})


# No two are equal: TensorFlow says nothing of their order then.
CLASS_SCORES = _RANDOM.random((2, 30, 3)).astype(np.float32)


def _combined(name: str, classes: int, per_class: int, most: int, **attrs: bool) -> Case:
    boxes = (BOXES.reshape(2, 30, 1, 4) + np.float32(0.1) * np.arange(classes, dtype=np.float32)[:, None]) * 1.2
    numbers = {"max_output_size_per_class": count(per_class), "max_total_size": count(most)}
    limits = {"iou_threshold": number(0.2), "score_threshold": number(0.3)}
    return Case(f"combined nms {name}", "CombinedNonMaxSuppression",
                {"boxes": boxes.astype(np.float32), "scores": CLASS_SCORES, **numbers, **limits}, attrs)  # fmt: skip


def _file(mode: str, kind: str) -> Array:
    """The bytes of a small picture; goldens/make_images.py draws them."""
    return text((IMAGES / f"{mode.lower().replace(';', '_')}.{kind.lower()}").read_bytes())


def _images() -> list[Case]:
    cases = []
    for mode in ("L", "LA", "RGB", "RGBA", "P", "I;16"):
        contents = {"contents": _file(mode, "PNG")}
        cases += [Case(f"png {mode} {n}", "DecodePng", contents, {"channels": n}) for n in (0, 1, 3, 4)]
    exact = {"dct_method": b"INTEGER_ACCURATE"}
    for mode in ("L", "RGB"):
        contents = {"contents": _file(mode, "JPEG")}
        cases += [Case(f"jpeg {mode} {n}", "DecodeJpeg", contents, {"channels": n, **exact}) for n in (0, 1, 3)]
    jpeg = {"contents": _file("RGB", "JPEG")}
    cases.append(Case("jpeg smaller", "DecodeJpeg", jpeg, {"ratio": 2, **exact}))
    cases += [Case("bmp", "DecodeBmp", {"contents": _file("RGB", "BMP")}),
              Case("gif", "DecodeGif", {"contents": _file("P", "GIF")}),
              Case("any gif", "DecodeImage", {"contents": _file("P", "GIF")}),
              Case("any png", "DecodeImage", {"contents": _file("RGB", "PNG")}, {"dtype": "float32"}),
              Case("still gif", "DecodeImage", {"contents": _file("P", "GIF")},
                   {"expand_animations": False})]  # fmt: skip
    return cases


def _ragged_counts(name: str, binary: bool, **weights: Array) -> list[Case]:
    base = {"values": whole(1, 3, 3, 0, 9, 1), "size": count(5), "weights": weights.get("weights", np.float32([]))}
    sparse = {"indices": np.int32([[0, 0], [0, 1], [0, 2], [2, 0], [2, 3], [3, 1]]), "values": base["values"],
              "dense_shape": whole(5, 4), "size": count(5), "weights": base["weights"]}  # fmt: skip
    attrs = {"binary_output": binary}
    return [Case(f"ragged counts {name}", "RaggedBincount", {"splits": whole(0, 3, 3, 5, 6), **base}, attrs),
            Case(f"sparse counts {name}", "SparseBincount", sparse, attrs)]  # fmt: skip


BROKEN = texts(b"a\xffb", b"\xe2\x82", b"\xf0\x9f\x98\x80!", b"\xc0\xaf", b"\xed\xa0\x80", b"")
TABLE = texts("a", "b", "c", "d", "é", "").reshape(2, 3)
SPARSE = {"indices": np.int32([[2, 0], [0, 3], [0, 1], [5, 2]]), "values": np.float32([1, 2, 3, 4])}
RAGGED = [whole(0, 2, 2, 5), whole(0, 3, 3, 4, 4, 6)]

CASES = [
    *_suppression("many", BOXES, SCORES, 20, 0.3, 0.2),
    *_suppression("all", BOXES, SCORES, 100, 1.0, 0.0),
    *_suppression("touching", TOUCHING, np.float32([0.9, 0.8, 0.7, 0.3, 0.3]), 7, 0.5, 0.1),
    *_suppression("none", BOXES[:0], SCORES[:0], 3, 0.5, 0.1),
    *_suppression("at the threshold", BOXES, SCORES, 60, 0.0, float(SCORES[4])),
    Case("unique", "Unique", {"x": whole(7, 3, 7, -1, 3, 0)}),
    Case("unique zeros", "Unique", {"x": np.float32([0.0, -0.0, 1.5, np.inf, 1.5])}),
    Case("unique strings", "Unique", {"x": texts("b", "a", "", "b", "é", "")}),
    Case("unique of nothing", "Unique", {"x": whole()}),
    Case("unique rows", "UniqueV2", {"x": np.int32([[1, 2], [0, 2], [1, 2], [1, 3]]), "axis": whole(0)}),
    Case("unique columns", "UniqueV2", {"x": np.float32([[1, 0, 1, 1], [2, 2, 2, 3]]), "axis": whole(1)}),
    Case("unique without axis", "UniqueV2", {"x": whole(5, 5, 2), "axis": whole()}),
    Case("difference", "ListDiff", {"x": whole(5, 1, 2, 5, 9), "y": whole(1, 9, 4)}),
    Case("difference of strings", "ListDiff", {"x": texts("a", "b", "a"), "y": texts("b")}),
    Case("difference from nothing", "ListDiff", {"x": np.float32([1, 2]), "y": np.float32([])}),
    Case("where", "Where", {"condition": _RANDOM.integers(0, 2, (3, 4, 2)).astype(bool)}),
    Case("where number", "Where", {"condition": np.float32([0, -0.0, np.nan, 2])}),
    Case("where nothing", "Where", {"condition": np.zeros((2, 3), bool)}),
    Case("fill empty rows", "SparseFillEmptyRows", {**SPARSE, "dense_shape": whole(7, 4), "default_value": number(9)}),
    Case("fill no rows", "SparseFillEmptyRows",
         {"indices": np.zeros((0, 2), np.int32), "values": np.zeros(0, np.float32), "dense_shape": whole(3, 4),
          "default_value": number(9)}),
    Case("fill rows of strings", "SparseFillEmptyRows",
         {"indices": np.int32([[1, 0]]), "values": texts("x"), "dense_shape": whole(3, 1), "default_value": text("é")}),
    Case("sparse reshape", "SparseReshape",
         {"input_indices": np.int32([[0, 0, 0], [0, 1, 2], [1, 1, 3]]), "input_shape": whole(2, 3, 4),
          "new_shape": whole(-1, 6)}),
    Case("sparse reshape up", "SparseReshape",
         {"input_indices": np.int32([[0], [11]]), "input_shape": whole(12), "new_shape": whole(2, 3, 2)}),
    Case("sparse sum", "SparseSegmentSum",
         {"data": _RANDOM.random((10, 3)).astype(np.float32), "indices": whole(8, 3, 0, 9, 8),
          "segment_ids": whole(0, 0, 2, 2, 3)}),
    Case("sparse sum of integers", "SparseSegmentSum",
         {"data": np.int32([[1, 2], [3, 4], [5, 6]]), "indices": whole(2, 0, 1), "segment_ids": whole(1, 1, 1)}),
    Case("sparse sum of nothing", "SparseSegmentSum",
         {"data": np.float32([[1, 2]]), "indices": whole(), "segment_ids": whole()}),
    Case("sparse mean", "SparseSegmentMean",
         {"data": _RANDOM.random((10, 2, 2)).astype(np.float32), "indices": whole(8, 3, 0, 9, 8),
          "segment_ids": whole(0, 0, 0, 2, 2)}),
    Case("ranges", "RaggedRange",
         {"starts": whole(0, 5, 8, 3), "limits": whole(8, 7, 8, -2), "deltas": whole(2, 1, 1, -2)}),
    Case("ranges of floats", "RaggedRange",
         {"starts": np.float32([0, 1, 5]), "limits": number(3), "deltas": np.float32([0.1, 0.5, -0.75])}),
    Case("range of one", "RaggedRange", {"starts": count(1), "limits": count(4), "deltas": count(1)}),
    Case("ragged gather", "RaggedGather",
         {"params_nested_splits": RAGGED[:1], "params_dense_values": np.arange(10, dtype=np.float32).reshape(5, 2),
          "indices": whole(2, 1, 0, 2)}, {"OUTPUT_RAGGED_RANK": 1}),
    Case("ragged gather of two", "RaggedGather",
         {"params_nested_splits": RAGGED, "params_dense_values": texts(*"abcdef"),
          "indices": np.int32([[2, 1], [0, 2]])},
         {"OUTPUT_RAGGED_RANK": 3}),
    Case("ragged gather of one", "RaggedGather",
         {"params_nested_splits": RAGGED, "params_dense_values": np.arange(6, dtype=np.int32), "indices": count(2)},
         {"OUTPUT_RAGGED_RANK": 1}),
    Case("ragged to dense", "RaggedTensorToTensor",
         {"shape": count(-1), "values": np.float32([1, 2, 3, 4, 5]), "default_value": number(9),
          "row_partition_tensors": [whole(0, 2, 2, 5)]}, {"row_partition_types": [b"ROW_SPLITS"]}),
    Case("ragged to dense, cut", "RaggedTensorToTensor",
         {"shape": whole(4, 2), "values": np.float32([1, 2, 3, 4, 5]), "default_value": number(9),
          "row_partition_tensors": [whole(0, 2, 2, 5)]}, {"row_partition_types": [b"ROW_SPLITS"]}),
    Case("ragged to dense by row ids", "RaggedTensorToTensor",
         {"shape": whole(-1, -1), "values": texts(*"abcde"), "default_value": text("é"),
          "row_partition_tensors": [count(5), whole(0, 0, 2, 2, 2)]},
         {"row_partition_types": [b"FIRST_DIM_SIZE", b"VALUE_ROWIDS"]}),
    Case("ragged of two to dense", "RaggedTensorToTensor",
         {"shape": whole(-1, 2, -1, 2), "values": np.arange(12, dtype=np.int32).reshape(6, 2),
          "default_value": whole(7, 8), "row_partition_tensors": RAGGED},
         {"row_partition_types": [b"ROW_SPLITS", b"ROW_SPLITS"]}),
    _n_grams("of two", [2]),
    _n_grams("of two and three, padded", [2, 3], -1),
    _n_grams("of five", [5], 0, True),
    _n_grams("padded by one", [3], 1, True),
    _n_grams("too short", [4, 3], 0, True, separator=b"", left_pad=b""),
    Case("n-grams of nothing", "StringNGrams", {"data": texts(), "data_splits": whole(0, 0)},
         {"separator": b" ", "left_pad": b"", "right_pad": b"", "ngram_widths": [1], "pad_width": 0,
          "preserve_short_sequences": False}),
    *(Case(f"split at {delimiter!r}, {empty}", "StringSplit", {"input": WORDS, "delimiter": text(delimiter)},
           {"skip_empty": empty}) for delimiter in ("", " ", ",; ", "é") for empty in (True, False)),
    Case("split nothing", "StringSplit", {"input": texts(), "delimiter": text(" ")}, {"skip_empty": True}),
    Case("buckets", "StringToHashBucketFast", {"input": LONG}, {"num_buckets": 2**31 - 1}),
    Case("few buckets", "StringToHashBucketFast", {"input": WORDS.reshape(7, 1)}, {"num_buckets": 10}),
    _replace("spaces", rb"\s+", b" "),
    _replace("the first", b"[a-z]", b"_", every=False),
    _replace("groups", rb"(\w)(\w)?", rb"\2\0<\1>\\"),
    _replace("nothing", b"", b"-"),
    _replace("perhaps nothing", b"x*", b"-"),
    _replace("characters", b".", b"."),
    _replace("without case", "(?i)FOX|STRAßE".encode(), b"!"),
    _replace("by a group that is not there", b"(a)", rb"\2"),
    _replace("by a wrong escape", b"a", rb"x\q"),
    _replace("the first by a wrong escape", b"a", rb"x\q", every=False),
    _replace("what takes long to backtrack", b"(x+x+)+y", b"!"),
    _number("of digits", "1e5", " 2.5 ", "+3", "-.5", "5.", "16777217", "9007199254740993", "4.35", "1e400", "\x0b1"),
    _number("special", "inf", "-INF", "infinity", "NaN", "0x1F", "-0x1.8p3", "1e-400"),
    _number("whole", "2147483647", "-2147483648", "-0", "+5", "007", "\t 12\n", out_type="int32"),
    *(_as_string(f"{attrs}", FLOATS, **attrs) for attrs in (
        {}, {"precision": 2}, {"scientific": True}, {"shortest": True}, {"precision": 3, "shortest": True},
        {"width": 10}, {"width": 10, "fill": b"0"}, {"width": 10, "fill": b"-"},
        {"width": 10, "fill": b"+", "precision": 0},
        {"width": 8, "fill": b" ", "precision": 1})),
    _as_string("of integers", whole(5, -3, 2**31 - 1)),
    _as_string("of wide integers", np.int32([[5, -3]]), width=6, fill=b"0"),
    _as_string("of bools", np.array([True, False]), width=8),
    _change("StringLower"),
    _change("StringLower", "unicode", encoding=b"utf-8"),
    _change("StringUpper"),
    _change("StringUpper", "unicode", encoding=b"utf-8"),
    _change("StringStrip", x=texts(" \t\n\v\f\ra b\u00a0 ", "", "  ")),
    _change("StringLength"),
    _change("StringLength", "of a table", TABLE, unit=b"BYTE"),
    _change("StringLength", "in characters", unit=b"UTF8_CHAR"),
    _change("StringLength", "of broken characters", BROKEN, unit=b"UTF8_CHAR"),
    *(_change("StaticRegexFullMatch", pattern.decode(), pattern=pattern)
      for pattern in (b".*", b"[a-z,;]*", b"x+", b"The.*Fox", b"a|a,b;;c,", b"", b"(?i)THE QUICK BROWN FOX", b"m", b".",
                      b"[^a]*", b"\\w+", b"^x*$", b"\\S+ \\S")),
    Case("full match", "RegexFullMatch", {"input": TABLE, "pattern": text("[ab]|")}),
    Case("replace by input", "RegexReplace", {"input": WORDS, "pattern": text("([aeiou])"), "rewrite": text(r"<\1>")}),
    Case("join", "StringJoin", {"inputs": [texts("a", "", "é"), texts("x", "y", "")]}),
    Case("join three", "StringJoin", {"inputs": [TABLE, text("mid"), TABLE]}, {"separator": b", "}),
    Case("join capitals", "StringJoin", {"inputs": [TABLE, TABLE]}, {"separator": b" AND "}),
    Case("join scalars", "StringJoin", {"inputs": [text("a"), text("b")]}, {"separator": b"-"}),
    Case("join one", "StringJoin", {"inputs": [texts("a", "b")]}, {"separator": b"-"}),
    Case("join nothing", "StringJoin", {"inputs": [texts(), texts()]}, {"separator": b"-"}),
    _part("bytes", texts("hello", "Straße", "ab"), count(1), count(5)),
    _part("from the end", texts("hello", "Straße", "ab"), count(-2), count(1)),
    _part("each its own", texts("hello", "Straße", "ab"), whole(0, 4, 2), whole(2, 2, 9)),
    _part("of one", text("hello"), whole(0, 1), whole(2, 2)),
    _part("characters", texts("naïve", "日本語", "ab"), count(-2), count(1), b"UTF8_CHAR"),
    *(_split(separator, most) for separator in ("", ",", "a ", ";;") for most in (-1, 0, 1, 2)),
    Case("reduce join", "ReduceJoin", {"inputs": TABLE, "reduction_indices": whole(1)}, {"separator": b"-"}),
    Case("reduce join of both", "ReduceJoin", {"inputs": TABLE, "reduction_indices": whole(1, 0)}, {"keep_dims": True}),
    Case("reduce join from the end", "ReduceJoin", {"inputs": TABLE, "reduction_indices": whole(-2)}),
    Case("reduce join of none", "ReduceJoin", {"inputs": TABLE, "reduction_indices": whole()}),
    Case("segment join", "UnsortedSegmentJoin",
         {"inputs": texts(*"abcd"), "segment_ids": whole(2, 0, 2, 3), "num_segments": count(5)}, {"separator": b":"}),
    Case("segment join of rows", "UnsortedSegmentJoin",
         {"inputs": TABLE, "segment_ids": whole(1, 1), "num_segments": count(2)}),
    _code_points("words", WORDS),
    *(_code_points(f"broken, {errors.decode()}", BROKEN, errors=errors, replacement_char=63)
      for errors in (b"replace", b"ignore")),
    _code_points("control characters", WORDS, replace_control_characters=True),
    _code_points("of two bytes", texts("aé😀".encode("utf-16-be"), b"\x00"), b"UTF-16-BE"),
    _change("UnicodeDecode", "words", input_encoding=b"UTF-8"),
    *(Case(f"unicode encode {encoding.decode()}", "UnicodeEncode",
           {"input_values": whole(97, 233, 0x1F600, 0xD800, 33), "input_splits": whole(0, 2, 2, 5)},
           {"output_encoding": encoding}) for encoding in (b"UTF-8", b"UTF-16-BE", b"UTF-32-BE")),
    _change("UnicodeTranscode", "words", input_encoding=b"UTF-8", output_encoding=b"UTF-16-BE"),
    *(_segments(f"of {name}", f"Segment{kind}", data, ids)
      for kind in ("Sum", "Mean", "Max", "Min", "Prod")
      for name, data, ids in (("rows", ROWS, IDS), ("numbers", ROWS[:, 1], IDS), ("nothing", ROWS[:0], IDS[:0]))),
    *(_segments("of integers", f"Segment{kind}", whole(4, -2, 7, 7, 1), IDS) for kind in ("Sum", "Max", "Min", "Prod")),
    *(_segments(f"of {name}", f"UnsortedSegment{kind}", data, ids, 5)
      for kind in ("Sum", "Max", "Min", "Prod")
      for name, data, ids in (("rows", ROWS, ANY_IDS), ("integers", whole(4, -2, 7, 7, 1), ANY_IDS),
                              ("a table", ROWS[:4], ANY_IDS[:4, None] * whole(1, 0)),
                              ("nothing", ROWS[:0], IDS[:0]))),
    *(Case(f"partition {name}", "DynamicPartition", {"data": data, "partitions": partitions}, {"num_partitions": 3})
      for name, data, partitions in (("rows", ROWS, whole(2, 0, 2, 0, 0)), ("numbers", whole(5, 6, 7), whole(1, 1, 1)),
                                     ("a table", ROWS[:2, :, None], np.int32([[0, 2], [2, 0]])))),
    _stitch("rows", [whole(3, 0), whole(1, 2)], [ROWS[:2], ROWS[2:4]]),
    _stitch("over one another", [whole(0, 1), whole(1)], [whole(4, 5), whole(6)]),
    _stitch("tables", [np.int32([[0, 2], [1, 4]]), whole(3)], [np.float32([[1, 2], [3, 4]]), np.float32([9])]),
    _stitch("nothing", [whole()], [ROWS[:0]]),
    _stitch("beside one another", [whole(1), whole(0)], [ROWS[:1], ROWS[1:2]], "ParallelDynamicStitch"),
    *(_sparse_product(f"{a}, {b}", a, b) for a in (False, True) for b in (False, True)),
    Case("nms v1", "NonMaxSuppression",
         {"boxes": BOXES, "scores": SCORES, "max_output_size": count(9)}, {"iou_threshold": 0.25}),
    _combined("of shared boxes", 1, 4, 8),
    _combined("of boxes for each class", 3, 5, 40, clip_boxes=False),
    _combined("filled up by class", 3, 2, 40, pad_per_class=True),
    Case("ragged to sparse", "RaggedTensorToSparse",
         {"rt_nested_splits": [whole(0, 2, 2, 5)], "rt_dense_values": np.float32([1, 2, 3, 4, 5])}),
    Case("ragged of two to sparse", "RaggedTensorToSparse",
         {"rt_nested_splits": RAGGED, "rt_dense_values": texts(*"abcdef")}),
    Case("ragged rows to sparse", "RaggedTensorToSparse",
         {"rt_nested_splits": RAGGED[:1], "rt_dense_values": np.arange(10, dtype=np.int32).reshape(5, 2)}),
    *_images(),
    _change("EncodeBase64", x=LONG),
    _change("EncodeBase64", "filled up", x=LONG, pad=True),
    _change("DecodeBase64", x=texts("", "__4", "_-8=", "YWJj", "YWI=", "YQ==")),
    Case("strong buckets", "StringToHashBucketStrong", {"input": LONG},
         {"num_buckets": 2**31 - 1, "key": [123, 2**40 + 7]}),
    *(Case(f"sparse sum {axes}, {keep}", "SparseReduceSum",
           {"input_indices": np.int32([[0, 1], [0, 3], [2, 0]]), "input_values": np.float32([1, 2, 3]),
            "input_shape": whole(3, 4), "reduction_axes": whole(*axes)}, {"keep_dims": keep})
      for axes, keep in (((1,), False), ((0, 1), True), ((-2,), True))),
    *_ragged_counts("of ones", False),
    *_ragged_counts("of weights", False, weights=np.float32([1, 2, 3, 4, 5, 6])),
    *_ragged_counts("of any", True),
    *(Case(f"ragged to dense {shape}, {len(splits)}", "RaggedTensorToTensor",
           {"shape": whole(*shape) if shape else count(-1), "values": texts(*"abcde")[: splits[-1]],
            "default_value": text("-"), "row_partition_tensors": [splits]}, {"row_partition_types": [b"ROW_SPLITS"]})
      for shape in ((), (-1, -1), (5, -1), (2, 1), (-1, 7), (1, 9))
      for splits in (whole(0, 2, 2, 5), whole(0, 0), whole(0))),
    Case("ragged gather of none", "RaggedGather",
         {"params_nested_splits": [whole(0, 2, 2)], "params_dense_values": np.float32([1, 2]), "indices": whole(1, 1)},
         {"OUTPUT_RAGGED_RANK": 1}),
    Case("ranges of none", "RaggedRange", {"starts": whole(3, 1), "limits": whole(3, 1), "deltas": count(2)}),
    Case("plain buckets", "StringToHashBucket", {"string_tensor": LONG}, {"num_buckets": 2**31 - 1}),
    Case("cross", "SparseCross",
         {"indices": [np.int32([[0, 0], [0, 1], [2, 0]]), np.int32([[0, 0], [2, 0]])],
          "values": [texts("a", "b", "é"), whole(5, -3)], "shapes": [whole(3, 2), whole(3, 1)],
          "dense_inputs": [np.int32([[1, 2], [3, 4], [5, 6]])]},
         {"hashed_output": True, "num_buckets": 1000, "hash_key": 956888297470, "out_type": "int64",
          "internal_type": "int64", "N": 2}),
    *(Case(f"raw {kind}, {little}", "DecodeRaw", {"bytes": texts(bytes(range(8)), bytes(range(60, 68)))},
           {"out_type": kind, "little_endian": little})
      for kind in ("uint8", "int16", "float32", "int32") for little in (True, False)),
]  # fmt: skip


def encoded(array: Array) -> dict[str, Any]:
    """An array as JSON; strings in base64."""
    values = array.reshape(-1).tolist()
    if array.dtype == object:
        values = [base64.b64encode(value).decode() for value in values]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": [str(value) for value in values]}


def decoded(stored: Mapping[str, Any]) -> Array:
    """The array of `encoded`."""
    values = stored["values"]
    if stored["dtype"] == "object":
        return texts(*map(base64.b64decode, values)).reshape(stored["shape"])
    if stored["dtype"] == "bool":
        values = [value == "True" for value in values]
    return np.array(values, stored["dtype"]).reshape(stored["shape"])
