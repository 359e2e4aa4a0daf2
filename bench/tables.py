"""What all reports are made of: numbers, tables, surroundings, and a file of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A load of this much per core before the first row: something else was running.
_QUIET_LOAD = 0.25


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


def number(value: float | None) -> str:
    """Three significant digits, without exponents; nothing for None.

    >>> number(1234.5), number(1.5), number(None)
    ('1234', '1.50', '')
    """
    if value is None:
        return ""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{decimals}f}"


def cell(text: str) -> str:
    """Text that ends no cell of a table."""
    return text.replace("|", "\\|")


def table(head: Sequence[str], lines: Iterable[Sequence[str]], texts: int) -> str:
    """Markdown; the first ``texts`` columns are texts, the others numbers."""
    rules = ["---"] * texts + ["---:"] * (len(head) - texts)
    rows = [head, rules, *lines]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in rows) if len(rows) > 2 else "No rows."


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


def replaced(document: str, part: str) -> str:
    """The document with ``part`` in the place of the one under the same heading of the first level, or at its end.

    >>> replaced("# A\\n1\\n\\n# B\\n2\\n", "# A\\n3\\n")
    '# A\\n3\\n\\n# B\\n2\\n'
    """
    parts: list[str] = []
    for line in document.splitlines():
        if line.startswith("# ") or not parts:
            parts.append(line)
        else:
            parts[-1] += "\n" + line
    heading = part.splitlines()[0]
    found = [text.splitlines()[0] for text in parts]
    if heading in found:
        parts[found.index(heading)] = part
    else:
        parts.append(part)
    return "\n\n".join(text.strip("\n") for text in parts) + "\n"


def _loads(loads: Sequence[float]) -> str:
    return " ".join(f"{load:.2f}" for load in loads)
