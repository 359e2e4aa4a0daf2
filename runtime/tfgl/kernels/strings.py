"""Kernels of strings, on the host: split, n-grams, hash buckets, replaced patterns."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.reference import strings as host
from ..registry import kernel
from ..tensor import Tensor


@kernel("StringNGrams", runs_on="host")
def n_grams(
    data: Tensor,
    data_splits: Tensor,
    *,
    separator: str,
    n_gram_widths: Sequence[int],
    left_pad: str,
    right_pad: str,
    pad_width: int,
    preserve_short_sequences: bool = False,
) -> list[Tensor]:
    """[n-grams, row splits] of ragged rows of strings."""
    results = host.string_n_grams(
        data.numpy(),
        data_splits.numpy(),
        separator=separator,
        n_gram_widths=n_gram_widths,
        left_pad=left_pad,
        right_pad=right_pad,
        pad_width=pad_width,
        preserve_short_sequences=preserve_short_sequences,
    )
    return [data.engine.tensor(result) for result in results]


@kernel("StringSplit", runs_on="host")
def split(input: Tensor, delimiter: Tensor, *, skip_empty: bool = True) -> list[Tensor]:
    """[indices, tokens, shape] of a sparse matrix with a row of tokens for each string."""
    results = host.string_split(input.numpy(), delimiter.numpy(), skip_empty=skip_empty)
    return [input.engine.tensor(result) for result in results]


@kernel("StringToHashBucketFast", runs_on="host")
def hash_bucket(input: Tensor, *, num_buckets: int) -> Tensor:
    """The fingerprint of each string modulo ``num_buckets``."""
    return input.engine.tensor(host.string_to_hash_bucket_fast(input.numpy(), num_buckets=num_buckets))


@kernel("StaticRegexReplace", runs_on="host")
def regex_replace(x: Tensor, *, pattern: str, rewrite: str, replace_global: bool = True) -> Tensor:
    """Each string with what RE2's ``pattern`` matches replaced by ``rewrite``."""
    return x.engine.tensor(
        host.static_regex_replace(x.numpy(), pattern=pattern, rewrite=rewrite, replace_global=replace_global)
    )
