"""Runs the official TensorFlow.js core specs and fails when one that passed before does not pass now.

The specs are not part of this repository: a folder beside it (``--suite``) holds the bridge that fetches and
runs them. Where that folder or Node is absent, the run is left out and says so.

    python tests/conformance/run.py                   compare with passing.txt
    python tests/conformance/run.py --update          rewrite passing.txt
    python tests/conformance/run.py --filter conv2d   only those specs
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PASSING = HERE / "passing.txt"
ADAPTER = ROOT / "tests" / "conformance_adapter.py"
SHOWN = 30


def spec_name(key: str) -> str:
    """A spec's key on one line, as passing.txt keeps it."""
    return " ".join(key.split())


def results(report: dict[str, Any]) -> dict[str, str]:
    """Status by name of every spec that called a kernel, or is said to have failed before it could."""
    failed = {spec_name(entry["key"]): entry["status"] for entry in report["failures"]}
    ran = {spec_name(entry["key"]): entry["status"] for entry in report["specs"] if entry["kernels"]}
    return failed | ran


def read_passing() -> set[str]:
    """The names in passing.txt; none when it does not exist yet."""
    if not PASSING.exists():
        return set()
    return set(PASSING.read_text(encoding="utf-8").splitlines())


def compare(kept: set[str], statuses: dict[str, str], partial: bool) -> tuple[list[str], list[str]]:
    """Names that passed and do not now, and names that pass for the first time, both sorted.

    A name that did not run at all counts as lost, unless the run was ``partial``.
    """
    lost = {name for name in kept if statuses.get(name, "passed" if partial else "absent") != "passed"}
    gained = {name for name, status in statuses.items() if status == "passed"} - kept
    return sorted(lost), sorted(gained)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; options that this program does not know go to the bridge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--suite", type=Path, default=ROOT.parent / "shared" / "conformance",
                        help="folder with the bridge's run.sh (default: ../shared/conformance)")
    parser.add_argument("--adapter", type=Path, default=ADAPTER, help="module that serves the kernels")
    parser.add_argument("--python", default=sys.executable, help="interpreter that imports tfgl")
    parser.add_argument("--update", action="store_true", help="rewrite passing.txt from this run")
    parser.add_argument("--require", action="store_true", help="fail where the specs cannot be run at all")
    parser.add_argument("--filter", default="", help="regular expression on a spec's full name")
    parser.add_argument("--kernel", default="", help="regular expression on the kernels that a spec runs")
    parser.add_argument("--json", type=Path, help="keep the bridge's full report here")
    parser.add_argument("--verbose", action="store_true", help="failures with their tracebacks")
    return parser.parse_args(arguments)


def absent(options: argparse.Namespace, reason: str) -> int:
    """Say why nothing ran; the exit code."""
    print(f"conformance: not run: {reason}")
    if options.require:
        print("0 passed, 1 failed")
    return 1 if options.require else 0


def run_bridge(options: argparse.Namespace, report_path: Path) -> int:
    """Run the specs, their report into ``report_path``; the bridge's exit code."""
    command = [
        str(options.suite / "run.sh"), "--adapter", str(options.adapter), "--python", options.python,
        "--json", str(report_path), "--leaks",
    ]
    for name in ("filter", "kernel"):
        if getattr(options, name):
            command += [f"--{name}", getattr(options, name)]
    if options.verbose:
        command.append("--verbose")
    roots = [str(ROOT / root) for root in ("runtime", "shaders", "converter")]
    path = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, report; 0 when no spec was lost."""
    options = parse(arguments)
    partial = bool(options.filter or options.kernel)
    if options.update and partial:
        print("conformance: --update needs a whole run, without --filter and --kernel", file=sys.stderr)
        return 2
    script = options.suite / "run.sh"
    if not script.is_file():
        return absent(options, "the folder with the official specs is not here")
    if shutil.which("node") is None:
        return absent(options, "node is not installed")
    if subprocess.run([str(script), "--setup"], check=False).returncode != 0:
        return absent(options, "the official specs could not be fetched and built")

    with tempfile.TemporaryDirectory() as scratch:
        report_path = options.json.resolve() if options.json else Path(scratch) / "report.json"
        report_path.unlink(missing_ok=True)
        code = run_bridge(options, report_path)
        if not report_path.is_file():
            print(f"conformance: the bridge ended with exit code {code} and no report\n0 passed, 1 failed")
            return 1
        report = json.loads(report_path.read_text(encoding="utf-8"))

    statuses = results(report)
    kept = read_passing()
    lost, gained = compare(kept, statuses, partial)
    if options.update:
        names = sorted(name for name, status in statuses.items() if status == "passed")
        PASSING.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        print(f"conformance: passing.txt has {len(names)} specs now ({len(gained)} new, {len(lost)} gone)")
        return 0
    messages = {spec_name(entry["key"]): entry for entry in report["failures"]}
    for name in lost[:SHOWN]:
        said = [*messages.get(name, {}).get("messages", []), *messages.get(name, {}).get("errors", [])]
        print(f"LOST {name}: {statuses.get(name, 'did not run')}: {said[0][:300] if said else ''}")
    if len(lost) > SHOWN:
        print(f"... and {len(lost) - SHOWN} more")
    for failure in report["suite_failures"]:
        print(f"FAILED around the specs: {failure[:300]}")
    if gained:
        print(f"conformance: {len(gained)} more specs pass than passing.txt lists; --update keeps them")
    failed = len(lost) + len(report["suite_failures"])
    left = (report.get("bridge") or {}).get("left_over")
    passed = sum(status == "passed" for status in statuses.values())
    print(f"conformance: {len(kept)} specs must pass, {len(statuses)} ran; left over: {left}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
