"""The original's Python functions, by their names and arguments, for programs that call them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tfgl.errors import InvalidArgumentError

from .dispatch import Conversion, convert
from .options import Options

_FIELDS = tuple(field.name for field in fields(Options))
_DTYPES = ("float16", "uint8", "uint16")
# Taken because calls have it; it steers an optimizer that is not used here.
_WITHOUT_EFFECT = ("experiments",)


def options_from(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of ``convert`` from arguments of the original: ``quantization_dtype_map`` maps dtypes to wildcards.

    Raises InvalidArgumentError for names that neither has.

    >>> options_from({"quantization_dtype_map": {"uint8": "a/*"}, "experiments": False, "skip_op_check": True})
    {'skip_op_check': True, 'quantize_uint8': ['a/*']}
    """
    options = {}
    for name, value in given.items():
        if name not in _FIELDS and name not in ("quantization_dtype_map", *_WITHOUT_EFFECT):
            known = ", ".join((*_FIELDS, "quantization_dtype_map"))
            raise InvalidArgumentError(f"unknown option {name!r}; options are {known}")
        if name in _FIELDS and value is not None:
            options[name] = value
    for dtype, patterns in (given.get("quantization_dtype_map") or {}).items():
        if dtype not in _DTYPES:
            raise InvalidArgumentError(f"cannot quantise to {dtype!r}; expected one of {', '.join(_DTYPES)}")
        options[f"quantize_{dtype}"] = [patterns] if isinstance(patterns, str) else patterns
    return options


def convert_tf_saved_model(
    saved_model_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    signature_def: str = "serving_default",
    saved_model_tags: str = "serve",
    **options: Any,
) -> Conversion:
    """Write a SavedModel as a graph model into a folder; what was done.

    ``options`` are those of the original (``quantization_dtype_map``, ``skip_op_check``, ``strip_debug_ops``,
    ``use_structured_outputs_names``, ``weight_shard_size_bytes``, ``control_flow_v2``, ``metadata``) and of
    ``convert``, whose errors it raises.

    >>> convert_tf_saved_model("missing", "web_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: there is no 'missing'; expected a model to convert
    """
    return convert(
        saved_model_dir,
        output_dir,
        input_format="tf_saved_model",
        signature_name=signature_def,
        saved_model_tags=saved_model_tags,
        **options_from(options),
    )


def convert_tf_frozen_model(
    frozen_model_path: str | os.PathLike[str],
    output_node_names: str,
    output_dir: str | os.PathLike[str],
    **options: Any,
) -> Conversion:
    """Write a frozen graph as a graph model into a folder; ``output_node_names`` between commas.

    >>> convert_tf_frozen_model("missing.pb", "y", "web_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: there is no 'missing.pb'; expected a model to convert
    """
    return convert(
        frozen_model_path,
        output_dir,
        input_format="tf_frozen_model",
        output_node_names=output_node_names,
        **options_from(options),
    )


def convert_tf_hub_module(
    module_handle: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    signature: str | None = None,
    saved_model_tags: str | None = None,
    **options: Any,
) -> Conversion:
    """Write a TF Hub module (a folder, an archive, a URL) as a graph model into a folder.

    The signature is ``default`` for modules of TensorFlow 1 and ``serving_default`` for others, where none is given.

    >>> convert_tf_hub_module("missing", "web_model")
    Traceback (most recent call last):
    tfgl.errors.InvalidArgumentError: missing: expected the folder of a module, its .tar.gz, or an http(s) address
    """
    return convert(
        module_handle,
        output_dir,
        input_format="tf_hub",
        signature_name=signature,
        saved_model_tags=saved_model_tags,
        **options_from(options),
    )
