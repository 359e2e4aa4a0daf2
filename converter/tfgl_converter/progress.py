"""What a conversion is at: a line with a spinner on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def stage_display(shown: bool | None = None) -> Iterator[Callable[[str], None]]:
    """A function that takes the name of each stage as it begins; the line on stderr vanishes at the end.

    ``shown`` None: only when stderr is a terminal.

    >>> with stage_display(False) as begin:
    ...     begin("reading")
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield lambda text: None
        return
    display: list[Progress] = []

    def begin(text: str) -> None:
        # Opened by the first stage: before it a download may draw its own bar.
        if not display:
            display.append(_opened())
        for task in display[0].task_ids:
            display[0].remove_task(task)
        display[0].add_task(text, total=None)

    try:
        yield begin
    finally:
        for progress in display:
            progress.stop()


def _opened() -> Progress:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.start()
    return progress
