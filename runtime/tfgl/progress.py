"""A progress bar on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(label: str, shown: bool | None = None) -> Iterator[Callable[[float], None]]:
    """A function that takes the fraction done, from 0 to 1; it draws on stderr.

    ``shown`` None: only when stderr is a terminal.

    >>> with progress_bar("loading", False) as advance:
    ...     advance(0.5)
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)
