"""Random numbers. Equal seeds give equal numbers at every call; ops whose seeds are 0 give others each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from .call import Call, Value
from .registry import lower


def _seed(call: Call) -> list[int]:
    return [call.integer("seed", 0), call.integer("seed2", 0)]


@lower("RandomUniform", inputs=1, kernels=("RandomUniform", "Cast"), host=(0,))
def random_uniform(call: Call) -> Value:
    """Floats in [0, 1), or between the original's attributes ``minval`` and ``maxval``."""
    values = call.one(
        "RandomUniform",
        {},
        shape=call.host_integers(0),
        minval=call.number("minval", 0.0),
        maxval=call.number("maxval", 1.0),
        seed=_seed(call),
    )
    dtype = call.dtype("dtype", "float32")
    return values if dtype == "float32" else call.one("Cast", {"x": values}, dtype=dtype)


@lower("RandomUniformInt", inputs=(1, 3), kernels=("RandomUniformInt",), host=(0, 1, 2))
def random_uniform_int(call: Call) -> Value:
    """Whole numbers from ``minval`` on, below ``maxval``: inputs, or attributes as the original has them."""
    if len(call.inputs) == 3:
        low, high = call.host_integer(1), call.host_integer(2)
    else:
        low, high = call.integer("minval"), call.integer("maxval")
    return call.one("RandomUniformInt", {}, shape=call.host_integers(0), minval=low, maxval=high, seed=_seed(call))


@lower("RandomStandardNormal", inputs=1, kernels=("RandomStandardNormal",), host=(0,))
def random_standard_normal(call: Call) -> Value:
    """Floats from the normal distribution of mean 0 and deviation 1."""
    return call.one("RandomStandardNormal", {}, shape=call.host_integers(0), seed=_seed(call))


@lower("TruncatedNormal", inputs=1, kernels=("TruncatedNormal",), host=(0,))
def truncated_normal(call: Call) -> Value:
    """Normal floats within two deviations; the original's attributes ``means`` and ``stddev`` move and stretch them."""
    return call.one(
        "TruncatedNormal",
        {},
        shape=call.host_integers(0),
        mean=call.number("means", 0.0),
        stdDev=call.number("stddev", 1.0),
        seed=_seed(call),
    )


@lower("Multinomial", inputs=2, kernels=("Multinomial", "Cast"), host=(1,))
def multinomial(call: Call) -> Value:
    """Classes drawn by unnormalized log probabilities (batch, classes): (batch, samples)."""
    logits = call.inputs[0]
    if len(logits.shape) != 2:
        raise InvalidArgumentError(f"logits must have rank 2, got shape {list(logits.shape)}")
    if logits.dtype != "float32":
        logits = call.one("Cast", {"x": logits}, dtype="float32")
    return call.one(
        "Multinomial", {"logits": logits}, numSamples=call.host_integer(1), seed=_seed(call), normalized=False
    )


# TensorFlow's numbers of the generators that are Philox, or become it on a CPU.
_PHILOX, _AUTO = 1, 3
_STATELESS = {
    "StatelessRandomUniform": "RandomUniform",
    "StatelessRandomNormal": "RandomStandardNormal",
    "StatelessTruncatedNormal": "TruncatedNormal",
}


@lower(*_STATELESS, inputs=2, kernels=tuple(_STATELESS.values()), host=(0, 1))
def stateless(call: Call) -> Value:
    """As the op without "Stateless", from a seed of two numbers that is an input."""
    seed = _scrambled(call, call.host_integers(1))
    return call.one(_STATELESS[call.node.op], {}, shape=call.host_integers(0), seed=_pair(seed))


@lower(*(f"{op}V2" for op in _STATELESS), inputs=4, kernels=tuple(_STATELESS.values()), host=(0, 1, 2, 3))
def stateless_v2(call: Call) -> Value:
    """As `stateless`, from what StatelessRandomGetKeyCounter gives."""
    kernel = _STATELESS[call.node.op.removesuffix("V2")]
    return call.one(kernel, {}, shape=call.host_integers(0), seed=_pair(_key_counter(call)))


@lower("StatelessRandomUniformInt", inputs=4, kernels=("RandomUniformInt",), host=(0, 1, 2, 3))
def stateless_int(call: Call) -> Value:
    """Whole numbers from ``minval`` on, below ``maxval``."""
    seed = _scrambled(call, call.host_integers(1))
    return _whole(call, seed, call.host_integer(2), call.host_integer(3))


@lower("StatelessRandomUniformIntV2", inputs=6, kernels=("RandomUniformInt",), host=(0, 1, 2, 3, 4, 5))
def stateless_int_v2(call: Call) -> Value:
    """Whole numbers from ``minval`` on, below ``maxval``."""
    return _whole(call, _key_counter(call), call.host_integer(4), call.host_integer(5))


@lower("StatelessRandomGetAlg", inputs=0)
def stateless_algorithm(call: Call) -> Value:
    """The number that stands for Philox."""
    return call.constant(np.array(_PHILOX, np.int32))


@lower("StatelessRandomGetKeyCounter", inputs=1, host=(0,))
def stateless_key_counter(call: Call) -> list[Value]:
    """A generator's key and counter for a seed, as int32 words: there are no 64-bit integers."""
    words = np.array(_scrambled(call, call.host_integers(0)), np.uint32).view(np.int32)
    return [call.constant(words[:2]), call.constant(np.concatenate([np.zeros(2, np.int32), words[2:]]))]


def _whole(call: Call, words: Sequence[int], low: int, high: int) -> Value:
    shape = call.host_integers(0)
    return call.one("RandomUniformInt", {}, shape=shape, minval=low, maxval=high, seed=_pair(words))


def _scrambled(call: Call, seed: Sequence[int]) -> list[int]:
    """The four words of the generator's state for a stateless seed, as TensorFlow's GenerateKey makes them."""
    from ..reference.random import philox

    if len(seed) != 2:
        raise InvalidArgumentError(f"seed must be two numbers, got {list(seed)}")
    first, second = (number & (1 << 64) - 1 for number in seed)
    high = (second & (1 << 32) - 1, second >> 32)
    return [int(word) for word in philox(np.array([first], np.uint64), (0x3EC8F720, 0x02461E29, *high))[0]]


def _key_counter(call: Call) -> list[int]:
    """The four words of the generator's state from the inputs key and counter."""
    key, counter, algorithm = call.host_integers(1), call.host_integers(2), call.host_integer(3)
    if algorithm not in (_PHILOX, _AUTO):
        raise InvalidArgumentError(f"alg {algorithm} is not supported; {_PHILOX} (Philox) is")
    if len(key) != 2 or len(counter) != 4 or counter[:2] != [0, 0]:
        raise InvalidArgumentError("key and counter must come from StatelessRandomGetKeyCounter")
    return [*key, *counter[2:]]


def _pair(words: Sequence[int]) -> list[int]:
    """Two 64-bit numbers of four words."""
    low, high, third, fourth = (word & (1 << 32) - 1 for word in words)
    return [low | high << 32, third | fourth << 32]
