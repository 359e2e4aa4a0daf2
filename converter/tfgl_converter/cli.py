"""``tensorflowjs_converter``, with the flags of the original; nothing here loads what only a conversion needs."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from .dispatch import Conversion

_INPUTS = (
    "keras", "keras_saved_model", "keras_keras", "tf_saved_model", "tf_hub", "tfjs_layers_model", "tfjs_graph_model",
    "tf_frozen_model",
)  # fmt: skip
_OUTPUTS = ("keras", "keras_saved_model", "keras_keras", "tfjs_layers_model", "tfjs_graph_model")
_QUANTIZE = ("--quantize_float16", "--quantize_uint8", "--quantize_uint16")
_BOOLEANS = ("--strip_debug_ops", "--use_structured_outputs_names", "--control_flow_v2", "--experiments")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0", "")
_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def make_parser(prog: str = "tensorflowjs_converter") -> argparse.ArgumentParser:
    """The parser of all flags.

    >>> make_parser().parse_args(["--input_format=keras", "a b.h5", "out"]).input_path
    'a b.h5'
    """
    parser = _Parser(
        prog=prog, allow_abbrev=False, description="Converts a trained model into a TensorFlow.js model, or back.",
        epilog="Exit status: 0, 1 after a failure, 2 for wrong usage.",
    )  # fmt: skip
    add = parser.add_argument
    add("input_path", nargs="?", help="a SavedModel's folder, an HDF5 or .keras file, a frozen .pb, a model.json, "
        "or the handle of a TF Hub module")  # fmt: skip
    add("output_path", nargs="?", help="the folder that takes model.json and the weights; a file for Keras models")
    add("--input_format", choices=_INPUTS, default="tf_saved_model", help="default: %(default)s")
    add("--output_format", choices=_OUTPUTS, help="default: what fits the input format")
    add("--signature_name", help="the signature to convert; default: serving_default, for TF Hub default")
    add(
        "--saved_model_tags", metavar="TAG,TAG", help="the tags of the graph to convert; default: serve; empty for none"
    )
    for flag in _QUANTIZE:
        add(flag, nargs="?", const=True, default=False, metavar="PATTERN,PATTERN",
            help=f"store weights as {flag[11:]}: all, or those whose names match a pattern")  # fmt: skip
    add("--quantization_bytes", type=int, choices=(1, 2), help="deprecated: 1 is --quantize_uint8, 2 --quantize_uint16")
    add("--split_weights_by_layer", action="store_true", help="a group of weights for each layer")
    add("--version", "-v", action="store_true", help="show versions and exit")
    add("--skip_op_check", action="store_true", help="write ops that TensorFlow.js lacks, too")
    for flag, default, text in (
        ("--strip_debug_ops", True, "remove Assert, Print and CheckNumerics"),
        ("--use_structured_outputs_names", False, "return a dictionary keyed as the exported function's"),
        ("--control_flow_v2", False, "keep While and If instead of Switch and Merge"),
        ("--experiments", False, "accepted for the original's sake; does nothing"),
    ):
        add(
            flag,
            type=_boolean,
            nargs="?",
            const=True,
            default=default,
            metavar="BOOL",
            help=f"{text}; default: {default}",
        )
    add("--weight_shard_size_bytes", type=_positive, default=4 << 20, metavar="N", help="default: %(default)s")
    add("--output_node_names", metavar="NODE,NODE", help="what a tf_frozen_model returns")
    add("--metadata", metavar="KEY:PATH,KEY:PATH", help="JSON files to keep in userDefinedMetadata")
    add(
        "--passes", nargs="?", const="", metavar="NAME,NAME", help="list the graph rewrites and exit, or run only these"
    )
    add("--no_record", action="store_true", help="do not write conversion.json")
    add("--quiet", action="store_true", help="print errors only")
    add("--debug", action="store_true", help="print a traceback after an error")
    return parser


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of bytes")
    return value


def settle_optional_values(arguments: Sequence[str]) -> list[str]:
    """The arguments with every flag whose value is optional joined to its value by ``=``, or to none.

    A word behind such a flag is its value only while two words are left for the paths, and behind a truth value's
    flag only when it is one.

    >>> settle_optional_values(["--quantize_uint8", "in", "out"])
    ['in', 'out', '--quantize_uint8']
    >>> settle_optional_values(["--quantize_uint8", "conv*", "in", "out"])
    ['in', 'out', '--quantize_uint8=conv*']
    """
    words: list[str] = []
    flags: list[str] = []
    open_flags: list[tuple[int, int]] = []  # (position in flags, position in words of what follows)
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            words += waiting
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
        elif word in _QUANTIZE:
            if waiting and not waiting[0].startswith("-"):
                open_flags.append((len(flags), len(words)))
            flags.append(word)
        elif word in _BOOLEANS and waiting and waiting[0].lower() in (*_TRUE, *_FALSE):
            flags.append(f"{word}={waiting.pop(0)}")
        elif word in _VALUED and waiting:
            # A value may begin with a dash, and argparse would take it for a flag.
            flags.append(f"{word}={waiting.pop(0)}")
        else:
            flags.append(word)
    taken: list[int] = []
    for flag, at in open_flags:
        if len(words) - len(taken) > 2:
            flags[flag] += f"={words[at]}"
            taken.append(at)
    paths = [word for at, word in enumerate(words) if at not in taken]
    if any(path.startswith("-") for path in paths):
        return [*flags, "--", *paths]
    return [*paths, *flags]


_VALUED = (
    "--input_format", "--output_format", "--signature_name", "--saved_model_tags", "--quantization_bytes",
    "--weight_shard_size_bytes", "--output_node_names", "--metadata",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None, prog: str = "tensorflowjs_converter") -> int:
    """Run the command; its exit status: 0, 1 after a failure, 2 for wrong usage."""
    parser = make_parser(prog)
    try:
        given = parser.parse_args(settle_optional_values(sys.argv[1:] if arguments is None else arguments))
        if given.version:
            print(_versions())
            return 0
        if given.passes == "":
            from .passes import PASSES

            for name, run in PASSES.items():
                print(f"{name:24}{_summary(run.__doc__ or '')}")
            return 0
        options = _options(parser, given)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    try:
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


def _options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, Any]:
    if given.input_path is None:
        parser.error("Missing input_path argument")
    if given.output_path is None:
        parser.error("Missing output_path argument")
    names = (
        "input_format", "output_format", "signature_name", "split_weights_by_layer", "skip_op_check",
        "strip_debug_ops", "use_structured_outputs_names", "control_flow_v2", "weight_shard_size_bytes",
    )  # fmt: skip
    options = {name: getattr(given, name) for name in names}
    for flag in _QUANTIZE:
        value = getattr(given, flag[2:])
        options[flag[2:]] = _listed(value) or True if isinstance(value, str) else value
    if given.quantization_bytes is not None:
        if any(options[flag[2:]] for flag in _QUANTIZE):
            parser.error("--quantization_bytes cannot stand together with --quantize_float16, _uint8 or _uint16")
        print(
            f"{parser.prog}: --quantization_bytes is deprecated, use --quantize_uint8 or --quantize_uint16",
            file=sys.stderr,
        )
        options["quantize_uint8" if given.quantization_bytes == 1 else "quantize_uint16"] = True
    options["saved_model_tags"] = None if given.saved_model_tags is None else _listed(given.saved_model_tags)
    options["output_node_names"] = _listed(given.output_node_names or "")
    options["passes"] = None if given.passes is None else _listed(given.passes)
    options["record"] = not given.no_record
    options["metadata"] = {}
    for entry in _listed(given.metadata or ""):
        key, colon, path = entry.partition(":")
        if not colon or not key or not path:
            parser.error(f"--metadata: {entry!r} is not key:path")
        options["metadata"][key] = path
    return options


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _convert(given: argparse.Namespace, options: dict[str, Any]) -> int:
    from time import perf_counter

    from .dispatch import convert

    start = perf_counter()
    terminal = sys.stderr.isatty() and not given.quiet

    def progress(text: str) -> None:
        if terminal:
            print(f"\r\x1b[K{text} ...", end="", file=sys.stderr, flush=True)

    try:
        done = convert(given.input_path, given.output_path, progress=progress, **options)
    finally:
        if terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for text in done.warnings:
        print(f"warning: {_one_line(text)}", file=sys.stderr)
    if not given.quiet:
        _report(done, perf_counter() - start)
    return 0


def _report(done: Conversion, seconds: float) -> None:
    for kind, infos in (("input", done.inputs), ("output", done.outputs)):
        for key, (dtype, shape) in infos.items():
            sizes = "any shape" if shape is None else f"[{', '.join('?' if n < 0 else str(n) for n in shape)}]"
            print(f"{kind:7}{_one_line(key)}  {dtype} {sizes}")
    if done.ops:
        common = ", ".join(f"{op} {count}" for op, count in sorted(done.ops.items(), key=lambda x: (-x[1], x[0]))[:8])
        print(f"nodes  {sum(done.ops.values())}: {common}{', ...' if len(done.ops) > 8 else ''}")
    if done.record is not None:
        print(f"passes {_passes(done)}")
    if done.weights is not None and done.weights.quantized:
        print(f"{'weight':44} {'stored as':>9} {'bytes saved':>12} {'largest error':>14}")
        for weight in done.weights.quantized:
            name = _one_line(weight.name)
            print(f"{name:44} {weight.dtype:>9} {weight.bytes_saved:>12} {weight.largest_error:>14.3g}")
    total = sum(done.files.values())
    print(f"wrote  {done.path}: {len(done.files)} file{'' if len(done.files) == 1 else 's'}, {total} bytes, "
          f"{seconds:.1f} s")  # fmt: skip


def _passes(done: Conversion) -> str:
    assert done.record is not None
    changed: dict[str, int] = {}
    for step in done.record.steps:
        changed[step.name] = changed.get(step.name, 0) + step.changed
    first, last = done.record.steps[0], done.record.steps[-1]
    listed = ", ".join(f"{name} {count}" for name, count in changed.items() if count)
    return f"{first.nodes_before} nodes became {last.nodes_after}: {listed or 'nothing to do'}"


def _summary(text: str) -> str:
    return text.strip().splitlines()[0].removeprefix("The graph ").rstrip(".") if text.strip() else ""


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    lines = []
    for name in ("tfgl", "numpy", "protobuf", "h5py", "flatbuffers"):
        try:
            lines.append((name, version(name)))
        except PackageNotFoundError:
            from tfgl import __version__

            lines.append((name, __version__ if name == "tfgl" else "not installed"))
    rest = "\n".join(f"  {name} {number}" for name, number in lines[1:])
    return f"tensorflowjs_converter of tfgl {lines[0][1]}, for TensorFlow.js 4.22.0\n\nDependency versions:\n{rest}"


def _message(error: Exception) -> str:
    from tfgl.errors import TfglError

    if isinstance(error, (TfglError, OSError)):
        return _one_line(str(error))
    if isinstance(error, MemoryError):
        return "out of memory"
    kind = type(error).__name__
    return _one_line(f"internal error, {kind}: {error}; --debug shows where, please report it")


def _one_line(text: str) -> str:
    # Names in a model are strangers' and reach the terminal.
    flat = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in flat)


def run() -> NoReturn:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
