"""The layers of a model as a tree, and which of the file's arrays is which layer's weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from .configuration import MODELS, is_operation, layer_parts
from .registry import Row, Weight, row_of

Array = np.ndarray[Any, Any]
# Arrays, or (weight name, array) pairs, in Keras's order, or by name; an array may be a function that reads it.
Arrays = Sequence[Any] | Mapping[str, Any]
_DEEPEST = 64


class LayerNode:
    """One layer: its class, configuration, place in the model, weights, and the layers that it holds.

    >>> LayerNode({"class_name": "Dense", "config": {"name": "d", "units": 2}}).path
    'd'
    """

    def __init__(self, entry: Mapping[str, Any], parents: tuple[str, ...] = (), name: str | None = None) -> None:
        """The tree below a layer's entry; UnsupportedOpError for classes that have no row."""
        self.class_name, self.config = layer_parts(entry, "/".join(parents) or "the model")
        if is_operation(entry):
            # A function of keras.ops in a model's graph; some are called as layers are.
            self.config["operation"], self.class_name = self.class_name, "Operation"
        self.entry = entry
        self.name = name or str(self.config.get("name") or self.class_name.lower())
        self.path = "/".join([*parents, self.name])
        if len(parents) > _DEEPEST:
            raise ModelFormatError(f"layer {self.path!r}: models are nested more than {_DEEPEST} deep")
        registered = entry.get("registered_name")
        self.is_model = self.class_name in MODELS and "layers" in self.config
        self.row: Row | None = None
        if not self.is_model:
            self.row = row_of(self.class_name, self.path, _foreign(registered))
        self.own: list[Weight] = [] if self.row is None else self.row.weight_list(self.config)
        self.children: dict[str, LayerNode] = {}
        inside = (*parents, self.name)
        if self.is_model:
            listed = self.config["layers"]
            if not isinstance(listed, list):
                raise ModelFormatError(f"layer {self.path!r}: 'layers' must be a list")
            for item in listed:
                child = LayerNode(item, inside)
                if child.name in self.children:
                    raise ModelFormatError(f"model {self.path!r} has two layers called {child.name!r}")
                self.children[child.name] = child
        elif self.row is not None and self.row.children is not None:
            for key, item in self.row.children(self.config).items():
                self.children[key] = LayerNode(item, inside, key)
        self.values: dict[str, Any] = {}

    @property
    def trainable(self) -> bool:
        """What the configuration says; layers are trainable unless it says otherwise."""
        return bool(self.config.get("trainable", True))

    def keras_order(self) -> list[tuple[LayerNode, Weight]]:
        """All weights in the order of ``layer.weights`` as HDF5 files have it: the trainable ones first."""
        first, then = self._partition()
        return first + then

    def _partition(self) -> tuple[list[tuple[LayerNode, Weight]], list[tuple[LayerNode, Weight]]]:
        first = [(self, weight) for weight in self.own if weight.trainable]
        then = [(self, weight) for weight in self.own if not weight.trainable]
        for child in self.children.values():
            more_first, more_then = child._partition()
            first += more_first
            then += more_then
        return (first, then) if self.trainable else ([], first + then)

    def assign(self, weights: Mapping[str, Arrays]) -> None:
        """Gives every layer inside its arrays, by ``layer path -> arrays``.

        Arrays are a list in Keras's order, which for a model or wrapper may hold those of all its layers, or a
        mapping of variable names (``kernel``, ``forward/kernel``, ``cells/0/bias``). Raises ModelFormatError when
        they do not fit the configuration.
        """
        for child in self.children.values():
            child._find(weights, child.name)
        self._share()

    def _find(self, weights: Mapping[str, Arrays], key: str) -> None:
        if key in weights:
            given = weights[key]
            if isinstance(given, Mapping):
                self._take_named(given, "")
            else:
                self._take(list(given), key)
            return
        for name, child in self.children.items():
            child._find(weights, f"{key}/{name}")

    def _take_named(self, given: Mapping[str, Any], prefix: str) -> None:
        for weight in self.own:
            if prefix + weight.name in given:
                self.values[weight.name] = given[prefix + weight.name]
        if self.row is not None and self.row.free_weights is not None:
            inside = [(name.removeprefix(prefix), value) for name, value in given.items() if name.startswith(prefix)]
            names = self.row.free_weights or [name for name, _ in inside]
            if len(names) != len(inside):
                raise ModelFormatError(
                    f"layer {self.path!r} ({self.class_name}) has {len(inside)} weights in the file, its class names "
                    f"{len(names)}: {', '.join(names)}"
                )
            self.values.update(zip(names, (value for _, value in inside), strict=True))
        for i, child in enumerate(self.children.values()):
            inner = {"Bidirectional": ("forward/", "backward/")[i % 2], "StackedRNNCells": f"cells/{i}/"}
            child._take_named(given, prefix + inner.get(self.class_name, ""))

    def _take(self, arrays: list[Any], key: str) -> None:
        order = self.keras_order()
        if len(arrays) != len(order):
            order = self._without_twins(order)
        if len(arrays) != len(order):
            wanted = ", ".join(f"{node.name}/{weight.name}" for node, weight in order[:12])
            raise ModelFormatError(
                f"layer {key!r} ({self.class_name}) has {len(arrays)} weights in the file; its configuration needs "
                f"{len(order)}: {wanted or 'none'}"
            )
        for (node, weight), array in zip(order, arrays, strict=True):
            node.values[weight.name] = array[1] if isinstance(array, tuple) else array

    def _without_twins(self, order: list[tuple[LayerNode, Weight]]) -> list[tuple[LayerNode, Weight]]:
        """``order`` without layers that stand in two models at once: Keras lists their weights once."""
        seen: dict[tuple[str, str, str], LayerNode] = {}
        return [(node, weight) for node, weight in order if seen.setdefault(node._twin_key(), node) is node]

    def _twin_key(self) -> tuple[str, str, str]:
        essence = {key: self.config[key] for key in sorted(self.config) if key not in ("batch_input_shape", "dtype")}
        return self.class_name, self.name, repr(essence)

    def _share(self) -> None:
        """A layer without arrays gets those of its twin: the same layer, standing in another model as well."""
        nodes: list[LayerNode] = [self]
        for node in nodes:
            nodes += node.children.values()
        given = {node._twin_key(): node for node in reversed(nodes) if node.own and node.values}
        for node in nodes:
            twin = given.get(node._twin_key()) if node.own and not node.values else None
            if twin is not None:
                node.values = twin.values
            missing = [weight.name for weight in node.own if weight.name not in node.values]
            if missing:
                raise ModelFormatError(
                    f"the file has no {', '.join(missing)} for layer {node.path!r} ({node.class_name})"
                )

    def array(self, name: str) -> Array:
        """The array of a weight, read now; float16 and the like as float32."""
        try:
            value = self.values[name]
        except KeyError:
            raise ModelFormatError(f"layer {self.path!r} ({self.class_name}) has no weight {name!r}") from None
        array = np.asarray(value() if callable(value) else value)
        wanted = {"f": np.dtype(np.float32), "i": np.dtype(np.int32), "u": np.dtype(np.int32)}.get(array.dtype.kind)
        # bfloat16 of ml_dtypes is of kind V.
        wanted = np.dtype(np.float32) if array.dtype.name == "bfloat16" else wanted
        return array if wanted is None or array.dtype == wanted else array.astype(wanted)


def _foreign(registered: Any) -> str | None:
    """The package that registered a class, None for Keras's own."""
    if not isinstance(registered, str) or ">" not in registered:
        return None
    package = registered.split(">")[0]
    return None if package in ("keras", "Keras", "tf_keras") else package
