"""Vocabularies of integers: which number of a list a number is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..builder import Tensor
from ..call import Call
from ..registry import layer
from .preprocessing import encoded

Array = np.ndarray[Any, Any]


def _vocabulary(c: Call) -> Array:
    """The numbers of the vocabulary, without those that stand for a mask and for what is not known."""
    given = c.get("vocabulary")
    if isinstance(given, dict):
        given = given.get("config", {}).get("value", given.get("value"))
    if not isinstance(given, (list, tuple)) or not given:
        raise c.unsupported(
            "its configuration holds no vocabulary",
            "give it one (vocabulary=[...]) and save it again, or convert a SavedModel, which holds its tables",
        )
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or np.abs(numbers).max() > np.iinfo(np.int32).max:
        raise c.wrong("vocabulary", "a list of 32-bit integers", given)
    return numbers.astype(np.int32)


@layer("IntegerLookup")
def integer_lookup(c: Call) -> Tensor:
    """The place of each number in the vocabulary, behind one for the mask and those of unknown numbers; or the reverse,
    with ``invert``; or that place encoded."""
    b, x, vocabulary = c.b, c.b.cast(c.x, "int32"), _vocabulary(c)
    mode, unknown, mask = c.text("output_mode", "int"), c.integer("num_oov_indices", 1), c.get("mask_token")
    first = int(mask is not None and mode == "int")
    if mask is not None and mode != "int":
        raise c.unsupported("a mask_token beside an encoded output is not supported", "leave mask_token off")
    if c.flag("invert"):
        return _inverted(c, x, vocabulary, first, unknown)
    places = np.arange(vocabulary.size, dtype=np.int32) + first + unknown
    c.bounded(vocabulary.size, "the vocabulary")
    same = b.binary("Equal", b.expand(x, -1), c.constant("vocabulary", vocabulary))
    place = b.reduce("Sum", b.mul(b.cast(same, "int32"), c.constant("places", places)), [-1])
    other: Tensor = b.constant(first if unknown else -1, "int32")
    if unknown > 1:
        if c.text("oov_method", "floormod") != "floormod":
            raise c.unsupported("unknown numbers by their hashes are not supported", "oov_method floormod is")
        other = b.add_(b.binary("FloorMod", x, unknown), first)
    found = b.select(b.reduce("Any", same, [-1]), place, other)
    if mask is not None:
        found = b.select(b.binary("Equal", x, int(mask)), b.constant(0, "int32"), found)
    if mode == "int":
        return found
    padded = c.get("max_tokens") if c.flag("pad_to_max_tokens") else None
    depth = int(padded) if padded is not None else vocabulary.size + unknown
    if mode != "tf_idf":
        result = encoded(c, found, depth, mode)
        return b.cast(result, "int32") if c.keras3 else result
    weights = np.asarray(c.get("idf_weights", []), np.float32)
    if weights.shape != vocabulary.shape:
        raise c.wrong("idf_weights", f"{vocabulary.size} numbers", c.get("idf_weights"))
    # What is not known weighs as much as the others do on average.
    factors = np.concatenate([np.full(unknown, weights.mean()), weights, np.zeros(depth - unknown - weights.size)])
    return b.mul(encoded(c, found, depth, "count"), c.constant("idf_weights", factors.astype(np.float32)))


def _inverted(c: Call, x: Tensor, vocabulary: Array, first: int, unknown: int) -> Tensor:
    b, other = c.b, c.integer("oov_token", -1)
    masked = [c.integer("mask_token")] if first else []
    table = np.array([*masked, *[other] * unknown, *vocabulary], np.int32)
    inside = b.binary("LogicalAnd", b.binary("GreaterEqual", x, 0), b.binary("Less", x, table.size))
    at = b.select(inside, x, b.constant(0, "int32"))
    return b.select(inside, b.gather(c.constant("vocabulary", table), at), b.constant(other, "int32"))
