"""Vocabularies and hashes: which number a token has, strings and integers alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..builder import Builder, Tensor
from ..call import Call
from ..registry import layer
from .preprocessing import encoded

Array = np.ndarray[Any, Any]


def vocabulary_of(c: Call) -> Array:
    """The tokens of the vocabulary, without those that stand for a mask and for what is not known."""
    given = c.get("vocabulary")
    if isinstance(given, dict):
        given = given.get("config", {}).get("value", given.get("value"))
    if not isinstance(given, (list, tuple)) or not given:
        raise c.unsupported(
            "its configuration holds no vocabulary",
            "save the model as .keras, which has what the layer learned, or give it one (vocabulary=[...])",
        )
    if c.x.dtype == "string" or c.node.class_name in ("StringLookup", "TextVectorization"):
        if not all(isinstance(token, str) for token in given):
            raise c.wrong("vocabulary", "a list of strings", given)
        return _strings(*given)
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or np.abs(numbers).max() > np.iinfo(np.int32).max:
        raise c.wrong("vocabulary", "a list of 32-bit integers", given)
    return numbers.astype(np.int32)


def _strings(*tokens: str) -> Array:
    array = np.empty(len(tokens), object)
    array[:] = [token.encode() for token in tokens]
    return array


@layer("IntegerLookup", "StringLookup")
def lookup(c: Call) -> Tensor:
    """The place of each token in the vocabulary, behind one for the mask and those of unknown tokens; or the reverse,
    with ``invert``; or that place encoded. Strings that are unknown go by their hashes, numbers by their rests."""
    b, vocabulary = c.b, vocabulary_of(c)
    text = vocabulary.dtype == object
    mode, unknown, mask = c.text("output_mode", "int"), c.integer("num_oov_indices", 1), c.get("mask_token")
    first = int(mask is not None and mode == "int")
    if mask is not None and mode != "int":
        raise c.unsupported("a mask_token beside an encoded output is not supported", "leave mask_token off")
    if c.flag("invert"):
        return _inverted(c, b.cast(c.x, "int32"), vocabulary, first, unknown)
    if text and c.x.dtype != "string":
        raise c.unsupported(f"it looks up strings, and its input is {c.x.dtype}", "give it strings")
    x = c.x if text else b.cast(c.x, "int32")
    found = places_in(c, x, vocabulary, first, unknown)
    if mask is not None:
        token = b.constant(str(mask).encode(), "string") if text else b.constant(int(mask), "int32")
        found = b.select(b.binary("Equal", x, token), b.constant(0, "int32"), found)
    return found if mode == "int" else encoded_places(c, found, vocabulary, unknown, mode)


def places_in(c: Call, x: Tensor, vocabulary: Array, first: int, unknown: int) -> Tensor:
    """The place of each token, behind ``first`` and those of the unknown ones; -1 for these where they have none."""
    b, text = c.b, vocabulary.dtype == object
    places = np.arange(vocabulary.size, dtype=np.int32) + first + unknown
    c.bounded(vocabulary.size, "the vocabulary")
    same = b.binary("Equal", b.expand(x, -1), c.constant("vocabulary", vocabulary))
    place = b.reduce("Sum", b.mul(b.cast(same, "int32"), c.constant("places", places)), [-1])
    other: Tensor = b.constant(first if unknown else -1, "int32")
    if unknown > 1:
        if c.text("oov_method", "floormod") != "floormod":
            raise c.unsupported("unknown numbers by their hashes are not supported", "oov_method floormod is")
        rest = hashed(b, x, unknown) if text else b.binary("FloorMod", x, unknown)
        other = b.add_(rest, first)
    return b.select(b.reduce("Any", same, [-1]), place, other)


def encoded_places(c: Call, found: Tensor, vocabulary: Array, unknown: int, mode: str) -> Tensor:
    """Places one_hot, multi_hot, counted, or counted and weighed (tf_idf)."""
    padded = c.get("max_tokens") if c.flag("pad_to_max_tokens") else None
    depth = int(padded) if padded is not None else vocabulary.size + unknown
    if mode != "tf_idf":
        result = encoded(c, found, depth, mode)
        return c.b.cast(result, "int32") if c.keras3 else result
    weights = np.asarray(c.get("idf_weights", []), np.float32)
    if weights.shape != vocabulary.shape:
        raise c.wrong("idf_weights", f"{vocabulary.size} numbers", c.get("idf_weights"))
    # What is not known weighs as much as the others do on average.
    factors = np.concatenate([np.full(unknown, weights.mean()), weights, np.zeros(depth - unknown - weights.size)])
    return c.b.mul(encoded(c, found, depth, "count"), c.constant("idf_weights", factors.astype(np.float32)))


def _inverted(c: Call, x: Tensor, vocabulary: Array, first: int, unknown: int) -> Tensor:
    b = c.b
    if vocabulary.dtype == object:
        other = _strings(str(c.get("oov_token", "[UNK]")))
        masked = _strings(*[str(c.get("mask_token"))] * first)
    else:
        other = np.array([c.integer("oov_token", -1)], np.int32)
        masked = np.array([c.integer("mask_token")] * first, np.int32)
    table = np.concatenate([masked, np.repeat(other, unknown), vocabulary])
    inside = b.binary("LogicalAnd", b.binary("GreaterEqual", x, 0), b.binary("Less", x, table.size))
    # What lies outside reads the unknown token behind the others.
    at = b.select(inside, x, b.constant(table.size, "int32"))
    return b.gather(c.constant("vocabulary", np.concatenate([table, other])), at)


def hashed(b: Builder, x: Tensor, count: int) -> Tensor:
    """Strings (or whole numbers, written out) by the 64-bit fingerprint of FarmHash, modulo ``count``."""
    texts = x if x.dtype == "string" else b.unary("AsString", x, "string")
    return b.unary("StringToHashBucketFast", texts, "int32", num_buckets=count)


@layer("Hashing")
def hashing(c: Call) -> Tensor:
    """The bin of each string or whole number by its hash, behind one for the mask where there is one; or encoded."""
    b, x = c.b, c.x
    if c.get("salt") is not None:
        raise c.unsupported("hashes with a salt (SipHash) are not supported", "leave salt off")
    if x.dtype not in ("string", "int32"):
        x = b.cast(x, "int32")
    mode, count, mask = c.text("output_mode", "int"), c.integer("num_bins"), c.get("mask_value")
    if count < 1 or (mask is not None and count < 2):
        raise c.wrong("num_bins", "a positive number, and one more for a mask", count)
    found = hashed(b, x, count if mask is None else count - 1)
    if mask is not None:
        token = b.constant(str(mask).encode(), "string") if x.dtype == "string" else b.constant(int(mask), "int32")
        found = b.select(b.binary("Equal", x, token), b.constant(0, "int32"), b.add_(found, 1))
    return found if mode == "int" else encoded(c, found, count, mode)
