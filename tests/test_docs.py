"""What is written is true: commands exist, files stay readable, nothing names a particular machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
LONGEST_FILE = 600  # lines; tables of data may be longer
DATA = re.compile(r"\.(json|txt|csv|md|bin|npz|png|jpg)$|^LICENSE$|/(?:tables?|table_\w+|\w+_table)\.py$")
# Folders where one machine keeps things, and the hosts that packages come from.
PRIVATE = re.compile(
    r"(?<![\w.$}/-])/(?:work|root|home|Users|opt|mnt)/\w|\b(?:extra-)?index-url\b|\bPIP_INDEX_URL\b"
    r"|https?://(?:pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org)|https?://\d+\.\d+\.\d+\.\d+:\d+/simple"
)


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Files under version control, or everything in a tree without it (an unpacked archive)."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        skipped = {".venv", ".git", "build", "dist"}
        paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return [path.as_posix() for path in paths if not skipped & set(path.parts)]
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def text_of(name: str) -> str | None:
    """A file's text; None for one that is not text."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_commands_exist(document: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", (ROOT / document).read_text(encoding="utf-8")))
    code = set(re.findall(r"[`\n ]make ([a-z][a-z-]*)", "\n".join(code_in(document))))
    assert code, "names no make command"
    assert code & named <= make_targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    """Paths in backticks that start with one of our folders are there."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    spans = re.findall(r"`([\w./-]+/[\w./-]*)`", (ROOT / document).read_text(encoding="utf-8"))
    ours = [span for span in spans if span.split("/")[0] in folders]
    assert ours
    assert [span for span in ours if not (ROOT / span).exists()] == []


def test_tfgl_commands_exist() -> None:
    from tfgl.cli import main

    named = set(re.findall(r"^\s*(?:\.venv/bin/)?tfgl ([a-z]+)", "\n".join(code_in("README.md")), re.M))
    assert {"run", "inspect", "doctor", "ops", "bench", "cache"} <= named
    assert named <= set(main.commands)


def code_in(document: str) -> list[str]:
    """Fenced blocks and spans of code in a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    return blocks + re.findall(r"`[^`\n]+`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def test_changelog_has_unreleased() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert headings
    assert headings[0] == "[Unreleased]"


def test_no_file_names_this_machine(tracked: list[str]) -> None:
    found = []
    for name in tracked:
        text = text_of(name)
        if text is None or name == "tests/test_docs.py":
            continue
        found += [
            f"{name}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), 1)
            if PRIVATE.search(line) and "package-lock" not in name
        ]
    assert found == []


def test_files_are_short(tracked: list[str]) -> None:
    long = {}
    for name in tracked:
        text = None if DATA.search(name) else text_of(name)
        if text is not None and text.count("\n") > LONGEST_FILE:
            long[name] = text.count("\n")
    assert long == {}


def test_names_say_what_a_file_holds(tracked: list[str]) -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
    # Whole names: common_subexpressions says what it holds.
    assert [name for name in tracked if empty & set(re.split(r"[/.]", name))] == []
