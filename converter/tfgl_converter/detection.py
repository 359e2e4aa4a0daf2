"""Which format a model is in, from what lies at its path."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from tfgl.errors import TfglError
from tfgl.io import read_artifacts
from tfgl.io.http import is_url

from .formats.saved_model import is_keras_saved_model
from .options import INPUT_FORMATS

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt")


def detect_format(text: str) -> tuple[str | None, str]:
    """The input format of the model at a path or URL, None for none that is known, and the path to convert.

    The path is that of the model's folder where a file in it was named, and ``~`` is replaced.

    >>> detect_format("https://tfhub.dev/google/imagenet/mobilenet_v1_100_224/classification/1")[0]
    'tf_hub'
    >>> detect_format("nowhere.h5")
    (None, 'nowhere.h5')
    """
    if is_url(text):
        return "tf_hub", text
    path = Path(os.path.expanduser(text.strip()))
    if path.is_file() and (path.name in _SAVED_MODELS or path.name == "model.json"):
        path = path.parent
    try:
        found = _in_folder(path) if path.is_dir() else _of_file(path) if path.is_file() else None
    except (TfglError, OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        found = None  # a damaged model says what it lacks when it is converted
    return found if found in INPUT_FORMATS else None, str(path)


def _in_folder(path: Path) -> str | None:
    if (path / "tfhub_module.pb").is_file():
        return "tf_hub"
    if any((path / name).is_file() for name in _SAVED_MODELS):
        return "keras_saved_model" if is_keras_saved_model(path) else "tf_saved_model"
    if (path / "model.json").is_file():
        kind = read_artifacts(path, with_weights=False).format
        return "tfjs_graph_model" if kind == "graph-model" else "tfjs_layers_model"
    return None


def _of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
    if head == _HDF5:
        return "keras"
    if head[4:] == b"TFL3":
        return "tflite"
    if head[:4] == _ZIP:
        with zipfile.ZipFile(path) as archive:
            return "keras_keras" if "config.json" in archive.namelist() else None
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return "tf_hub"
    return "tf_frozen_model" if path.suffix in (".pb", ".pbtxt") else None
