"""The zoo of models beside the repository: how each is converted, what it is fed and what TensorFlow returned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfgl.ir.graph import Graph

Array = np.ndarray[Any, Any]
ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
MISSING = f"no zoo of models beside the checkout ({ZOO})"
_INPUT_FORMATS = {"keras_h5": "keras", "keras3_h5": "keras"}


@dataclass(frozen=True)
class ZooModel:
    """One folder of the zoo."""

    home: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def source(self) -> Path:
        return self.home / str(self.meta["source"])

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of ``tfgl_converter.convert`` that make a graph model of the first signature."""
        kind = str(self.meta["source_format"])
        options: dict[str, Any] = {
            "input_format": _INPUT_FORMATS.get(kind, kind), "output_format": "tfjs_graph_model"
        }  # fmt: skip
        if kind == "tf_frozen_model":
            options["output_node_names"] = [key.removesuffix(":0") for key in self.meta["runs"][0]["outputs"]]
        elif kind in ("tf_saved_model", "tf_hub"):
            options["signature_name"] = self.meta["runs"][0].get("signature")
        if self.meta.get("tags"):
            options["saved_model_tags"] = self.meta["tags"]
        return options

    def runs(self, graph: Graph) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
        """For each run of the first signature and file what to feed and what to expect, by the keys of ``graph``."""
        first = self.meta["runs"][0]
        for run in self.meta["runs"]:
            if any(run.get(key) != first.get(key) for key in ("signature", "source")):
                continue
            fed = arrays(self.home / run["inputs_file"])
            expected = arrays(self.home / run["outputs_file"])
            yield _renamed(fed, list(graph.inputs)), _renamed(expected, list(graph.outputs))


def zoo_models() -> list[ZooModel]:
    """All of them by name; none where the zoo is absent."""
    return [ZooModel(file.parent, json.loads(file.read_text())) for file in sorted(ZOO.glob("*/meta.json"))]


def arrays(path: Path) -> dict[str, Array]:
    """The arrays of an npz under names as the model has them."""
    with np.load(path, allow_pickle=False) as archive:
        return {key.replace("__", "/").removesuffix(":0"): archive[key] for key in archive.files}


def _renamed(stored: Mapping[str, Array], keys: list[str]) -> dict[str, Array]:
    """Some files name outputs by the layers, and the model by output_0 and so on; unused inputs may be gone."""
    found = {key: stored[key] for key in keys if key in stored}
    if found or not stored:
        return found
    named = [key for key in keys if not key.endswith("_table")]
    return dict(zip(sorted(named), (stored[key] for key in sorted(stored)), strict=False))


def assert_close(found: Array, expected: Array, name: str, *, rtol: float, atol: float) -> None:
    """Equal shapes, equal strings and whole numbers, and floats to the tolerance."""
    assert found.shape == expected.shape, f"{name}: shape {found.shape}, expected {expected.shape}"
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=name)
    elif expected.dtype.kind in "OSU":
        as_bytes = [text if isinstance(text, bytes) else str(text).encode() for text in expected.reshape(-1).tolist()]
        assert found.reshape(-1).tolist() == as_bytes, name
    else:
        np.testing.assert_array_equal(found, expected, err_msg=name)
