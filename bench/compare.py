"""The same models in tfgl and in other runtimes, in turn: `python bench/compare.py --output bench/RESULTS.md`.

Cold is from the call that loads the model (files local, context open, backend
ready) to the first outputs on the host, in a new process for which our cache
and the driver's are empty folders and the browser's profile is new; warm is the
same in a later process with what the cold one left there. The last ones go on,
and all runtimes take turns with short bursts of inferences.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
from pytest_benchmark.utils import get_commit_info

import report
from browser import Browser, find_chromium
from goals import GOALS
from plain_graph import write_plain_graph
from processes import Array, PeerError, Runtime, Worker, start_ours
from surroundings import of_tfgl
from tfgl.errors import TfglError
from tfgl.tables import one_line
from workloads import ROOT, Workload, workloads

OURS = "ours"
BROWSER_BACKENDS = ("webgl", "wasm", "cpu")
PYTHON_RUNTIMES = ("tensorflow", "tflite", "onnxruntime")
RUNTIMES_SCRIPT = Path(__file__).resolve().parent / "peers" / "python_runtimes.py"
PACKAGES = ROOT / ".peers"
RESULTS = ROOT / ".benchmarks" / "peers.json"

Start = Callable[[Path], Runtime]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many cold and warm starts and how many turns at most, and the seconds after which no further one begins."""

    starts: int = 3
    starts_s: float = 20
    turns: int = 9
    turns_s: float = 16
    burst_s: float = 0.35


@dataclass(frozen=True, slots=True)
class Peers:
    """What is compared with: names, the folder with node_modules, the interpreter for Python's runtimes."""

    names: Sequence[str]
    packages: Path = PACKAGES
    python: str = sys.executable

    def missing(self) -> dict[str, str]:
        """Which of them cannot run here, and why."""
        missing = {}
        for name in self.names:
            if name not in BROWSER_BACKENDS:
                continue
            if find_chromium() is None:
                missing[name] = "no chromium or google-chrome on the path"
            elif not (self.packages / "node_modules" / "@tensorflow" / "tfjs").is_dir():
                missing[name] = f"{self.packages.name} has no TensorFlow.js: `make bench-peers` fetches it with npm"
        if set(self.names) & set(PYTHON_RUNTIMES):
            asked = [self.python, str(RUNTIMES_SCRIPT), "available"]
            lacking = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
            missing |= {
                name: f"no package {lacking[name]}; TFGL_BENCH_PYTHON may name another interpreter that has it"
                for name in PYTHON_RUNTIMES
                if name in self.names and lacking[name]
            }
        return missing


QUICK = Effort(starts=1, turns=3, turns_s=4, burst_s=0.2)


def compare(workload: Workload, scratch: Path, peers: Peers, effort: Effort) -> dict[str, Any]:
    """What was measured of one model, and under "missing" by runtime why something was not."""
    row: dict[str, Any] = {"model": workload.name, "cold": {}, "warm": {}, "steady": {}, "details": {}}
    row |= {"agreement": {}, "missing": {}}
    folder = workload.files(scratch)
    exchange = scratch / f"{workload.name} exchange"
    exchange.mkdir()
    starts: dict[str, Start] = {OURS: lambda caches: start_ours(folder, caches, exchange)}
    for backend in BROWSER_BACKENDS:
        if backend in peers.names:
            starts[backend] = _browser_start(peers.packages, folder, backend, exchange)
    with contextlib.ExitStack() as stack:
        running = _start_in_pairs(row, starts, effort, stack)
        if OURS in running:
            for name in set(peers.names) & set(PYTHON_RUNTIMES):
                try:
                    running[name] = _start_python(peers.python, name, folder, exchange)
                except (PeerError, TfglError) as error:
                    row["missing"][name] = one_line(str(error))
                else:
                    stack.callback(running[name].close)
            for name, runtime in running.items():
                if name != OURS:
                    row["agreement"][name] = differences(runtime.outputs, running[OURS].outputs)
            _take_turns(row, running, effort)
        row["details"] = {name: runtime.report for name, runtime in running.items()}
    return row


def _browser_start(packages: Path, folder: Path, backend: str, exchange: Path) -> Start:
    def start(caches: Path) -> Runtime:
        with np.load(exchange / "inputs.npz") as inputs:
            return Browser(packages, folder, backend, dict(inputs), caches)

    return start


def _start_python(python: str, runtime: str, folder: Path, exchange: Path) -> Runtime:
    target = exchange / runtime
    target.mkdir()
    write_plain_graph(folder, target)
    shutil.copy(exchange / "inputs.npz", target)
    command = [python, str(RUNTIMES_SCRIPT), runtime, str(target)]
    try:
        return Worker(command, target)
    except PeerError:
        if runtime != "tensorflow":
            raise
    # TensorFlow 2.19 crashes in its oneDNN kernels on some graphs; without them it runs.
    worker = Worker(command, target, {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"})
    worker.report["note"] = "without oneDNN"
    return worker


def _start_in_pairs(
    row: dict[str, Any], starts: Mapping[str, Start], effort: Effort, stack: contextlib.ExitStack
) -> dict[str, Runtime]:
    """Cold and warm starts of all runtimes in turn; returns the processes of the last warm ones."""
    began = perf_counter()
    for repeat in range(effort.starts):
        caches = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfgl-bench-")))
        for runtime in _start_all(row, "cold", starts, caches).values():
            runtime.close()
        running = _start_all(row, "warm", starts, caches)
        for runtime in running.values():
            stack.callback(runtime.close)
        if repeat + 1 == effort.starts or perf_counter() - began > effort.starts_s:
            break
        stack.close()
    return running


def _start_all(row: dict[str, Any], phase: str, starts: Mapping[str, Start], caches: Path) -> dict[str, Runtime]:
    """One start of each; without ours, which comes first, there is nothing to compare the others with."""
    started: dict[str, Runtime] = {}
    for name, start in starts.items():
        if name in row["missing"] or OURS in row["missing"]:
            continue
        try:
            started[name] = start(caches / name)
        except PeerError as error:
            row["missing"][name] = str(error)
            continue
        times = {part: started[name].report[part] for part in ("load_ms", "first_ms")}
        row[phase].setdefault(name, []).append(times)
    return started


def _take_turns(row: dict[str, Any], running: dict[str, Runtime], effort: Effort) -> None:
    """Bursts of every runtime, again and again, into ``row``; at least three turns."""
    bursts = {}
    for name, runtime in running.items():
        # The second inference may still create something; from the third on nothing is new.
        elapsed_ms = runtime.run(2)[-1]
        bursts[name] = max(1, min(50, int(effort.burst_s * 1e3 / elapsed_ms)))
    began = perf_counter()
    for turn in range(effort.turns):
        if turn >= 3 and perf_counter() - began > effort.turns_s:
            break
        order = list(running)
        for name in order if turn % 2 == 0 else reversed(order):
            row["steady"].setdefault(name, []).append(running[name].run(bursts[name]))


def differences(theirs: Mapping[str, Array], ours: Mapping[str, Array]) -> dict[str, float] | str:
    """The largest difference of any output, and the largest over its output's largest value; or what keeps from that.

    >>> found = differences({"a:0": np.array([1.0, 4.0])}, {"a": np.array([1.0, 3.0])})
    >>> found["largest"], found["relative"]
    (1.0, 0.25)
    """
    by_name = {key.removesuffix(":0"): values for key, values in theirs.items()}
    largest = relative = 0.0
    for key, values in ours.items():
        other = by_name.get(key.removesuffix(":0"))
        if other is None:
            return f"no output {key}: {', '.join(by_name)}"
        if other.shape != values.shape:
            return f"output {key} is {list(other.shape)}, ours {list(values.shape)}"
        if values.size:
            off, scale = _largest_difference(values, other)
            largest = float(np.maximum(largest, off))
            relative = float(np.maximum(relative, off / scale if scale else off))
    return {"largest": largest, "relative": relative}


def _largest_difference(ours: Array, theirs: Array) -> tuple[float, float]:
    """The largest difference, NaN where one side alone is, and the largest finite value of theirs."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(off.max()), float(np.abs(b[np.isfinite(b)]).max(initial=0.0))


def chosen(names: str | None) -> list[Workload]:
    """The workloads with goals, then the others; or those that are named, ValueError for an unknown one."""
    known = {workload.name: workload for workload in workloads()}
    if names is None:
        return [known[name] for name in [*GOALS, *(name for name in known if name not in GOALS)] if name in known]
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"no model {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON and the report, and print it; what cannot run is named with its reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0].split(":")[0])
    parser.add_argument("--models", metavar="NAME,...", help="only these, in this order")
    parser.add_argument(
        "--peers",
        default="webgl,wasm,tensorflow,tflite,onnxruntime",
        metavar="NAME,...",
        help="webgl, wasm, cpu (slow, not among the defaults), tensorflow, tflite, onnxruntime",
    )
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="folder with node_modules (default .peers)")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has TensorFlow or ONNX Runtime")
    parser.add_argument("--quick", action="store_true", help="one cold and warm start and three turns of each model")
    parser.add_argument("--json", type=Path, default=RESULTS, help="file for the raw numbers")
    parser.add_argument("--output", type=Path, help="Markdown file whose part of this kind is replaced")
    options = parser.parse_args(arguments)
    names = options.peers.split(",")
    if unknown := set(names) - {*BROWSER_BACKENDS, *PYTHON_RUNTIMES}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    peers = Peers(names, options.packages, options.python)
    try:
        models = chosen(options.models)
    except ValueError as error:
        parser.error(str(error))
    missing = peers.missing()
    for name, reason in missing.items():
        print(f"{name}: left out, {reason}", file=sys.stderr)
    peers = replace(peers, names=[name for name in names if name not in missing])
    effort = QUICK if options.quick else Effort()
    load_before, began = list(os.getloadavg()), perf_counter()
    rows = []
    with tempfile.TemporaryDirectory(prefix="tfgl-bench-") as scratch:
        for workload in models:
            print(f"{workload.name} ...", end=" ", file=sys.stderr, flush=True)
            start = perf_counter()
            try:
                rows.append(compare(workload, Path(scratch), peers, effort))
            except KeyboardInterrupt:
                print("interrupted: the report is of the models before it", file=sys.stderr)
                break
            print(f"{perf_counter() - start:.0f} s", file=sys.stderr)
    machine = pytest_benchmark_generate_machine_info()
    del machine["node"]  # the name of the host belongs into no result
    results = {
        "comparison": rows,
        "missing": missing,
        "effort": asdict(effort),
        "elapsed_s": perf_counter() - began,
        "machine_info": {**machine, "tfgl": of_tfgl(_device(rows), load_before, _versions(rows))},
        "commit_info": get_commit_info(),
        "datetime": datetime.now(timezone.utc).isoformat(),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return report.main([str(options.json), *(["--output", str(options.output)] if options.output else [])])


def _device(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    details: dict[str, Any] = next((row["details"][OURS] for row in rows if OURS in row["details"]), {})
    return {name: details[name] for name in ("renderer", "driver", "flavour") if name in details}


def _versions(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What runtimes said of themselves, by name."""
    versions: dict[str, str] = {}
    for row in rows:
        for details in row["details"].values():
            versions |= details.get("versions", {})
    return versions


if __name__ == "__main__":
    sys.exit(main())
