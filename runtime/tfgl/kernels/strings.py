"""Kernels of strings, on the host: split, n-grams, hash buckets, replaced patterns."""

from __future__ import annotations

from ..ir.reference.strings import static_regex_replace, string_n_grams, string_split, string_to_hash_bucket_fast
from ..registry import host_kernel

host_kernel("StringNGrams", string_n_grams)
host_kernel("StringSplit", string_split)
host_kernel("StringToHashBucketFast", string_to_hash_bucket_fast)
host_kernel("StaticRegexReplace", static_regex_replace)
