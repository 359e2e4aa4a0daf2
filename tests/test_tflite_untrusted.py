"""Damaged and hostile .tflite files: one line that says where, and neither a crash nor a hang."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers.table
import numpy as np
import pytest
import tflite

from tfgl.errors import ModelFormatError, TfglError
from tfgl_converter import convert
from tfgl_converter.formats.tflite_model import read_tflite
from tfgl_converter.formats.tflite_verifier import SCHEMA
from tfgl_converter.graph_conversion import convert_source_graph
from tflite_files import Op, Signature, Subgraph, Tensor, tflite_bytes

DATA = Path(__file__).parent / "data" / "tflite"
X, Y = Tensor("x", [2]), Tensor("y", [2])
FLIPS = 300


def _read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    return read_tflite(path)


def _attempt(tmp_path: Path, data: bytes) -> None:
    """The whole conversion; nothing but our own errors."""
    try:
        source = _read(tmp_path, data)
        artifacts = convert_source_graph(source).artifacts
        for value in artifacts.weights.values():
            np.asarray(value)
    except TfglError as error:
        assert "\n" not in str(error)


def _small() -> bytes:
    weights = Tensor("w", data=np.arange(6, dtype=np.int8).reshape(2, 3), scale=[0.5, 0.25], axis=0)
    graph = Subgraph(
        [Tensor("x", [1, 3]), weights, Tensor("m", [1, 2]), Tensor("shape", data=np.array([2], np.int32)), Y],
        [Op("FULLY_CONNECTED", ["x", "w", ""], ["m"], "FullyConnectedOptions", {"FusedActivationFunction": 1}),
         Op("RESHAPE", ["m", "shape"], ["y"], "ReshapeOptions", {"NewShape": [2]})],
        ["x"], ["y"],
    )  # fmt: skip
    return tflite_bytes([graph], [Signature("serving_default", {"x": "x"}, {"y": "y"})])


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = _small()
    for length in range(len(data)):
        try:
            _read(tmp_path, data[:length])
        except ModelFormatError as error:
            assert "model.tflite" in str(error) and "\n" not in str(error)
        else:
            # What stands at the very end are bytes that only fill up.
            assert len(data) - length < 8


@pytest.mark.parametrize("name", ["small", "handmade", "control_flow", "network_int8"])
def test_flipped_bytes_never_crash(tmp_path: Path, name: str) -> None:
    data = _small() if name == "small" else (DATA / f"{name}.tflite").read_bytes()
    rng = random.Random(name)
    for _ in range(FLIPS if name == "small" else FLIPS // 6):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            # Most bytes are weights; those that point and count are rather small ones.
            place = rng.randrange(len(changed))
            changed[place] = rng.choice([0, 1, 127, 128, 255, changed[place] ^ 1 << rng.randrange(8)])
        _attempt(tmp_path, bytes(changed))


def test_numbers_in_place_of_offsets_never_crash(tmp_path: Path) -> None:
    data = _small()
    rng = random.Random(1)
    for place in range(0, len(data) - 4, 4):
        for value in (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, rng.randrange(len(data))):
            _attempt(tmp_path, data[:place] + value.to_bytes(4, "little") + data[place + 4 :])


def test_the_schema_of_the_verifier_is_that_of_the_package() -> None:
    for kind, fields in SCHEMA.items():
        seen: set[int] = set()

        class Recorder(flatbuffers.table.Table):  # type: ignore[misc]
            def Offset(self, offset: int, seen: set[int] = seen) -> int:
                seen.add((offset - 4) // 2)
                return 0

        table = getattr(tflite, kind)()
        table._tab = Recorder(bytearray(64), 0)
        for name in dir(table):
            if name[0].isupper() and not name.startswith(("Init", "GetRoot")) and "BufferHas" not in name:
                method: Callable[..., Any] = getattr(table, name)
                method(*[0] * (method.__code__.co_argcount - 1))
        assert set(fields) == seen, kind


def _broken(**changes: Any) -> Subgraph:
    op = changes.pop("op", Op("NEG", ["x"], ["y"]))
    tensors = changes.pop("tensors", [X, Y])
    return Subgraph(tensors, [op], ["x"], ["y"])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (_broken(op=Op("NEG", [], ["y"])), r"operator 0 \(NEG\) has no input 0"),
        (_broken(tensors=[X, Tensor("z", [2]), Y], op=Op("NEG", ["z"], ["y"])), r"nothing writes tensor 1 'z' before"),
        (
            _broken(tensors=[X, Tensor("c", [3], data=np.ones(2, np.float32)), Y], op=Op("ADD", ["x", "c"], ["y"])),
            r"tensor 1 'c': float32 of shape \[3\] takes 12 bytes, its buffer has 8",
        ),
        (_broken(tensors=[Tensor("x", [-2]), Y]), r"tensor 0 'x' has shape \[-2\]"),
        (
            _broken(tensors=[X, Tensor("c", [1 << 30, 1 << 30], data=np.ones(2, np.float32)), Y],
                    op=Op("ADD", ["x", "c"], ["y"])),
            r"1152921504606846976 elements are more than a file of",
        ),
        (
            _broken(op=Op("SOFTMAX", ["x"], ["y"], "Conv2DOptions", {"StrideW": 1})),
            r"operator 0 \(SOFTMAX\) has options of type Conv2DOptions, which have no Beta",
        ),
        (_broken(op=Op("CONV_2D", ["x", "x", ""], ["y"], "Conv2DOptions")), r"\(CONV_2D\): its input has shape \[2\]"),
        (
            _broken(op=Op("ADD", ["x", "x"], ["y"], "AddOptions", {"FusedActivationFunction": 9})),
            r"\(ADD\) fuses activation 9, expected 0 to 5",
        ),
        (
            _broken(op=Op("WHILE", ["x"], ["y"], "WhileOptions", {"CondSubgraphIndex": 7})),
            r"operator 0 \(WHILE\): subgraph 7 of 1",
        ),
        (_broken(op=Op("CALL", ["x"], ["y"], "CallOptions", {"Subgraph": 0})), r"subgraph 0 calls itself"),
        (
            _broken(tensors=[Tensor("x", [2], scale=[1.0, 2.0, 3.0], type="INT8"), Y]),
            r"3 scales do not fit axis 0 of shape \[2\]",
        ),
        (
            _broken(op=Op("custom:TFLite_Detection_PostProcess", ["x", "x", "x"], ["y"], custom=b"\xff" * 9)),
            r"its options are no FlexBuffer",
        ),
        (_broken(op=Op("READ_VARIABLE", ["x"], ["y"])), r"its variable comes from outside"),
    ],
)  # fmt: skip
def test_what_cannot_be_says_where(tmp_path: Path, graph: Subgraph, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message) as caught:
        _read(tmp_path, tflite_bytes([graph]))
    assert "model.tflite" in str(caught.value) and "\n" not in str(caught.value)


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"is a folder, expected a \.tflite file"):
        read_tflite(tmp_path)
    with pytest.raises(ModelFormatError, match=r"is no TensorFlow Lite model: bytes 4 to 7 are b''"):
        _read(tmp_path, b"")
    with pytest.raises(ModelFormatError, match=r"expected b'TFL3'"):
        _read(tmp_path, b"PK\x03\x04" * 9)


def test_sparse_levels_that_do_not_fit(tmp_path: Path) -> None:
    for levels, message in (
        ([2, ([0, 1, 2], [0, 9])], r"lies outside of axis 1"),
        ([2, ([0, 1], [0, 1])], r"2 segments of a sparse level are too few"),
        ([2, ([2, 1, 0], [0, 1])], r"segments of a sparse level do not fit"),
        ([1 << 30, ([0, 1, 2], [0, 1])], r"hold more than"),
        ([2], r"sparse with 1 levels"),
    ):
        sparsity = {"order": [0, 1], "levels": levels}
        weights = Tensor("w", [2, 3], data=np.ones(2, np.float32).tobytes(), sparsity=sparsity)
        ends = Tensor("x", [2, 3]), Tensor("y", [2, 3])
        graph = Subgraph([*ends, weights], [Op("ADD", ["x", "w"], ["y"])], ["x"], ["y"])
        with pytest.raises(ModelFormatError, match=message):
            _read(tmp_path, tflite_bytes([graph]))


def test_a_failed_conversion_leaves_the_target_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(_small()[:300])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.json").write_text("kept")
    with pytest.raises(ModelFormatError):
        convert(path, tmp_path / "out", input_format="tflite")
    assert (tmp_path / "out" / "model.json").read_text() == "kept"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.json"]
