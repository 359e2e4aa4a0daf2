"""Quantising what is there: arrays, and models that are written already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tfgl.errors import InvalidArgumentError
from tfgl.io import quantize as quantize_array
from tfgl.io import read_artifacts

from .dispatch import Conversion, convert
from .original_arguments import options_from

Array = npt.NDArray[Any]
# A dtype for all weights, or wildcards over names by dtype (True: all others).
Wanted = str | Mapping[str, bool | str | Sequence[str]]


@overload
def quantize(source: Array, dtype: str) -> tuple[Array, dict[str, Any]]: ...
@overload
def quantize(
    source: str | os.PathLike[str], dtype: Wanted, target: str | os.PathLike[str] | None = None, **options: Any
) -> Conversion: ...
def quantize(
    source: Array | str | os.PathLike[str],
    dtype: Wanted,
    target: str | os.PathLike[str] | None = None,
    **options: Any,
) -> tuple[Array, dict[str, Any]] | Conversion:
    """Quantise an array, or the weights of a graph or layers model that is written, by the original's formulas.

    An array (float32) comes back as stored, with the ``quantization`` entry of a manifest: ``min`` and ``scale``
    read it back as ``stored * scale + min``; float16 has neither. A model, a folder or model.json, is written
    into the folder ``target``, or in place; ``dtype`` is float16, uint8 or uint16 for all weights, or a dict of them
    with wildcards over weight names; other ``options`` are those of ``convert``, and what was done comes back.

    Raises InvalidArgumentError for other dtypes and for NaN and infinities, ModelFormatError for a damaged model.

    >>> stored, how = quantize(np.array([0.0, 1.0, 2.55], np.float32), "uint8")
    >>> stored, round(how["scale"], 6), how["min"]
    (array([  0, 100, 255], dtype=uint8), 0.01, 0.0)
    """
    if isinstance(source, np.ndarray):
        if not isinstance(dtype, str) or target is not None or options:
            raise InvalidArgumentError("an array is quantised to one dtype and written nowhere")
        stored, how = quantize_array(source, dtype)  # type: ignore[arg-type]
        return stored, how.to_json()
    patterns = {dtype: True} if isinstance(dtype, str) else dtype
    chosen = options_from({**options, "quantization_dtype_map": patterns})
    kind = read_artifacts(source, with_weights=False).format.replace("-", "_")
    place = source if target is None else target
    if target is None and os.path.isfile(source):
        place = os.path.dirname(os.path.abspath(source))
    return convert(source, place, input_format=f"tfjs_{kind}", output_format=f"tfjs_{kind}", **chosen)
