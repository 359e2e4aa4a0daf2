"""Random numbers: TensorFlow's, for equal seeds, from the counter-based generator Philox 4x32.

J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from ..shapes import random_shape, seed_words
from .registry import Array, reference

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
# Counters that each four truncated numbers have of their own.
_RESERVED = 256


def philox(counters: Array, words: Sequence[int]) -> Array:
    """Four words, (count, 4), for each of the 64-bit ``counters``; ``words`` are the key and the counters' high half.

    >>> philox(np.array([0]), (0, 0, 0, 0))[0].tolist()
    [1713891541, 3781805453, 3159862348, 2600524760]
    """
    key = np.array(words[:2], np.int64).astype(np.uint64) & _WORD
    high = np.array(words[2:], np.int64).astype(np.uint64) & _WORD
    counters = counters.astype(np.uint64)
    a, b = counters & _WORD, counters >> _HALF
    c, d = np.full_like(a, high[0]), np.full_like(a, high[1])
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b = (second >> _HALF) ^ b ^ key[0], second & _WORD
        c, d = (first >> _HALF) ^ d ^ key[1], first & _WORD
        key = (key + np.array([0x9E3779B9, 0xBB67AE85], np.uint64)) & _WORD
    return np.stack([a, b, c, d], axis=1)


def _words(seed: float | Sequence[int] | None) -> Sequence[int]:
    words = seed_words(seed)
    return np.frombuffer(os.urandom(16), np.int32).tolist() if words is None else words


def _groups(shape: Sequence[int]) -> Array:
    """The counter of each four numbers of ``shape``."""
    return np.arange(-(-int(np.prod(random_shape(shape))) // 4), dtype=np.uint64)


def _shaped(values: Array, shape: Sequence[int]) -> Array:
    return values.reshape(-1)[: int(np.prod(shape))].reshape(tuple(shape))


def _unit(words: Array) -> Array:
    """In [0, 1), from the low 23 bits."""
    return (words & np.uint64(0x7FFFFF)).astype(np.float64) / 2**23


def _normal(words: Array) -> Array:
    """Box and Muller's: a sine and a cosine for each two words."""
    unit = _unit(words)
    radius = np.sqrt(-2 * np.log(np.maximum(unit[:, ::2], np.float64(np.float32(1e-7)))))
    angle = 2 * np.pi * unit[:, 1::2]
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=2).reshape(-1, 4)


@reference("RandomUniform")
def random_uniform(
    *, shape: Sequence[int], minval: float = 0, maxval: float = 1, seed: float | Sequence[int] | None = None
) -> Array:
    """Numbers in [``minval``, ``maxval``)."""
    unit = _unit(philox(_groups(shape), _words(seed)))
    return _shaped(unit * (maxval - minval) + minval, shape)


@reference("RandomStandardNormal")
def random_standard_normal(*, shape: Sequence[int], seed: float | Sequence[int] | None = None) -> Array:
    """Numbers from the normal distribution of mean 0 and deviation 1."""
    return _shaped(_normal(philox(_groups(shape), _words(seed))), shape)


@reference("TruncatedNormal")
def truncated_normal(
    *, shape: Sequence[int], mean: float = 0, std_dev: float = 1, seed: float | Sequence[int] | None = None
) -> Array:
    """Numbers from a normal distribution, none further than two deviations from the mean."""
    groups, words = _groups(shape), _words(seed)
    chosen = np.zeros((len(groups), 4))
    count = np.zeros(len(groups), np.intp)
    for at in range(_RESERVED):
        open_ = np.flatnonzero(count < 4)
        if not open_.size:
            break
        normal = _normal(philox(groups[open_] * np.uint64(_RESERVED) + np.uint64(at), words))
        for values in normal.T:
            kept = (np.abs(values) < 2) & (count[open_] < 4)
            chosen[open_[kept], count[open_[kept]]] = values[kept]
            count[open_[kept]] += 1
    return _shaped(chosen * std_dev + mean, shape)


@reference("RandomUniformInt")
def random_uniform_int(
    *, shape: Sequence[int], minval: int, maxval: int, seed: float | Sequence[int] | None = None
) -> Array:
    """Whole numbers in [``minval``, ``maxval``)."""
    if not -(2**31) <= minval < maxval <= 2**31 - 1:
        raise InvalidArgumentError(
            f"RandomUniformInt: minval must be less than maxval, both of them int32; got {minval} and {maxval}"
        )
    words = philox(_groups(shape), _words(seed))
    return _shaped(((words % np.uint64(maxval - minval)).astype(np.int64) + minval).astype(np.int32), shape)


@reference("Multinomial")
def multinomial(
    logits: Array, *, num_samples: int, seed: float | Sequence[int] | None = None, normalized: bool = False
) -> Array:
    """(batch, ``num_samples``) classes drawn by unnormalized log probabilities, or by probabilities."""
    if logits.ndim != 2 or num_samples < 0:
        raise InvalidArgumentError(
            f"Multinomial takes logits (batch, classes) and a number of samples, got {list(logits.shape)} and "
            f"{num_samples}"
        )
    if not logits.shape[1]:
        raise InvalidArgumentError(f"Multinomial needs at least one class, got logits {list(logits.shape)}")
    likely = logits if normalized else np.exp(logits - logits.max(axis=1, keepdims=True))
    sums = np.cumsum(likely, axis=1)
    words = philox(np.arange(len(logits) * num_samples), _words(seed))
    limits = _unit(words[:, 0]).reshape(len(logits), num_samples) * sums[:, -1:]
    drawn = (sums[:, None, :] <= limits[:, :, None]).sum(axis=2)
    return np.asarray(np.minimum(drawn, logits.shape[1] - 1).astype(np.int32))
