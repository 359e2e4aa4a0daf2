"""The layers and the weights of a model, as people look at them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..errors import InvalidArgumentError
from ..keras import LayerNode
from ..keras.files.model import KerasModel, leaves_of
from ..keras.files.variables import is_trained
from ..keras.model import KerasGraph

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerWeight:
    """One weight of a layer.

    ``name`` is the file's, ``layer`` the path of its layer (``tower/dense`` inside a nested model), ``variable`` its
    name inside the layer (``kernel``, ``forward/bias``), ``trainable`` whether training changes it.
    """

    name: str
    layer: str
    variable: str
    shape: Shape
    dtype: str
    trainable: bool
    read: Callable[[], Array]

    @property
    def size(self) -> int:
        """Number of elements.

        >>> LayerWeight("d/kernel", "d", "kernel", (2, 3), "float32", True, lambda: np.ones((2, 3))).size
        6
        """
        return math.prod(self.shape)

    def numpy(self) -> Array:
        """The values, as they were loaded (dequantised)."""
        return self.read()


class Layer:
    """One layer of a model: what its file says of it, and what that comes to.

    ``layers`` are the layers that it holds: those of a nested model, that inside a wrapper. ``output_shapes`` has for
    each call of the layer the shapes of its outputs, -1 for what only a run knows. ``weights`` has its own weights and
    those of the layers inside it, the trainable ones first.
    """

    def __init__(
        self, node: LayerNode, calls: Mapping[str, Sequence[Sequence[Any]]], weights: Sequence[LayerWeight]
    ) -> None:
        self.name = node.name
        self.class_name = node.class_name
        self.config: Mapping[str, Any] = node.config
        self.trainable = node.trainable
        self.path = _below_root(node.path)
        self.output_shapes: list[list[Shape]] = [[x.shape for x in outputs] for outputs in calls.get(node.path, ())]
        inside = f"{self.path}/"
        own = [weight for weight in weights if weight.layer == self.path or weight.layer.startswith(inside)]
        self.weights = sorted(own, key=lambda weight: not weight.trainable)
        self.layers = [Layer(child, calls, weights) for child in node.children.values()]

    @property
    def output_shape(self) -> Shape | list[Shape]:
        """The shape of the only output, or the shapes of several; those of the first call of a shared layer."""
        if not self.output_shapes:
            raise InvalidArgumentError(f"layer {self.path!r} is not called, so that it has no output shape")
        first = self.output_shapes[0]
        return first[0] if len(first) == 1 else first

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return sum(weight.size for weight in self.weights)

    def as_dict(self) -> dict[str, Any]:
        """Name, class, shapes, parameters and the layers inside as plain values, for JSON."""
        return {
            "name": self.name,
            "class": self.class_name,
            "output_shapes": [[list(shape) for shape in shapes] for shapes in self.output_shapes],
            "parameters": self.count_params(),
            "trainable": self.trainable,
            "layers": [layer.as_dict() for layer in self.layers],
        }

    def __repr__(self) -> str:
        return f"Layer({self.path!r}, {self.class_name}, {self.count_params()} parameters)"


def layers_of(built: KerasGraph, weights: Sequence[LayerWeight]) -> list[Layer]:
    """The outermost layers of a model in the order of its file."""
    below: dict[str, list[LayerWeight]] = {}
    for weight in weights:
        below.setdefault(weight.layer.partition("/")[0], []).append(weight)
    return [Layer(child, built.calls, below.get(name, ())) for name, child in built.root.children.items()]


def weights_of(model: KerasModel) -> list[LayerWeight]:
    """All weights of a model, the trainable ones first, as TensorFlow.js lists them; each group in the file's order.

    >>> import numpy as np
    >>> from tfgl.ir.lazy_array import LazyArray
    >>> from tfgl.keras.files.model import KerasWeight
    >>> value = LazyArray((2,), np.dtype("float32"), lambda: np.ones(2, np.float32), "here")
    >>> [weight.shape for weight in weights_of(KerasModel(None, {"d": [KerasWeight("d/b", value, ("d",), "b")]}, "f"))]
    [(2,)]
    """
    frozen = set() if model.config is None else {leaf.path for leaf in leaves_of(model.config) if not leaf.trainable}
    found = [
        LayerWeight(
            weight.name,
            "/".join(weight.layer),
            weight.variable,
            tuple(weight.value.shape),
            str(weight.value.dtype),
            is_trained(weight.variable) and weight.layer not in frozen,
            weight.value.read,
        )
        for weight in model.all_weights()
    ]
    return sorted(found, key=lambda weight: not weight.trainable)


def _below_root(path: str) -> str:
    """The path of a layer inside its model; the model's own name stands first in the graph builder's."""
    return path.partition("/")[2]
