"""Kernels of strings: n-grams, split, hash buckets, replaced patterns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..cost import check_count
from ..shapes import shape_text
from .conversion import cast_to
from .fingerprint import fingerprint64
from .patterns import replaced
from .registry import Array, reference
from .string_arrays import check_bytes, sparse_rows, strings, text_of, texts_of


@reference("StringNGrams")
def string_n_grams(
    data: Array,
    data_splits: Array,
    *,
    separator: str | bytes,
    n_gram_widths: Sequence[int],
    left_pad: str | bytes,
    right_pad: str | bytes,
    pad_width: int,
    preserve_short_sequences: bool = False,
) -> list[Array]:
    """[n-grams, int32 row splits] of the ragged rows of strings, the widths one behind the other.

    A row is filled up with up to ``pad_width`` pads on each side, -1 for one less than the width. With
    ``preserve_short_sequences`` a row too short for all widths becomes one n-gram.

    >>> result = string_n_grams(np.array([b"a", b"b", b"c"], object), np.array([0, 3]), separator="|",
    ...                         n_gram_widths=[2], left_pad="", right_pad="", pad_width=0)
    >>> [array.tolist() for array in result]
    [[b'a|b', b'b|c'], [0, 2]]
    """
    tokens = texts_of(data)
    splits = _checked_splits(cast_to(data_splits, "int32"), len(tokens))
    if min(n_gram_widths, default=1) < 1:
        raise InvalidArgumentError(f"nGramWidths must be positive, got {list(n_gram_widths)}")
    join, left, right = text_of(separator), text_of(left_pad), text_of(right_pad)
    grams: list[bytes] = []
    made = 0
    out_splits = [0]
    for begin, end in itertools.pairwise(splits):
        row = tokens[begin:end]
        before = len(grams)
        for width in n_gram_widths:
            pad = width - 1 if pad_width < 0 else min(pad_width, width - 1)
            count = max(0, len(row) + 2 * pad - width + 1)
            check_count(count * width, "parts of n-grams")
            padded = [left] * pad + row + [right] * pad if count else []
            for at in range(count):
                grams.append(join.join(padded[at : at + width]))
                made += len(grams[-1])
                check_bytes(made)
        if preserve_short_sequences and row and len(grams) == before:
            # No width made one, so the pads are fewer than any width has.
            grams.append(join.join([left] * max(pad_width, 0) + row + [right] * max(pad_width, 0)))
        out_splits.append(len(grams))
    if not splits:
        out_splits = []
    return [strings(grams), np.array(out_splits, np.int32)]


def _checked_splits(splits: Array, size: int) -> list[int]:
    if splits.ndim != 1:
        raise InvalidArgumentError(f"Data splits must be a vector, saw: {shape_text(splits.shape)}")
    if not splits.size:
        return []
    values = [int(value) for value in splits]
    if values[0] != 0:
        raise InvalidArgumentError(f"First split value must be 0, got {values[0]}")
    for before, value in itertools.pairwise(values):
        if not before <= value <= size:
            raise InvalidArgumentError(f"Invalid split value {value}, must be in [{before}, {size}]")
    if values[-1] != size:
        raise InvalidArgumentError(f"Last split value must be data size. Expected {size}, got {values[-1]}")
    return values


@reference("StringSplit")
def string_split(input: Array, delimiter: Array, *, skip_empty: bool = True) -> list[Array]:
    """[int32 (count, 2) indices, tokens, int32 shape] of a sparse matrix: a row of tokens for each string.

    Any byte of ``delimiter`` ends a token; without one, each byte is a token. An empty string has no token.

    >>> result = string_split(np.array([b"a b", b""], object), np.array(b" ", object))
    >>> [array.tolist() for array in result]
    [[[0, 0], [0, 1]], [b'a', b'b'], [2, 2]]
    """
    if input.ndim != 1:
        raise InvalidArgumentError(f"Input must be a vector, got shape: {shape_text(input.shape)}")
    if delimiter.ndim:
        raise InvalidArgumentError(f"Delimiter must be a scalar, got shape: {shape_text(delimiter.shape)}")
    (ends,) = texts_of(delimiter)
    # One kind of end is enough for `bytes.split`.
    table = bytes.maketrans(ends, ends[:1] * len(ends))
    rows = []
    for text in texts_of(input):
        if not ends:
            tokens = [text[at : at + 1] for at in range(len(text))]
        else:
            tokens = text.translate(table).split(ends[:1]) if text else []
        rows.append([token for token in tokens if token] if skip_empty else tokens)
    return sparse_rows(rows)


@reference("StringToHashBucketFast")
def string_to_hash_bucket_fast(input: Array, *, num_buckets: int) -> Array:
    """FarmHash's Fingerprint64 of each string, modulo ``num_buckets``, int32.

    >>> string_to_hash_bucket_fast(np.array([b"a"], object), num_buckets=2**31 - 1).tolist()
    [493484721]
    """
    return buckets_of(input, num_buckets, fingerprint64)


def buckets_of(x: Array, num_buckets: int, number_of: Callable[[bytes], int]) -> Array:
    """int32 numbers of strings, modulo ``num_buckets``.

    >>> buckets_of(np.array([b"abc"], object), 2, len).tolist()
    [1]
    """
    buckets = int(num_buckets)
    if buckets < 1:
        raise InvalidArgumentError(f"Number of buckets must be at least 1, got {buckets}")
    if buckets > 1 << 31:
        raise InvalidArgumentError(f"numBuckets {buckets} gives numbers that int32 cannot hold; 2147483648 is the most")
    numbers = [number_of(text) % buckets for text in texts_of(x)]
    return np.array(numbers, np.int64).astype(np.int32).reshape(x.shape)


@reference("StaticRegexReplace")
def static_regex_replace(x: Array, *, pattern: str | bytes, rewrite: str | bytes, replace_global: bool = True) -> Array:
    r"""Each string with the matches of ``pattern`` replaced, or only the first; ``\1`` in ``rewrite`` is a group.

    >>> static_regex_replace(np.array([b"a  b"], object), pattern=" +", rewrite=" ").tolist()
    [b'a b']
    """
    return replaced(x, text_of(pattern), text_of(rewrite), every=replace_global)
