"""Shapes and seeds of random numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from ...errors import InvalidArgumentError
from .axes import Shape

_WORD = (1 << 32) - 1


def random_shape(shape: Sequence[int]) -> Shape:
    """``shape`` as a tuple; InvalidArgumentError for a negative extent.

    >>> random_shape([2, 3])
    (2, 3)
    """
    if any(n < 0 for n in shape):
        raise InvalidArgumentError(f"a shape cannot hold negative sizes, got {list(shape)}")
    return tuple(int(n) for n in shape)


def seed_words(seed: float | Sequence[int] | None) -> tuple[int, int, int, int] | None:
    """The four words, as int32, that a seed gives the generator: its key and its counter's high half.

    ``seed`` is a number or a pair of them, as TensorFlow's attributes ``seed``
    and ``seed2``. None or zeros: no seed, None.

    >>> seed_words([7, -1]), seed_words(0)
    ((7, 0, -1, -1), None)
    """
    if seed is None:
        return None
    pair = (seed, 0) if isinstance(seed, (int, float)) else tuple(seed)
    if len(pair) != 2:
        raise InvalidArgumentError(f"a seed is one number or two, got {list(pair)}")
    if not all(math.isfinite(number) for number in pair):
        raise InvalidArgumentError(f"a seed is finite, got {seed}")
    if pair == (0, 0):
        return None
    words = []
    for number in pair:
        # A fraction counts by its bits: the original draws seeds in [0, 1).
        whole = int(number) if number == int(number) else struct.unpack("<q", struct.pack("<d", number))[0]
        words += [whole & _WORD, whole >> 32 & _WORD]
    first, second, third, fourth = (word - (1 << 32) * (word >> 31) for word in words)
    return first, second, third, fourth
