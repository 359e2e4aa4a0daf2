"""Progress of the programs that a first inference compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ..engine import Engine
from ..progress import progress_bar

CompileReport: TypeAlias = Callable[[int, int], None]
"""Gets how many programs are compiled, and how many are known to be needed."""


@contextmanager
def compile_progress(engine: Engine, progress: bool | CompileReport | None = None) -> Iterator[None]:
    """Follow the programs that ``engine`` compiles inside the block.

    ``progress`` shows a bar; None shows one on a terminal; a function is called with the counts in the bar's place.

    >>> import tfgl
    >>> with compile_progress(tfgl.engine.current(), progress=False):
    ...     tfgl.tensor([1.0]).numpy()
    array([1.], dtype=float32)
    """
    if callable(progress):
        with engine.programs.watched(progress):
            yield
        return
    with (
        progress_bar("compiling", progress) as advance,
        engine.programs.watched(lambda done, known: advance(done / known)),
    ):
        yield
