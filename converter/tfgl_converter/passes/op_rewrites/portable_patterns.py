"""Regular expressions that mean the same to RE2, TensorFlow's engine, and to JavaScript's, TensorFlow.js'.

TensorFlow.js turns the text of an attribute into small letters, reads bytes beyond ASCII as the platform likes, and
sees a character beyond U+FFFF as two; what is written here bears all of that.
"""

from __future__ import annotations

import re

_LOWER_OR_DIGIT = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_ ")
_CLASSES = {
    "d": "0-9",
    "w": "0-9\\x41-\\x5a_a-z",
    "s": "\\t\\n\\f\\r ",
}
_POSIX = {
    "alnum": "0-9\\x41-\\x5aa-z",
    "alpha": "\\x41-\\x5aa-z",
    "blank": "\\t ",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
    "space": "\\t-\\r ",
    "upper": "\\x41-\\x5a",
    "word": "0-9\\x41-\\x5a_a-z",
    "xdigit": "0-9\\x41-\\x46a-f",
}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}
_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_NAMED = re.compile(r"\?P?<\w+>")


class _NotPortableError(Exception):
    """The pattern has something that the two engines read differently."""


def portable(pattern: bytes) -> bytes | None:
    r"""``pattern``, which RE2 takes, in a form that both engines match alike; None where there may be none.

    Both prefer the leftmost match and, of several, what stands first. Left out are flags, Unicode classes,
    characters beyond U+00FF, and what may match one half of a character beyond U+FFFF.

    >>> portable(rb"[A-F]+\S*")
    b'[\\x41-\\x46]+[^\\t\\n\\f\\r ]*'
    >>> portable(rb"(?i)a") is None
    True
    """
    try:
        return _Reader(pattern.decode()).alternatives().encode()
    except (UnicodeDecodeError, _NotPortableError):
        return None


def _character(code: int) -> str:
    """A character by itself, or by its number."""
    if code > 0xFF:
        raise _NotPortableError
    return chr(code) if code in _LOWER_OR_DIGIT else f"\\x{code:02x}"


class _Reader:
    """Reads a pattern from left to right and writes the portable one."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def alternatives(self) -> str:
        out = ""
        while self.at < len(self.text):
            out += self._piece()
        return out

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise _NotPortableError
        self.at += 1
        return self.text[self.at - 1]

    def _piece(self) -> str:
        character = self._next()
        if character == "|" or character == ")":
            return character
        if character == "(":
            return self._open()
        if character in "^$":
            return self._place(character)
        if character in "*+?{":
            # What repeats was read with what it repeats, but for a group's end and a brace that means itself.
            self.at -= 1
            repeat = self._repeat()
            if not repeat:
                raise _NotPortableError
            return repeat
        if character == "[":
            return self._class()
        if character == ".":
            return self._wide("[^\\n]")
        if character == "\\":
            return self._escape()
        return _character(ord(character)) + self._repeat()

    def _repeat(self) -> str:
        found = _REPEAT.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _place(self, written: str) -> str:
        """A place between characters, which JavaScript does not repeat."""
        if self._repeat():
            raise _NotPortableError
        return written

    def _wide(self, written: str) -> str:
        """A class with characters of two halves: alike only where it takes as many as there are."""
        repeat = self._repeat()
        if repeat[:1] not in ("*", "+"):
            raise _NotPortableError
        return written + repeat

    def _open(self) -> str:
        if not self.text.startswith("?", self.at):
            return "("
        if self.text.startswith("?:", self.at):
            self.at += 2
            return "(?:"
        named = _NAMED.match(self.text, self.at)
        if named is None:
            raise _NotPortableError
        self.at = named.end()
        return "("

    def _escape(self) -> str:
        character = self._next()
        if character in _CLASSES:
            return f"[{_CLASSES[character]}]{self._repeat()}"
        if character.lower() in _CLASSES:
            return self._wide(f"[^{_CLASSES[character.lower()]}]")
        if character in "bAz":
            return self._place({"b": "\\b", "A": "^", "z": "$"}[character])
        self.at -= 1
        return _character(self._code()) + self._repeat()

    def _code(self) -> int:
        """The character behind a backslash."""
        character = self._next()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "x":
            found = re.compile(r"\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2})").match(self.text, self.at)
            if found is None:
                raise _NotPortableError
            self.at = found.end()
            return int(found[1] or found[2], 16)
        if character.isalnum():
            raise _NotPortableError
        return ord(character)

    def _class(self) -> str:
        negated = self.text.startswith("^", self.at)
        self.at += negated
        items = ""
        first = True
        while first or not self.text.startswith("]", self.at):
            items += self._item()
            first = False
        self.at += 1
        written = f"[{'^' if negated else ''}{items}]"
        return self._wide(written) if negated else written + self._repeat()

    def _item(self) -> str:
        """A character, a range or a named class."""
        posix = re.compile(r"\[:(\w+):\]").match(self.text, self.at)
        if posix:
            if posix[1] not in _POSIX:
                raise _NotPortableError
            self.at = posix.end()
            return _POSIX[posix[1]]
        if self.text.startswith("\\", self.at) and self.text[self.at + 1 : self.at + 2] in _CLASSES:
            self.at += 2
            return _CLASSES[self.text[self.at - 1]]
        begin = self._member()
        if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            return f"{_character(begin)}-{_character(self._member())}"
        return _character(begin)

    def _member(self) -> int:
        character = self._next()
        return self._code() if character == "\\" else ord(character)
