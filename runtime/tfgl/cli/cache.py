"""``tfgl cache``: the program cache on disk."""

from __future__ import annotations

from typing import Any

import click

from ..tables import bytes_text
from .command import Failure, Settings, print_json, with_settings


@click.group(short_help="Show or empty the program cache.")
def cache() -> None:
    """The program cache on disk: what lies there, and how to empty it.

    TFGL_CACHE_DIR moves it, TFGL_CACHE=0 turns it off.
    """


@cache.command()
@with_settings
def info(settings: Settings) -> None:
    """Folder, number and size of the programs kept."""
    from ..flags import flags
    from ..gl.cache import cache_info

    found = cache_info()
    report: dict[str, Any] = {
        "directory": found.directory,
        "programs": found.programs,
        "bytes": found.bytes,
        "models": found.models,
        "devices": found.devices,
        "enabled": flags.program_cache,
    }
    if settings.as_json:
        print_json(report)
        return
    state = "" if flags.program_cache else " (turned off by TFGL_CACHE)"
    click.echo(f"{found.directory}: {found.programs} programs, {bytes_text(found.bytes)}{state}")


@cache.command()
@with_settings
def clear(settings: Settings) -> None:
    """Delete every program kept, and nothing else."""
    from ..gl.cache import cache_info, clear_cache

    before = clear_cache()
    left = cache_info()
    if settings.as_json:
        removed = {"programs": before.programs - left.programs, "bytes": before.bytes - left.bytes}
        print_json({"directory": before.directory, "removed": removed, "left": left.programs})
    else:
        click.echo(f"{before.directory}: deleted {before.programs - left.programs} programs, "
                   f"{bytes_text(before.bytes - left.bytes)}")  # fmt: skip
    if left.programs:
        raise Failure(f"{left.programs} programs in {left.directory} could not be deleted; are they yours?")
