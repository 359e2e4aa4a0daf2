"""model.json, weight shards, dequantisation and http; nothing of GL."""

from .artifacts import ModelArtifacts, ModelFormat, artifacts_from_json, check_format, parse_model_json
from .manifest import WeightGroup, WeightSpec, parse_manifest, parse_specs
from .quantization import Quantization, QuantizedDType, dequantize, quantization_by_name, quantize
from .save import DEFAULT_SHARD_BYTES, SaveHandler, save_artifacts
from .source import LoadHandler, Source, read_artifacts

__all__ = [
    "DEFAULT_SHARD_BYTES",
    "LoadHandler",
    "ModelArtifacts",
    "ModelFormat",
    "Quantization",
    "QuantizedDType",
    "SaveHandler",
    "Source",
    "WeightGroup",
    "WeightSpec",
    "artifacts_from_json",
    "check_format",
    "dequantize",
    "parse_manifest",
    "parse_model_json",
    "parse_specs",
    "quantization_by_name",
    "quantize",
    "read_artifacts",
    "save_artifacts",
]
