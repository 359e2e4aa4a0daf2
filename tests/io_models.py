"""A small model.json and its bytes, put together by hand, for the tests of tfgl.io."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass
class Example:
    """What lies in the files, and what reading them must give."""

    model: dict[str, Any]
    files: dict[str, bytes]
    weights: dict[str, Array] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return b"".join(self.files.values())

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "model.json").write_text(json.dumps(self.model))
        return folder


def packed_strings(*strings: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in strings)


def every_dtype(shard_bytes: int = 7) -> Example:
    """One weight of each storage, in shards so small that values straddle them, and an empty second group."""
    rows: list[tuple[str, list[int], str, bytes, Array, dict[str, Any] | None]] = [
        ("floats", [2, 2], "float32", struct.pack("<4f", 1.5, -2.0, float("inf"), 3e-9),
         np.array([[1.5, -2.0], [np.inf, 3e-9]], np.float32), None),
        ("ints", [3], "int32", struct.pack("<3i", -(2**31), 0, 2**31 - 1),
         np.array([-(2**31), 0, 2**31 - 1], np.int32), None),
        ("truths", [3], "bool", b"\x01\x00\x02", np.array([True, False, True]), None),
        ("texts", [2, 1], "string", packed_strings("größe".encode(), b""),
         np.array([["größe".encode()], [b""]], object), None),
        ("complexes", [1], "complex64", struct.pack("<2f", 1.0, -2.0), np.array([1 - 2j], np.complex64), None),
        ("bytes", [2], "uint8", b"\x00\xff", np.array([0, 255], np.int32), None),
        ("words", [2], "uint16", struct.pack("<2H", 1, 65535), np.array([1, 65535], np.int32), None),
        ("nothing", [0, 5], "float32", b"", np.zeros((0, 5), np.float32), None),
        ("scalar", [], "int32", struct.pack("<i", 7), np.array(7, np.int32), None),
        ("q8", [3], "float32", b"\x00\x02\xff", np.array([-1.0, 0.0, 126.5], np.float32),
         {"dtype": "uint8", "min": -1.0, "scale": 0.5, "original_dtype": "float32"}),
        ("q16", [2], "float32", struct.pack("<2H", 0, 65535), np.array([2.0, 2.0 + 65535 * 0.25], np.float32),
         {"dtype": "uint16", "min": 2, "scale": 0.25}),
        ("half", [2], "float32", np.array([0.5, -65504], "<f2").tobytes(),
         np.array([0.5, -65504], np.float32), {"dtype": "float16", "original_dtype": "float32"}),
        # 0.5 * q - 1.5 = -1.5, -1, -0.5, 0, 0.5: halves go up, as Math.round takes them.
        ("q_ints", [5], "int32", bytes(range(5)), np.array([-1, -1, 0, 0, 1], np.int32),
         {"dtype": "uint8", "min": -1.5, "scale": 0.5}),
    ]  # fmt: skip
    data = b"".join(row[3] for row in rows)
    cuts = [data[start : start + shard_bytes] for start in range(0, len(data), shard_bytes)]
    paths = [f"group1-shard{i}of{len(cuts)}.bin" for i in range(1, len(cuts) + 1)]
    entries = []
    for name, shape, dtype, _, _, quantization in rows:
        entry: dict[str, Any] = {"name": name, "shape": shape, "dtype": dtype}
        if quantization is not None:
            entry["quantization"] = quantization
        entries.append(entry)
    manifest = [{"paths": paths, "weights": entries}, {"paths": [], "weights": []}]
    model = {
        "format": "graph-model",
        "generatedBy": "2.19.1",
        "convertedBy": "TensorFlow.js Converter v4.22.0",
        "signature": {"inputs": {}, "outputs": {"y": {"name": "scalar:0"}}},
        "userDefinedMetadata": {"structuredOutputKeys": ["y"]},
        "modelTopology": {"node": [{"name": row[0], "op": "Const"} for row in rows]},
        "weightsManifest": manifest,
    }
    return Example(model, dict(zip(paths, cuts, strict=True)), {row[0]: row[4] for row in rows})


def plain() -> Example:
    """A graph model with one float32 weight in one shard."""
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = {
        "format": "graph-model",
        "modelTopology": {"node": [{"name": "w", "op": "Const"}]},
        "weightsManifest": [{"paths": ["w.bin"], "weights": [{"name": "w", "shape": [2, 3], "dtype": "float32"}]}],
    }
    return Example(model, {"w.bin": weight.tobytes()}, {"w": weight})


def assert_same_weights(got: dict[str, Array], expected: dict[str, Array]) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].shape == value.shape, name
        assert got[name].dtype == value.dtype, name
        if value.dtype == object:
            assert got[name].tolist() == value.tolist(), name
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)
