"""Converter of trained models into model.json and weight shards; no TensorFlow, no GL."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dispatch import Conversion as Conversion
    from .dispatch import convert as convert
    from .options import Options as Options

# Loaded when first asked for, so that the command line answers at once. A name -> the module that has it.
_LATER = {"Conversion": "dispatch", "Options": "options", "convert": "dispatch"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
