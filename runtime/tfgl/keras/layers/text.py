"""Text into tokens and their places in a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.graph import DataType, Node
from ..builder import Tensor
from ..call import Call
from ..registry import layer
from .lookup import encoded_places, places_in, vocabulary_of

Array = np.ndarray[Any, Any]

_PUNCTUATION = rb"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""
_STANDARDS = {
    "lower_and_strip_punctuation": (True, True),
    "lower": (True, False),
    "strip_punctuation": (False, True),
    "none": (False, False),
}


@layer("TextVectorization")
def text_vectorization(c: Call) -> Tensor:
    """Texts (batch) or (batch, 1): standardised, split at white space, each token's place in the vocabulary.

    Places are padded with 0 to the longest text or to ``output_sequence_length``, place 1 is for unknown tokens; or
    they come encoded, with the unknown ones in front.
    """
    b, vocabulary, x = c.b, vocabulary_of(c), c.x
    if c.get("ngrams") is not None or c.flag("ragged"):
        raise c.unsupported("n-grams and ragged outputs are not supported", "leave them off")
    if x.dtype != "string":
        raise c.unsupported(f"it takes texts, and its input is {x.dtype}", "give it strings")
    x = _standardized(c, x)
    mode = c.text("output_mode", "int")
    first = int(mode == "int")
    if c.get("split") is None:
        found = places_in(c, x, vocabulary, first, 1)
    elif c.text("split", "whitespace") == "whitespace":
        if x.rank == 2 and x.shape[-1] == 1:
            x = b.squeeze(x, -1)
        if x.rank != 1:
            raise c.unsupported(f"texts of shape {list(x.shape)} cannot be split", "give one text a sample")
        found = _places_of_tokens(c, x, vocabulary, first)
    else:
        raise c.unsupported(f"split {c.get('split')!r} is not supported", "whitespace and None are")
    return found if mode == "int" else encoded_places(c, found, vocabulary, 1, mode)


def _standardized(c: Call, x: Tensor) -> Tensor:
    standard = c.text("standardize", "none")
    if standard not in _STANDARDS:
        raise c.wrong("standardize", f"one of {', '.join(_STANDARDS)}", standard)
    lower, strip = _STANDARDS[standard]
    if lower:
        x = c.b.unary("StringLower", x, encoding=b"")
    if strip:
        x = c.b.unary("StaticRegexReplace", x, pattern=_PUNCTUATION, rewrite=b"", replace_global=True)
    return x


def _places_of_tokens(c: Call, x: Tensor, vocabulary: Array, first: int) -> Tensor:
    """A row of places for each text; behind its tokens 0, or -1 which is no place, where they are to be encoded."""
    b = c.b
    types = {"T": DataType("int32"), "Tindices": DataType("int32")}
    separator = b.constant(b"", "string")  # at white space
    split = Node(b.unique("StringSplitV2"), "StringSplitV2", (x.edge, separator.edge), (), {"maxsplit": -1})
    indices, tokens, shape = b.put(split, [((-1, 2), "int32"), ((-1,), "string"), ((2,), "int32")])
    places = places_in(c, tokens, vocabulary, first, 1)
    length = c.get("output_sequence_length") if first else None
    if length is not None:
        length = c.integer("output_sequence_length")
        wide = b.binary("Maximum", b.strided_slice(shape, [slice(1, 2)]), b.integers([length]))
        shape = b.concat([b.strided_slice(shape, [slice(0, 1)]), wide], 0)
    padding = b.constant(0 if first else -1, "int32")
    found = b.add("SparseToDense", [indices, shape, places, padding], (x.shape[0], -1), "int32", **types)
    return found if length is None else b.strided_slice(found, [slice(None), slice(0, length)])
