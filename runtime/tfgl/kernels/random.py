"""Random numbers from a counter and a seed; equal seeds give TensorFlow's numbers, no seed others each time.

Without a seed each execution draws one, also a replay of a recording.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfgl_shaders.assembly import ParameterValue

from ..engine import current
from ..errors import InvalidArgumentError
from ..ir.shapes import random_shape, seed_words
from ..registry import kernel, run_one
from ..tensor import Tensor

_WORDS = ("seed_0", "seed_1", "seed_2", "seed_3")


@kernel("RandomUniform")
def random_uniform(
    *, shape: Sequence[int], minval: float = 0, maxval: float = 1, seed: float | Sequence[int] | None = None
) -> Tensor:
    """float32 numbers of ``shape`` in [``minval``, ``maxval``)."""
    return _floats(shape, seed, {"factor": float(maxval - minval), "offset": float(minval)}, {})


@kernel("RandomStandardNormal")
def random_standard_normal(*, shape: Sequence[int], seed: float | Sequence[int] | None = None) -> Tensor:
    """float32 numbers of ``shape`` from the normal distribution of mean 0 and deviation 1."""
    return _floats(shape, seed, {"factor": 1.0, "offset": 0.0}, {"NORMAL": 1})


@kernel("TruncatedNormal")
def truncated_normal(
    *, shape: Sequence[int], mean: float = 0, std_dev: float = 1, seed: float | Sequence[int] | None = None
) -> Tensor:
    """float32 numbers of ``shape`` from a normal distribution, none further than two deviations from the mean."""
    values: dict[str, ParameterValue] = {"factor": float(std_dev), "offset": float(mean)}
    return _floats(shape, seed, values, {"NORMAL": 1, "TRUNCATED": 1})


@kernel("RandomUniformInt")
def random_uniform_int(
    *, shape: Sequence[int], minval: int, maxval: int, seed: float | Sequence[int] | None = None
) -> Tensor:
    """int32 numbers of ``shape`` in [``minval``, ``maxval``)."""
    if not -(2**31) <= minval < maxval <= 2**31 - 1:
        raise InvalidArgumentError(
            f"RandomUniformInt: minval must be less than maxval, both of them int32; got {minval} and {maxval}"
        )
    span = int(maxval) - int(minval)
    values: dict[str, ParameterValue] = {"low": int(minval), "range": span - (1 << 32) * (span >= 1 << 31)}
    parameters, drawn = _seeded(seed)
    return current().emit("random", {}, random_shape(shape), "int32", parameters | values, {"WHOLE": 1}, drawn=drawn)


def _floats(
    shape: Sequence[int],
    seed: float | Sequence[int] | None,
    values: dict[str, ParameterValue],
    defines: dict[str, object],
) -> Tensor:
    parameters, drawn = _seeded(seed)
    return current().emit("random", {}, random_shape(shape), "float32", parameters | values, defines, drawn=drawn)


def _seeded(seed: float | Sequence[int] | None) -> tuple[dict[str, ParameterValue], tuple[str, ...]]:
    """The generator's key as parameters, and which parameters are to be drawn instead."""
    words = seed_words(seed)
    if words is None:
        return {}, _WORDS
    return dict(zip(_WORDS, words, strict=True)), ()


@kernel("Multinomial")
def multinomial(
    logits: Tensor, *, num_samples: int, seed: float | Sequence[int] | None = None, normalized: bool = False
) -> Tensor:
    """int32 (batch, ``num_samples``): classes drawn by the unnormalized log probabilities ``logits`` (batch, classes).

    With ``normalized`` they are probabilities.
    """
    if logits.ndim != 2 or logits.dtype != "float32":
        raise InvalidArgumentError(
            f"Multinomial takes float32 logits (batch, classes), got {logits.dtype} {list(logits.shape)}"
        )
    if num_samples < 0:
        raise InvalidArgumentError(f"numSamples must not be negative, got {num_samples}")
    batch, classes = logits.shape
    shape = (batch, int(num_samples))
    if not classes and 0 not in shape:
        raise InvalidArgumentError(f"Multinomial needs at least one class, got logits {list(logits.shape)}")
    likely = logits if normalized else run_one("Softmax", {"logits": logits}, {"dim": -1})
    sums = run_one("Cumsum", {"x": likely}, {"axis": 1, "exclusive": False, "reverse": False})
    parameters, drawn = _seeded(seed)
    values: dict[str, ParameterValue] = {"class_count": classes, "sample_count": int(num_samples)}
    return logits.engine.emit("multinomial", {"sums": sums}, shape, "int32", parameters | values, drawn=drawn)
