"""One load and one inference in a process of their own: `python bench/fresh.py FOLDER` prints the times as JSON."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

# What keeps drivers from finding the programs of an earlier process.
_NO_DRIVER_CACHE = {"MESA_SHADER_CACHE_DISABLE": "true", "__GL_SHADER_DISK_CACHE": "0"}


def cold_environment(empty: Path) -> dict[str, str]:
    """An environment in which neither tfgl (``empty`` is its cache folder) nor the driver has anything kept."""
    return {**_base(), **_NO_DRIVER_CACHE, "TFGL_CACHE_DIR": str(empty)}


def warm_environment(kept: Path) -> dict[str, str]:
    """An environment in which both caches live in ``kept``; in an empty folder, one of a first visit."""
    driver = str(kept / "driver")
    # Mesa makes no folder in one that is not there yet, and then does without.
    os.makedirs(driver, exist_ok=True)
    return {
        **_base(),
        "TFGL_CACHE_DIR": str(kept / "tfgl"),
        "MESA_SHADER_CACHE_DIR": driver,
        "__GL_SHADER_DISK_CACHE_PATH": driver,
    }


@cache
def _compile_packages() -> None:
    """Write bytecode of what a process imports, as installers do; a checkout may have none, or be told to keep none."""
    for name in ("tfgl", "tfgl_shaders"):
        found = find_spec(name)
        for folder in (found.submodule_search_locations or ()) if found else ():
            compileall.compile_dir(folder, quiet=2)


def _base() -> dict[str, str]:
    _compile_packages()
    left_out = {*_NO_DRIVER_CACHE, "MESA_GLSL_CACHE_DISABLE", "TFGL_CACHE", "TFGL_CACHE_DIR"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def measure(folder: Path, environment: dict[str, str], timeout_s: float = 180) -> dict[str, Any]:
    """What a new process in ``environment`` reports of the model in ``folder``; RuntimeError when it fails."""
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{folder.name} in a fresh process: {done.stderr.strip()[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def measure_here(folder: Path, exchange: Path | None = None) -> tuple[dict[str, Any], Callable[[], object]]:
    """Open the device, load the model and run it once: times in milliseconds, counts and bytes; and what runs it again.

    ``exchange`` is a folder for the inputs and outputs, as inputs.npz and outputs.npz.
    """
    start = perf_counter()
    import tfgl
    from workloads import inputs_of, run_to_host

    imported = perf_counter()
    engine = tfgl.engine.current()
    engine.device.gl.Finish()
    opened = perf_counter()
    model = tfgl.load(folder, progress=False)
    loaded = perf_counter()
    inputs = inputs_of(model, folder)
    begun = perf_counter()
    outputs = run_to_host(model, inputs)
    done = perf_counter()
    stats = model.stats
    report = {
        "import_ms": (imported - start) * 1e3,
        "open_ms": (opened - imported) * 1e3,
        "load_ms": (loaded - opened) * 1e3,
        "first_ms": (done - begun) * 1e3,
        "read_ms": stats.read_ms,
        "graph_ms": stats.graph_ms,
        "upload_ms": stats.upload_ms,
        "texture_ms": stats.texture_ms,
        "compile_ms": stats.compile_ms,
        "programs": len(stats.programs),
        "from_disk_cache": sum(program.from_disk_cache for program in stats.programs),
        "draws": stats.draws,
        "textures": engine.pool.created,
        "texture_bytes": engine.pool.total_bytes,
        "renderer": engine.device.info.renderer,
        "driver": engine.device.info.version,
        "flavour": engine.device.flavour,
    }
    if exchange is not None:
        import numpy as np

        named: dict[str, Any] = dict(zip(model.output_keys, outputs, strict=True))
        np.savez(exchange / "outputs.npz", **named)
        named = dict(inputs)
        np.savez(exchange / "inputs.npz", **named)
    return report, lambda: run_to_host(model, inputs)


def serve(run: Callable[[], object], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """For each line with a number, the milliseconds of so many inferences, and the processor's for one."""
    for line in lines:
        elapsed_ms = []
        cpu_start = process_time()
        for _ in range(int(line)):
            start = perf_counter()
            run()
            elapsed_ms.append((perf_counter() - start) * 1e3)
        yield {"elapsed_ms": elapsed_ms, "cpu_ms": (process_time() - cpu_start) / len(elapsed_ms) * 1e3}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with model.json")
    parser.add_argument("--exchange", type=Path, help="folder to write inputs.npz and outputs.npz into")
    parser.add_argument("--serve", action="store_true", help="then answer each number on stdin by so many runs")
    options = parser.parse_args()
    first, again = measure_here(options.folder, options.exchange)
    print(json.dumps(first), flush=True)
    for answer in serve(again, sys.stdin if options.serve else ()):
        print(json.dumps(answer), flush=True)
