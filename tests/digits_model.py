"""The digits example as a graph model, converted once a session from the Keras file that the repository ships."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path

import tfgl_converter

DIGITS_H5 = Path(__file__).resolve().parent.parent / "examples" / "digits" / "model.h5"
_folder = tempfile.TemporaryDirectory(prefix="tfgl-digits-")
atexit.register(_folder.cleanup)

DIGITS = Path(_folder.name) / "model"
tfgl_converter.convert(DIGITS_H5, DIGITS, input_format="keras", output_format="tfjs_graph_model")
