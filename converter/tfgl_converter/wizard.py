"""``tensorflowjs_wizard``: asks for a model and the options that fit it, prints the command, and runs it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .flags import FLAGS, OneLineParser, command_of
from .options import INPUT_FORMATS, TARGETS, listed

if TYPE_CHECKING:
    from tfgl.ir.graph import Signature, TensorInfo

_INTERRUPTED = 130
_INPUTS = {
    "keras": "Keras HDF5 (.h5)",
    "keras_keras": "Keras 3 (.keras)",
    "keras_saved_model": "Keras SavedModel",
    "tf_saved_model": "TensorFlow SavedModel",
    "tf_hub": "TF Hub module",
    "tf_frozen_model": "TensorFlow frozen graph (.pb)",
    "tfjs_layers_model": "TensorFlow.js layers model",
    "tfjs_graph_model": "TensorFlow.js graph model",
    "tflite": "TensorFlow Lite (.tflite)",
}
_OUTPUTS = {
    "tfjs_graph_model": "TensorFlow.js graph model (inference only, the faster one)",
    "tfjs_layers_model": "TensorFlow.js layers model (can be trained further)",
    "keras": "Keras HDF5",
    "keras_keras": "Keras 3 (.keras)",
    "keras_saved_model": "Keras SavedModel (needs TensorFlow)",
}
_COMPRESSIONS = {
    "none": "no compression (as accurate as it is)",
    "float16": "float16 (half the size, hardly less accurate)",
    "uint16": "uint16 (half the size, less accurate)",
    "uint8": "uint8 (a quarter of the size, less accurate)",
}
_DEFAULT_NAMES = {"keras": "model.h5", "keras_keras": "model.keras", "keras_saved_model": "keras_saved_model"}
_SHOWN_TENSORS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the wizard; its exit status: that of the conversion, 2 for wrong usage, 130 after Ctrl-C."""
    parser = OneLineParser(
        prog="tensorflowjs_wizard", allow_abbrev=False,
        description="Asks what to convert and how, prints the command, and runs it.",
    )  # fmt: skip
    parser.add_argument("--dryrun", action="store_true", help="print the command only")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    try:
        import questionary  # noqa: F401
    except ImportError:
        print("tensorflowjs_wizard: it asks through questionary, which is not installed: pip install 'tfgl[wizard]'; "
              "tensorflowjs_converter takes the same as flags", file=sys.stderr)  # fmt: skip
        return 1
    try:
        return _run(given.dryrun)
    except KeyboardInterrupt:
        print("tensorflowjs_wizard: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except EOFError:
        print("tensorflowjs_wizard: the answers ended before the questions did", file=sys.stderr)
        return 2


def _run(dry_run: bool) -> int:
    from .cli import main as convert

    print("Welcome to the TensorFlow.js converter.")
    input_path, options = ask_what()
    options |= ask_how(input_path, options)
    output_path = ask_where(options)
    command = command_of(input_path, output_path, options)
    print(f"\nThe command:\n\n{command}\n")
    if dry_run:
        return 0
    status = convert(shlex.split(command)[1:])
    if status == 0:
        _print_files(Path(output_path))
    return status


def ask_what() -> tuple[str, dict[str, Any]]:
    """The model's path, and its formats as options of a conversion."""
    from .detection import detect_format

    text = _path("Where is the model: a file, its folder, or the URL of a TF Hub module?", _nothing_there)
    detected, path = detect_format(text)
    formats = sorted(INPUT_FORMATS, key=lambda name: name != detected)
    message = "Which format is it in?" + ("" if detected else " (it could not be detected)")
    titles = {name: _INPUTS.get(name, name) + (" *" if name == detected else "") for name in formats}
    options: dict[str, Any] = {"input_format": _select(message, titles, detected)}
    if not detected:
        path = _path(f"Where is the {titles[options['input_format']]}?", _fits(options["input_format"]), default=path)
        path = detect_format(path)[1]
    targets = TARGETS[options["input_format"]]
    if len(targets) > 1:
        choices = {name: _OUTPUTS[name] for name in targets}
        options["output_format"] = _select("Which format do you want?", choices, targets[0])
    else:
        options["output_format"] = targets[0]
    return path, options


def ask_how(path: str, formats: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a conversion between these formats may have, in the order of the original's wizard."""
    source, target = formats["input_format"], formats["output_format"]
    options: dict[str, Any] = {}
    if target == "tfjs_graph_model" and source in ("tf_saved_model", "keras_saved_model"):
        options |= _ask_signature(path, source)
    if source == "tf_frozen_model":
        options["output_node_names"] = _ask_output_nodes(path)
    if not target.startswith("tfjs"):
        return options
    compression = _select("Do you want to compress the weights?", _COMPRESSIONS, "none")
    if compression != "none":
        patterns = _text(f"Which weights become {compression}? Wildcards between commas, as conv/*/weights", "*",
                         lambda text: None if text.strip(" ,") else "at least one wildcard is needed")  # fmt: skip
        options[f"quantize_{compression}"] = listed(patterns)
    size = _text("How many bytes may a file of weights have?", str(4 << 20), _not_positive)
    options["weight_shard_size_bytes"] = int(size)
    if target == "tfjs_layers_model" and source in ("keras", "keras_keras", "keras_saved_model"):
        options["split_weights_by_layer"] = _confirm("Shall the weights be split by layer?", False)
    if target == "tfjs_graph_model" and source in ("tf_saved_model", "keras_saved_model", "tf_hub"):
        options["skip_op_check"] = _confirm("Skip the check for ops that TensorFlow.js lacks? "
                                            "You would have to register them there.", False)  # fmt: skip
        options["strip_debug_ops"] = _confirm("Remove debug ops (Assert, Print, CheckNumerics)?", True)
        options["control_flow_v2"] = _confirm("Keep control flow V2 (While and If), which runs loops faster?", True)
    entries = _text("Metadata to keep, as key:path of a JSON file, between commas; or nothing", "", _wrong_metadata)
    if entries.strip():
        options["metadata"] = _metadata(entries)
    return options


def ask_where(options: Mapping[str, Any]) -> str:
    """The path to write to; what is there already is confirmed."""
    target = options["output_format"]
    single = target in ("keras", "keras_keras")
    message = "Which file is the model to be saved in?" if single else "Which folder is the model to be saved in?"
    while True:
        path = os.path.expanduser(_path(message, lambda text: None if text.strip() else "a path is needed",
                                        default=_DEFAULT_NAMES.get(target, "web_model")).strip())  # fmt: skip
        if single and os.path.isdir(path):
            path = os.path.join(path, _DEFAULT_NAMES[target])
        if not single and os.path.isfile(path):
            print(f"{path} is a file; a folder is needed.")
        elif not os.path.exists(path) or _confirm(f"{path} exists already. Overwrite the model in it?", False):
            return path


def _ask_signature(path: str, source: str) -> dict[str, Any]:
    """Tags and signature, from what the file has."""
    from tfgl.errors import TfglError

    from .formats.saved_model import signatures_by_tags

    try:
        by_tags = signatures_by_tags(path)
    except TfglError as error:
        print(f"The signatures cannot be read: {error}")
        return {}
    if not by_tags:
        return {}
    tags = _select("Which graph? These are its tags.", {name: name or "(no tags)" for name in by_tags}, None)
    options: dict[str, Any] = {} if tags == "serve" else {"saved_model_tags": listed(tags)}
    signatures = by_tags[tags]
    if source == "tf_saved_model" and signatures:
        titles = {key: f"{key}\n{_signature_text(signature)}" for key, signature in signatures.items()}
        default = "serving_default" if "serving_default" in titles else None
        options["signature_name"] = _select("Which signature?", titles, default)
    return options


def _signature_text(signature: Signature) -> str:
    return "\n".join(
        f"      {kind}: {_tensors(infos)}"
        for kind, infos in (("inputs", signature.inputs), ("outputs", signature.outputs))
    )


def _tensors(infos: Mapping[str, TensorInfo]) -> str:
    from tfgl.tables import printable, shape_text

    shown = []
    for key, info in list(infos.items())[:_SHOWN_TENSORS]:
        shown.append(f"{printable(key)} {info.dtype or ''} {shape_text(info.shape)}")
    more = f" and {len(infos) - len(shown)} more" if len(infos) > len(shown) else ""
    return (", ".join(shown) or "none") + more


def _ask_output_nodes(path: str) -> list[str]:
    from tfgl.errors import TfglError

    from .formats.frozen_graph import read_frozen_graph

    def problem(text: str) -> str | None:
        try:
            read_frozen_graph(path, listed(text))
        except TfglError as error:
            return str(error)
        return None if listed(text) else "a name is needed"

    try:
        default = ",".join(read_frozen_graph(path).graph.signature.outputs)
    except TfglError:
        default = ""
    return listed(_text("Which nodes does the model return? Names between commas", default, problem))


def _nothing_there(text: str) -> str | None:
    from tfgl.io.http import is_url

    text = text.strip()
    if is_url(text) or (text and os.path.exists(os.path.expanduser(text))):
        return None
    return f"there is no {text!r}" if text else "a path is needed"


def _fits(input_format: str) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        from .detection import detect_format

        found = detect_format(text)[0]
        if found is not None and found != input_format:
            return f"that is a {_INPUTS[found]}"
        return _nothing_there(text)

    return problem


def _not_positive(text: str) -> str | None:
    return None if text.strip().isdecimal() and int(text) > 0 else "a positive number of bytes is needed"


def _metadata(text: str) -> Any:
    return next(flag for flag in FLAGS if flag.name == "metadata").option_of(text)


def _wrong_metadata(text: str) -> str | None:
    from .dispatch import read_metadata

    try:
        read_metadata(_metadata(text))
    except ValueError as error:
        return str(error)
    return None


def _print_files(path: Path) -> None:
    from rich.console import Console

    from tfgl.tables import make_table

    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    base = path.parent if path.is_file() else path
    rows = [(file.relative_to(base).as_posix(), file.stat().st_size) for file in files]
    total = ("total", sum(size for _, size in rows))
    print()
    Console(markup=False, highlight=False).print(make_table(f"{path}", ("file", "bytes"), rows, ("bytes",), total))


def _select(message: str, choices: Mapping[str, str], default: str | None) -> str:
    import questionary

    items = [questionary.Choice(title, value=value) for value, title in choices.items()]
    chosen = next((choice for choice in items if choice.value == default), None)
    return str(questionary.select(message, choices=items, default=chosen).unsafe_ask())


def _text(message: str, default: str, problem: Callable[[str], str | None], **options: Any) -> str:
    import questionary

    return str(questionary.text(message, default=default, validate=_validated(problem), **options).unsafe_ask())


def _path(message: str, problem: Callable[[str], str | None], default: str = "") -> str:
    from prompt_toolkit.completion import PathCompleter

    # questionary's own path question would make https:/ of https://.
    return _text(message, default, problem, completer=PathCompleter(expanduser=True), complete_while_typing=False)


def _confirm(message: str, default: bool) -> bool:
    import questionary

    return bool(questionary.confirm(message, default=default).unsafe_ask())


def _validated(problem: Callable[[str], str | None]) -> Callable[[str], bool | str]:
    def check(text: str) -> bool | str:
        found = problem(text)
        return True if found is None else found

    return check


def run() -> NoReturn:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
