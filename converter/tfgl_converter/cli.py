"""``tensorflowjs_converter``: flags to a conversion, its report, exit codes; loads nothing that only one needs."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from .flags import make_parser, options_of, settle_optional_values

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, prog: str = "tensorflowjs_converter") -> int:
    """Run the command; its exit status: 0, 1 after a failure, 2 for wrong usage.

    >>> main(["--input_format=keras"])
    2
    """
    parser = make_parser(prog)
    try:
        given = parser.parse_args(settle_optional_values(sys.argv[1:] if arguments is None else arguments))
        if given.version:
            print(_versions())
            return 0
        if given.passes == "":
            print(_pass_list())
            return 0
        for name in ("input_path", "output_path"):
            if getattr(given, name) is None:
                parser.error(f"Missing {name} argument")
        try:
            options = options_of(given)
        except ValueError as error:
            parser.error(str(error))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    except BrokenPipeError:
        return 1
    return _guarded(given, options, prog)


def _guarded(given: argparse.Namespace, options: dict[str, Any], prog: str) -> int:
    """The conversion, every error of it as one line."""
    from tfgl.errors import InvalidArgumentError

    from .dispatch import checked_request

    try:
        try:
            checked_request(given.input_path, given.output_path, options)
        except InvalidArgumentError as error:
            if given.debug:
                traceback.print_exc()
            print(f"{prog}: {_message(error)}; see {prog} --help", file=sys.stderr)
            return 2
        if given.quantization_bytes is not None and not given.quiet:
            print(
                f"{prog}: --quantization_bytes is deprecated, use --quantize_uint8 or --quantize_uint16",
                file=sys.stderr,
            )
        return _convert(given, options)
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception as error:
        if given.debug:
            traceback.print_exc()
        print(f"{prog}: {_message(error)}", file=sys.stderr)
        return 1


def _convert(given: argparse.Namespace, options: dict[str, Any]) -> int:
    from time import perf_counter

    from tfgl.tables import one_line

    from .dispatch import convert
    from .progress import stage_display
    from .report import print_report, report_json

    start = perf_counter()
    with stage_display(False if given.quiet else None) as begin:
        done = convert(given.input_path, given.output_path, progress=None if given.quiet else begin, **options)
    seconds = perf_counter() - start
    for text in () if given.quiet else done.warnings:
        print(f"warning: {one_line(text)}", file=sys.stderr)
    if given.json:
        import json

        print(json.dumps(report_json(done, seconds), indent=2))
    elif not given.quiet:
        print_report(done, seconds)
    return 0


def _pass_list() -> str:
    from .passes import PASSES
    from .passes.pipeline import REQUIRED

    lines = []
    for name, run in PASSES.items():
        summary = (run.__doc__ or "").strip().split("\n")[0].removeprefix("The graph ").rstrip(".")
        lines.append(f"{name:24}{summary}{' (always runs)' if name in REQUIRED else ''}")
    return "\n".join(lines)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from .version import COMPATIBLE_WITH

    lines = []
    for name in ("tfgl", "numpy", "protobuf", "h5py", "flatbuffers"):
        try:
            lines.append((name, version(name)))
        except PackageNotFoundError:
            from tfgl import __version__

            lines.append((name, __version__ if name == "tfgl" else "not installed"))
    rest = "\n".join(f"  {name} {number}" for name, number in lines[1:])
    first = f"tensorflowjs {COMPATIBLE_WITH}, as tfgl {lines[0][1]} has it"
    return f"{first}\n\nDependency versions:\n{rest}"


def _message(error: Exception) -> str:
    from tfgl.errors import TfglError
    from tfgl.tables import one_line

    if isinstance(error, (TfglError, OSError)):
        return one_line(str(error))
    if isinstance(error, MemoryError):
        return "out of memory"
    return one_line(f"internal error, {type(error).__name__}: {error}; --debug shows where, please report it")


def run() -> NoReturn:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
