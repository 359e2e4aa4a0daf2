"""Regular expressions of strangers: RE2, the engine of TensorFlow itself, whose time is linear in the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from .registry import Array
from .string_arrays import check_bytes, strings, texts_of


def compiled(pattern: bytes) -> Any:
    """The compiled RE2 pattern; InvalidArgumentError for one that RE2 does not take, or finds too large.

    >>> compiled(b"a+").search(b"caat").span()
    (1, 3)
    """
    try:
        import re2
    except ImportError:
        raise InvalidArgumentError("regular expressions need the package google-re2: pip install google-re2") from None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise InvalidArgumentError(
            f"Invalid pattern: {pattern.decode('utf-8', 'replace')!r}, error: {reason}"
        ) from None


def replace(pattern: Any, rewrite: bytes, text: bytes, *, every: bool) -> bytes:
    r"""``text`` with the first match, or every one, replaced as RE2's Replace and GlobalReplace do.

    In ``rewrite`` a backslash with a digit is a group, 0 the whole match, and two are a backslash. A rewrite that
    names a group that is not there, or has another escape, replaces nothing, or with ``every`` is cut there. One
    match takes time linear in the text, so that many matches may take its square.

    >>> replace(compiled(b"(a)(b)?"), rb"[\1]", b"ab a", every=True)
    b'[a] [a]'
    """
    pieces, valid = _template(rewrite)
    if any(isinstance(piece, int) and piece > pattern.groups for piece in pieces) or not (valid or every):
        return text
    out: list[bytes] = []
    at, end_before, made = 0, -1, 0
    while at <= len(text):
        match = pattern.search(text, at)
        if match is None:
            break
        begin, end = match.span()
        out.append(text[at:begin])
        if begin == end == end_before:
            # An empty match right behind another does not count; one character goes by.
            step = _character(text, at)
            out.append(text[at : at + step])
            at += max(step, 1)
            continue
        new = b"".join(piece if isinstance(piece, bytes) else match.group(piece) or b"" for piece in pieces)
        made += len(new)
        check_bytes(made)
        out.append(new)
        at = end_before = end
        if not every:
            break
    out.append(text[at:])
    return b"".join(out)


def replaced(x: Array, pattern: bytes, rewrite: bytes, *, every: bool) -> Array:
    """`replace` in each string of a tensor.

    >>> replaced(np.array([b"a  b"], object), b" +", b" ", every=True).tolist()
    [b'a b']
    """
    wanted = compiled(pattern)
    return strings((replace(wanted, rewrite, text, every=every) for text in texts_of(x)), x.shape)


def full_matches(x: Array, pattern: bytes) -> Array:
    """Which strings ``pattern`` matches from end to end, bools of the shape of ``x``.

    >>> full_matches(np.array([b"ab", b"abc"], object), b"a.").tolist()
    [True, False]
    """
    wanted = compiled(pattern)
    return np.array([wanted.fullmatch(text) is not None for text in texts_of(x)], np.bool_).reshape(x.shape)


def _template(rewrite: bytes) -> tuple[Sequence[bytes | int], bool]:
    """Bytes and numbers of groups, up to an escape that is none; and whether there is no such."""
    pieces: list[bytes | int] = []
    head, *rest = rewrite.split(b"\\")
    pieces.append(head)
    while rest:
        piece = rest.pop(0)
        if piece[:1].isdigit():
            pieces += [int(piece[:1]), piece[1:]]
        elif not piece and rest:
            pieces.append(b"\\" + rest.pop(0))
        else:
            return pieces, False
    return pieces, True


def _character(text: bytes, at: int) -> int:
    """Bytes of the UTF-8 character at ``at``; 1 where there is none, 0 at the end."""
    for size in range(1, 5):
        piece = text[at : at + size]
        if len(piece) == size and _is_character(piece):
            return size
    return min(1, len(text) - at)


def _is_character(piece: bytes) -> bool:
    try:
        return len(piece.decode()) == 1
    except UnicodeDecodeError:
        return False
