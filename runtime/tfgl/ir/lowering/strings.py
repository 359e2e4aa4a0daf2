"""Ops of strings that TensorFlow.js has: split, n-grams, hash buckets, replaced patterns."""

from __future__ import annotations

from .call import Call, Value
from .registry import lower


@lower("StringNGrams", inputs=2, kernels=("StringNGrams",))
def n_grams(call: Call) -> list[Value]:
    """N-grams of ragged rows, and their row splits."""
    return call.many(
        "StringNGrams",
        {"data": call.inputs[0], "dataSplits": call.inputs[1]},
        separator=call.raw("separator", b""),
        nGramWidths=call.integers("ngram_widths"),
        leftPad=call.raw("left_pad", b""),
        rightPad=call.raw("right_pad", b""),
        padWidth=call.integer("pad_width", 0),
        preserveShortSequences=call.flag("preserve_short_sequences"),
    )


@lower("StringSplit", inputs=2, kernels=("StringSplit",))
def split(call: Call) -> list[Value]:
    """Indices, tokens and shape of a sparse matrix."""
    inputs = {"input": call.inputs[0], "delimiter": call.inputs[1]}
    return call.many("StringSplit", inputs, skipEmpty=call.flag("skip_empty", True))


@lower("StringToHashBucketFast", inputs=1, kernels=("StringToHashBucketFast",))
def hash_bucket(call: Call) -> Value:
    """The fingerprint of each string, modulo the number of buckets."""
    return call.one("StringToHashBucketFast", {"input": call.inputs[0]}, numBuckets=call.integer("num_buckets"))


@lower("StaticRegexReplace", inputs=1, kernels=("StaticRegexReplace",))
def regex_replace(call: Call) -> Value:
    """Strings with the matches of a pattern replaced."""
    return call.one(
        "StaticRegexReplace",
        {"x": call.inputs[0]},
        pattern=call.raw("pattern"),
        rewrite=call.raw("rewrite"),
        replaceGlobal=call.flag("replace_global", True),
    )
