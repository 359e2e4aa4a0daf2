"""A Keras model as every reader of one gives it: configuration, weights by layer, nothing executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...io import WeightSpec
from ...ir.lazy_array import LazyArray

Config = dict[str, Any]
LayerPath = tuple[str, ...]

MODEL_CLASSES = frozenset({"Functional", "Model", "Sequential"})


@dataclass(frozen=True, slots=True, eq=False)
class KerasWeight:
    """One weight of a layer.

    ``name`` is the file's own name for it (without ``:0``). ``layer`` is the path of its layer: the names of the
    nested models on the way, then the layer's. ``variable`` is its name inside the layer, the same for files of
    every origin: ``kernel``, ``forward/recurrent_kernel`` (Bidirectional), ``cells/0/bias`` (stacked cells),
    ``query/kernel`` (attention).
    """

    name: str
    value: LazyArray
    layer: LayerPath
    variable: str


@dataclass
class KerasModel:
    """What a Keras file or a TensorFlow.js layers model holds.

    ``config`` is ``{"class_name", "config"}`` in the one shape that `normalized` gives; None for a
    file of weights alone. ``topology`` is what the file itself says, as a layers model's ``modelTopology`` holds
    it (None: nothing but weights). ``weights`` maps the name of a layer of the outermost model to its weights,
    those of models nested in it included, in the file's order. ``keras_version`` and ``backend`` are the file's
    words, None when it has none. ``quantized`` says how weights were stored, by name, where they were quantised.
    """

    config: Config | None
    weights: dict[str, list[KerasWeight]]
    source: str
    topology: Config | None = None
    training_config: Config | None = None
    keras_version: str | None = None
    backend: str | None = None
    optimizer_weights: list[KerasWeight] = field(default_factory=list)
    user_defined_metadata: Config | None = None
    quantized: dict[str, WeightSpec] = field(default_factory=dict)

    def layer_weights(self) -> dict[LayerPath, dict[str, LazyArray]]:
        """The weights of each layer by the path of that layer, then by ``variable``.

        >>> import numpy as np
        >>> value = LazyArray((1,), np.dtype("float32"), lambda: np.ones(1, np.float32), "here")
        >>> weight = KerasWeight("dense/bias", value, ("inner", "dense"), "bias")
        >>> KerasModel(None, {"inner": [weight]}, "here").layer_weights()
        {('inner', 'dense'): {'bias': LazyArray(here, float32, [1])}}
        """
        found: dict[LayerPath, dict[str, LazyArray]] = {}
        for weight in self.all_weights():
            found.setdefault(weight.layer, {})[weight.variable] = weight.value
        return found

    def all_weights(self) -> Iterator[KerasWeight]:
        """Every weight of the model in the file's order, the optimizer's left out."""
        for weights in self.weights.values():
            yield from weights

    @property
    def weight_bytes(self) -> int:
        """What all weights take in memory once they are read."""
        return sum(weight.value.nbytes for weight in self.all_weights())


@dataclass(frozen=True, slots=True)
class Leaf:
    """A layer that is no model: its path, its configuration, and whether it and all around it are trainable."""

    path: LayerPath
    layer: Config
    trainable: bool

    @property
    def class_name(self) -> str:
        """The layer's class as the configuration names it."""
        return str(self.layer["class_name"])

    @property
    def config(self) -> Config:
        """The layer's own configuration."""
        config: Config = self.layer["config"]
        return config


def is_model(layer: Config) -> bool:
    """True for the configuration of a model, one nested as a layer included.

    >>> is_model({"class_name": "Sequential", "config": {"name": "s", "layers": []}})
    True
    """
    config = layer.get("config")
    return layer.get("class_name") in MODEL_CLASSES and isinstance(config, dict) and "layers" in config


def layer_name(layer: Config) -> str:
    """The layer's name.

    >>> layer_name({"class_name": "Dense", "config": {"name": "d"}})
    'd'
    """
    return str(layer["config"].get("name", layer.get("name", "")))


def inner_layer(layer: Config) -> Config | None:
    """The layer that a wrapper (TimeDistributed, Bidirectional) holds; None for other layers."""
    inner = layer["config"].get("layer")
    return (
        inner if isinstance(inner, dict) and "class_name" in inner and isinstance(inner.get("config"), dict) else None
    )


def leaves_of(model: Config, path: LayerPath = (), trainable: bool = True) -> Iterator[Leaf]:
    """Every layer of a normalised model that is no model itself, in the order of Keras' ``model.layers``.

    A wrapper around a model counts as a model: its leaves are those of the model in it.

    >>> dense = {"class_name": "Dense", "config": {"name": "d"}}
    >>> inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}}
    >>> [leaf.path for leaf in leaves_of({"class_name": "Sequential", "config": {"layers": [inner, dense]}})]
    [('s', 'd'), ('d',)]
    """
    for layer in model["config"]["layers"]:
        here = (*path, layer_name(layer))
        learns = trainable and layer["config"].get("trainable", True) is not False
        inner = inner_layer(layer)
        if is_model(layer):
            yield from leaves_of(layer, here, learns)
        elif inner is not None and is_model(inner):
            yield from leaves_of(inner, (*here, layer_name(inner)), learns)
        else:
            yield Leaf(here, layer, learns)
