"""One load and one inference in a process of their own: `python bench/fresh.py FOLDER` prints the times as JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

# What keeps drivers from finding the programs of an earlier process.
_NO_DRIVER_CACHE = {"MESA_SHADER_CACHE_DISABLE": "true", "__GL_SHADER_DISK_CACHE": "0"}


def cold_environment(empty: Path) -> dict[str, str]:
    """An environment in which neither tfgl (``empty`` is its cache folder) nor the driver has anything kept."""
    return {**_base(), **_NO_DRIVER_CACHE, "TFGL_CACHE_DIR": str(empty)}


def warm_environment(kept: Path) -> dict[str, str]:
    """An environment in which both caches live in ``kept``."""
    driver = str(kept / "driver")
    return {
        **_base(),
        "TFGL_CACHE_DIR": str(kept / "tfgl"),
        "MESA_SHADER_CACHE_DIR": driver,
        "__GL_SHADER_DISK_CACHE_PATH": driver,
    }


def _base() -> dict[str, str]:
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


def measure_here(folder: Path) -> dict[str, Any]:
    """Open the device, load the model and run it once; times in milliseconds, counts and bytes."""
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
    run_to_host(model, inputs)
    done = perf_counter()
    stats = model.stats
    return {
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
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with model.json")
    print(json.dumps(measure_here(parser.parse_args().folder)))
