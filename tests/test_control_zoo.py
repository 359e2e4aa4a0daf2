"""Models of the zoo with loops, branches, lists and tables, converted here, on shaders and on the reference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfgl
import tfgl_converter
from tfgl.engine import Engine
from tfgl.ir.evaluate import evaluate
from zoo_models import MISSING, ZOO, ZooModel, assert_close, zoo_models

# Keras files of recurrent layers are traced into loops too, SavedModels hold TensorFlow's own.
NAMES = frozenset(
    {"frozen_while_v1", "h5_bilstm_masked", "h5_gru_reset_after", "h5_lstm", "k3_gru", "sm_autograph_greedy",
     "sm_case_switch", "sm_hash_int", "sm_hash_int_to_str", "sm_hash_str_f", "sm_nested_loops", "sm_rnn_lstm_loop",
     "tf1_savedmodel_table"}
)  # fmt: skip
MODELS = [model for model in zoo_models() if model.name in NAMES]

pytestmark = pytest.mark.skipif(not MODELS, reason=MISSING)


def fed(model: tfgl.GraphModel, feeds: dict[str, Any]) -> dict[str, Any]:
    """The zoo keeps TensorFlow's dtypes; callers of a graph model pass its own."""
    kinds = {info_key: info.dtype for info_key, info in zip(model.input_keys, model.inputs, strict=True)}
    return {key: value.astype(object if kinds[key] == "string" else kinds[key]) for key, value in feeds.items()}


def cases() -> Iterator[Any]:
    for model in MODELS:
        yield pytest.param(model, False, id=model.name)
        if model.options["input_format"] != "keras":
            yield pytest.param(model, True, id=f"{model.name}-functions")


@pytest.mark.parametrize(("entry", "functions"), list(cases()))
def test_converted_here(gpu: Engine, entry: ZooModel, functions: bool, tmp_path: Path) -> None:
    options = entry.options
    if functions:
        options["control_flow_v2"] = True
    tfgl_converter.convert(entry.source, tmp_path / "web", **options)
    rtol, atol = max(entry.meta["rtol"], 1e-4), max(entry.meta["atol"], 1e-5)
    with tfgl.load_graph_model(tmp_path / "web") as model:
        for stored, expected in entry.runs(model.graph):
            feeds = fed(model, stored)
            reference = evaluate(model.graph, feeds, list(expected))
            for _ in range(2):
                tensors = model.execute(feeds, list(expected))
                found = tensors if isinstance(tensors, list) else [tensors]
                for key, tensor in zip(expected, found, strict=True):
                    assert_close(tensor.numpy(), expected[key], key, rtol=rtol, atol=atol)
                    assert_close(np.asarray(reference[key]), expected[key], key, rtol=rtol, atol=atol)


def test_the_names_are_those_of_the_zoo() -> None:
    assert {path.parent.name for path in ZOO.glob("*/meta.json")} >= NAMES
