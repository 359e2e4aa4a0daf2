"""Tables and texts for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table


def printable(text: str) -> str:
    """``text`` with control characters spelled out: names in a model are strangers' and reach the terminal.

    >>> printable("conv\\x1b[2J")
    'conv\\\\x1b[2J'
    """
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def one_line(text: str) -> str:
    r"""``text`` without line breaks and control characters.

    >>> one_line("a\n  b")
    'a b'
    """
    return printable(" ".join(text.split()))


def make_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    right: Sequence[str] = (),
    total: Sequence[object] | None = None,
) -> Table:
    """A table of texts; the columns named in ``right`` hold numbers, ``total`` stands below a line.

    >>> make_table("sizes", ["name", "bytes"], [("w", 4)], right=["bytes"]).row_count
    1
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(title)) if title else None,
        title_justify="left",
        show_header=any(columns),
        show_footer=total is not None,
    )
    for column, sum_text in zip(columns, total or [""] * len(columns), strict=True):
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, Text(str(sum_text)), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    return table


def shape_text(shape: Sequence[int] | None) -> str:
    """A shape for people, ``?`` for free extents.

    >>> shape_text((-1, 8)), shape_text(None)
    ('[?, 8]', 'any shape')
    """
    if shape is None:
        return "any shape"
    return f"[{', '.join('?' if n < 0 else str(n) for n in shape)}]"


def bytes_text(count: int) -> str:
    """A count of bytes for people.

    >>> bytes_text(5_242_880)
    '5.0 MB'
    """
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
