"""Tensor bundles: every dtype, layout and kind of damage, on files that the test writes by the format's description."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tensorflow_files import NUMBERS, block, table, tensor_bytes, write_bundle
from tfgl.errors import ModelFormatError
from tfgl.ir.lazy_array import block_axis
from tfgl_converter.formats.protobuf_schema import message_class
from tfgl_converter.formats.table_file import read_table, table_entries
from tfgl_converter.formats.tensor_bundle import TensorBundle, _ordered, slice_key

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
EXTENDED = {"bfloat16", "float8_e5m2", "float8_e4m3fn"}


def values(dtype: str, shape: tuple[int, ...] = (3, 5)) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(7)
    if dtype == "object":
        strings = np.empty(math.prod(shape), object)
        strings[:] = [rng.bytes(int(n)) for n in rng.integers(0, 300, strings.size)]
        return strings.reshape(shape)
    if dtype == "complex64":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if dtype in EXTENDED:
        return rng.normal(size=shape).astype(getattr(ml_dtypes, dtype))
    return (rng.normal(size=shape) * 40).astype(dtype)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (0, 4), (3, 5)], ids=str)
def test_dtype(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = values(dtype, shape)
    write_bundle(tmp_path / "v", {"a": array})
    lazy = TensorBundle(tmp_path / "v").array("a")
    expected = array.astype(np.float32) if dtype in EXTENDED else array
    read = lazy.read()
    assert lazy.shape == shape and lazy.dtype == expected.dtype == read.dtype
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(np.asarray(lazy), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "int64"])
@pytest.mark.parametrize("shape", [(7, 5), (1, 1, 9, 2), (6,)], ids=str)
def test_blocks(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = values(dtype, shape)
    write_bundle(tmp_path / "v", {"a": array})
    lazy = TensorBundle(tmp_path / "v").array("a")
    blocks = list(lazy.blocks(1))
    assert len(blocks) == max(shape) and {block.dtype for block in blocks} == {lazy.dtype}
    np.testing.assert_array_equal(np.concatenate(blocks, block_axis(shape)), lazy.read())
    data = next(tmp_path.glob("v.data*"))
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    with pytest.raises(ModelFormatError, match="checksum"):
        list(lazy.blocks(1))


@pytest.mark.parametrize("snappy", [False, True])
@pytest.mark.parametrize("per_block", [1, 7, 1000])
@pytest.mark.parametrize("shards", [1, 3])
def test_layout_of_files(tmp_path: Path, snappy: bool, per_block: int, shards: int) -> None:
    tensors = {f"layer_{i}/kernel/.ATTRIBUTES/VARIABLE_VALUE": values("float32", (i, 3)) for i in range(40)}
    write_bundle(tmp_path / "v", tensors, shards=shards, per_block=per_block, snappy=snappy)
    bundle = TensorBundle(tmp_path / "v")
    assert sorted(bundle) == sorted(tensors) and len(bundle) == 40
    for key, array in tensors.items():
        assert bundle.dtype(key) == "float32" and bundle.shape(key) == array.shape
        np.testing.assert_array_equal(bundle.array(key).read(), array)


def test_big_endian(tmp_path: Path) -> None:
    tensors = {dtype: values(dtype) for dtype in ("float32", "int64", "float16", "uint8", "complex64")}
    write_bundle(tmp_path / "v", tensors, big_endian=True)
    for key, array in tensors.items():
        np.testing.assert_array_equal(TensorBundle(tmp_path / "v").array(key).read(), array)


@pytest.mark.parametrize("dtype", ["float32", "object", "bfloat16"])
def test_partitioned(tmp_path: Path, dtype: str) -> None:
    whole = values(dtype, (200, 3))
    parts = [(((0, 70), (0, -1)), whole[:70]), (((70, 130), (0, -1)), whole[70:])]
    write_bundle(tmp_path / "v", {}, slices={"w": (whole.shape, parts)}, shards=2)
    bundle = TensorBundle(tmp_path / "v")
    expected = whole.astype(np.float32) if dtype == "bfloat16" else whole
    assert list(bundle) == ["w"]
    np.testing.assert_array_equal(bundle.array("w").read(), expected)
    np.testing.assert_array_equal(bundle.array("w", [(70, 130), (0, 3)]).read(), expected[70:])
    odd = bundle.array("w", [(60, 20), (1, 2)])
    assert odd.shape == (20, 2)
    np.testing.assert_array_equal(odd.read(), expected[60:80, 1:])


def test_part_of_a_whole_tensor(tmp_path: Path) -> None:
    array = values("float32", (6, 4))
    write_bundle(tmp_path / "v", {"w": array})
    bundle = TensorBundle(tmp_path / "v")
    np.testing.assert_array_equal(bundle.array("w", [(2, 3), (0, -1)]).read(), array[2:5])
    for extents in ([(2, 5), (0, -1)], [(-1, 2), (0, -1)], [(0, 2)]):
        with pytest.raises(ModelFormatError, match="slice"):
            bundle.array("w", extents)


@pytest.mark.parametrize("missing", [True, False])
def test_slices_that_do_not_cover(tmp_path: Path, missing: bool) -> None:
    whole = values("float32", (4, 3))
    parts = [(((0, 2), (0, -1)), whole[:2])] + ([] if missing else [(((1, 3), (0, -1)), whole[1:])])
    write_bundle(tmp_path / "v", {}, slices={"w": (whole.shape, parts)})
    with pytest.raises(ModelFormatError, match="its slices hold"):
        TensorBundle(tmp_path / "v").array("w").read()


def test_slice_keys_sort_as_their_numbers() -> None:
    numbers = [-(1 << 62), -70000, -8193, -8192, -65, -64, -1, 0, 1, 63, 64, 8191, 8192, 1 << 20, (1 << 63) - 1]
    assert sorted(numbers, key=_ordered) == numbers
    # Worked out by hand from the ordered code: 2 in one byte, 70 in two.
    assert slice_key("a", [(2, 70)]) == b"\x00a\x00\x01\x01\x01\x82\xc0\x46"


def test_unknown_key_lists_what_there_is(tmp_path: Path) -> None:
    write_bundle(tmp_path / "v", {"kernel": values("float32")})
    with pytest.raises(ModelFormatError, match="no tensor 'bias'; it has 'kernel'"):
        TensorBundle(tmp_path / "v").array("bias")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="no such file"):
        TensorBundle(tmp_path / "v")
    write_bundle(tmp_path / "v", {"a": values("float32")})
    (tmp_path / "v.data-00000-of-00001").unlink()
    with pytest.raises(ModelFormatError, match="No such file"):
        TensorBundle(tmp_path / "v").array("a").read()


@pytest.mark.parametrize("dtype", ["float32", "object", "bool"])
def test_damaged_data(tmp_path: Path, dtype: str) -> None:
    write_bundle(tmp_path / "v", {"a": values(dtype)})
    data = tmp_path / "v.data-00000-of-00001"
    whole = data.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        data.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(ModelFormatError, match=r"checksum|beyond|number"):
            TensorBundle(tmp_path / "v").array("a").read()
        data.write_bytes(whole[:at])
        with pytest.raises(ModelFormatError, match="cut off"):
            TensorBundle(tmp_path / "v").array("a").read()


def test_damaged_index(tmp_path: Path) -> None:
    write_bundle(tmp_path / "v", {f"layer/{i}": values("float32") for i in range(3)}, snappy=True)
    index = tmp_path / "v.index"
    whole = index.read_bytes()
    intact = read_table(index)
    for at in range(len(whole)):
        index.write_bytes(whole[:at])
        with pytest.raises(ModelFormatError):
            TensorBundle(tmp_path / "v")
        index.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            TensorBundle(tmp_path / "v")
        except ModelFormatError:
            continue
        # Only what no reader looks at may change unseen: the unused index of meta data, the footer's padding.
        assert read_table(index) == intact


def test_blocks_that_lie_about_themselves() -> None:
    entry = b"\x00\x01\x01kv"
    for contents in (b"", b"\xff\xff\xff\xff", entry + b"\x09\x01\x01kv" + bytes(8), b"\x00\x7f\x01k" + bytes(8)):
        file = bytearray(table({b"k": b"v"}))
        del file
        data = _table_of(contents)
        with pytest.raises(ModelFormatError):
            table_entries(data, "test")


def _table_of(contents: bytes) -> bytes:
    """A table whose one data block has these contents, with checksums that fit."""
    import google_crc32c

    from tensorflow_files import mask, varint

    def guarded(data: bytes) -> bytes:
        return data + b"\0" + mask(google_crc32c.value(data + b"\0")).to_bytes(4, "little")

    first = guarded(contents)
    index = block([(b"z", varint(0) + varint(len(contents)))])
    handles = varint(0) + varint(0) + varint(len(first)) + varint(len(index))
    return first + guarded(index) + handles.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def test_sizes_that_do_not_fit_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = message_class("BundleHeaderProto")(num_shards=1)
    entry = message_class("BundleEntryProto")(dtype=1, size=1 << 50)
    for size in (1 << 25, 1 << 23):
        entry.shape.dim.add(size=size)
    encoded = {b"": header.SerializeToString(), b"w": entry.SerializeToString()}
    (tmp_path / "v.index").write_bytes(table(encoded))
    (tmp_path / "v.data-00000-of-00001").write_bytes(bytes(100))
    with pytest.raises(ModelFormatError, match="cut off"):
        TensorBundle(tmp_path / "v").array("w").read()


def test_what_has_no_values(tmp_path: Path) -> None:
    header = message_class("BundleHeaderProto")(num_shards=1)
    entry = message_class("BundleEntryProto")(dtype=21)
    (tmp_path / "v.index").write_bytes(table({b"": header.SerializeToString(), b"w": entry.SerializeToString()}))
    with pytest.raises(ModelFormatError, match="dtype variant has no values"):
        TensorBundle(tmp_path / "v").array("w")


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "v.index").write_bytes(b"hello " * 20)
    with pytest.raises(ModelFormatError, match="no checkpoint index"):
        TensorBundle(tmp_path / "v")


def test_string_bytes_agree_with_the_description() -> None:
    stored, _ = tensor_bytes(np.array([b"ab", b""], object))
    assert stored[:2] == b"\x02\x00" and stored[6:] == b"ab"


@pytest.mark.skipif(not ZOO.is_dir(), reason="no zoo of models beside the checkout")
def test_zoo_bundles_read_whole() -> None:
    count = 0
    for index in sorted(ZOO.glob("*/*/variables/variables.index")):
        bundle = TensorBundle(index.with_suffix(""))
        for key in bundle:
            lazy = bundle.array(key)
            assert lazy.read().shape == lazy.shape
            count += 1
    assert count > 100
