"""``tfgl run``: one inference."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from .command import Settings, existing_model, make_table, print_json, print_table, shape_text, with_settings
from .images import SUFFIXES, parse_range

if TYPE_CHECKING:
    from ..graph.runner import GraphRunner, ModelTensorInfo
    from .arrays import Array


@click.command()
@click.argument("model", callback=existing_model)
@click.option("--inputs", "archive", metavar="FILE.npz", help="Arrays named like the model's inputs.")
@click.option("--input", "single", multiple=True, metavar="NAME=FILE", help="One input from .npy or an image file.")
@click.option("--output", metavar="OUT.npz", help="Write the outputs there instead of printing what they hold.")
@click.option("--outputs", "fetches", metavar="NODE,...", help="Nodes or layers to compute, not the outputs.")
@click.option("--signature", metavar="KEY", help="Which signature, for a model that has several.")
@click.option("--image-range", metavar="LOW..HIGH", callback=parse_range,
              help="What 0..255 of an image becomes; 0..1, for integer inputs 0..255.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For inputs made up.")
@with_settings
def run(
    settings: Settings,
    model: str,
    archive: str | None,
    single: tuple[str, ...],
    output: str | None,
    fetches: str | None,
    signature: str | None,
    image_range: tuple[float, float] | None,
    seed: int,
) -> None:
    """Run MODEL once.

    Names of inputs are signature keys or node names, with or without ":0", of
    layers models those of the input layers; "/" may be written "__". Images
    become RGB, are resized to the input's fixed height and width, and get a
    batch axis. Without inputs random ones are taken.
    """
    from ..errors import InvalidArgumentError
    from ..graph.compiling import compile_progress
    from .arrays import check_shapes, check_writable, names_of, random_inputs, summarize, write_npz
    from .models import load

    if output is not None:
        check_writable(output)
    files = [_split(text) for text in single]
    for path in [archive, *(path for _, path in files)]:
        if path is not None and not Path(path).is_file():
            raise click.UsageError(f"there is no file {path}")
    with settings.engine() as engine, load(settings, model, signature) as loaded:
        inputs = dict(zip(loaded.input_keys, loaded.inputs, strict=True))
        made_up = archive is None and not files
        arrays = random_inputs(inputs, seed) if made_up else _given(archive, files, inputs, image_range)
        names = _names(loaded, names_of(fetches)) if fetches is not None else list(loaded.output_keys)
        if fetches is None:
            check_shapes(arrays, inputs)
        with compile_progress(engine, settings.progress):
            start = perf_counter()
            try:
                results = loaded.execute(arrays, names)
            except InvalidArgumentError as error:
                # What somebody gave does not fit; what was made up for the model should have.
                if made_up:
                    raise
                raise click.UsageError(str(error)) from error
            tensors = results if isinstance(results, list) else [results]
            values = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
            elapsed_ms = (perf_counter() - start) * 1e3
        device = engine.device.info
    if output is not None:
        write_npz(output, values)
        settings.note(f"{len(values)} outputs written to {output}")
    summaries = [summarize(name, array) for name, array in values.items()]
    if settings.as_json:
        given = [
            {"name": key, "shape": list(array.shape), "dtype": inputs[key].dtype if key in inputs else str(array.dtype)}
            for key, array in arrays.items()
        ]
        print_json(
            {
                "model": model,
                "device": {"backend": device.backend, "renderer": device.renderer, "software": device.software},
                "inputs": given,
                "random_inputs": made_up,
                "seed": seed if made_up else None,
                "elapsed_ms": elapsed_ms,
                "output_file": output,
                "outputs": summaries,
            }
        )
    elif output is None:
        settings.note(
            f"{'random inputs' if made_up else 'inputs'}: "
            + ", ".join(f"{key} {shape_text(array.shape)}" for key, array in arrays.items())
            + f"; first inference {elapsed_ms:.0f} ms on {device.renderer}"
        )
        _print(summaries)


def _split(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise click.BadParameter(f"{text!r} is not NAME=FILE", param_hint="'--input'")
    return name, path


def _given(
    archive: str | None,
    files: list[tuple[str, str]],
    inputs: dict[str, ModelTensorInfo],
    image_range: tuple[float, float] | None,
) -> dict[str, Array]:
    """The arrays of ``--inputs`` and ``--input`` by input key."""
    from .arrays import input_key, match_names, read_arrays
    from .images import read_image

    found = {} if archive is None else match_names(read_arrays(archive), inputs, archive)
    for name, path in files:
        key = input_key(name, inputs, "--input")
        if key in found:
            raise click.UsageError(f"input {key!r} is given twice")
        if path.lower().endswith(SUFFIXES):
            found[key] = read_image(path, key, inputs[key], image_range)
            continue
        arrays = read_arrays(path)
        if len(arrays) != 1:
            raise click.UsageError(f"{path} holds {len(arrays)} arrays, --input takes one; --inputs takes them all")
        found[key] = next(iter(arrays.values()))
    return found


def _names(model: GraphRunner, wanted: Any) -> list[str]:
    """Names of ``--outputs`` as the model has them; ``__`` may stand for ``/``."""
    from ..errors import InvalidArgumentError

    names = []
    for name in wanted:
        try:
            model.output_edge(name)
        except InvalidArgumentError as error:
            slashed = name.replace("__", "/")
            try:
                model.output_edge(slashed)
            except InvalidArgumentError:
                raise click.UsageError(str(error)) from error
            name = slashed
        names.append(name)
    if not names:
        raise click.UsageError("--outputs names no node")
    return names


def _print(summaries: list[dict[str, Any]]) -> None:
    def number(value: Any) -> str:
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

    rows = [
        (
            entry["name"],
            shape_text(entry["shape"]),
            entry["dtype"],
            number(entry["min"]),
            number(entry["max"]),
            number(entry["mean"]) + (f" ({entry['nan']} NaN)" if "nan" in entry else ""),
            ", ".join(f"{number(top['value'])} at {shape_text(top['index'])}" for top in entry["top"]),
        )
        for entry in summaries
    ]
    columns = ["output", "shape", "dtype", "min", "max", "mean", "top five"]
    print_table(make_table("", columns, rows, right=["min", "max", "mean"]))
