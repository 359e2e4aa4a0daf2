"""How a model was compiled, as Keras 2 and Keras 3 spell it, from files of each and of TensorFlow.js."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfgl.keras.files.model import Config, KerasModel

# TensorFlow.js' optimizers: Keras' class, and Keras' names of their options.
_TFJS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "SGD": ("SGD", {}),
    "Momentum": ("SGD", {"momentum": "momentum", "useNesterov": "nesterov"}),
    "RMSProp": (
        "RMSprop", {"decay": "rho", "momentum": "momentum", "epsilon": "epsilon", "centered": "centered"},
    ),
    "Adagrad": ("Adagrad", {"initialAccumulatorValue": "initial_accumulator_value"}),
    "Adadelta": ("Adadelta", {"rho": "rho", "epsilon": "epsilon"}),
    "Adam": ("Adam", {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
    "Adamax": ("Adamax", {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
}  # fmt: skip
# What the optimizers of both Keras take; the rest of their configurations says how one of them works inside.
_OPTIONS = frozenset(
    (
        "name", "learning_rate", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
        "ema_overwrite_frequency", "momentum", "nesterov", "rho", "epsilon", "centered", "amsgrad", "beta_1", "beta_2",
        "initial_accumulator_value",
    )
)  # fmt: skip
_CLASSES = frozenset(["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam"])
_RENAMED_LOSSES = {"cosine_proximity": "cosine_similarity"}


def training_for_keras_2(model: KerasModel) -> Config | None:
    """``training_config`` of an HDF5 file: as it was where Keras 2 wrote it; None where it cannot be told.

    >>> optimizer = {"class_name": "Momentum", "config": {"learningRate": 0.5, "momentum": 0.9, "useNesterov": False}}
    >>> training = {"loss": "mean_squared_error", "metrics": ["mae"], "optimizer_config": optimizer}
    >>> training_for_keras_2(KerasModel(None, {}, "f", training_config=training, keras_version="tfjs-layers 4"))
    {'loss': 'mean_squared_error', 'metrics': ['mae'], 'weighted_metrics': None, 'loss_weights': None,
     'optimizer_config': {'class_name': 'SGD',
     'config': {'learning_rate': 0.5, 'momentum': 0.9, 'nesterov': False, 'name': 'SGD'}}}
    """
    training = model.training_config
    if training is None or str(model.keras_version or "").startswith("2"):
        return training
    optimizer = _optimizer(training.get("optimizer_config"))
    if optimizer is None:
        return None
    kept = {key: _without_modules(_loss(training.get(key))) for key in ("loss", "metrics")}
    rest = {key: _without_modules(training.get(key)) for key in ("weighted_metrics", "loss_weights")}
    return {**kept, **rest, "optimizer_config": optimizer}


def training_for_keras_3(model: KerasModel) -> Config | None:
    """``compile_config`` of a ``.keras`` file; None where the model was not compiled, or it cannot be told.

    >>> optimizer = {"class_name": "Custom>Adam", "config": {"jit_compile": False}}
    >>> training = {"loss": "mse", "metrics": [["mae"]], "optimizer_config": optimizer}
    >>> config = training_for_keras_3(KerasModel(None, {}, "f", training_config=training, keras_version="2.15.0"))
    >>> config["optimizer"]["class_name"], config["metrics"]
    ('Adam', ['mae'])
    """
    training = model.training_config
    optimizer = None if training is None else _optimizer(training.get("optimizer_config"))
    if training is None or optimizer is None:
        return None
    return {
        "optimizer": _with_modules(optimizer, "keras.optimizers"),
        "loss": _with_modules(_loss(training.get("loss")), "keras.losses"),
        "loss_weights": training.get("loss_weights"),
        "metrics": _with_modules(_metrics(training.get("metrics")), "keras.metrics"),
        "weighted_metrics": _with_modules(_metrics(training.get("weighted_metrics")), "keras.metrics"),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }


def _optimizer(stated: Any) -> Config | None:
    """Class and options that both Keras know."""
    if isinstance(stated, str):
        stated = {"class_name": {name.lower(): name for name in _CLASSES}.get(stated.lower()), "config": {}}
    if not isinstance(stated, dict) or not isinstance(stated.get("config"), dict):
        return None
    kind, config = str(stated.get("class_name")).rpartition(">")[2], stated["config"]
    if "learningRate" in config and kind in _TFJS:
        kind, names = _TFJS[kind]
        options = {"learning_rate": config["learningRate"]}
        return {"class_name": kind, "config": {**options, **_renamed(config, names), "name": kind}}
    if kind not in _CLASSES:
        return None
    return {"class_name": kind, "config": {key: value for key, value in config.items() if key in _OPTIONS}}


def _renamed(config: Config, names: Mapping[str, str]) -> Config:
    return {name: config[key] for key, name in names.items() if config.get(key) is not None}


def _loss(value: Any) -> Any:
    """A loss, or a list or dict of them, by the names that Keras has."""
    if isinstance(value, str):
        return _RENAMED_LOSSES.get(value, value)
    if isinstance(value, list):
        return [_loss(one) for one in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _loss(one) for key, one in value.items()}
    return value


def _metrics(value: Any) -> Any:
    """Metrics without the wrappers of Keras 2, which Keras 3 makes itself of a name."""
    if isinstance(value, list):
        listed = [_metrics(one) for one in value]
        return listed[0] if len(listed) == 1 and isinstance(listed[0], list) else listed
    if isinstance(value, dict) and value.get("class_name") == "MeanMetricWrapper":
        config = value.get("config")
        return config.get("fn") if isinstance(config, dict) else None
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _metrics(one) for key, one in value.items()}
    return _loss(value)


def _with_modules(value: Any, module: str) -> Any:
    """Every object with the module that Keras 3 asks for; schedules of an optimizer have their own."""
    if isinstance(value, list):
        return [_with_modules(one, module) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), dict):
        config = {key: _with_modules(one, f"{module}.schedules") for key, one in value["config"].items()}
        return {"module": module, "class_name": value["class_name"], "config": config, "registered_name": None}
    return {key: _with_modules(one, module) for key, one in value.items()}


def _without_modules(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_modules(one) for one in value]
    if not isinstance(value, dict):
        return value
    foreign = ("module", "registered_name", "build_config") if "class_name" in value else ()
    return {key: _without_modules(one) for key, one in value.items() if key not in foreign}
