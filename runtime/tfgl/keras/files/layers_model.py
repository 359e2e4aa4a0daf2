"""TensorFlow.js layers models as input: files of the converters and of TensorFlow.js' own save."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ...io import ModelArtifacts, Source, WeightSpec, check_format, read_artifacts
from ...ir.lazy_array import LazyArray
from ..configuration import reading_configuration
from .assignment import Named, assign_by_name, assign_by_path
from .model import Config, KerasModel, KerasWeight
from .normalization import normalized

Array = np.ndarray[Any, Any]


def read_tfjs_layers(source: Source) -> KerasModel:
    """The layers model at ``source``: what ``tfgl.io.read_artifacts`` takes (a model.json, its folder, artifacts).

    Raises ModelFormatError when it is damaged or no layers model.
    """
    artifacts = read_artifacts(source, expected_format="layers-model", lazy_weights=True)
    return keras_model_of(artifacts)


def keras_model_of(artifacts: ModelArtifacts, *, strict: bool = True) -> KerasModel:
    """The Keras model that a layers model's artifacts describe; without ``strict``, less what belongs to no layer.

    >>> dense = {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 1], "use_bias": False}}
    >>> topology = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}
    >>> model = keras_model_of(ModelArtifacts("layers-model", topology, weights={"d/kernel": np.ones((1, 1), "f4")}))
    >>> model.weights["d"][0].variable
    'kernel'
    """
    check_format(artifacts, "layers-model")
    with reading_configuration(artifacts.source):
        return _keras_model(artifacts, strict)


def _keras_model(artifacts: ModelArtifacts, strict: bool) -> KerasModel:
    where = artifacts.source
    optimizer_names = {spec.name for spec in artifacts.weight_specs if spec.group == "optimizer"}
    named = [(name, _held(value, f"{where}:{name}")) for name, value in artifacts.weights.items()]
    own = [(name, value) for name, value in named if name not in optimizer_names]
    optimizer = [KerasWeight(name, value, ("optimizer",), name) for name, value in named if name in optimizer_names]
    topology = artifacts.model_topology
    if topology is None:
        return KerasModel(
            None,
            assign_by_name(None, {"": own}, where),
            where,
            optimizer_weights=optimizer,
            user_defined_metadata=artifacts.user_defined_metadata,
            quantized=_quantized(artifacts),
        )
    inner = topology.get("model_config", topology)
    if not isinstance(inner, dict):
        raise ModelFormatError(f"{where}: 'model_config' must be an object; convert the model again")
    raw = {key: value for key, value in inner.items() if key not in ("keras_version", "backend")}
    config = normalized(raw, f"{where}, 'modelTopology'")
    outer: Config = {key: topology[key] for key in ("keras_version", "backend") if isinstance(topology.get(key), str)}
    training = training_config_of(artifacts)
    whole: Config = {**outer, "model_config": raw}
    if training is not None:
        whole["training_config"] = training
    return KerasModel(
        config,
        _assigned(config, own, where, strict),
        where,
        topology=whole,
        training_config=training,
        keras_version=outer.get("keras_version"),
        backend=outer.get("backend"),
        optimizer_weights=optimizer,
        user_defined_metadata=artifacts.user_defined_metadata,
        quantized=_quantized(artifacts),
    )


def training_config_of(artifacts: ModelArtifacts) -> Config | None:
    """How a model was compiled: TensorFlow.js says so beside the topology, the converter inside it; None without.

    >>> training_config_of(ModelArtifacts("layers-model", {"training_config": {"loss": "mse"}}))
    {'loss': 'mse'}
    """
    training = artifacts.training_config or (artifacts.model_topology or {}).get("training_config")
    return training if isinstance(training, dict) else None


def _assigned(config: Config, weights: list[Named], where: str, strict: bool) -> dict[str, list[KerasWeight]]:
    # The original converter leaves the weights of a .keras file under their paths in it.
    if weights and all("/vars/" in name for name, _ in weights):
        arrays = dict(weights)
        groups = {name[:end] for name in arrays for end in range(len(name)) if name[end] == "/"}
        return assign_by_path(config, arrays, groups, {}, where)
    return assign_by_name(config, {"": weights}, where, strict=strict)


def _held(value: Array | LazyArray, origin: str) -> LazyArray:
    if isinstance(value, LazyArray):
        return value
    return LazyArray(tuple(value.shape), value.dtype, lambda: value, origin)


def _quantized(artifacts: ModelArtifacts) -> dict[str, WeightSpec]:
    return {spec.name: spec for spec in artifacts.weight_specs if spec.quantization is not None}
