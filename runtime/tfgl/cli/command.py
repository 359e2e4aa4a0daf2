"""What all commands share: their options, their errors, how they print.

Nothing here, and nothing that a command's module imports at its top, may load
drivers, models or tables: ``tfgl --version`` has to answer at once.
"""

from __future__ import annotations

import functools
import math
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import TfglError
from ..flags import FUSIONS, WEIGHTS_ON_GPU
from ..tables import make_table as make_table
from ..tables import one_line as one_line
from ..tables import printable as printable
from ..tables import shape_text as shape_text

if TYPE_CHECKING:
    from rich.table import Table

    from ..engine import Engine
    from ..flags import Flags

_INTERRUPTED = 130  # what shells expect of a program that SIGINT ended
_PIPED_WIDTH = 160  # columns of a table that goes to a file or a pipe
_DEVICE = re.compile(r"(auto|glfw|egl)|egl:(\d{1,4})")


class Failure(click.ClickException):
    """What was asked for could not be done: one line on stderr, exit 1."""

    exit_code = 1
    ctx: click.Context | None = None


class Program(click.Group):
    """The group of all commands; prints every error as one line."""

    def __init__(self, name: str, *, help: str, version: str, commands: Sequence[click.Command]) -> None:
        super().__init__(name, help=help, commands=commands, context_settings={"help_option_names": ["-h", "--help"]})
        click.version_option(version, "--version", prog_name=name, message="%(prog)s %(version)s")(self)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that the arguments name, then exit: 0, 1 after a failure, 2 for wrong usage."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            result = super().main(args, prog_name, complete_var, False, **extra)
        except click.ClickException as error:
            _report(error)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("tfgl: interrupted", err=True)
            sys.exit(_INTERRUPTED)
        sys.exit(result if isinstance(result, int) else 0)


def _report(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    where = context.command_path if isinstance(context, click.Context) else "tfgl"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    hint = f"; see {where} --help" if isinstance(error, click.UsageError) else ""
    click.echo(f"{where}: {one_line(error.format_message()).rstrip('.?')}{hint}", err=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that every command has."""

    device: str = "auto"
    gl: str | None = None
    dispatch: str | None = None
    no_fusion: tuple[str, ...] = ()
    weights_on_gpu: str | None = None
    as_json: bool = False
    quiet: bool = False
    debug: bool = False

    def flags(self) -> Flags:
        """The process's flags with what the options that change flags say."""
        from ..flags import flags

        changed: dict[str, Any] = {}
        if self.device != "auto":
            backend, _, index = self.device.partition(":")
            changed = {"backend": backend, "device_index": int(index) if index else None}
        if self.gl is not None:
            changed["gl_version"] = int(self.gl.replace(".", "")) * 10
        if self.dispatch is not None:
            changed["dispatch"] = self.dispatch
        if self.no_fusion:
            changed["fusions_off"] = frozenset(self.no_fusion)
        if self.weights_on_gpu is not None:
            changed["weights_on_gpu"] = self.weights_on_gpu
        return replace(flags, **changed)

    @contextmanager
    def engine(self, *, fresh: bool = False) -> Iterator[Engine]:
        """The engine that the options ask for, the thread's own inside the block.

        ``fresh`` opens a new one even where the thread has one that would do:
        nothing is compiled on it yet.
        """
        from .. import engine as engines
        from ..flags import flags as process_flags
        from ..gl.device import open_device

        flags = self.flags()
        if not fresh and flags == process_flags:
            yield engines.current()
            return
        made = engines.Engine(open_device(flags), flags)
        before = engines.use(made)
        try:
            yield made
        finally:
            engines.use(before)
            made.close()

    @property
    def progress(self) -> bool | None:
        """What loaders take as ``progress``: no bar when quiet, else one on a terminal."""
        return False if self.quiet else None

    def note(self, text: str) -> None:
        """Say something beside the result; on stderr, and nothing when quiet."""
        if not self.quiet:
            click.echo(printable(text), err=True)


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all have, and turn what it raises into exit codes."""

    @click.option("--device", default="auto", metavar="DEVICE", callback=_check_device, show_default=True,
                  help="auto, egl, egl:N (the EGL device of that index) or glfw.")  # fmt: skip
    @click.option("--gl", type=click.Choice(["3.3"]), default=None, help="Use nothing newer than OpenGL 3.3.")
    @click.option("--dispatch", type=click.Choice(["fragment", "compute"]), default=None,
                  help="Run programs as fragment shaders (the default) or as compute shaders.")  # fmt: skip
    @click.option("--no-fusion", multiple=True, metavar="NAME", type=click.Choice(tuple(FUSIONS)),
                  help=f"Leave out a fusion, as often as wanted: {', '.join(FUSIONS)}.")  # fmt: skip
    @click.option("--weights-on-gpu", type=click.Choice(WEIGHTS_ON_GPU), default=None,
                  help="How the device keeps filters and matrices: float16 rounds them and takes half the memory, "
                  "uint8 keeps those that a file stores so, auto is float16 on GPUs where values stay.")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else there.")
    @click.option("--quiet", is_flag=True, help="No messages and no progress on stderr but errors.")
    @click.option("--debug", is_flag=True, help="Print the traceback of an error.")
    @functools.wraps(function)
    def wrapped(
        *args: Any,
        device: str,
        gl: str | None,
        dispatch: str | None,
        no_fusion: tuple[str, ...],
        weights_on_gpu: str | None,
        as_json: bool,
        quiet: bool,
        debug: bool,
        **options: Any,
    ) -> None:
        settings = Settings(device, gl, dispatch, no_fusion, weights_on_gpu, as_json, quiet, debug)
        try:
            function(settings, *args, **options)
        except (click.exceptions.Exit, click.Abort, KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            shown = _as_click(error)
            if isinstance(shown, (Failure, click.UsageError)) and shown.ctx is None:
                shown.ctx = click.get_current_context(silent=True)  # names the command
            raise shown from error

    return wrapped


def _as_click(error: Exception) -> click.ClickException:
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, TfglError):
        return Failure(_head(str(error)))
    if isinstance(error, MemoryError):
        return Failure(f"out of memory: {error}" if str(error) else "out of memory")
    if isinstance(error, OSError):
        return Failure(str(error))
    return Failure(f"internal error, {type(error).__name__}: {error}; --debug shows where, please report it")


def _head(text: str) -> str:
    """The first line, and the next one where the first announces it: a driver's log may have hundreds."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) <= 1:
        return text
    head = " ".join(lines[: 2 if lines[0].rstrip().endswith(":") else 1])
    return f"{head} (--debug shows the rest)"


def _check_device(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is none of auto, egl, egl:N and glfw")
    return value


def existing_model(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Callback of MODEL arguments: a local path that does not exist is wrong usage, before anything is loaded."""
    import os

    for place in (value,) if isinstance(value, str) else value:
        if "://" not in place and not os.path.exists(os.path.expanduser(place)):
            raise click.BadParameter(f"there is no {place!r}; expected a folder, a model.json or an http(s) URL")
    return value


def print_json(value: object) -> None:
    """JSON on stdout; numbers that JSON lacks become the texts NaN, Infinity and -Infinity."""
    import json

    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def print_table(table: Table) -> None:
    """A rich table on stdout; wide where no terminal limits it."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)
