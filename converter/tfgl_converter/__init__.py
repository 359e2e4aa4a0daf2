"""Converter of trained models into model.json and weight shards; no TensorFlow, no GL."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dispatch import Conversion as Conversion
    from .dispatch import convert as convert
    from .live_models import convert_jax as convert_jax
    from .live_models import convert_keras_model_to_graph_model as convert_keras_model_to_graph_model
    from .live_models import deserialize_keras_model as deserialize_keras_model
    from .live_models import load_keras_model as load_keras_model
    from .live_models import save_keras_model as save_keras_model
    from .options import Options as Options
    from .original_arguments import convert_tf_frozen_model as convert_tf_frozen_model
    from .original_arguments import convert_tf_hub_module as convert_tf_hub_module
    from .original_arguments import convert_tf_saved_model as convert_tf_saved_model
    from .quantizing import quantize as quantize

# Loaded when first asked for, so that the command line answers at once. A module -> the names that it has.
_LATER = {
    "dispatch": ("Conversion", "convert"),
    "live_models": (
        "convert_jax", "convert_keras_model_to_graph_model", "deserialize_keras_model", "load_keras_model",
        "save_keras_model",
    ),
    "options": ("Options",),
    "original_arguments": ("convert_tf_frozen_model", "convert_tf_hub_module", "convert_tf_saved_model"),
    "quantizing": ("quantize",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _LATER.items() for name in names}

__all__ = list(_MODULE_OF)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULE_OF})
