"""The flags of the converter in one table: the parser, the help, and the commands that the wizard prints."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NoReturn

from .options import INPUT_FORMATS, OUTPUT_FORMATS, SHARD_BYTES, Options, listed

# text: one value; list: values between commas; truth: true or false, true without a value; switch: takes no value;
# patterns: wildcards between commas, everything without a value; bytes: a positive number; files: key:path,key:path.
Kind = Literal["text", "list", "truth", "switch", "patterns", "bytes", "files"]
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0", "")
_OPTIONS = frozenset(field.name for field in fields(Options))


@dataclass(frozen=True)
class Flag:
    """One flag: its name, which is that of a field of Options where there is one, and what it takes."""

    name: str
    kind: Kind
    group: str
    text: str
    default: Any = None
    choices: Sequence[str] | None = None
    metavar: str | None = None
    short: str | None = None

    @property
    def written(self) -> str:
        """The flag as it is typed.

        >>> Flag("quiet", "switch", "", "").written
        '--quiet'
        """
        return f"--{self.name}"

    @property
    def value_is_optional(self) -> bool:
        """Whether the flag may stand with and without a value."""
        return self.kind in ("truth", "patterns") or self.name == "passes"

    def add_to(self, parser: argparse._ArgumentGroup) -> None:
        """Add the flag to a parser's group."""
        names = [self.written, *([self.short] if self.short else [])]
        help_text = self.text + ("" if self.default is None or self.kind == "switch" else "; default: %(default)s")
        if self.kind == "switch":
            parser.add_argument(*names, action="store_true", help=help_text)
        elif self.value_is_optional:
            parser.add_argument(
                *names, nargs="?", const=True if self.kind in ("truth", "patterns") else "", default=self.default,
                type=_boolean if self.kind == "truth" else str, metavar=self.metavar, help=help_text,
            )  # fmt: skip
        else:
            parser.add_argument(
                *names, default=self.default, type=_positive if self.kind == "bytes" else str,
                choices=self.choices, metavar=self.metavar, help=help_text,
            )  # fmt: skip

    def option_of(self, value: Any) -> Any:
        """The option's value from what the parser gives; ValueError says what is wrong."""
        if self.kind == "list":
            return value if value is None else listed(value)
        if self.kind == "patterns":
            return listed(value) or True if isinstance(value, str) else bool(value)
        if self.kind == "files":
            return _files(value or "")
        return value

    def written_with(self, value: Any) -> str:
        """The flag with a value, as one word of a command.

        >>> Flag("control_flow_v2", "truth", "", "").written_with(False)
        '--control_flow_v2=False'
        >>> Flag("quantize_uint8", "patterns", "", "").written_with(["a/*", "b"])
        '--quantize_uint8=a/*,b'
        """
        if self.kind == "switch" or (self.kind == "patterns" and value is True):
            return self.written
        if isinstance(value, Mapping):
            value = [f"{key}:{path}" for key, path in value.items()]
        return f"{self.written}={','.join(value) if isinstance(value, (list, tuple)) else value}"


_MODELS, _GRAPHS, _WEIGHTS, _OUTPUT = "models", "graphs", "weights", "what is printed and kept"
FLAGS: tuple[Flag, ...] = (
    Flag("input_format", "text", _MODELS, "what input_path is", "tf_saved_model", INPUT_FORMATS),
    Flag("output_format", "text", _MODELS, "what to write; default: what fits the input format", None, OUTPUT_FORMATS),
    Flag("signature_name", "text", _MODELS, "the signature to convert; default: serving_default, for TF Hub default",
         metavar="NAME"),
    Flag("saved_model_tags", "list", _MODELS, "the tags of the graph to convert; default: serve; empty for none",
         metavar="TAG,TAG"),
    Flag("output_node_names", "list", _MODELS, "what a tf_frozen_model returns", metavar="NODE,NODE"),
    Flag("custom_objects", "list", _MODELS,
         "layer classes of your own to trust: each module is imported from the current folder or the Python path, and "
         "runs; the class says by a static method tfjs_ops(call) which ops the layer is, or is a Keras layer where "
         "Keras and TensorFlow are installed", metavar="MODULE:CLASS,MODULE:CLASS"),
    Flag("strip_debug_ops", "truth", _GRAPHS, "remove Assert, Print and CheckNumerics", True, metavar="BOOL"),
    Flag("use_structured_outputs_names", "truth", _GRAPHS, "return a dictionary keyed as the exported function's",
         False, metavar="BOOL"),
    Flag("control_flow_v2", "truth", _GRAPHS, "keep While and If instead of Switch and Merge", False, metavar="BOOL"),
    Flag("skip_op_check", "switch", _GRAPHS, "write ops that TensorFlow.js lacks, too"),
    Flag("experiments", "truth", _GRAPHS, "taken for the original's sake; it steers an optimizer that is not used here",
         False, metavar="BOOL"),
    Flag("passes", "list", _GRAPHS, "list the graph rewrites and exit, or run only these and the necessary ones",
         metavar="NAME,NAME"),
    *(Flag(f"quantize_{dtype}", "patterns", _WEIGHTS,
           f"store float32 weights as {dtype}: all, or those whose names match a wildcard", metavar="PATTERN,PATTERN")
      for dtype in ("float16", "uint8", "uint16")),
    Flag("quantization_bytes", "text", _WEIGHTS, "deprecated: 1 is --quantize_uint8, 2 --quantize_uint16", None,
         ("1", "2")),
    Flag("weight_shard_size_bytes", "bytes", _WEIGHTS, "the most that a file of weights may weigh", SHARD_BYTES,
         metavar="N"),
    Flag("split_weights_by_layer", "switch", _WEIGHTS, "a group of weights for each layer of a layers model"),
    Flag("metadata", "files", _OUTPUT, "JSON files to keep in userDefinedMetadata", metavar="KEY:PATH,KEY:PATH"),
    Flag("no_record", "switch", _OUTPUT, "do not write conversion.json, which says what became of each node"),
    Flag("json", "switch", _OUTPUT, "print the report as JSON on stdout, and nothing else there"),
    Flag("quiet", "switch", _OUTPUT, "print errors only"),
    Flag("debug", "switch", _OUTPUT, "print a traceback after an error"),
    Flag("version", "switch", _OUTPUT, "show versions and exit", short="-v"),
)  # fmt: skip
_BY_NAME = {flag.written: flag for flag in FLAGS}


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line on stderr and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def make_parser(prog: str = "tensorflowjs_converter") -> argparse.ArgumentParser:
    """The parser of all flags; its error is one line and exit status 2.

    >>> make_parser().parse_args(["--input_format=keras", "a b.h5", "out"]).input_path
    'a b.h5'
    """
    parser = OneLineParser(
        prog=prog, allow_abbrev=False, description="Converts a trained model into a TensorFlow.js model, or back.",
        epilog="Exit status: 0, 1 after a failure, 2 for wrong usage.",
    )  # fmt: skip
    parser.add_argument("input_path", nargs="?", help="a SavedModel's folder, an HDF5 or .keras file, a frozen .pb, a "
                        ".tflite file, a model.json or its folder, or the handle of a TF Hub module")  # fmt: skip
    parser.add_argument("output_path", nargs="?", help="the folder that takes model.json and the weights; a file for "
                        "Keras models")  # fmt: skip
    groups: dict[str, argparse._ArgumentGroup] = {}
    for flag in FLAGS:
        if flag.group not in groups:
            groups[flag.group] = parser.add_argument_group(flag.group)
        flag.add_to(groups[flag.group])
    return parser


def options_of(given: argparse.Namespace) -> dict[str, Any]:
    """The options of a conversion, by the names of Options, from parsed flags. Raises ValueError for wrong ones.

    >>> options_of(make_parser().parse_args(["--metadata=a:x,y.json,b:z", "in", "out"]))["metadata"]
    {'a': 'x,y.json', 'b': 'z'}
    """
    options: dict[str, Any] = {}
    for flag in FLAGS:
        value = getattr(given, flag.name)
        if flag.name in _OPTIONS and value is not None:
            options[flag.name] = flag.option_of(value)
    options["record"] = not given.no_record
    if given.quantization_bytes is not None:
        if any(options.get(f"quantize_{dtype}") for dtype in ("float16", "uint8", "uint16")):
            raise ValueError("--quantization_bytes cannot stand together with --quantize_float16, _uint8 or _uint16")
        options["quantize_uint8" if given.quantization_bytes == "1" else "quantize_uint16"] = True
    return options


def command_of(
    input_path: str, output_path: str, options: Mapping[str, Any], prog: str = "tensorflowjs_converter"
) -> str:
    """The command that converts with these options, quoted for a shell.

    What has its default is left out, the format of the input excepted.

    >>> command_of("a b.h5", "out", {"input_format": "keras", "quantize_uint8": True, "skip_op_check": False})
    "tensorflowjs_converter --input_format=keras --quantize_uint8 'a b.h5' out"
    """
    defaults = {**vars(Options()), "no_record": False}
    given = {**options, "no_record": not options.get("record", True)}
    words = [prog]
    for flag in FLAGS:
        differs = flag.name in defaults and given.get(flag.name, defaults[flag.name]) != defaults[flag.name]
        if differs or (flag.name == "input_format" and flag.name in given):
            words.append(flag.written_with(given[flag.name]))
    paths = [input_path, output_path]
    if any(path.startswith("-") for path in paths):
        words.append("--")
    return shlex.join([*words, *paths])


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
        flag = _BY_NAME.get(word)
        if not word.startswith("-") or word == "-":
            words.append(word)
        elif flag is None or flag.kind == "switch" or not waiting:
            flags.append(word)
        elif flag.kind == "truth":
            flags.append(f"{word}={waiting.pop(0)}" if waiting[0].lower() in (*_TRUE, *_FALSE) else word)
        elif flag.value_is_optional:
            if not waiting[0].startswith("-"):
                open_flags.append((len(flags), len(words)))
            flags.append(word)
        else:
            # A value may begin with a dash, and argparse would take it for a flag.
            flags.append(f"{word}={waiting.pop(0)}")
    taken: list[int] = []
    for position, at in open_flags:
        if len(words) - len(taken) > 2:
            flags[position] += f"={words[at]}"
            taken.append(at)
    paths = [word for at, word in enumerate(words) if at not in taken]
    if any(path.startswith("-") for path in paths):
        return [*flags, "--", *paths]
    return [*paths, *flags]


def _files(text: str) -> dict[str, str]:
    """Paths by key; a piece without a colon belongs to the path before it, as paths may have commas."""
    found: dict[str, str] = {}
    last = ""
    for piece in text.split(","):
        key, colon, path = piece.partition(":")
        if not colon and last:
            found[last] += f",{piece}"
        elif colon and key.strip() and path.strip():
            last = key.strip()
            found[last] = path.strip()
        elif piece.strip():
            raise ValueError(f"--metadata: {piece.strip()!r} is not key:path")
    return found


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
