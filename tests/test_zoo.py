"""Models that the official converter wrote, against TensorFlow's own outputs.

The zoo lies beside the repository (``../shared/zoo``); without it the tests skip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tfgl
from tfgl.engine import Engine
from tfgl.graph.runner import ModelTensorInfo

ZOO = Path(__file__).parents[2] / "shared" / "zoo"

def _conversions() -> Iterator[Any]:
    for meta_file in sorted(ZOO.glob("*/meta.json")):
        folder = meta_file.parent
        for model in sorted(folder.glob("tfjs/*/model.json")):
            if json.loads(model.read_text()).get("format") == "graph-model":
                yield pytest.param(folder, model.parent, id=f"{folder.name}-{model.parent.name}")


def _array(stored: npt.NDArray[Any], info: ModelTensorInfo) -> npt.NDArray[Any]:
    """The zoo keeps TensorFlow's dtypes (float64, int64, str); a TensorFlow.js user passes the model's."""
    if info.dtype == "string":
        return stored.astype(object)
    return stored.astype(
        {"float32": np.float32, "int32": np.int32, "bool": np.bool_, "complex64": np.complex64}[info.dtype]
    )


@pytest.mark.skipif(not ZOO.is_dir(), reason="the model zoo is not beside this repository")
@pytest.mark.parametrize(("folder", "model_folder"), list(_conversions()))
def test_model_computes_what_tensorflow_computes(gpu: Engine, folder: Path, model_folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    own_outputs = model_folder.parent / f"{model_folder.name}.outputs.npz"
    with tfgl.load_graph_model(model_folder) as model:
        for run in meta["runs"]:
            inputs = np.load(folder / run["inputs_file"], allow_pickle=False)
            outputs = np.load(own_outputs if own_outputs.exists() else folder / run["outputs_file"], allow_pickle=False)
            feeds = _feeds(model, inputs)
            found = model.predict_dict(feeds)
            _compare(found, model.output_nodes, {_clean(key): outputs[key] for key in outputs.files}, meta)


def _clean(key: str) -> str:
    return key.replace("__", "/").removesuffix(":0")


def _feeds(model: tfgl.GraphModel, inputs: Any) -> dict[str, Any]:
    stored = {_clean(key): inputs[key] for key in inputs.files}
    infos = {key: info for key, info in zip(model.input_keys, model.inputs, strict=True)}
    if len(infos) == 1 and len(stored) == 1:
        stored = dict(zip(infos, stored.values(), strict=True))
    feeds = {}
    for key, info in infos.items():
        name = next((n for n in (key, key.removesuffix(":0"), info.name.removesuffix(":0")) if n in stored), None)
        if name is not None:
            feeds[key] = _array(stored[name], info)
    return feeds


def _compare(
    found: dict[str, tfgl.Tensor], nodes: list[str], expected: dict[str, npt.NDArray[Any]], meta: dict[str, Any]
) -> None:
    """``nodes`` are the nodes of ``found``, in its order."""
    named = {_clean(key): value for key, value in found.items()}
    # The converter keeps a signature key only where dtype and shape tell the outputs apart. TensorFlow returns
    # them sorted by key from nodes called Identity, Identity_1, and so on.
    numbered = {
        int(node.partition("_")[2] or 0): tensor
        for node, tensor in zip(nodes, found.values(), strict=True)
        if re.fullmatch(r"Identity(_\d+)?", node)
    }
    pairs = []
    for place, (key, value) in enumerate(sorted(expected.items())):
        tensor = next(iter(found.values())) if len(found) == len(expected) == 1 else named.get(key, numbered.get(place))
        assert tensor is not None, f"output {key} is not among {sorted(named)}"
        pairs.append((key, tensor, value))
    for key, tensor, value in pairs:
        got = tensor.numpy()
        assert got.shape == value.shape, f"{key}: shape {got.shape}, expected {value.shape}"
        if value.dtype.kind in "fc":
            with np.errstate(invalid="ignore"):
                error = np.abs(got.astype(np.complex128) - value) - meta["rtol"] * np.abs(value)
            error[got == value] = 0  # infinities
            if error.size and not np.nanmax(error, initial=0) <= meta["atol"]:
                worst = np.unravel_index(np.nanargmax(error), error.shape)
                pytest.fail(f"{key}{list(map(int, worst))}: got {got[worst]}, expected {value[worst]}")
            np.testing.assert_array_equal(np.isnan(got), np.isnan(value))
        else:
            np.testing.assert_array_equal(
                got.astype(value.dtype) if value.dtype.kind != "O" else got, value, err_msg=key
            )
