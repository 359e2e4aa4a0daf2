"""Measure what a device prefers, one question after the other, and keep the answers for later processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from . import engine as engines
from .engine import Engine
from .flags import Flags
from .gl.choices import LAYERS, Choices, TunedChoices, by_facts, fits, tuning_key
from .gl.device import DeviceInfo, open_device
from .registry import run_kernel
from .tensor import Tensor

ROUNDS = 25
# A candidate replaces the one that the driver's facts gave when it is faster by more than measurements move.
_GAIN = 0.9

Measure = Callable[[str, Sequence[Choices]], Sequence[float]]
"""Microseconds of the same work with each of the choices; the text says how: ``fragment`` or ``compute``."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate of one question, what it took, and whether it was chosen."""

    choice: str
    candidate: str
    elapsed_us: float
    chosen: bool


def tune(info: DeviceInfo, measure: Measure) -> tuple[Choices, list[Trial]]:
    """The choices for a device, and what each candidate took.

    Questions are put one by one, each with the answers to the earlier ones; a
    question that the device leaves only one answer to is not put.
    """
    current = by_facts(info)
    trials: list[Trial] = []
    for name, values in _questions(info):
        before = getattr(current, name)
        candidates = [replace(current, **{name: value}) for value in dict.fromkeys((before, *values))]
        candidates = [candidate for candidate in candidates if fits(candidate, info)]
        if len(candidates) < 2:
            continue
        times = list(measure("compute" if name == "workgroup" else "fragment", candidates))
        best = min(range(len(times)), key=times.__getitem__)
        # The first candidate is what stands already.
        chosen = best if times[best] < times[0] * _GAIN else 0
        trials += [
            Trial(name, _text(getattr(candidate, name)), elapsed, at == chosen)
            for at, (candidate, elapsed) in enumerate(zip(candidates, times, strict=True))
        ]
        current = candidates[chosen]
    return current, trials


def _questions(info: DeviceInfo) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "accessor", ("image", "sampler")
    yield "layers", LAYERS[:3]
    yield "astride", (True, False)
    yield "width_log2", (9, 10, 11)
    if by_facts(info).accessor == "image":
        yield "workgroup", ((8, 1), (16, 1), (32, 1), (64, 1), (8, 8))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def tune_device(flags: Flags) -> tuple[Choices, list[Trial]]:
    """Measure the device that ``flags`` ask for, and keep what was chosen; takes some seconds.

    Raises NoDeviceError when there is none. Choices that flags make stay out of it.
    """
    plain = replace(flags, accessor="auto", workgroup=None, dispatch="fragment")
    device = open_device(plain)
    info = device.info
    device.close()
    choices, trials = tune(info, lambda dispatch, candidates: _measure(plain, dispatch, candidates))
    TunedChoices().store(tuning_key(info), choices)
    return choices, trials


def _measure(flags: Flags, dispatch: Any, candidates: Sequence[Choices]) -> list[float]:
    """The quickest of `ROUNDS` runs with each of the candidates, in turns, after a first one that compiles.

    Other work on the machine only ever adds to a run.
    """
    made: list[Engine] = []
    before = engines.use(None)
    try:
        works = []
        for choices in candidates:
            used = replace(flags, dispatch=dispatch)
            made.append(Engine(open_device(used, choices), used))
            with _current(made[-1]):
                works.append(_Work(made[-1]))
                works[-1].run()
        times: list[list[float]] = [[] for _ in works]
        for _ in range(ROUNDS):
            for engine, work, taken in zip(made, works, times, strict=True):
                with _current(engine):
                    start = perf_counter()
                    work.run()
                    taken.append((perf_counter() - start) * 1e6)
        return [min(taken) for taken in times]
    finally:
        for engine in made:
            with suppress(Exception):
                engine.close()
        engines.use(before)


@contextmanager
def _current(engine: Engine) -> Iterator[None]:
    before = engines.use(engine)
    try:
        engine.device.check()
        yield
    finally:
        engines.use(before)


class _Work:
    """What networks spend their time with: products over channels, windows, and a long flat tensor."""

    def __init__(self, engine: Engine) -> None:
        random = np.random.default_rng(0)

        def weight(*shape: int) -> Tensor:
            return engine.weight(random.normal(size=shape).astype(np.float32))  # packed once

        self._engine = engine
        self._image = weight(1, 56, 56, 96)
        self._middle = weight(1, 14, 14, 384)
        self._small = weight(1, 7, 7, 192)
        self._flat = weight(1 << 18)
        self._wide = weight(3, 3, 96, 32)
        self._product = weight(1, 1, 384, 96)
        self._narrow = weight(1, 1, 192, 192)
        self._depth = weight(3, 3, 96, 1)

    def run(self) -> None:
        """Run it to its end."""
        window = {"strides": [1, 1], "pad": "same", "dilations": [1, 1]}
        run_kernel("Conv2D", {"x": self._image, "filter": self._wide}, window)
        run_kernel("Conv2D", {"x": self._middle, "filter": self._product}, window)
        run_kernel("Conv2D", {"x": self._small, "filter": self._narrow}, window)
        run_kernel("DepthwiseConv2dNative", {"x": self._image, "filter": self._depth}, window)
        run_kernel("Sigmoid", {"x": self._flat}, {})
        self._engine.device.gl.Finish()
