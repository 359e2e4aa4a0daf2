"""The report of compare.py: goals, parts of cold and warm starts, agreement, other runtimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from goals import GOALS, WARM_FIRST_OF_STEADY, WARM_TOTAL_OF_STEADY
from tables import cell, number, percentile, surroundings, table

Row = Mapping[str, Any]

NAMES = {
    "webgl": "WebGL",
    "wasm": "wasm",
    "cpu": "cpu in JavaScript",
    "tensorflow": "TensorFlow",
    "tflite": "TensorFlow Lite",
    "onnxruntime": "ONNX Runtime",
}


def markdown(results: Mapping[str, Any]) -> str:
    """The whole part: where it was measured, each table, what is missing and why."""
    rows: list[Row] = results["comparison"]
    sections = [
        "# Beside other runtimes",
        f"Made by `make bench-peers` in one run of {results.get('elapsed_s', 0) / 60:.0f} minutes, all runtimes of a "
        "model in turn. Times in milliseconds, medians. A ratio is the other runtime's time over ours in the same "
        "turn: median, and quartiles in brackets.",
        surroundings(results) + _renderers(rows),
        "Cold: load + first inference of a new process, from the call that loads the model (files local, context "
        "open, backend ready) to the outputs on the host; our cache and the driver's are empty folders "
        "(MESA_SHADER_CACHE_DIR), the browser's profile is new. Warm: the same in a later process with what the cold "
        "one left. Steady: later inferences, inputs from the host and outputs back to it each time. WebGL, wasm: the "
        "official TensorFlow.js in headless Chromium, WebGL through the same driver (ANGLE on EGL), wasm with SIMD and "
        "threads.",
        goals_table(rows),
        "## Cold and warm starts",
        f"Load + first inference. With warm caches, first ÷ steady is to be at most {WARM_FIRST_OF_STEADY} and "
        f"(load + first) ÷ steady at most {WARM_TOTAL_OF_STEADY}.",
        starts_table(rows),
        "## Steady, and agreement",
        "Largest difference of any output from ours, and the same over that output's largest value.",
        steady_table(rows),
    ]
    missing = [f"- {name}: {cell(reason)}" for name, reason in results.get("missing", {}).items()]
    missing += [f"- {row['model']}, {name}: {cell(text)}" for row in rows for name, text in row["missing"].items()]
    if missing:
        sections += ["## Not compared", "\n".join(missing)]
    return "\n\n".join(sections) + "\n"


def totals(row: Row, phase: str, runtime: str) -> list[float]:
    """Milliseconds of load and first inference together, of each start."""
    return [start["load_ms"] + start["first_ms"] for start in row[phase].get(runtime, [])]


def bursts(row: Row, runtime: str) -> list[float]:
    """The median time of each turn."""
    return [median(burst) for burst in row["steady"].get(runtime, [])]


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Their times over ours, pair by pair; a pair that one side lacks is left out.

    >>> ratios([2.0, 6.0, 5.0], [1.0, 2.0])
    [2.0, 3.0]
    """
    return [a / b for a, b in zip(theirs, ours, strict=False)]


def of_goals(row: Row) -> dict[str, list[float]]:
    """The paired ratios that goals are about."""
    return {
        "cold webgl": ratios(totals(row, "cold", "webgl"), totals(row, "cold", "ours")),
        "steady webgl": ratios(bursts(row, "webgl"), bursts(row, "ours")),
        "steady wasm": ratios(bursts(row, "wasm"), bursts(row, "ours")),
    }


def reached(row: Row) -> str:
    """Whether the model's goal is reached, by the medians; what is missed; nothing where no goal stands."""
    goal = GOALS.get(row["model"])
    if goal is None:
        return ""
    medians = {name: _median(values) for name, values in of_goals(row).items()}
    missed = goal.missed(medians, row["details"].get("ours", {}).get("programs"))
    return "not measured" if missed is None else f"no: {', '.join(missed)}" if missed else "yes"


def goals_table(rows: Iterable[Row]) -> str:
    """One line a model: the goal, cold and steady beside WebGL, steady beside wasm, programs, and the verdict."""
    cold = ("cold WebGL", "cold ours", "ratio")
    steady = ("steady WebGL", "steady ours", "ratio", "steady wasm", "ratio")
    programs = ("programs WebGL", "programs ours")
    lines = []
    for row in rows:
        found = of_goals(row)
        lines.append(
            [
                row["model"],
                str(GOALS.get(row["model"], "")),
                reached(row),
                *(number(_median(totals(row, "cold", runtime))) for runtime in ("webgl", "ours")),
                _spread(found["cold webgl"]),
                *(number(_median(bursts(row, runtime))) for runtime in ("webgl", "ours")),
                _spread(found["steady webgl"]),
                number(_median(bursts(row, "wasm"))),
                _spread(found["steady wasm"]),
                *(str(row["details"].get(runtime, {}).get("programs", "")) for runtime in ("webgl", "ours")),
            ]
        )
    return table(("model", "goal", "reached", *cold, *steady, *programs), lines, texts=3)


def starts_table(rows: Iterable[Row]) -> str:
    """One line a model: the parts of cold and warm starts on each side, and warm starts over steady ones."""
    sides = ("ours", "webgl", "wasm")
    head = [f"{phase} {NAMES.get(side, side)}" for phase in ("cold", "warm") for side in sides]
    lines = []
    for row in rows:
        steady = _median(bursts(row, "ours"))
        warm = row["warm"].get("ours", [])
        first = _median([start["first_ms"] for start in warm])
        lines.append(
            [
                row["model"],
                *(_parts(row[phase].get(side, [])) for phase in ("cold", "warm") for side in sides),
                _spread(ratios(totals(row, "warm", "webgl"), totals(row, "warm", "ours"))),
                _over(first, steady),
                _over(_median(totals(row, "warm", "ours")), steady),
            ]
        )
    head += ["warm WebGL ÷ ours", "warm first ÷ steady", "warm load + first ÷ steady"]
    return table(("model", *head), lines, texts=1)


def steady_table(rows: Iterable[Row]) -> str:
    """One line a model and other runtime: time, ratio and difference."""
    lines = []
    for row in rows:
        ours = bursts(row, "ours")
        for runtime in row["steady"]:
            if runtime == "ours":
                continue
            theirs = bursts(row, runtime)
            agreement = row["agreement"].get(runtime)
            shown = [agreement, ""] if isinstance(agreement, str) else ["", ""]
            if isinstance(agreement, Mapping):
                shown = [f"{agreement[name]:.1e}" for name in ("largest", "relative")]
            times = [number(_median(theirs)), number(_median(ours)), _spread(ratios(theirs, ours))]
            note = row["details"].get(runtime, {}).get("note")
            name = NAMES.get(runtime, runtime) + (f", {note}" if note else "")
            lines.append([row["model"], name, *times, *shown])
    return table(("model", "runtime", "theirs", "ours", "ratio", "difference", "relative"), lines, texts=2)


def _renderers(rows: Iterable[Row]) -> str:
    """What WebGL says it draws with, and the threads of wasm."""
    found: dict[str, None] = {}
    for row in rows:
        webgl, wasm = (row["details"].get(name, {}) for name in ("webgl", "wasm"))
        if webgl.get("renderer"):
            found[f"\n- WebGL draws with {webgl['renderer']}"] = None
        if wasm.get("threads"):
            found[f"\n- threads of wasm: {wasm['threads']}"] = None
    return "".join(found)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = (number(percentile(values, percent)) for percent in (25, 75))
    return f"{number(median(values))} [{low}, {high}]"


def _parts(starts: Sequence[Mapping[str, float]]) -> str:
    if not starts:
        return ""
    return " + ".join(number(median(start[part] for start in starts)) for part in ("load_ms", "first_ms"))


def _over(value: float | None, steady: float | None) -> str:
    return number(value / steady) if value is not None and steady else ""
