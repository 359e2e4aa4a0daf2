"""TensorFlow Lite models, converted here and run in the official TensorFlow.js, against TensorFlow Lite's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tfgl_converter
from official_runtime import OfficialRuntime

DATA = Path(__file__).resolve().parents[1] / "data" / "tflite"
HANDMADE = list(dict.fromkeys(key.partition("/")[0] for key in np.load(DATA / "handmade.npz").files))
CASES = [
    *((path.stem, "") for path in sorted(DATA.glob("*.tflite")) if path.stem != "handmade"),
    *(("handmade", signature) for signature in HANDMADE),
]
# Integer kernels round every step; the graph computes in float.
ROUGH = {"network_dynamic": 5e-3, "network_int16x8": 5e-3}


@pytest.mark.parametrize(("name", "signature"), CASES)
def test_model(name: str, signature: str, official: OfficialRuntime, tmp_path: Path) -> None:
    tfgl_converter.convert(
        DATA / f"{name}.tflite", tmp_path / "web", input_format="tflite", signature_name=signature or None
    )
    arrays = np.load(DATA / f"{name}.npz")
    starts = [f"{signature}/{side}:" if signature else f"{side}:" for side in ("in", "out")]
    feeds, expected = (
        {key.removeprefix(start): arrays[key] for key in arrays.files if key.startswith(start)} for start in starts
    )
    found = official.run(tmp_path / "web" / "model.json", feeds)
    assert set(found) == set(expected)
    for key, wanted in expected.items():
        got = found[key]
        assert got.shape == wanted.shape, key
        if wanted.dtype.kind == "f":
            atol = ROUGH.get(name, 1e-5) * max(1.0, float(np.abs(wanted).max(initial=0)))
        else:
            atol = 2 if name.startswith("network") else 0
        np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=0, atol=atol, err_msg=key)
