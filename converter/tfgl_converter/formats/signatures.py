"""SignatureDef messages -> ``tfgl.ir.graph.Signature``; which one a caller means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfgl.errors import InvalidArgumentError, ModelFormatError
from tfgl.ir.graph import DataType, Edge, Signature, TensorInfo

from .attribute_values import dtype_value, shape_value

DEFAULT_SIGNATURE = "serving_default"
INIT_SIGNATURE = "__saved_model_init_op"
# Signatures that TensorFlow writes for itself.
_INTERNAL = (INIT_SIGNATURE, "__saved_model_train_op")


def signatures_of(meta_graph: Any, where: str) -> dict[str, Signature]:
    """All signatures that a caller may choose, by key."""
    return {
        key: signature_value(meta_graph.signature_def[key], f"{where}, signature {key!r}")
        for key in sorted(meta_graph.signature_def)
        if key not in _INTERNAL
    }


def signature_value(message: Any, where: str) -> Signature:
    """The signature; its entries by key, numbers in keys in the order of numbers.

    A sparse or composite tensor becomes one entry for each of its parts.
    """
    return Signature(
        dict(_entries(message.inputs, f"{where}, input")), dict(_entries(message.outputs, f"{where}, output"))
    )


def natural_order(key: str) -> list[tuple[int, int, str]]:
    """A sorting key by which ``output_2`` stands before ``output_10``.

    >>> sorted(["output_10", "output_2"], key=natural_order)
    ['output_2', 'output_10']
    """
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]", key)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def _entries(infos: Mapping[str, Any], where: str) -> Iterator[tuple[str, TensorInfo]]:
    for key in sorted(infos, key=natural_order):
        info = infos[key]
        place = f"{where} {key!r}"
        kind = info.WhichOneof("encoding")
        if kind == "coo_sparse":
            sparse = info.coo_sparse
            dtype = dtype_value(info.dtype, place)
            for part, name, part_dtype in (
                ("indices", sparse.indices_tensor_name, DataType("int64")),
                ("values", sparse.values_tensor_name, dtype),
                ("dense_shape", sparse.dense_shape_tensor_name, DataType("int64")),
            ):
                yield f"{key}_{part}", TensorInfo(_checked(name, place), part_dtype)
        elif kind == "composite_tensor":
            for i, part_info in enumerate(info.composite_tensor.components):
                yield f"{key}_{i}", _tensor_info(part_info, place)
        else:
            yield key, _tensor_info(info, place)


def _tensor_info(info: Any, place: str) -> TensorInfo:
    shape = shape_value(info.tensor_shape, place) if info.HasField("tensor_shape") else None
    dtype = dtype_value(info.dtype, place) if info.dtype else None
    return TensorInfo(_checked(info.name, place), dtype, shape)


def _checked(name: str, place: str) -> str:
    try:
        Edge.parse(name)
    except ModelFormatError as error:
        raise ModelFormatError(f"{place}: {error}") from None
    return name


def choose_signature(signatures: Mapping[str, Signature], wanted: str | None, where: str, default: str) -> str:
    """The key that is meant: ``wanted``, else ``default``, else the only one.

    Raises InvalidArgumentError, listing what there is, when that says nothing or names none.
    """
    if wanted is not None:
        if wanted in signatures:
            return wanted
        raise InvalidArgumentError(f"{where} has no signature {wanted!r}; it has {_listed(sorted(signatures))}")
    if default in signatures:
        return default
    if len(signatures) == 1:
        return next(iter(signatures))
    if not signatures:
        raise ModelFormatError(f"{where} has no signature and no function that could stand for one")
    raise InvalidArgumentError(
        f"{where} has no signature {default!r}; choose one of its own with --signature_name: "
        f"{_listed(sorted(signatures))}"
    )


def choose_meta_graph(meta_graphs: Sequence[Any], tags: Sequence[str], where: str) -> Any:
    """The MetaGraphDef with exactly these tags; InvalidArgumentError, listing what there is, without one."""
    for meta_graph in meta_graphs:
        if set(meta_graph.meta_info_def.tags) == set(tags):
            return meta_graph
    if not meta_graphs:
        raise ModelFormatError(f"{where} holds no graph")
    found = [",".join(sorted(meta_graph.meta_info_def.tags)) for meta_graph in meta_graphs]
    raise InvalidArgumentError(
        f"{where} has no graph with the tags {','.join(sorted(tags))!r}; choose by --saved_model_tags one of "
        f"{_listed(found)}"
    )


def _listed(names: Sequence[str], limit: int = 20) -> str:
    text = ", ".join(repr(name) for name in names[:limit]) or "none"
    return text + (f" and {len(names) - limit} more" if len(names) > limit else "")
