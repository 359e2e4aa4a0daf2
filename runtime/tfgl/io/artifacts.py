"""What a model.json holds, apart from where it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import InvalidArgumentError, ModelFormatError
from ..ir.attributes import expect
from .manifest import WeightSpec

Array = np.ndarray[Any, Any]
ModelFormat = Literal["graph-model", "layers-model"]

MAX_JSON_BYTES = 512 << 20
# Deeper than any model that people write, and shallow enough for every reader that recurses.
_MAX_DEPTH = 128
_MAX_DIGITS = 40
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NAMES = {"graph-model": "graph model", "layers-model": "layers model"}
_LOADERS = {"graph-model": "tfgl.load_graph_model", "layers-model": "tfgl.load_layers_model"}


@dataclass
class ModelArtifacts:
    """A TensorFlow.js model in memory.

    ``model_topology`` is the GraphDef (graph models) or the Keras configuration (layers models; None when the
    file holds weights alone). ``signature`` is the one that the runtime uses: that inside
    ``user_defined_metadata`` where an old file has it there. ``weights`` holds decoded values by name, in the
    manifest's order; strings as object arrays of bytes. ``weights_manifest`` is the manifest as it was read,
    ``source`` says where the model came from, for messages.

    >>> ModelArtifacts("graph-model", {"node": []}, weights={"w": np.zeros(2, np.float32)}).weight_bytes
    8
    """

    format: ModelFormat
    model_topology: dict[str, Any] | None
    weight_specs: list[WeightSpec] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    generated_by: str | None = None
    converted_by: str | None = None
    signature: dict[str, Any] | None = None
    user_defined_metadata: dict[str, Any] | None = None
    model_initializer: dict[str, Any] | None = None
    initializer_signature: dict[str, Any] | None = None
    training_config: dict[str, Any] | None = None
    weights_manifest: list[Any] | None = None
    source: str = "memory"

    @property
    def weight_bytes(self) -> int:
        """Bytes of all decoded weights; of strings, their own bytes."""
        return sum(
            sum(map(len, value.reshape(-1).tolist())) if value.dtype == object else value.nbytes
            for value in self.weights.values()
        )

    @property
    def structured_output_keys(self) -> list[str] | None:
        """The keys of a model whose outputs form a dictionary; None for other models."""
        keys = (self.user_defined_metadata or {}).get("structuredOutputKeys")
        return None if keys is None else [str(key) for key in expect(keys, list, "'structuredOutputKeys'")]

    def to_json(self) -> dict[str, Any]:
        """The members of model.json, without ``weightsManifest``; absent ones are left out.

        >>> ModelArtifacts("graph-model", {"node": []}).to_json()["format"]
        'graph-model'
        """
        members: dict[str, Any] = {
            "format": self.format,
            "generatedBy": self.generated_by,
            "convertedBy": self.converted_by,
        }
        if self.signature is not None:
            members["signature"] = self.signature
        if self.user_defined_metadata is not None:
            members["userDefinedMetadata"] = self.user_defined_metadata
        members["modelTopology"] = self.model_topology
        if self.model_initializer is not None:
            members["modelInitializer"] = self.model_initializer
        if self.initializer_signature is not None:
            members["initializerSignature"] = self.initializer_signature
        if self.training_config is not None:
            members["trainingConfig"] = self.training_config
        return members


def parse_model_json(data: bytes, where: str) -> dict[str, Any]:
    """The object that a model.json's bytes spell.

    Raises ModelFormatError when it is no JSON object, too large, nested too deeply, or has absurd integers.

    >>> parse_model_json(b'{"format": "graph-model"}', "model.json")
    {'format': 'graph-model'}
    """
    if len(data) > MAX_JSON_BYTES:
        raise ModelFormatError(f"{where}: {len(data)} bytes are more than the {MAX_JSON_BYTES} allowed for JSON")
    try:
        text = data.decode(json.detect_encoding(data))
        value = json.loads(text.removeprefix("\ufeff"), parse_int=_bounded_integer)
    except RecursionError:
        raise ModelFormatError(f"{where}: the JSON is nested too deeply; it is no model") from None
    except ValueError as error:
        hint = "; this looks like an HTML page" if data.lstrip()[:1] == b"<" else ""
        raise ModelFormatError(f"{where} is not JSON: {error}{hint}") from None
    if not isinstance(value, dict):
        raise ModelFormatError(f"{where}: expected a JSON object, got {_kind(value)}")
    depth = _depth(text)
    if depth > _MAX_DEPTH:
        raise ModelFormatError(f"{where}: JSON nested {depth} deep, at most {_MAX_DEPTH} is read; it is no model")
    return value


def artifacts_from_json(model: Mapping[str, Any], where: str) -> ModelArtifacts:
    """The artifacts that a parsed model.json describes, still without weights.

    Raises ModelFormatError when a member has the wrong kind, or when it is neither a graph nor a layers
    model.

    >>> artifacts_from_json({"modelTopology": {"node": []}}, "model.json").format
    'graph-model'
    """
    topology = _object(model, "modelTopology", where)
    metadata = _object(model, "userDefinedMetadata", where)
    signature = _object(model, "signature", where)
    if metadata is not None and metadata.get("signature") is not None:
        signature = _object(metadata, "signature", f"{where}, 'userDefinedMetadata'")
    manifest = model.get("weightsManifest")
    return ModelArtifacts(
        format=_format_of(model, topology, where),
        model_topology=topology,
        generated_by=_text(model, "generatedBy", where),
        converted_by=_text(model, "convertedBy", where),
        signature=signature,
        user_defined_metadata=metadata,
        model_initializer=_object(model, "modelInitializer", where),
        initializer_signature=_object(model, "initializerSignature", where),
        training_config=_object(model, "trainingConfig", where),
        weights_manifest=None if manifest is None else expect(manifest, list, f"{where}, 'weightsManifest'"),
        source=where,
    )


def check_format(artifacts: ModelArtifacts, expected: ModelFormat | None) -> None:
    """Raise ModelFormatError unless ``artifacts`` are of the ``expected`` format (None: of either).

    >>> check_format(ModelArtifacts("graph-model", {"node": []}), "layers-model")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: memory is a graph model, but a layers model was asked for; ...
    """
    if expected is None:
        return
    if expected not in _NAMES:
        raise InvalidArgumentError(f"unknown format {expected!r}; expected one of {', '.join(_NAMES)}")
    if artifacts.format != expected:
        raise ModelFormatError(
            f"{artifacts.source} is a {_NAMES[artifacts.format]}, but a {_NAMES[expected]} was asked for; "
            f"load it with {_LOADERS[artifacts.format]}, or with tfgl.load, which takes both"
        )


def _format_of(model: Mapping[str, Any], topology: dict[str, Any] | None, where: str) -> ModelFormat:
    stated = model.get("format")
    if stated is not None and stated not in ("graph-model", "layers-model"):
        raise ModelFormatError(f"{where}: unknown format {_shown(stated)}; expected 'graph-model' or 'layers-model'")
    if stated == "graph-model":
        if topology is None:
            raise ModelFormatError(f"{where}: a graph model needs 'modelTopology', but the file has none")
        return "graph-model"
    if stated == "layers-model":
        return "layers-model"
    if topology is not None and "node" in topology:
        return "graph-model"
    if topology is not None and ("model_config" in topology or "class_name" in topology or "config" in topology):
        return "layers-model"
    if topology is None and isinstance(model.get("weightsManifest"), list):
        return "layers-model"
    raise ModelFormatError(
        f"{where} is no TensorFlow.js model: it has no 'format', and its 'modelTopology' holds neither "
        "'node' "
        "(graph model) nor 'model_config' (layers model); is it the right file?"
    )


def _object(model: Mapping[str, Any], key: str, where: str) -> dict[str, Any] | None:
    value = model.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ModelFormatError(f"{where}: {key!r} must be an object, got {_kind(value)}")
    return value


def _text(model: Mapping[str, Any], key: str, where: str) -> str | None:
    value = model.get(key)
    if value is not None and not isinstance(value, str):
        raise ModelFormatError(f"{where}: {key!r} must be text, got {_kind(value)}")
    return value


def _kind(value: object) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _bounded_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _depth(text: str) -> int:
    """How deeply valid JSON is nested. Its strings are cut out first, since they may hold brackets."""
    codes = np.frombuffer(_STRING.sub("", text).encode(), np.uint8)
    opening = (codes == ord("[")) | (codes == ord("{"))
    closing = (codes == ord("]")) | (codes == ord("}"))
    brackets = opening.astype(np.int8) - closing.astype(np.int8)
    depths = np.cumsum(brackets[brackets != 0], dtype=np.int64)
    return int(depths.max(initial=0))
