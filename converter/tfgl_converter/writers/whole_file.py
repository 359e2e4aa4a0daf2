"""A file that appears complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfgl.errors import InvalidArgumentError


@contextmanager
def whole_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``target``, renamed to it when the block ends well and removed when it does not.

    Raises InvalidArgumentError when ``target`` is a folder, OSError when the disk refuses.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "a.txt") as path:
    ...         _ = path.write_text("whole")
    ...     os.listdir(folder)
    ['a.txt']
    """
    final = Path(os.fspath(target))
    if final.is_dir():
        raise InvalidArgumentError(f"{final} is a folder; expected the path of a file to write")
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{final.name}-", dir=final.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        # mkstemp closes its file to everyone else; a model is no secret.
        mask = os.umask(0)
        os.umask(mask)
        scratch.chmod(0o666 & ~mask)
        os.replace(scratch, final)
    finally:
        scratch.unlink(missing_ok=True)
