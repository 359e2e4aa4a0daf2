"""Markdown from what pytest-benchmark wrote: `python bench/report.py RESULTS.json --output RESULTS.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# A load of this much per core before the first row: something else was running.
_QUIET_LOAD = 0.25

Row = Mapping[str, Any]


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile between the two nearest values; ValueError for no values.

    >>> percentile([1.0, 2.0, 3.0, 5.0], 50)
    2.5
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


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
        "Until the device has finished, inputs on the device before. GB/s: every input and output once. Programs and "
        "their compilation: all that the row needs, conversions of layouts and packing of weights included.",
        kernels_table(rows),
    ]
    missing = results.get("missing", [])
    if missing:
        listed = "\n".join(f"- {_cell(row['name'])}: {row['outcome']}, {row['reason']}" for row in missing)
        sections += ["## Not measured", listed]
    return "\n\n".join(sections) + "\n"


def surroundings(results: Mapping[str, Any]) -> str:
    """Machine, driver, load, date and versions as a list; says so when the machine was busy."""
    machine = results.get("machine_info", {})
    ours = machine.get("tfgl", {})
    cores = ours.get("cores") or machine.get("cpu", {}).get("count") or 1
    before, after = ours.get("load_before"), ours.get("load_after")
    versions = {"Python": machine.get("python_version", "?"), **ours.get("versions", {})}
    origin = results.get("commit_info", {})
    commit = f", commit {origin['id'][:10]}" if origin.get("id") else ""
    if commit and origin.get("dirty"):
        commit += " with changes"
    processor = machine.get("cpu", {}).get("brand_raw", "unknown CPU")
    driver = f"{ours.get('renderer', 'none')}, {ours.get('driver', '?')}"
    lines = [
        f"- machine: {processor}, {cores} cores, {ours.get('system', '?')}",
        f"- driver: {driver}; flavour of the accessors: {ours.get('flavour', '?')}",
        f"- date: {str(results.get('datetime', '?'))[:16]} UTC{commit}",
        "- versions: " + ", ".join(f"{name} {text}" for name, text in versions.items()),
    ]
    if before and after:
        loads = f"{_loads(before)} before, {_loads(after)} after"
        lines.append(f"- load average: {loads} (1, 5, 15 minutes; the benchmarks' own is in the latter)")
    if before and max(before[:2]) > _QUIET_LOAD * cores:
        lines.append("- **measured under load**: other work ran before the first row; read the figures as upper bounds")
    return "\n".join(lines)


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
                _number(cold_ms),
                _parts(cold),
                _number(warm_ms),
                _parts(warm),
                _number(steady_ms),
                *(_number(_percentile_ms(steady, percent)) for percent in (5, 95)),
                _number(of_steady.get("cpu_ms")),
                _number(_ratio(cold_ms, steady_ms)),
                _number(_ratio(warm_ms, steady_ms)),
                str(counted.get("draws", "")),
                str(counted.get("programs", "")),
                _number(of_cold.get("compile_ms")),
                str(of_steady.get("textures", "")),
                _number(created / 1e6 if created is not None else None),
            ]
        )
    return _table(head, lines, texts=1)


def kernels_table(rows: Iterable[Row]) -> str:
    """One line a kernel at one size: time, rates, programs."""
    head = ("group", "case", "kernel", "median", "p5", "p95", "CPU", "GFLOP/s", "GB/s", "programs", "compile")
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
                _number(_median_ms(row)),
                *(_number(_percentile_ms(row, percent)) for percent in (5, 95)),
                _number(info.get("cpu_ms")),
                _number(info.get("gflop_per_s")),
                _number(info.get("gb_per_s")),
                str(info["programs"]),
                _number(info["compile_ms"]),
            ]
        )
    return _table(head, lines, texts=3)


def _median_ms(row: Row | None) -> float | None:
    return None if row is None else row["stats"]["median"] * 1e3


def _percentile_ms(row: Row | None, percent: float) -> float | None:
    return None if row is None else percentile(row["stats"]["data"], percent) * 1e3


def _parts(row: Row | None) -> str:
    if row is None:
        return ""
    info = row["extra_info"]
    return f"{_number(info['load_ms'])} + {_number(info['first_ms'])}"


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def _number(value: float | None) -> str:
    """Three significant digits, without exponents; nothing for None."""
    if value is None:
        return ""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{decimals}f}"


def _loads(loads: Sequence[float]) -> str:
    return " ".join(f"{load:.2f}" for load in loads)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], texts: int) -> str:
    """Markdown; the first ``texts`` columns are texts, the others numbers."""
    rules = ["---"] * texts + ["---:"] * (len(head) - texts)
    rows = [head, rules, *lines]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows) if len(rows) > 2 else "No rows."


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report and write it; 0 also when nothing was measured, with the old report left as it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("results", type=Path, help="what --benchmark-json wrote")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    if not options.results.exists():
        print("no row was measured; the report stays as it is", file=sys.stderr)
        return 0
    text = markdown(json.loads(options.results.read_text(encoding="utf-8")))
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
