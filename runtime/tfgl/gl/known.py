"""The programs that a model needed before, kept on disk, so that a later process builds them while it loads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfgl_shaders.assembly import Input, Parameter, Source, Step

from .cache import ModelFiles

PROGRAMS_LIMIT = 256
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)?")


@dataclass(frozen=True, slots=True)
class KnownProgram:
    """A program and the parameter block of the draw that first ran it."""

    source: Source
    parameters: bytes


class KnownPrograms:
    """Lists of programs by model, for one driver.

    A list is a hint: one that is damaged, or has another form, counts as absent,
    and building what a model does not need in the end only takes time.

    >>> import tempfile
    >>> known = KnownPrograms("driver", Path(tempfile.mkdtemp()))
    >>> known.load("model")
    []
    >>> relu = Source("elementwise", (Input("a", "float", access="same"),), "float", defines=(("EXPRESSION", "a"),))
    >>> known.store("model", [KnownProgram(relu, bytes(16))])
    >>> known.load("model")[0].source == relu
    True
    """

    def __init__(self, driver: str, directory: Path | None = None) -> None:
        self._files = ModelFiles(driver, directory)

    def load(self, model: str) -> list[KnownProgram]:
        """The programs that ``model``, a text that tells it from others, needed; none where that is not known."""
        data = self._files.load(model)
        if data is None:
            return []
        try:
            return [_from_json(row) for row in _list(json.loads(data))[:PROGRAMS_LIMIT]]
        except (ValueError, TypeError, KeyError, RecursionError):
            return []

    def store(self, model: str, programs: Iterable[KnownProgram]) -> None:
        """Keep the list of ``model``, in place of one kept before; the first `PROGRAMS_LIMIT` of it."""
        rows = [_to_json(program) for program in list(programs)[:PROGRAMS_LIMIT]]
        self._files.store(model, json.dumps(rows, separators=(",", ":")).encode())


def _to_json(program: KnownProgram) -> dict[str, Any]:
    source = program.source
    return {
        "body": source.body,
        "inputs": [[i.name, i.kind, i.layout, i.access, i.storage] for i in source.inputs],
        "kind": source.kind,
        "layout": source.layout,
        "parameters": [[p.name, p.type, p.count] for p in source.parameters],
        "defines": [list(define) for define in source.defines],
        "steps": [[s.expression, s.running, [list(pair) for pair in s.operands], s.includes] for s in source.steps],
        "block": program.parameters.hex(),
    }


def _from_json(row: Mapping[str, Any]) -> KnownProgram:
    source = Source(
        _file(row["body"]),
        tuple(
            Input(_text(name), _kind(kind), _one_of(layout, "flat", "tiles"),
                  _one_of(access, "", "same", "scalar", "channels", "broadcast"), _one_of(storage, "", "half", "byte"))
            for name, kind, layout, access, storage in _list(row["inputs"])
        ),
        _kind(row["kind"]),
        _one_of(row["layout"], "flat", "tiles"),
        tuple(Parameter(_text(name), _kind(kind), _count(count)) for name, kind, count in _list(row["parameters"])),
        tuple(_define(define) for define in _list(row["defines"])),
        (),
        tuple(
            Step(_text(expression), _text(running), tuple(map(_pair, _list(operands))), _files(includes))
            for expression, running, operands, includes in _list(row["steps"])
        ),
    )  # fmt: skip
    block = bytes.fromhex(_text(row["block"]))
    words = sum(parameter.slots for parameter in source.parameters)
    if len(block) != max(1, -(-words // 4)) * 16:
        raise ValueError("the block does not fit the parameters")
    return KnownProgram(source, block)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is missing")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _file(value: Any) -> str:
    """The name of a shader file, which leads nowhere else."""
    if not _NAME.fullmatch(_text(value)):
        raise ValueError(f"{value!r} names no shader")
    return _text(value)


def _files(value: Any) -> str:
    return " ".join(map(_file, _text(value).split()))


def _define(value: Any) -> tuple[str, str]:
    name, text = _pair(value)
    return name, _files(text) if name == "INCLUDES" else text


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 1024:
        raise ValueError("a count is missing")
    return value


def _pair(value: Any) -> tuple[str, str]:
    first, second = _list(value)
    return _text(first), _text(second)


def _one_of(value: Any, *allowed: str) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {allowed}")
    return value


def _kind(value: Any) -> Any:
    return _one_of(value, "float", "int")

