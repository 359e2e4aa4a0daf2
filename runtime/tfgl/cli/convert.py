"""``tfgl convert``: the flags, the work and the report of ``tensorflowjs_converter``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .command import Settings, with_settings

_DEVICE_NOTE = "--device, --gl and --dispatch are taken as every command takes them; converting opens no device.\n"


class ConverterCommand(click.Command):
    """Hands what it does not know to the converter's own parser, which has the one list of its flags."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Take the options that all commands have; everything from ``--`` on is the converter's."""
        end = arguments.index("--") if "--" in arguments else len(arguments)
        rest = arguments[end:]
        super().parse_args(context, arguments[:end])
        context.params["arguments"] = (*context.params.get("arguments", ()), *rest)
        return []

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The help of the converter's parser."""
        from tfgl_converter.flags import make_parser

        formatter.write(make_parser(context.command_path).format_help())
        formatter.write(_DEVICE_NOTE)


@click.command(
    cls=ConverterCommand,
    context_settings={"ignore_unknown_options": True},
    short_help="Convert a trained model into a TensorFlow.js model, or back.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_settings
def convert(settings: Settings, arguments: Sequence[str]) -> None:
    """Convert a trained model into a TensorFlow.js model, or back; the options are tensorflowjs_converter's."""
    from tfgl_converter.cli import main

    given: dict[str, Any] = {"--json": settings.as_json, "--quiet": settings.quiet, "--debug": settings.debug}
    flags = [flag for flag, wanted in given.items() if wanted]
    status = main([*flags, *arguments], prog="tfgl convert")
    if status:
        raise click.exceptions.Exit(status)
