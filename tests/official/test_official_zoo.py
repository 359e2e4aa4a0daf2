"""Zoo models of every source format, converted here and run in the official TensorFlow.js, against TensorFlow.

`pytest tests/official -rs` lists what TensorFlow.js cannot do.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import tfgl_converter
from official_runtime import OfficialError, OfficialRuntime
from tfgl.io import read_artifacts
from tfgl.ir.graphdef import graph_from_json
from zoo_models import MISSING, ZooModel, arrays, assert_close, zoo_models

MODELS = zoo_models()
# Refused by name, since its class is not in the file.
REFUSED = {"h5_subclass_custom"}
KERAS = [
    pytest.param(model, file, id=f"{model.name}-{file}")
    for model in MODELS
    for file in ("model.h5", "model.keras")
    if (model.home / file).exists() and model.name not in REFUSED
]
BACKENDS = ["cpu", "wasm"]
pytestmark = pytest.mark.skipif(not MODELS, reason=MISSING)

_INT_SUM = "wasm sums int32 in float32, which holds 24 bits"
_INT_PRODUCT = "cpu multiplies int32 as doubles, so that products above 2^53 lose their lowest bits"
_MAX_POOL = "wasm starts a maximum at the smallest positive float, not at minus infinity"
_ONE_HOT = "wasm writes whole numbers into a OneHot of floats"
_BATCH_GATHER = "wasm gathers every batch by the indices of the first"
# Outputs that are wrong in TensorFlow.js 4.22 whoever converts; each is compared and must still be wrong.
WRONG: dict[tuple[str, str], dict[str, str]] = {
    ("sm_bert_tiny_tanhgelu", "wasm"): {"pooled_output": _ONE_HOT, "sequence_output": _ONE_HOT},
    ("sm_image_transform", "cpu"): {"n": "cpu computes in doubles: what is 1.5 in float32 lies below"},
    ("sm_image_transform", "wasm"): {"y": "wasm reflects what lies outside to other pixels than cpu"},
    ("sm_int_big", "cpu"): {"hash": _INT_PRODUCT},
    ("sm_int_big", "wasm"): {"xor_like": _INT_SUM},
    ("sm_int_big_core", "cpu"): {"hash": _INT_PRODUCT},
    ("sm_pool", "wasm"): {"a": _MAX_POOL, "dil": _MAX_POOL, "m3": _MAX_POOL, "v": _MAX_POOL},
    ("sm_slice_join", "wasm"): {"rs": _BATCH_GATHER},
}
# A graph model has no variables that change from call to call; the first call is TensorFlow's.
FIRST_RUN_ONLY = {"sm_stateful_counter"}
# A message of TensorFlow.js that says what it lacks; of unknown ops, which tfgl runs, the converter warns.
LACKING = re.compile(
    r"Kernel '(Einsum|StaticRegexReplace)' not registered for backend 'wasm'"
    r"|Unknown op '(StringToNumber|Substr)'"
)
# Layers that Keras has and TensorFlow.js lacks, and causal convolutions that are dilated.
LACKING_LAYERS = re.compile(
    r"Unknown (activation: exponential|layer: (GroupNormalization|MultiHeadAttention|Subtract))"
    r"|GRUCell does not support reset_after|broadcast together with shapes \[126,12\] \[127,12\]"
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [model for model in MODELS if model.name not in REFUSED], ids=lambda m: m.name)
def test_graph_model(model: ZooModel, backend: str, official: OfficialRuntime, tmp_path: Path) -> None:
    tfgl_converter.convert(model.source, tmp_path / "web", **model.options)
    artifacts = read_artifacts(tmp_path / "web", expected_format="graph-model")
    graph = graph_from_json(artifacts.model_topology, artifacts.weights, artifacts.signature)
    wrong = WRONG.get((model.name, backend), {})
    compared = 0
    for fed, expected in list(model.runs(graph))[: 1 if model.name in FIRST_RUN_ONLY else None]:
        outputs = _run(official, tmp_path / "web", fed, backend, LACKING)
        for key, value in expected.items():
            if key in wrong:
                with pytest.raises(AssertionError):
                    _compare(outputs[key], value, key, model)
            else:
                _compare(outputs[key], value, key, model)
            compared += 1
    assert compared or not graph.outputs or model.name == "sm_random"


@pytest.mark.parametrize(("model", "file"), KERAS)
def test_layers_model(model: ZooModel, file: str, official: OfficialRuntime, tmp_path: Path) -> None:
    kind = "keras" if file.endswith(".h5") else "keras_keras"
    tfgl_converter.convert(model.home / file, tmp_path / "web", input_format=kind, output_format="tfjs_layers_model")
    assert json.loads((tmp_path / "web" / "model.json").read_text())["format"] == "layers-model"
    for run in model.meta["runs"]:
        outputs = _run(official, tmp_path / "web", arrays(model.home / run["inputs_file"]), "cpu", LACKING_LAYERS)
        for key, value in arrays(model.home / run["outputs_file"]).items():
            _compare(outputs[key], value, key, model)


def _run(official: OfficialRuntime, folder: Path, fed: dict[str, Any], backend: str, lacking: re.Pattern[str]) -> Any:
    try:
        return official.run(folder / "model.json", fed, backend=backend)
    except OfficialError as error:
        if lacking.search(str(error)):
            pytest.skip(f"TensorFlow.js: {str(error).splitlines()[0]}")
        raise


def _compare(found: Any, expected: Any, key: str, model: ZooModel) -> None:
    rtol, atol = max(model.meta["rtol"], 1e-4), max(model.meta["atol"], 1e-5)
    assert_close(found, expected, key, rtol=rtol, atol=atol)
