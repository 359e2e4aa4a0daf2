"""Markdown from what pytest-benchmark or compare.py wrote: `python bench/report.py FILE.json --output RESULTS.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import report_peers
from goals import CONVOLUTIONS_GFLOP_PER_S
from tables import cell, number, percentile, replaced, surroundings, table

Row = Mapping[str, Any]

RESNET50 = "convolutions of ResNet50"


def markdown(results: Mapping[str, Any]) -> str:
    """The whole report: where it was measured, models, kernels, what is missing and why."""
    rows: list[Row] = results.get("benchmarks", [])
    sections = [
        "# Benchmarks",
        "Made by `make bench`. Times in milliseconds.",
        surroundings(results),
        "## Models",
        "Cold and warm: load + first inference of a fresh process on local files, the context open, until all outputs "
        "are on the host; cold with our cache and the driver's empty, warm with both filled by a process before. "
        "Steady: later inferences, inputs on the host to outputs on the host. Compile: link and first draw of all "
        "programs in the cold process. CPU: processor time of all threads for one steady inference, which other work "
        "on the machine changes less than the clock. Textures and MB: all that the steady process created, "
        "weights included.",
        models_table(rows),
        "## Kernels",
        "The draws of a kernel as a replay runs them, until the device has finished: inputs on the device, weights "
        "packed. Call: the same through run_kernel, which decides and binds anew. GB/s: every input and output once. "
        "Programs and their compilation: all that the row needs, conversions of layouts and packing of weights "
        "included. Sequences are small graphs, replayed as models are.",
        *filter(None, [speeds(rows)]),
        kernels_table(rows),
    ]
    missing = results.get("missing", [])
    if missing:
        listed = "\n".join(f"- {cell(row['name'])}: {row['outcome']}, {row['reason']}" for row in missing)
        sections += ["## Not measured", listed]
    return "\n\n".join(sections) + "\n"


def models_table(rows: Iterable[Row]) -> str:
    """One line a model: cold, warm, steady, their ratios and what was created."""
    by_model: dict[str, dict[str, Row]] = {}
    for row in rows:
        info = row["extra_info"]
        if "phase" in info:
            by_model.setdefault(info["model"], {})[info["phase"]] = row
    fresh = ("cold", "load + first", "warm", "load + first")
    ratios = ("cold ÷ steady", "warm ÷ steady")
    counts = ("draws", "programs", "compile", "textures", "MB")
    head = ("model", *fresh, "steady", "p5", "p95", "CPU", *ratios, *counts)
    lines = []
    for model, phases in by_model.items():
        cold, warm, steady = (phases.get(name) for name in ("cold", "warm", "steady"))
        cold_ms, warm_ms, steady_ms = map(_median_ms, (cold, warm, steady))
        of_cold = cold["extra_info"] if cold else {}
        of_steady = steady["extra_info"] if steady else {}
        counted = of_steady or of_cold
        created = of_steady.get("texture_bytes")
        lines.append(
            [
                model,
                number(cold_ms),
                _parts(cold),
                number(warm_ms),
                _parts(warm),
                number(steady_ms),
                *(number(_percentile_ms(steady, percent)) for percent in (5, 95)),
                number(of_steady.get("cpu_ms")),
                number(_ratio(cold_ms, steady_ms)),
                number(_ratio(warm_ms, steady_ms)),
                str(counted.get("draws", "")),
                str(counted.get("programs", "")),
                number(of_cold.get("compile_ms")),
                str(of_steady.get("textures", "")),
                number(created / 1e6 if created is not None else None),
            ]
        )
    return table(head, lines, texts=1)


def kernels_table(rows: Iterable[Row]) -> str:
    """One line a kernel at one size: time, rates, draws, programs."""
    head = ("group", "case", "kernel", "median", "p5", "p95", "CPU", "GFLOP/s", "GB/s")
    lines = []
    for row in rows:
        info = row["extra_info"]
        if "kernel" not in info:
            continue
        lines.append(
            [
                row["group"] or "",
                info["label"],
                info["kernel"],
                number(_median_ms(row)),
                *(number(_percentile_ms(row, percent)) for percent in (5, 95)),
                number(info.get("cpu_ms")),
                number(info.get("gflop_per_s")),
                number(info.get("gb_per_s")),
                number(info.get("call_ms")),
                str(info.get("draws", "")),
                str(info["programs"]),
                number(info["compile_ms"]),
            ]
        )
    return table((*head, "call", "draws", "programs", "compile"), lines, texts=3)


def speeds(rows: Iterable[Row]) -> str:
    """Geometric means of the GFLOP/s of ResNet50's convolutions, by the window that labels begin with; "" without."""
    by_window: dict[str, list[float]] = {}
    for row in rows:
        speed = row["extra_info"].get("gflop_per_s")
        if row["group"] == RESNET50 and speed:
            by_window.setdefault(row["extra_info"]["label"].partition(",")[0], []).append(speed)
    meant = [speed for window in ("1x1", "3x3") for speed in by_window.get(window, [])]
    if not meant:
        return ""
    parts = ", ".join(f"{window} {number(geometric_mean(found))}" for window, found in sorted(by_window.items()))
    return (
        f"Geometric mean over ResNet50's {len(meant)} distinct 1x1 and 3x3 convolutions: "
        f"**{number(geometric_mean(meant))} GFLOP/s** ({parts}); the goal on two cores is {CONVOLUTIONS_GFLOP_PER_S}."
    )


def _median_ms(row: Row | None) -> float | None:
    return None if row is None else row["stats"]["median"] * 1e3


def _percentile_ms(row: Row | None, percent: float) -> float | None:
    return None if row is None else percentile(row["stats"]["data"], percent) * 1e3


def _parts(row: Row | None) -> str:
    if row is None:
        return ""
    info = row["extra_info"]
    return f"{number(info['load_ms'])} + {number(info['first_ms'])}"


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report and write it; 0 also when nothing was measured, with the old report left as it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("results", type=Path, help="what --benchmark-json or compare.py wrote")
    parser.add_argument("--output", type=Path, help="Markdown file; what it holds of the other kind stays")
    options = parser.parse_args(arguments)
    if not options.results.exists():
        print("no row was measured; the report stays as it is", file=sys.stderr)
        return 0
    results = json.loads(options.results.read_text(encoding="utf-8"))
    text = report_peers.markdown(results) if "comparison" in results else markdown(results)
    print(text)
    if options.output is not None:
        old = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        options.output.write_text(replaced(old, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
