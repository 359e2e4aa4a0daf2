"""What `import tfgl` adds to `import numpy`, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys

from pytest_benchmark.fixture import BenchmarkFixture

SCRIPT = "import numpy, time; start = time.perf_counter(); import tfgl; print(time.perf_counter() - start)"


def test_import(benchmark: BenchmarkFixture) -> None:
    seconds: list[float] = []

    def fresh() -> None:
        seconds.append(float(subprocess.check_output([sys.executable, "-c", SCRIPT])))

    benchmark.group = "import"
    benchmark.pedantic(fresh, rounds=7)
    benchmark.extra_info["import_ms_after_numpy"] = min(seconds) * 1e3
