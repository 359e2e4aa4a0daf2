"""The weights manifest of model.json, checked before anything is allocated for what it describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from ..errors import ModelFormatError
from ..ir.attributes import expect
from .quantization import Quantization, parse_quantization

# dtype in the manifest -> (dtype of the bytes, dtype of the tensor). uint8 and uint16 constants are
# written by the converter, and become int32 because no tensor has their dtype.
_DTYPES: dict[str, tuple[np.dtype[Any], str]] = {
    "float32": (np.dtype("<f4"), "float32"),
    "int32": (np.dtype("<i4"), "int32"),
    "bool": (np.dtype("u1"), "bool"),
    "complex64": (np.dtype("<c8"), "complex64"),
    "uint8": (np.dtype("u1"), "int32"),
    "uint16": (np.dtype("<u2"), "int32"),
}
_MAX_RANK = 32
_MAX_DIMENSION = (1 << 31) - 1
# NumPy refuses larger arrays even when another dimension is zero.
_MAX_ELEMENTS = 1 << 58
_SCHEME_OR_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class WeightSpec:
    """Name, shape and storage of one weight, as the manifest states them.

    ``dtype`` is the manifest's own word, ``tensor_dtype`` what the decoded weight has. ``group`` is
    ``model``, ``optimizer`` or None.

    >>> spec = WeightSpec("kernel", (2, 3), "float32")
    >>> spec.size, spec.stored_bytes, spec.tensor_dtype
    (6, 24, 'float32')
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    group: str | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def tensor_dtype(self) -> str:
        """float32, int32, bool, complex64 or string."""
        return "string" if self.dtype == "string" else _DTYPES[self.dtype][1]

    @property
    def stored_dtype(self) -> np.dtype[Any] | None:
        """The NumPy dtype of the bytes in the shards; None for strings, whose elements differ in length."""
        if self.quantization is not None:
            return self.quantization.stored_dtype
        return None if self.dtype == "string" else _DTYPES[self.dtype][0]

    @property
    def stored_bytes(self) -> int | None:
        """Bytes in the shards; None for strings, which say it only element by element."""
        stored = self.stored_dtype
        return None if stored is None else self.size * stored.itemsize

    @property
    def least_bytes(self) -> int:
        """Bytes that it takes at least: a string has a length of four bytes."""
        exact = self.stored_bytes
        return 4 * self.size if exact is None else exact

    def to_json(self) -> dict[str, Any]:
        """The entry of this weight in a manifest.

        >>> WeightSpec("b", (3,), "bool").to_json()
        {'name': 'b', 'shape': [3], 'dtype': 'bool'}
        """
        entry: dict[str, Any] = {"name": self.name, "shape": list(self.shape), "dtype": self.dtype}
        if self.quantization is not None:
            entry["quantization"] = self.quantization.to_json(self.dtype)
        if self.group is not None:
            entry["group"] = self.group
        return entry


@dataclass(frozen=True)
class WeightGroup:
    """Weights whose bytes lie one after the other in the concatenation of ``paths``."""

    paths: tuple[str, ...]
    specs: tuple[WeightSpec, ...]

    @property
    def exact_bytes(self) -> int | None:
        """What the shards hold together; None when strings leave it open."""
        total = 0
        for spec in self.specs:
            if spec.stored_bytes is None:
                return None
            total += spec.stored_bytes
        return total

    @property
    def least_bytes(self) -> int:
        """What the shards hold together at least."""
        return sum(spec.least_bytes for spec in self.specs)


def parse_manifest(manifest: object, where: str) -> list[WeightGroup]:
    """The groups of a ``weightsManifest``; [] when it is absent.

    ``where`` names the file in messages. Raises ModelFormatError for anything malformed, for weight names or
    shard paths that appear twice, and for paths that leave the model's folder.

    >>> weight = {"name": "w", "shape": [2], "dtype": "int32"}
    >>> parse_manifest([{"paths": ["a.bin"], "weights": [weight]}], "model.json")
    [WeightGroup(paths=('a.bin',), specs=(WeightSpec(name='w', shape=(2,), dtype='int32', ...),))]
    """
    if manifest is None:
        return []
    groups: list[WeightGroup] = []
    for number, entry in enumerate(expect(manifest, list, f"{where}, 'weightsManifest'")):
        place = f"{where}, weightsManifest[{number}]"
        fields = expect(entry, dict, place)
        paths = [
            check_shard_path(path, f"{place}, 'paths'")
            for path in expect(fields.get("paths"), list, f"{place}, 'paths'")
        ]
        specs = _parse_specs(fields.get("weights"), place)
        groups.append(WeightGroup(tuple(paths), tuple(specs)))
    _refuse_duplicates([path for group in groups for path in group.paths], "shard", where)
    _refuse_duplicates([spec.name for group in groups for spec in group.specs], "weight", where)
    return groups


def parse_specs(entries: object, where: str) -> list[WeightSpec]:
    """The specs of a flat list, as ``weightSpecs`` of an IO handler gives them.

    Raises ModelFormatError as parse_manifest does.

    >>> parse_specs([{"name": "w", "shape": [], "dtype": "float32"}], "handler")[0].stored_bytes
    4
    """
    specs = _parse_specs(entries, where)
    _refuse_duplicates([spec.name for spec in specs], "weight", where)
    return specs


def check_shard_path(path: object, where: str) -> str:
    """``path`` when it is relative and stays below the folder of model.json, else ModelFormatError.

    >>> check_shard_path("group1-shard1of1.bin", "model.json")
    'group1-shard1of1.bin'
    """
    text = expect(path, str, where)
    # Servers read %2e as a dot and %2f as a slash, so that the decoded name is judged too.
    for form in (text, unquote(text)):
        reason = _path_fault(form)
        if reason is not None:
            raise ModelFormatError(
                f"{where}: shard path {_shown(text)} {reason}; shards must lie in the folder of model.json"
            )
    return text


def _path_fault(text: str) -> str | None:
    if not text:
        return "is empty"
    if len(text) > 4096:
        return "is longer than 4096 characters"
    if _CONTROL.search(text):
        return "contains control characters"
    if "\\" in text:
        return "contains a backslash"
    if text.startswith(("/", "~")):
        return "is absolute"
    if _SCHEME_OR_DRIVE.match(text):
        return "names a URL scheme or a drive"
    parts = PurePosixPath(text).parts
    if ".." in parts:
        return "climbs out with '..'"
    return None if parts else "names no file"


def _parse_specs(entries: object, where: str) -> list[WeightSpec]:
    listed = expect(entries, list, f"{where}, 'weights'")
    return [_parse_spec(entry, f"{where}, weight number {number}") for number, entry in enumerate(listed)]


def _parse_spec(entry: object, place: str) -> WeightSpec:
    fields = expect(entry, dict, place)
    name = expect(fields.get("name"), str, f"{place}, 'name'")
    place = f"{place} ({_shown(name)})"
    if not name:
        raise ModelFormatError(f"{place}: 'name' is empty")
    dtype = fields.get("dtype")
    if not isinstance(dtype, str) or (dtype != "string" and dtype not in _DTYPES):
        known = ", ".join([*_DTYPES, "string"])
        raise ModelFormatError(f"{place}: unknown dtype {_shown(dtype)}; expected one of {known}")
    quantization = fields.get("quantization")
    group = fields.get("group")
    return WeightSpec(
        name,
        _parse_shape(fields.get("shape"), f"{place}, 'shape'"),
        dtype,
        None if quantization is None else parse_quantization(quantization, dtype, f"{place}, 'quantization'"),
        None if group is None else expect(group, str, f"{place}, 'group'"),
    )


def _parse_shape(value: object, place: str) -> tuple[int, ...]:
    shape = expect(value, list, place)
    if len(shape) > _MAX_RANK:
        raise ModelFormatError(f"{place}: {len(shape)} dimensions, but at most {_MAX_RANK} are possible")
    elements = 1
    for dimension in shape:
        if isinstance(dimension, bool) or not isinstance(dimension, int):
            raise ModelFormatError(f"{place}: a dimension must be a whole number, got {_shown(dimension)}")
        if not 0 <= dimension <= _MAX_DIMENSION:
            raise ModelFormatError(f"{place}: dimension {dimension} is outside 0..{_MAX_DIMENSION}")
        elements *= max(dimension, 1)
    if elements > _MAX_ELEMENTS:
        raise ModelFormatError(f"{place}: {elements} elements are more than any machine holds")
    return tuple(shape)


def _refuse_duplicates(names: Sequence[str], kind: str, where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelFormatError(f"{where}: {kind} {_shown(name)} is listed twice in the weights manifest")
        seen.add(name)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
