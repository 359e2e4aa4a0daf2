"""Every graph model of the zoo, evaluated on the NumPy reference and compared with TensorFlow's outputs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgl.ir.evaluate import HostCall, evaluate
from tfgl.ir.graph import Graph
from tfgl.ir.graphdef import graph_from_json
from tfgl.ir.lowering import kernels_of, supported_ops

ROOT = Path(__file__).resolve().parents[2] / "shared" / "zoo"
MODELS = sorted(ROOT.glob("*/tfjs/graph*/model.json"))
# What an evaluator of single nodes does not do: random numbers.
BEYOND = {"RandomStandardNormal", "RandomUniform"}

pytestmark = pytest.mark.skipif(not MODELS, reason=f"no zoo of models beside the checkout ({ROOT})")
pytest.importorskip("tfgl.ir.reference")


def read_weights(folder: Path, manifest: list[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    weights = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            if entry["dtype"] == "string":
                strings = np.empty(count, object)
                for i in range(count):
                    length = int.from_bytes(data[at : at + 4], "little")
                    strings[i] = data[at + 4 : at + 4 + length]
                    at += 4 + length
                weights[entry["name"]] = strings.reshape(entry["shape"])
                continue
            quantization = entry.get("quantization", {})
            dtype = np.dtype(quantization.get("dtype", entry["dtype"]))
            array = np.frombuffer(data, dtype, count, at).reshape(entry["shape"])
            at += array.nbytes
            if "scale" in quantization:
                array = array * quantization["scale"] + quantization["min"]
            weights[entry["name"]] = array.astype(entry["dtype"])
    return weights


def load(path: Path) -> Graph:
    model = json.loads(path.read_text())
    weights = read_weights(path.parent, model["weightsManifest"])
    return graph_from_json(
        model["modelTopology"],
        weights,
        model.get("signature"),
        initializer=model.get("modelInitializer"),
        initializer_signature=model.get("initializerSignature"),
    )


def arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path) as archive:
        return {key.replace("__", "/").removesuffix(":0"): archive[key] for key in archive.files}


def fetch_names(graph: Graph, expected: list[str]) -> dict[str, str]:
    """Graph output for each expected one; keys that the converter lost are Identity nodes in sorted order."""
    names = {}
    for at, key in enumerate(sorted(expected)):
        lost = f"Identity_{at}:0" if at else "Identity:0"
        names[key] = next((name for name in (key, lost, f"output_{at}") if name in graph.outputs), key)
    return names


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}")
def test_model(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, variant = path.parents[2], path.parent.name
    graph = load(path)
    meta = json.loads((home / "meta.json").read_text())
    needed = graph.prune(list(graph.outputs), control=False)
    unsupported = {node.op for node in needed.nodes.values()} - supported_ops()
    assert unsupported <= BEYOND
    if unsupported:
        pytest.skip(f"needs {', '.join(sorted(unsupported))}")
    called: set[tuple[str, str]] = set()
    run = HostCall.run

    def recorded(self: HostCall, kernel: str, inputs: Any, attrs: Any) -> Any:
        called.add((self.node.op, kernel))
        return run(self, kernel, inputs, attrs)

    monkeypatch.setattr(HostCall, "run", recorded)
    for case in meta["runs"]:
        own = path.parents[1] / f"{variant}.outputs.npz"
        expected = arrays(own if own.exists() else home / case["outputs_file"])
        names = fetch_names(graph, list(expected))
        feeds = arrays(home / case["inputs_file"])
        feeds = {key: value for key, value in feeds.items() if key in graph.inputs or key in graph.nodes}
        for precision in ("float64", "float32"):
            got = evaluate(graph, feeds, names.values(), precision=precision)  # type: ignore[arg-type]
            for key, name in names.items():
                want = expected[key]
                assert got[name].shape == want.shape, key
                if want.dtype.kind in "SO":
                    np.testing.assert_array_equal(got[name], want, err_msg=key)
                    continue
                np.testing.assert_allclose(
                    np.asarray(got[name], want.dtype),
                    want,
                    rtol=max(meta["rtol"], 1e-5),
                    atol=max(meta["atol"], 1e-6),
                    err_msg=f"{key}, {precision}",
                )
    for op, kernel in called:
        assert kernel in kernels_of(op)
