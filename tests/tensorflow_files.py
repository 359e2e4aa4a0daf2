"""Writes small tensor bundles and SavedModels, as TensorFlow's formats are described, for the readers' tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cramjam
import google_crc32c
import numpy as np

from tfgl_converter.formats.protobuf_schema import message_class
from tfgl_converter.formats.tensor_bundle import slice_key

NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "object": 7, "complex64": 8, "int64": 9,
    "bool": 10, "bfloat16": 14, "uint16": 17, "float16": 19, "float8_e5m2": 24, "float8_e4m3fn": 25,
}  # fmt: skip


def mask(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def block(entries: Sequence[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    data, restarts, last = bytearray(), [], b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % interval == 0:
            restarts.append(len(data))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return bytes(data) + b"".join(at.to_bytes(4, "little") for at in [*restarts, len(restarts)])


def table(entries: Mapping[bytes, bytes], *, per_block: int = 1000, snappy: bool = False) -> bytes:
    file, index = bytearray(), []

    def append(contents: bytes, compress: bool) -> bytes:
        stored = bytes(cramjam.snappy.compress_raw(contents)) if compress else contents
        handle = varint(len(file)) + varint(len(stored))
        stored += bytes([int(compress)])
        file.extend(stored + mask(google_crc32c.value(stored)).to_bytes(4, "little"))
        return handle

    items = sorted(entries.items())
    for start in range(0, len(items), per_block):
        part = items[start : start + per_block]
        index.append((part[-1][0] + b"\xff", append(block(part), snappy)))
    handles = append(block([]), False) + append(block(index, 1), snappy)
    return bytes(file) + handles.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def tensor_bytes(array: np.ndarray[Any, Any], big_endian: bool = False) -> tuple[bytes, int]:
    """What a data file holds for the array, and its checksum."""
    if array.dtype != object:
        data = (array.byteswap() if big_endian else array).tobytes()
        return data, mask(google_crc32c.value(data))
    strings = list(array.reshape(-1))
    crc = google_crc32c.value(b"".join(len(s).to_bytes(4, "little") for s in strings))
    check = mask(crc).to_bytes(4, "little")
    crc = google_crc32c.extend(google_crc32c.extend(crc, check), b"".join(strings))
    return b"".join([*(varint(len(s)) for s in strings), check, *strings]), mask(crc)


Slices = Sequence[tuple[Sequence[tuple[int, int]], np.ndarray[Any, Any]]]


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, np.ndarray[Any, Any]],
    *,
    slices: Mapping[str, tuple[tuple[int, ...], Slices]] | None = None,
    shards: int = 1,
    big_endian: bool = False,
    **how: Any,
) -> None:
    """A checkpoint of ``tensors``; ``slices``: full shape and parts (extents, array) of partitioned ones."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    data = [bytearray() for _ in range(shards)]
    entry_class, header_class = message_class("BundleEntryProto"), message_class("BundleHeaderProto")
    entries = {b"": header_class(num_shards=shards, endianness=int(big_endian), version={"producer": 1})}

    def add(key: bytes, array: np.ndarray[Any, Any]) -> None:
        shard = len(entries) % shards
        stored, crc = tensor_bytes(array, big_endian)
        entries[key] = entry_class(
            dtype=NUMBERS[array.dtype.name], shape=shape_message(array.shape), shard_id=shard,
            offset=len(data[shard]), size=len(stored), crc32c=crc,
        )  # fmt: skip
        data[shard] += stored

    for name, array in tensors.items():
        add(name.encode(), array)
    for name, (shape, parts) in (slices or {}).items():
        entry = entry_class(dtype=NUMBERS[parts[0][1].dtype.name], shape=shape_message(shape))
        for extents, array in parts:
            part = entry.slices.add()
            for start, length in extents:
                extent = part.extent.add(start=start)
                if length >= 0:
                    extent.length = length
            add(slice_key(name, extents), array)
        entries[name.encode()] = entry
    encoded = {key: entry.SerializeToString() for key, entry in entries.items()}
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(encoded, **how))
    for shard, stored in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(stored)


def shape_message(shape: Sequence[int] | None) -> Any:
    message = message_class("TensorShapeProto")()
    if shape is None:
        message.unknown_rank = True
    for size in shape or ():
        message.dim.add(size=size)
    return message


def tensor_message(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "SU":
        array = np.array([x if isinstance(x, bytes) else x.encode() for x in array.reshape(-1).tolist()], object)
        array = array.reshape(np.shape(value))
    message = message_class("TensorProto")(dtype=NUMBERS[array.dtype.name], tensor_shape=shape_message(array.shape))
    if array.dtype == object:
        message.string_val.extend(array.reshape(-1))
    else:
        message.tensor_content = array.tobytes()
    return message


class Attr:
    """An attribute value of the kind that a Python value alone does not say."""

    def __init__(self, **fields: Any) -> None:
        self.message = message_class("AttrValue")(**fields)


def dtype(name: str) -> Attr:
    return Attr(type={"string": 7, "resource": 20, "float": 1}.get(name) or NUMBERS[name])


def set_attrs(message: Any, attrs: Mapping[str, Any]) -> None:
    for key, value in attrs.items():
        attr = message.attr[key]
        if isinstance(value, Attr):
            attr.CopyFrom(value.message)
        elif isinstance(value, bool):
            attr.b = value
        elif isinstance(value, int):
            attr.i = value
        elif isinstance(value, float):
            attr.f = value
        elif isinstance(value, bytes):
            attr.s = value
        elif isinstance(value, tuple):
            attr.shape.CopyFrom(shape_message(value))
        else:
            attr.tensor.CopyFrom(tensor_message(value))


def add_node(nodes: Any, name: str, op: str, *inputs: str, **attrs: Any) -> Any:
    node = nodes.add(name=name, op=op, input=inputs)
    set_attrs(node, attrs)
    return node


def add_constant(nodes: Any, name: str, value: Any) -> None:
    message = tensor_message(value)
    node = nodes.add(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(message)
    node.attr["dtype"].type = message.dtype


def add_variable(nodes: Any, name: str, shape: tuple[int, ...], op: str = "VarHandleOp") -> None:
    add_node(nodes, name, op, dtype=dtype("float32"), shape=shape, shared_name=name.encode())


def add_signature(meta_graph: Any, key: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    signature = meta_graph.signature_def[key]
    for infos, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
        for entry, name in names.items():
            infos[entry].name = name
            infos[entry].dtype = 1
            infos[entry].tensor_shape.CopyFrom(shape_message((-1, 2)))


def new_saved_model(tags: Sequence[str] = ("serve",)) -> tuple[Any, Any]:
    """A SavedModel message with one MetaGraphDef, and that one."""
    message = message_class("SavedModel")(saved_model_schema_version=1)
    meta_graph = message.meta_graphs.add()
    meta_graph.meta_info_def.tags.extend(tags)
    meta_graph.meta_info_def.tensorflow_version = "2.19.1"
    meta_graph.graph_def.versions.producer = 1882
    return message, meta_graph


def write_saved_model(folder: Path, message: Any, **tensors: np.ndarray[Any, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString(deterministic=True))
    if tensors:
        write_bundle(folder / "variables" / "variables", tensors)
    return folder
