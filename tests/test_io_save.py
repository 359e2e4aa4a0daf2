"""What save_artifacts writes, and that a failure leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from io_models import assert_same_weights, every_dtype, plain
from tfgl.errors import InvalidArgumentError
from tfgl.io import ModelArtifacts, dequantize, quantize, read_artifacts, save_artifacts
from tfgl.ir.lazy_array import BLOCK_BYTES, LazyArray, scaled


def model_json(folder: Path) -> dict[str, Any]:
    loaded = json.loads((folder / "model.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("shard_bytes", [1, 5, 4 << 20])
def test_round_trip(tmp_path: Path, shard_bytes: int) -> None:
    example = every_dtype()
    artifacts = read_artifacts((example.model, example.data))
    path = save_artifacts(artifacts, tmp_path / "new" / "web", shard_bytes=shard_bytes)
    assert path == tmp_path / "new" / "web" / "model.json"
    again = read_artifacts(path)
    assert_same_weights(again.weights, example.weights)
    for member in ("format", "generated_by", "converted_by", "signature", "user_defined_metadata", "model_topology"):
        assert getattr(again, member) == getattr(artifacts, member), member
    assert {spec.name for spec in again.weight_specs if spec.quantization} == {"q8", "q16", "half", "q_ints"}
    paths = model_json(path.parent)["weightsManifest"][0]["paths"]
    sizes = [(path.parent / name).stat().st_size for name in paths]
    assert max(sizes) <= shard_bytes and set(sizes[:-1]) <= {shard_bytes}
    assert paths[0] == f"group1-shard1of{len(paths)}.bin"
    assert sorted(os.listdir(path.parent)) == sorted([*paths, "model.json"])
    assert os.listdir(tmp_path / "new") == ["web"]


def test_layout_of_bytes(tmp_path: Path) -> None:
    weights = {
        "a": np.array([[1, 2], [3, 4]], np.int64).T,
        "b": np.array([True, False]),
        "c": np.array([b"xy", "ü"], object),
        "d": np.array([1 + 2j]),
        "e": np.array([2**63 - 1, -(2**63)], np.int64),
        "f": np.array([0.5], np.float16),
        "g": np.array([1.0, 2.0], ">f4"),
        "h": np.array(7, np.uint8),
    }
    save_artifacts(ModelArtifacts("graph-model", {"node": []}, weights=weights), tmp_path / "m")
    expected = (
        np.array([1, 3, 2, 4], "<i4").tobytes() + b"\1\0" + b"\2\0\0\0xy\2\0\0\0\xc3\xbc"
        + np.array([1, 2], "<f4").tobytes() + np.array([2**31 - 1, -(2**31)], "<i4").tobytes()
        + np.array([0.5, 1, 2], "<f4").tobytes() + b"\7\0\0\0"
    )  # fmt: skip
    assert (tmp_path / "m" / "group1-shard1of1.bin").read_bytes() == expected
    dtypes = [entry["dtype"] for entry in model_json(tmp_path / "m")["weightsManifest"][0]["weights"]]
    assert dtypes == ["int32", "bool", "string", "complex64", "int32", "float32", "float32", "int32"]


def test_groups_quantisation_and_other_files(tmp_path: Path) -> None:
    weights = {"a": np.linspace(-1, 1, 9, dtype=np.float32), "b": np.ones(2, np.float32), "c": np.ones(2, np.int32)}
    save_artifacts(
        ModelArtifacts("layers-model", None, weights=weights),
        tmp_path / "m",
        weight_groups=[["b", "a"], [], ["c"]],
        quantization={"a": "uint8", "c": "uint8"},
        extra_files={"conversion.json": b"{}"},
    )
    manifest = model_json(tmp_path / "m")["weightsManifest"]
    assert [group["paths"] for group in manifest] == [
        ["group1-shard1of1.bin"], [], ["group3-shard1of1.bin"],
    ]  # fmt: skip
    assert manifest[0]["weights"][1]["quantization"]["dtype"] == "uint8"
    assert "quantization" not in manifest[2]["weights"][0]
    assert (tmp_path / "m" / "conversion.json").read_bytes() == b"{}"
    again = read_artifacts(tmp_path / "m")
    assert list(again.weights) == ["b", "a", "c"]
    np.testing.assert_allclose(again.weights["a"], weights["a"], atol=1 / 255)


def test_weights_changed_after_reading_are_not_rounded(tmp_path: Path) -> None:
    example = every_dtype()
    artifacts = read_artifacts((example.model, example.data))
    artifacts.weights["q8"] = artifacts.weights["q8"] + np.float32(0.1)
    save_artifacts(artifacts, tmp_path / "m")
    again = read_artifacts(tmp_path / "m")
    np.testing.assert_array_equal(again.weights["q8"], artifacts.weights["q8"])


def test_a_folder_that_exists_keeps_other_files(tmp_path: Path) -> None:
    example = every_dtype(3)
    example.write(tmp_path)
    (tmp_path / "index.html").write_text("mine")
    save_artifacts(read_artifacts(tmp_path), tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["group1-shard1of1.bin", "index.html", "model.json"]
    assert_same_weights(read_artifacts(tmp_path).weights, example.weights)


def test_being_stopped_at_any_point_leaves_a_whole_model_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ModelArtifacts("graph-model", {"node": []}, weights={"w": np.zeros(6, np.int32)})
    second = ModelArtifacts("graph-model", {"node": []}, weights={"w": np.ones(4, np.int32)})
    replace = os.replace
    seen = set()
    for stopped_at in range(8):
        target = tmp_path / str(stopped_at)
        save_artifacts(first, target, shard_bytes=4)
        calls = iter(range(100))

        def stopping(*paths: Any, calls: Any = calls, stopped_at: int = stopped_at) -> None:
            if next(calls) == stopped_at:
                raise KeyboardInterrupt
            replace(*paths)

        monkeypatch.setattr(os, "replace", stopping)
        with suppress(KeyboardInterrupt):
            save_artifacts(second, target, shard_bytes=4)
        monkeypatch.setattr(os, "replace", replace)
        if (target / "model.json").exists():
            seen.add(tuple(read_artifacts(target).weights["w"]))
        else:
            seen.add(())
    assert seen == {(), (1, 1, 1, 1)}


def test_weights_in_files_are_read_a_block_at_a_time(tmp_path: Path) -> None:
    values = np.linspace(-3, 5, 60_000_000 // 4, dtype=np.float32).reshape(-1, 100)
    largest = 0

    def blocks(rows: int) -> Iterator[Any]:
        nonlocal largest
        largest = max(largest, rows)
        for start in range(0, len(values), rows):
            yield values[start : start + rows]

    def whole() -> Any:
        raise AssertionError("read as a whole")

    lazy: Any = LazyArray(values.shape, values.dtype, whole, "a file", blocks)
    doubled: Any = scaled(lazy, np.full(100, 2.0))
    wide: Any = lazy.mapped(lambda block: block.astype(np.float64), np.dtype(np.float64))
    weights = {"a": lazy, "b": lazy, "doubled": doubled, "wide": wide}
    errors: dict[str, float] = {}
    save_artifacts(
        ModelArtifacts("graph-model", {"node": []}, weights=weights), tmp_path / "m", quantization={"b": "uint8"},
        on_quantized=lambda name, error: errors.update({name: max(error, errors.get(name, 0.0))}),
    )  # fmt: skip
    assert 0 < largest * 400 <= BLOCK_BYTES
    again = read_artifacts(tmp_path / "m").weights
    stored, how = quantize(values, "uint8")
    for name, expected in {"a": values, "b": dequantize(stored, how), "doubled": 2 * values, "wide": values}.items():
        np.testing.assert_array_equal(again[name], expected, err_msg=name)
    assert errors == {"b": float(np.abs(values.astype(np.float64) - again["b"]).max())}


def test_shard_like_files_without_a_model_stay(tmp_path: Path) -> None:
    (tmp_path / "group1-shard1of2.bin").write_bytes(b"mine")
    save_artifacts(read_artifacts((plain().model, plain().data)), tmp_path)
    assert (tmp_path / "group1-shard1of2.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    "artifacts",
    [
        ModelArtifacts("graph-model", {"node": float("nan")}),
        ModelArtifacts("graph-model", {"node": {1, 2}}),
        ModelArtifacts("graph-model", {}, weights={"a": np.ones(2), "b": np.array(["2020"], "M8[D]")}),
        ModelArtifacts("graph-model", {}, weights={"a": np.ones(2), "b": np.array([3.5], object)}),
    ],
    ids=["nan", "set", "date", "object"],
)
def test_a_failure_leaves_nothing(tmp_path: Path, artifacts: ModelArtifacts, exists: bool) -> None:
    target = tmp_path / "m"
    if exists:
        target.mkdir()
        (target / "model.json").write_text("old")
    with pytest.raises(InvalidArgumentError):
        save_artifacts(artifacts, target)
    assert os.listdir(tmp_path) == (["m"] if exists else [])
    assert not exists or os.listdir(target) == ["model.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"shard_bytes": 0},
        {"shard_bytes": 1.5},
        {"quantization": {"absent": "uint8"}},
        {"quantization": {"w": "int4"}},
        {"weight_groups": [["absent"]]},
        {"weight_groups": [["w"], ["w"]]},
        {"weight_groups": []},
        {"extra_files": {"../x": b""}},
        {"extra_files": {"model.json": b""}},
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: dict[str, Any]) -> None:
    artifacts = read_artifacts((plain().model, plain().data))
    with pytest.raises(InvalidArgumentError):
        save_artifacts(artifacts, tmp_path / "m", **arguments)
    assert not os.listdir(tmp_path)


def test_targets(tmp_path: Path) -> None:
    artifacts = ModelArtifacts("graph-model", {"node": []})
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file", "https://example.org/m", 3):
        with pytest.raises(InvalidArgumentError):
            save_artifacts(artifacts, target)  # type: ignore[arg-type]

    class Handler:
        def save(self, artifacts: ModelArtifacts, /) -> str:
            return f"kept {artifacts.format}"

    assert save_artifacts(artifacts, Handler()) == "kept graph-model"
