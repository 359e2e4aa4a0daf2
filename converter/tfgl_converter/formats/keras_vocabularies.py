"""Vocabularies that layers of a ``.keras`` file learned: text files among its assets."""

from __future__ import annotations

from collections.abc import Callable

from tfgl.errors import ModelFormatError
from tfgl.keras.files.assignment import group_name
from tfgl.keras.files.model import Config, is_model
from tfgl.keras.files.variables import numbered

_LOOKUPS = frozenset(["IntegerLookup", "StringLookup", "TextVectorization"])


def fill_in_vocabularies(model: Config, read: Callable[[str], bytes | None], prefix: str = "assets") -> None:
    """Put into the configurations of ``model`` the vocabularies that its layers learned from data.

    ``read`` gives the bytes of an entry of the archive, None where there is none. A vocabulary that the configuration
    has stays. Raises ModelFormatError for an entry that is no list of tokens.

    >>> layer = {"class_name": "StringLookup", "config": {"name": "s", "vocabulary": None}}
    >>> model = {"class_name": "Sequential", "config": {"layers": [layer]}}
    >>> fill_in_vocabularies(model, {"assets/layers/string_lookup/vocabulary.txt": b"[UNK]\\na\\nbb"}.get)
    >>> layer["config"]["vocabulary"]
    ['a', 'bb']
    """
    layers = [layer for layer in model["config"]["layers"] if layer["class_name"] != "InputLayer"]
    for layer, name in zip(layers, numbered([group_name(layer) for layer in layers]), strict=True):
        place = f"{prefix}/layers/{name}"
        if is_model(layer):
            fill_in_vocabularies(layer, read, place)
        elif layer["class_name"] in _LOOKUPS and layer["config"].get("vocabulary") is None:
            data = read(f"{place}/vocabulary.txt")
            if data is not None:
                layer["config"]["vocabulary"] = _tokens(layer, data, f"{place}/vocabulary.txt")


def _tokens(layer: Config, data: bytes, place: str) -> list[str] | list[int]:
    """The tokens behind those that stand for a mask and for what is not known."""
    config, text = layer["config"], layer["class_name"] == "TextVectorization"
    masked = config.get("output_mode", "int") == "int" and (text or config.get("mask_token") is not None)
    special = int(masked) + (1 if text else int(config.get("num_oov_indices", 1)))
    try:
        tokens = data.decode().split("\n")[special:]
        return [int(token) for token in tokens] if layer["class_name"] == "IntegerLookup" else tokens
    except ValueError as error:
        raise ModelFormatError(f"{place}: is no list of tokens ({error}); save the model again") from None
