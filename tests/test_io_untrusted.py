"""Damaged and hostile model files: each gives a TfglError that says what and where, and nothing else."""

from __future__ import annotations

import copy
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from io_models import every_dtype, plain
from tfgl.errors import ModelFormatError, TfglError
from tfgl.io import read_artifacts

Change = Callable[[dict[str, Any]], object]


def weight(model: dict[str, Any]) -> dict[str, Any]:
    found = model["weightsManifest"][0]["weights"][0]
    assert isinstance(found, dict)
    return found


def set_weight(**members: Any) -> Change:
    return lambda model: weight(model).update(members)


def quantise(**members: Any) -> Change:
    entry = {"dtype": "uint8", "min": 0.0, "scale": 1.0, **members}
    return set_weight(shape=[24], quantization={key: value for key, value in entry.items() if value != "absent"})


def set_path(path: Any) -> Change:
    return lambda model: model["weightsManifest"][0].update(paths=[path])


CHANGES: dict[str, tuple[Change, str]] = {
    "negative dimension": (set_weight(shape=[2, -3]), r"'w'.*-3"),
    "fractional dimension": (set_weight(shape=[2, 1.5]), "whole number"),
    "true as a dimension": (set_weight(shape=[True, 6]), "whole number"),
    "text as a dimension": (set_weight(shape=["6"]), "whole number"),
    "shape as text": (set_weight(shape="23"), "'shape'"),
    "no shape": (set_weight(shape=None), "'shape'"),
    "overflowing product": (set_weight(shape=[1 << 30] * 3), "more than any machine"),
    "overflow beside a zero": (set_weight(shape=[0] + [1 << 30] * 3), "more than any machine"),
    "product that wraps to the right size": (set_weight(shape=[(1 << 31) - 1] * 2), "more than any machine|needs"),
    "huge dimension": (set_weight(shape=[10**39]), "outside"),
    "many dimensions": (set_weight(shape=[1] * 40), "40 dimensions"),
    "too large": (set_weight(shape=[1 << 20]), r"'w\.bin'.*24"),
    "too small": (set_weight(shape=[5]), r"20 bytes.*24"),
    "unknown dtype": (set_weight(dtype="float8"), r"float8.*expected one of float32"),
    "list as dtype": (set_weight(dtype=["float32"]), "unknown dtype"),
    "number as name": (set_weight(name=3), "'name'"),
    "empty name": (set_weight(name=""), "'name' is empty"),
    "weight is text": (lambda model: model["weightsManifest"][0].update(weights=["w"]), "expected"),
    "weights missing": (lambda model: model["weightsManifest"][0].pop("weights"), "'weights'"),
    "manifest is an object": (lambda model: model.update(weightsManifest={}), "'weightsManifest'"),
    "group is text": (lambda model: model.update(weightsManifest=["a"]), r"weightsManifest\[0\]"),
    "duplicate weight": (lambda m: m["weightsManifest"][0]["weights"].append(weight(m)), "'w' is listed twice"),
    "duplicate shard": (lambda m: m["weightsManifest"][0]["paths"].append("w.bin"), "'w.bin' is listed twice"),
    "no shards": (lambda m: m["weightsManifest"][0].update(paths=[]), "group without shards"),
    "missing shard": (set_path("x.bin"), r"'x\.bin' is missing"),
    "folder as shard": (set_path("folder"), "no regular file"),
    "paths as text": (lambda model: model["weightsManifest"][0].update(paths="w.bin"), "'paths'"),
    "number as path": (set_path(1), "'paths'"),
    "empty path": (set_path(""), "is empty"),
    "dot as path": (set_path("."), "names no file"),
    "long path": (set_path("a" * 5000), "longer than"),
    "name too long for the disk": (set_path("a" * 4000), "cannot be read|missing"),
    "absolute path": (set_path("/etc/passwd"), "is absolute"),
    "home": (set_path("~/w.bin"), "is absolute"),
    "climbing path": (set_path("../model/w.bin"), r"climbs out"),
    "climbing inside": (set_path("folder/../../model/w.bin"), "climbs out"),
    "percent-encoded climbing": (set_path("%2e%2e/model/w.bin"), "climbs out"),
    "backslash": (set_path("..\\w.bin"), "backslash"),
    "drive": (set_path("C:w.bin"), "scheme or a drive"),
    "URL": (set_path("http://127.0.0.1:1/w.bin"), "scheme or a drive"),
    "file URL": (set_path("file:///etc/passwd"), "scheme or a drive"),
    "other host": (set_path("//127.0.0.1/w.bin"), "is absolute"),
    "zero byte": (set_path("w.bin\0"), "control characters"),
    "half a surrogate": (set_path("\ud800.bin"), "control characters"),
    "link out of the folder": (set_path("link.bin"), "link that leads out"),
    "linked folder": (set_path("out/w.bin"), "link that leads out"),
    "pipe": (set_path("pipe"), "no regular file"),
    "NaN scale": (quantise(scale=float("nan")), r"'w'.*'scale' must be finite"),
    "infinite scale": (quantise(scale=float("inf")), "'scale' must be finite"),
    "NaN min": (quantise(min=float("nan")), "'min' must be finite"),
    "scale beyond float64": (quantise(scale=10**39), "float32 cannot hold"),
    "reach beyond float32": (quantise(scale=1e38), "float32 cannot hold"),
    "text as scale": (quantise(scale="1"), "'scale' must be a number"),
    "no min": (quantise(min="absent"), "'min' must be a number"),
    "no quantised dtype": (quantise(dtype="absent"), "uint8, uint16 or float16"),
    "unknown quantised dtype": (quantise(dtype="int4"), "int4"),
    "quantisation as text": (set_weight(quantization="uint8"), "'quantization'"),
    "quantised truths": (lambda m: (quantise()(m), weight(m).update(dtype="bool")), "not bool"),
    "half integers": (lambda m: (quantise(dtype="float16")(m), weight(m).update(dtype="int32")), "not int32"),
    "reach beyond int32": (lambda m: (quantise(scale=1e8)(m), weight(m).update(dtype="int32")), "int32 cannot"),
    "strings longer than the file": (set_weight(dtype="string", shape=[6]), "truncated"),
    "more strings than bytes": (set_weight(dtype="string", shape=[1 << 30]), "truncated"),
    "topology is a list": (lambda model: model.update(modelTopology=[]), "'modelTopology' must be an object"),
    "no topology": (lambda model: model.pop("modelTopology"), "needs 'modelTopology'"),
    "unknown format": (lambda model: model.update(format="onnx"), "unknown format 'onnx'"),
    "format is a list": (lambda model: model.update(format=[]), "unknown format"),
    "no model": (lambda model: (model.pop("format"), model.update(modelTopology={})), "is no TensorFlow.js model"),
    "signature is text": (lambda model: model.update(signature="x"), "'signature' must be an object"),
    "metadata is a list": (lambda model: model.update(userDefinedMetadata=[1]), "'userDefinedMetadata'"),
    "old signature is a number": (lambda m: m.update(userDefinedMetadata={"signature": 3}), "'signature'"),
    "training is text": (lambda model: model.update(trainingConfig="adam"), "'trainingConfig'"),
    "author is a number": (lambda model: model.update(generatedBy=3), "'generatedBy' must be text"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_damage_is_named(tmp_path: Path, change: str) -> None:
    example = plain()
    apply, message = CHANGES[change]
    apply(example.model)
    folder = example.write(tmp_path / "model")
    (folder / "folder").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "w.bin").write_bytes(example.data)
    if os.name == "posix":
        (folder / "link.bin").symlink_to(tmp_path / "outside" / "w.bin")
        (folder / "out").symlink_to(tmp_path / "outside")
        os.mkfifo(folder / "pipe")
    elif "link" in change or change == "pipe":
        pytest.skip("needs POSIX links and pipes")
    with pytest.raises(ModelFormatError, match=message) as caught:
        read_artifacts(folder)
    assert str(folder / "model.json") in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX links")
def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    example = plain()
    folder = example.write(tmp_path / "model")
    (folder / "w.bin").rename(folder / "real.bin")
    (folder / "w.bin").symlink_to("real.bin")
    (tmp_path / "alias").symlink_to(folder)
    assert set(read_artifacts(tmp_path / "alias").weights) == {"w"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"nul", "not JSON"),
        (b"[]", "expected a JSON object, got a list"),
        (b"3", "got a number"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"a": "\xe4"}', "not JSON"),
        (b'{"a": ' + b"9" * 100 + b"}", "integer of 100 digits"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "integer of 100000 digits"),
        (b'{"a":' * 100_000, "JSON"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "300 deep|too deeply"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
        (b"<html>", "HTML"),
    ],
)
def test_json_that_is_none(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "model.json").write_bytes(text)
    with pytest.raises(ModelFormatError, match=message):
        read_artifacts(tmp_path)


def test_brackets_in_text_are_no_depth(tmp_path: Path) -> None:
    name = "[{" * 500 + '\\" [' + "\\\\"
    (tmp_path / "model.json").write_text(json.dumps({"modelTopology": {"node": [{"name": name}]}}))
    assert read_artifacts(tmp_path).model_topology == {"node": [{"name": name}]}


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b'\xef\xbb\xbf{"modelTopology": {"node": []}}')
    assert read_artifacts(tmp_path).format == "graph-model"


def test_nothing_is_allocated_for_a_shape_that_the_shards_cannot_fill(tmp_path: Path) -> None:
    example = plain()
    weight(example.model)["shape"] = [1 << 14, 1 << 14]
    folder = example.write(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            read_artifacts(folder)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_reading_needs_little_more_than_the_weights(tmp_path: Path) -> None:
    example = plain()
    weight(example.model)["shape"] = [1 << 20, 4]
    example.files = {"w.bin": bytes(1 << 24)}
    folder = example.write(tmp_path)
    example.files = {}
    tracemalloc.start()
    try:
        artifacts = read_artifacts(folder)
        assert tracemalloc.get_traced_memory()[1] < (1 << 24) + (1 << 20)
        assert artifacts.weight_bytes == 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"\0" * 23, b"\0" * 25, None, "text", 3, [b"\0" * 24, 3], [None], {}, [[]]])
def test_bytes_in_memory(data: Any) -> None:
    with pytest.raises(ModelFormatError):
        read_artifacts((plain().model, data))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["float32", "string", "uint8", "../x", "w.bin", "graph-model", 10**30, 1 << 40, -1, 0, 2]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every member and element of a JSON value."""
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        found += places(inner, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A valid model with up to three members replaced, removed or doubled, and bytes cut, added or changed."""
    example = every_dtype()
    model, data = copy.deepcopy(example.model), bytearray(example.data)
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(places(model)))
        holder: Any = model
        for key in way:
            holder = holder[key]
        kind = draw(st.sampled_from(["replace", "remove", "double"]))
        if kind == "replace":
            holder[last] = draw(anything)
        elif kind == "remove":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(data)))
        data[position : position + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return model, bytes(data)


def read_or_refuse(source: Any) -> None:
    try:
        artifacts = read_artifacts(source)
    except TfglError as error:
        assert str(error)
    else:
        assert {spec.name: spec.shape for spec in artifacts.weight_specs} == {
            name: value.shape for name, value in artifacts.weights.items()
        }


@settings(max_examples=300)
@given(mutated())
def test_mutated_models_in_memory(case: tuple[dict[str, Any], bytes]) -> None:
    read_or_refuse(case)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(), st.data())
def test_mutated_models_in_files(tmp_path: Path, case: tuple[dict[str, Any], bytes], draws: st.DataObject) -> None:
    model, data = case
    text = bytearray(json.dumps(model).encode())
    if draws.draw(st.booleans()):
        position = draws.draw(st.integers(0, len(text)))
        text[position : position + draws.draw(st.integers(0, 3))] = draws.draw(st.binary(max_size=3))
    (tmp_path / "model.json").write_bytes(text)
    paths = every_dtype().model["weightsManifest"][0]["paths"]
    for number, path in enumerate(paths):
        last = number == len(paths) - 1
        (tmp_path / path).write_bytes(data[7 * number :] if last else data[7 * number : 7 * number + 7])
    read_or_refuse(tmp_path)


@settings(max_examples=150)
@given(anything, anything)
def test_any_json_in_memory(model: Any, data: Any) -> None:
    read_or_refuse((model, data))
