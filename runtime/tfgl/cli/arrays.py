"""Arrays of a command line: read from npz, npy and image files, made up, matched with inputs, written."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from .command import Failure, shape_text

if TYPE_CHECKING:
    from ..graph.runner import ModelTensorInfo

Array = npt.NDArray[Any]

# A damaged file may state any shape; no texture holds more.
_MOST_MADE_UP = 1 << 28

_NPY = b"\x93NUMPY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def read_arrays(path: str) -> dict[str, Array]:
    """The arrays of an npz by name; of an npy one, under the name ''. UsageError for anything else."""
    try:
        with open(path, "rb") as file:
            magic = file.read(6)
            file.seek(0)
            if magic == _NPY:
                return {"": np.load(file, allow_pickle=False)}
            if magic[:4] not in _ZIP:
                raise click.UsageError(f"{path} is neither an .npz nor an .npy file")
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
        if "allow_pickle" in str(error):
            raise click.UsageError(
                f"{path} holds Python objects, which are not read; save text as dtype S or U, the rest as numbers"
            ) from error
        raise click.UsageError(f"{path} is damaged: {error}") from error


def match_names(arrays: Mapping[str, Array], inputs: Mapping[str, ModelTensorInfo], where: str) -> dict[str, Array]:
    """``arrays`` by the keys of ``inputs``; one array for a model of one input may have any name."""
    if len(arrays) == 1 and len(inputs) == 1:
        return dict(zip(inputs, arrays.values(), strict=True))
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        key = input_key(name, inputs, where)
        if key in found:
            raise click.UsageError(f"{where}: input {key!r} is given twice")
        found[key] = array
    return found


def input_key(name: str, inputs: Mapping[str, ModelTensorInfo], where: str) -> str:
    """The key of the input that ``name`` means; UsageError when it means none.

    A name may be a signature key or a node's name, with or without ``:0``, with
    ``__`` for ``/``. A key goes before another input's node name.
    """
    for key in inputs:
        if name in (*_spellings(key), *_spellings(f"{key}:0")):
            return key
    for key, info in inputs.items():
        node = info.name.removesuffix(":0")
        if name in (*_spellings(node), *_spellings(f"{node}:0")):
            return key
    listed = ", ".join(map(repr, inputs)) or "none"
    raise click.UsageError(f"{where}: the model has no input {name!r}; its inputs are {listed}")


def _spellings(name: str) -> tuple[str, str]:
    return name, name.replace("/", "__")


def random_inputs(inputs: Mapping[str, ModelTensorInfo], seed: int) -> dict[str, Array]:
    """Arrays for ``inputs`` by dtype and shape, free extents 1, the same for the same seed.

    float32 from 0 to 1; int32 0 to 255 for what has three axes or more, else 0
    and 1, which are valid indices nearly everywhere; bool both; strings empty.
    """
    generator = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for key, info in inputs.items():
        if info.shape is None:
            raise click.UsageError(f"input {key!r} has no fixed rank, so none is made up for it; give one with --input")
        shape = tuple(1 if n < 0 else n for n in info.shape)
        if math.prod(shape) > _MOST_MADE_UP:
            raise Failure(
                f"input {key!r} of shape {shape_text(info.shape)} is too large to be made up, {math.prod(shape)} "
                "elements; give one with --input"
            )
        if info.dtype == "int32":
            made[key] = generator.integers(0, 256 if len(shape) > 2 else 2, shape).astype(np.int32)
        elif info.dtype == "bool":
            made[key] = generator.integers(0, 2, shape).astype(np.bool_)
        elif info.dtype == "string":
            made[key] = np.full(shape, b"", dtype=object)
        elif info.dtype == "complex64":
            made[key] = (generator.random(shape) + 1j * generator.random(shape)).astype(np.complex64)
        else:
            made[key] = generator.random(shape, np.float32)
    return made


def check_shapes(arrays: Mapping[str, Array], inputs: Mapping[str, ModelTensorInfo]) -> None:
    """UsageError for an array that is missing, or whose shape its input does not take."""
    for key, info in inputs.items():
        if key not in arrays:
            raise click.UsageError(f"input {key!r} ({info.dtype} {shape_text(info.shape)}) is missing")
        given = arrays[key].shape
        if info.shape is not None and (
            len(given) != len(info.shape) or any(e >= 0 and e != n for e, n in zip(info.shape, given, strict=True))
        ):
            raise click.UsageError(f"input {key!r} takes shape {shape_text(info.shape)}, got {shape_text(given)}")


def summarize(name: str, values: Array) -> dict[str, Any]:
    """Shape, dtype, range, mean and the five largest values of an output, as JSON has it.

    Complex values are ordered by their modulus; texts have no range, and their
    first five stand for the largest.
    """
    report: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": _dtype_name(values)}
    report |= {"min": None, "max": None, "mean": None, "top": []}
    if values.size == 0:
        return report
    if values.dtype == object:
        first = list(np.ndindex(*values.shape))[:5]
        report["top"] = [{"index": list(at), "value": _text(values[at])} for at in first]
        return report
    size = np.abs(values) if values.dtype.kind == "c" else values
    exact = size.astype(np.float64) if size.dtype.kind == "f" else size.astype(np.int64)
    with np.errstate(all="ignore"):
        mean = float(np.mean(exact, dtype=np.float64))
        report |= {"min": exact.min().item(), "max": exact.max().item(), "mean": mean}
    flat = exact.ravel()
    usable = np.flatnonzero(~np.isnan(flat)) if flat.dtype.kind == "f" else np.arange(flat.size)
    # Stable, so that equal values come in the order of their index.
    largest = usable[np.argsort(-flat[usable], kind="stable")[:5]]
    for at in largest.tolist():
        place = [int(n) for n in np.unravel_index(at, values.shape)]
        value = values.ravel()[at].item()
        report["top"].append({"index": place, "value": str(value) if isinstance(value, complex) else value})
    if flat.dtype.kind == "f" and usable.size < flat.size:
        report["nan"] = int(flat.size - usable.size)
    return report


def _dtype_name(values: Array) -> str:
    return "string" if values.dtype == object else str(values.dtype)


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def check_writable(path: str) -> None:
    """UsageError when ``path`` can be no output file, so that nothing runs in vain."""
    target = Path(path)
    if target.is_dir():
        raise click.UsageError(f"--output {path} is a folder; name a file")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"--output {path}: there is no folder {target.absolute().parent}")


def write_npz(path: str, arrays: Mapping[str, Array]) -> None:
    """Write an npz beside ``path`` and rename it; names keep their ``/``, texts become fixed-length bytes."""
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        # A device or a pipe, which a rename would replace and where a zip file cannot seek.
        memory = io.BytesIO()
        _write_members(memory, arrays)
        target.write_bytes(memory.getvalue())
        return
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            _write_members(stream, arrays)
        os.chmod(beside, _mode_of(target))
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _mode_of(target: Path) -> int:
    """What the file has, or what a new file gets: mkstemp gives its owner alone any right."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _write_members(stream: Any, arrays: Mapping[str, Array]) -> None:
    # numpy.savez takes names as keyword arguments, and an output may be called "file".
    with zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
        for name, values in arrays.items():
            array = values.astype(np.bytes_) if values.dtype == object else values
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def names_of(text: str) -> Sequence[str]:
    """Names between commas, each once.

    >>> names_of("scores, boxes:1,scores")
    ['scores', 'boxes:1']
    """
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
