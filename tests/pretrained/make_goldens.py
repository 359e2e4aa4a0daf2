"""Computes the expected outputs of the models in models.py with the official TensorFlow.js.

    python tests/pretrained/make_goldens.py [NAME...]

Needs Node and npm. Inputs are the two photographs that scikit-learn ships, resized, or numbers from a fixed
seed where an input is no image. Both sides read the same bytes: .pretrained/golden/NAME-PHOTOGRAPH/ holds
case.json, outputs.json and raw little-endian tensors.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import subprocess

import models
import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_sample_image

FOLDER = pathlib.Path(__file__).resolve().parent
PHOTOGRAPHS = ("china", "flower")


def values(wanted: models.Input, photograph: str) -> npt.NDArray[np.generic]:
    """The photograph in the shape, range and dtype of an input (batch, h, w, 1 or 3); else random numbers."""
    if wanted.dtype != "bool" and len(wanted.shape) == 4 and wanted.shape[3] in (1, 3):
        batch, height, width, channels = wanted.shape
        image = Image.fromarray(load_sample_image(f"{photograph}.jpg"))
        image = image.convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float64) / 255
        unit = np.broadcast_to(pixels.reshape(height, width, channels), (batch, height, width, channels))
    else:
        unit = np.random.default_rng(PHOTOGRAPHS.index(photograph)).random(wanted.shape)
    if wanted.dtype == "bool":
        return unit < 0.5
    scaled = wanted.low + unit * (wanted.high - wanted.low)
    return np.round(scaled).astype("<i4") if wanted.dtype == "int32" else scaled.astype("<f4")


def write_case(model: models.Model, photograph: str) -> pathlib.Path:
    """Writes case.json and the inputs, and returns their folder; what an earlier run left there goes."""
    folder = models.GOLDEN / f"{model.name}-{photograph}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inputs = []
    for index, wanted in enumerate(model.inputs):
        file = f"input{index}.bin"
        (folder / file).write_bytes(values(wanted, photograph).tobytes())
        inputs.append({"name": wanted.name, "dtype": wanted.dtype, "shape": wanted.shape, "file": file})
    case = {"model": str(model.path / "model.json"), "inputs": inputs, "index_of": model.index_of}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Installs TensorFlow.js into .pretrained once, writes the inputs and runs golden.mjs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    known = models.models()
    if unknown := set(names) - {model.name for model in known}:
        there = ", ".join(model.name for model in known)
        parser.error(f"no such model: {', '.join(sorted(unknown))}; there are {there}")
    models.WORK.mkdir(exist_ok=True)
    if not (models.WORK / "node_modules" / "@tensorflow" / "tfjs").exists():
        shutil.copy(FOLDER / "package.json", models.WORK)
        install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=models.WORK, check=True)
    chosen = [model for model in known if not names or model.name in names]
    for model in chosen:
        print(f"{model.name}: {sum(model.ops.values())} nodes or layers: {dict(model.ops.most_common())}", flush=True)
    folders = [str(write_case(model, photograph)) for model in chosen for photograph in PHOTOGRAPHS]
    subprocess.run(["node", str(FOLDER / "golden.mjs"), str(models.WORK), *folders], check=True)


if __name__ == "__main__":
    main()
