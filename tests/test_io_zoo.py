"""Models that the official converter wrote: read, and written again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tfgl.io import quantization_by_name, read_artifacts, save_artifacts

ZOO = Path(__file__).resolve().parents[2] / "shared" / "zoo"
MODELS = sorted(ZOO.glob("*/tfjs/*/model.json"))
pytestmark = pytest.mark.skipif(not MODELS, reason=f"no zoo of models beside the checkout ({ZOO})")


@pytest.mark.parametrize("file", MODELS, ids=lambda file: f"{file.parts[-4]}-{file.parts[-2]}")
def test_read_and_written_again(tmp_path: Path, file: Path) -> None:
    written = json.loads(file.read_text())
    artifacts = read_artifacts(file)
    assert artifacts.format == written["format"]
    groups = [[entry["name"] for entry in group["weights"]] for group in written["weightsManifest"]]
    first = file.parent / written["weightsManifest"][0]["paths"][0] if groups and groups[0] else None
    single = all(len(group["paths"]) == 1 for group in written["weightsManifest"])
    shard_bytes = 4 << 20 if single or first is None else first.stat().st_size
    save_artifacts(artifacts, tmp_path / "m", weight_groups=groups, shard_bytes=shard_bytes)
    assert json.loads((tmp_path / "m" / "model.json").read_text()) == written
    for path in (path for group in written["weightsManifest"] for path in group["paths"]):
        assert (tmp_path / "m" / path).read_bytes() == (file.parent / path).read_bytes(), path


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16"])
def test_quantised_as_the_converter_does(tmp_path: Path, dtype: str) -> None:
    folder = ZOO / "h5_cnn_bn" / "tfjs"
    if not (folder / f"layers_{dtype}").is_dir():
        pytest.skip("the zoo lacks h5_cnn_bn")
    artifacts = read_artifacts(folder / "layers")
    chosen = quantization_by_name(list(artifacts.weights), {dtype: True})  # type: ignore[dict-item]
    save_artifacts(artifacts, tmp_path / "m", quantization=chosen)
    official = folder / f"layers_{dtype}"
    for name in ("group1-shard1of1.bin",):
        assert (tmp_path / "m" / name).read_bytes() == (official / name).read_bytes()
    mine, theirs = (json.loads((place / "model.json").read_text()) for place in (tmp_path / "m", official))
    assert mine["weightsManifest"] == theirs["weightsManifest"]
    for name, value in read_artifacts(official).weights.items():
        step = {"uint8": 255, "uint16": 65535, "float16": 1000}[dtype]
        original = artifacts.weights[name]
        np.testing.assert_allclose(value, original, atol=float(np.ptp(original)) / step + 1e-6)
