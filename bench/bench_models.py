"""Models: cold, with warm caches, steady.

Cold and warm rows are ``load_ms + first_ms`` of a fresh process, from
`tfgl.load` on local files with the context open to all outputs on the
host. Steady rows are predict and readback in this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import pytest

import fresh
import tfgl
from tfgl.engine import Engine
from tfgl.errors import UnsupportedOpError
from workloads import Workload, inputs_of, run_to_host, workloads

# One fresh process, and two more where the first took no longer than this: an odd number has a middle.
_FRESH_SECONDS = 3.5
_STEADY_SECONDS, _STEADY_ROUNDS = 2.0, (5, 100)

MODELS = pytest.mark.parametrize("workload", workloads(), ids=lambda workload: workload.name)


class ReportedTime:
    """A clock that goes on only by what fresh processes report.

    pytest-benchmark times the call that it makes; the start of Python and of the
    driver would be in it.
    """

    __name__ = "reported_time"

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, elapsed_ms: float) -> None:
        self.seconds += elapsed_ms / 1e3


_clock = ReportedTime()


@MODELS
@pytest.mark.benchmark(group="models: cold", timer=_clock)
def test_cold(benchmark: Any, workload: Workload, scratch: Path, fresh_engine: Engine) -> None:
    """No program kept anywhere: neither in our cache, which is empty and gets filled, nor in the driver's."""
    files = _loadable(workload, scratch)

    def once() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=scratch) as empty:
            return fresh.measure(files, fresh.cold_environment(Path(empty)))

    _record(benchmark, workload, "cold", _repeat(once))


@MODELS
@pytest.mark.benchmark(group="models: warm caches", timer=_clock)
def test_warm(benchmark: Any, workload: Workload, scratch: Path, fresh_engine: Engine) -> None:
    """A process before this one has run the model and left its programs in our cache and in the driver's."""
    files = _loadable(workload, scratch)
    environment = fresh.warm_environment(scratch / "kept")
    fresh.measure(files, environment)
    _record(benchmark, workload, "warm", _repeat(lambda: fresh.measure(files, environment)))


@MODELS
@pytest.mark.benchmark(group="models: steady")
def test_steady(benchmark: Any, workload: Workload, scratch: Path, fresh_engine: Engine) -> None:
    """Inferences after the first ones, from inputs on the host to outputs on the host."""
    with tfgl.load(_loadable(workload, scratch), progress=False) as model:
        inputs = inputs_of(model, workload.files(scratch))
        # The second inference may still create textures for its outputs; from the third on nothing is new.
        for _ in range(3):
            start = perf_counter()
            run_to_host(model, inputs)
            elapsed = perf_counter() - start
        before = fresh_engine.pool.created, len(fresh_engine.programs.programs)
        fewest, most = _STEADY_ROUNDS
        rounds = max(fewest, min(most, int(_STEADY_SECONDS / elapsed)))
        cpu_start = process_time()
        benchmark.pedantic(run_to_host, (model, inputs), rounds=rounds)
        cpu_ms = (process_time() - cpu_start) / rounds * 1e3
        benchmark.extra_info.update(
            model=workload.name,
            phase="steady",
            draws=model.stats.draws,
            programs=len(model.stats.programs),
            compile_ms=model.stats.compile_ms,
            textures=fresh_engine.pool.created,
            texture_bytes=fresh_engine.pool.total_bytes,
            new_textures=fresh_engine.pool.created - before[0],
            new_programs=len(fresh_engine.programs.programs) - before[1],
            replays=model.stats.replays,
            cpu_ms=cpu_ms,
            renderer=fresh_engine.device.info.renderer,
        )


def _loadable(workload: Workload, scratch: Path) -> Path:
    """The model's folder; skips models with ops that tfgl cannot run yet."""
    files = workload.files(scratch)
    try:
        tfgl.load(files, progress=False).dispose()
    except UnsupportedOpError as error:
        pytest.skip(str(error))
    return files


def _repeat(once: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    start = perf_counter()
    reports = [once()]
    if perf_counter() - start < _FRESH_SECONDS:
        reports += [once(), once()]
    return reports


def _record(benchmark: Any, workload: Workload, phase: str, reports: list[dict[str, Any]]) -> None:
    """One row of times that processes reported; its details are those of the process in the middle."""
    totals = [report["load_ms"] + report["first_ms"] for report in reports]
    following = iter(totals)
    benchmark.pedantic(lambda: _clock.advance(next(following)), rounds=len(totals))
    middle = reports[totals.index(median(totals))]
    benchmark.extra_info.update(model=workload.name, phase=phase, **middle)
