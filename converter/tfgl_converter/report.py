"""What a conversion did, as tables for people and as JSON for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tfgl.tables import bytes_text, make_table, one_line, shape_text

if TYPE_CHECKING:
    from rich.table import Table

    from .dispatch import Conversion
    from .read_back import TensorSpec

_PIPED_WIDTH = 160  # columns of a table that goes to a file or a pipe
_SHOWN_OPS = 12


def print_report(done: Conversion, seconds: float) -> None:
    """Print the tables of a conversion on stdout: passes, quantised weights, the model, its files."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    for table in (_passes(done), _quantized(done)):
        if table is not None:
            console.print(table)
            console.print()
    for line in summary_lines(done, seconds):
        console.print(line, soft_wrap=True)


def summary_lines(done: Conversion, seconds: float) -> list[str]:
    """The model that was written, its files, and that they were read back."""
    lines = [f"{'input':8}{spec}" for spec in _ends(done.inputs)]
    lines += [f"{'output':8}{spec}" for spec in _ends(done.outputs)]
    graph = done.output_format == "tfjs_graph_model"
    if done.ops:
        ranked = sorted(done.ops.items(), key=lambda item: (-item[1], item[0]))
        common = ", ".join(f"{one_line(op)} {count}" for op, count in ranked[:_SHOWN_OPS])
        more = ", ..." if len(ranked) > _SHOWN_OPS else ""
        lines.append(f"{'ops' if graph else 'layers':8}{sum(done.ops.values())}: {common}{more}")
    if done.weights is not None:
        lines.append(f"{'weights':8}{done.weights.count}: {bytes_text(_shard_bytes(done))}")
    parts = "graph" if graph else "layers"
    agree = f"{parts}, manifest and shards agree" if done.weights is not None else "every weight is there"
    lines.append(f"{'checked':8}read back: {agree}")
    total = sum(done.files.values())
    lines.append(
        f"{'wrote':8}{one_line(str(done.path))}: {_counted(len(done.files), 'file')}, {bytes_text(total)}, "
        f"{seconds:.1f} s"
    )
    return lines


def report_json(done: Conversion, seconds: float) -> dict[str, Any]:
    """The same as an object of JSON."""
    report: dict[str, Any] = {
        "path": str(done.path),
        "input_format": done.input_format,
        "output_format": done.output_format,
        "inputs": {key: _spec_json(spec) for key, spec in done.inputs.items()},
        "outputs": {key: _spec_json(spec) for key, spec in done.outputs.items()},
        "ops": dict(sorted(done.ops.items())),
        "files": done.files,
        "bytes": sum(done.files.values()),
        "checked": True,
        "warnings": done.warnings,
        "seconds": round(seconds, 3),
    }
    if done.record is not None:
        report["passes"] = done.record.to_json()["passes"]
    if done.weights is not None:
        report["weights"] = {
            "count": done.weights.count,
            "bytes": _shard_bytes(done),
            "quantized": [
                {
                    "name": weight.name, "dtype": weight.dtype, "bytes_saved": weight.bytes_saved,
                    "largest_error": weight.largest_error,
                }
                for weight in done.weights.quantized
            ],
        }  # fmt: skip
    return report


def _passes(done: Conversion) -> Table | None:
    """What each pass did, all its runs together; those that changed nothing are left out."""
    if done.record is None or not done.record.steps:
        return None
    steps = done.record.steps
    changed: dict[str, int] = {}
    removed: dict[str, int] = {}
    for step in steps:
        changed[step.name] = changed.get(step.name, 0) + step.changed
        removed[step.name] = removed.get(step.name, 0) + step.nodes_before - step.nodes_after
    rows = [(name, count, f"{-removed[name]:+d}" if removed[name] else "") for name, count in changed.items()
            if count or removed[name]]  # fmt: skip
    title = f"{_counted(steps[0].nodes_before, 'node')} became {steps[-1].nodes_after}"
    return make_table(title, ("pass", "changes", "nodes"), rows, right=("changes", "nodes"))


def _quantized(done: Conversion) -> Table | None:
    if done.weights is None or not done.weights.quantized:
        return None
    weights = done.weights.quantized
    rows = [(w.name, w.dtype, w.bytes_saved, f"{w.largest_error:.3g}") for w in weights]
    saved, before = sum(w.bytes_saved for w in weights), sum(w.bytes_before for w in weights)
    worst = max(w.largest_error for w in weights)
    total = (_counted(len(weights), "weight"), "", saved, f"{worst:.3g}")
    title = f"quantised: {bytes_text(before)} became {bytes_text(before - saved)}"
    columns = ("weight", "stored as", "bytes saved", "largest error")
    return make_table(title, columns, rows, right=columns[2:], total=total)


def _ends(specs: dict[str, TensorSpec]) -> list[str]:
    texts = []
    for key, (dtype, shape) in specs.items():
        sizes = "" if shape is None else shape_text(shape)
        texts.append("  ".join(part for part in (one_line(key), f"{dtype or ''} {sizes}".strip()) if part))
    return texts


def _spec_json(spec: TensorSpec) -> dict[str, Any]:
    dtype, shape = spec
    return {"dtype": dtype, "shape": None if shape is None else list(shape)}


def _shard_bytes(done: Conversion) -> int:
    return sum(size for name, size in done.files.items() if name.endswith(".bin"))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
