"""HDF5 files that nobody vouches for: everything in one file, no links out of it, sizes checked, read lazily."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import h5py
import numpy as np

from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import LazyArray, block_axis

Array = np.ndarray[Any, Any]

_MAX_DEPTH = 48
_MAX_MEMBERS = 200_000
# Compressed data may expand, but not from next to nothing.
_MAX_EXPANSION = 1100
_UNSUSPICIOUS_BYTES = 64 << 20
_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


class Hdf5File:
    """An open HDF5 file: its groups, their text attributes, its datasets as LazyArray.

    The file stays open as long as a LazyArray of it is alive.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, where: str) -> None:
        """Open ``file``; ``where`` names it in messages. Raises ModelFormatError when it is no whole HDF5 file."""
        self.where = where
        with self._reading(""):
            self._file = h5py.File(file, "r")
        self._close = weakref.finalize(self, _close, self._file, None if isinstance(file, str | os.PathLike) else file)

    def close(self) -> None:
        """Close the file; its LazyArrays cannot be read any more."""
        self._close()

    def members(self, path: str) -> list[str] | None:
        """The names in a group, in alphabetical order; None when there is no such group."""
        with self._reading(path):
            group = self._get(path)
            return sorted(group) if isinstance(group, h5py.Group) else None

    def has(self, path: str) -> bool:
        """True when the file has this group or dataset."""
        with self._reading(path):
            return self._get(path) is not None

    def text(self, path: str, name: str) -> str | None:
        """A text attribute of a group; None when it has none of this name."""
        with self._reading(f"{path}@{name}"):
            holder = self._get(path)
            value = None if holder is None else holder.attrs.get(name)
            if isinstance(value, np.ndarray) and value.size == 1:
                value = value.reshape(-1)[0]
            if value is None:
                return None
            if isinstance(value, bytes):
                return value.decode("utf-8")
            if isinstance(value, str):
                return str(value)
            raise ValueError(f"expected text, got {type(value).__name__}")

    def names(self, path: str, name: str) -> list[str] | None:
        """A list of names that an attribute holds, also one split over ``name0``, ``name1``; None when absent."""
        with self._reading(f"{path}@{name}"):
            holder = self._get(path)
            if holder is None:
                return None
            if name in holder.attrs:
                return _texts(holder.attrs[name])
            found: list[str] = []
            number = 0
            while f"{name}{number}" in holder.attrs:
                found += _texts(holder.attrs[f"{name}{number}"])
                number += 1
            return found if number else None

    def array(self, path: str) -> LazyArray:
        """The dataset at ``path``. Raises ModelFormatError when there is none or it is nothing to read safely."""
        with self._reading(path):
            dataset = self._get(path)
            if not isinstance(dataset, h5py.Dataset):
                raise ValueError("there is no such dataset")
            return self._lazy(path, dataset)

    def tree(self, path: str = "") -> tuple[dict[str, LazyArray], list[str]]:
        """Every dataset below a group by its path, and the paths of all groups there, in alphabetical order."""
        datasets: dict[str, LazyArray] = {}
        groups: list[str] = []
        with self._reading(path):
            group = self._get(path)
            if isinstance(group, h5py.Group):
                self._walk(group, path.strip("/"), 0, set(), datasets, groups)
        return datasets, groups

    def _walk(
        self,
        group: h5py.Group,
        path: str,
        depth: int,
        seen: set[int],
        datasets: dict[str, LazyArray],
        groups: list[str],
    ) -> None:
        address = int(h5py.h5o.get_info(group.id).addr)
        if depth > _MAX_DEPTH or address in seen:
            raise ValueError(f"groups nested deeper than {_MAX_DEPTH}, or linked twice")
        seen.add(address)
        for name in sorted(group):
            if len(datasets) + len(groups) > _MAX_MEMBERS:
                raise ValueError(f"more than {_MAX_MEMBERS} groups and datasets")
            below = f"{path}/{name}" if path else name
            member = self._member(group, name, below)
            if isinstance(member, h5py.Group):
                groups.append(below)
                self._walk(member, below, depth + 1, seen, datasets, groups)
            elif isinstance(member, h5py.Dataset):
                datasets[below] = self._lazy(below, member)

    def _get(self, path: str) -> Any:
        """The object at ``path`` by hard links alone; None when it does not exist."""
        here: Any = self._file
        walked: list[str] = []
        for name in filter(None, path.split("/")):
            walked.append(name)
            if not isinstance(here, h5py.Group) or name == ".." or here.get(name, getlink=True) is None:
                return None
            here = self._member(here, name, "/".join(walked))
        return here

    @staticmethod
    def _member(group: h5py.Group, name: str, path: str) -> Any:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{path!r} is a {type(link).__name__}, and links are not followed; save the model again")
        return group[name]

    def _lazy(self, path: str, dataset: h5py.Dataset) -> LazyArray:
        if dataset.external or dataset.is_virtual:
            raise ValueError("its values lie in another file, and such files are not opened; save the model again")
        shape = dataset.shape
        if shape is None:
            raise ValueError("the dataset is empty (it has no shape)")
        dtype, is_text = dataset.dtype, h5py.check_string_dtype(dataset.dtype) is not None
        if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None:
            # Keras writes bfloat16 as two opaque bytes.
            dtype = np.dtype(np.float32)
        elif not is_text and dtype.kind not in "fiubc":
            raise ValueError(f"values of type {dtype} are no weights")
        stored = int(dataset.id.get_storage_size())
        size = int(np.prod(shape, dtype=object)) * dataset.dtype.itemsize
        if size > _UNSUSPICIOUS_BYTES and size > max(stored, 1) * _MAX_EXPANSION:
            raise ValueError(f"{stored} bytes of the file claim to be {size} bytes of values; the file is damaged")
        extents = tuple(int(n) for n in shape)

        def blocks(rows: int) -> Iterator[Array]:
            axis = block_axis(extents)
            for start in range(0, extents[axis], rows):
                yield self._read(path, (*(slice(None),) * axis, slice(start, min(start + rows, extents[axis]))))

        return LazyArray(extents, dtype, lambda: self._read(path, ()), f"{self.where}:{path}", blocks)

    def _read(self, path: str, part: tuple[slice, ...]) -> Array:
        with self._reading(path):
            dataset = self._get(path)
            values = np.asarray(dataset[part])
            if dataset.dtype.kind == "V":
                bits = np.frombuffer(values.tobytes(), "<u2").astype(np.uint32) << np.uint32(16)
                return bits.view(np.float32).reshape(values.shape)
            if dataset.dtype.kind == "f" and dataset.dtype.itemsize == 2 and dataset.dtype != np.float16:
                values = values.astype(np.float32)
            return values

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """Whatever HDF5 says about a damaged file, in one line that names the file and the place."""
        try:
            yield
        except ModelFormatError:
            raise
        except FileNotFoundError:
            raise ModelFormatError(f"{self.where}: there is no such file") from None
        except IsADirectoryError:
            raise ModelFormatError(f"{self.where} is a folder; expected an HDF5 file") from None
        except PermissionError as error:
            raise ModelFormatError(f"{self.where} cannot be read: {error.strerror}") from None
        except _ERRORS as error:
            place = f", {path.strip('/')[:200]!r}" if path.strip("/") else ""
            raise ModelFormatError(f"{self.where}{place}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "file signature not found" in text:
        return "this is no HDF5 file, or its beginning is damaged"
    if "truncated file" in text:
        return "the HDF5 file is cut off; copy or download it again"
    return f"the HDF5 file cannot be read: {text}" if "unable to" in text.lower() or "can't" in text.lower() else text


def _texts(value: Any) -> list[str]:
    flat = np.asarray(value).reshape(-1).tolist()
    return [one.decode("utf-8") if isinstance(one, bytes) else str(one) for one in flat]


def _close(file: h5py.File, stream: BinaryIO | None) -> None:
    # At interpreter exit HDF5 may be gone already.
    try:
        file.close()
    except Exception:
        return
    finally:
        if stream is not None:
            stream.close()
