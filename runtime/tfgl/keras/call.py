"""What a layer's handler sees of one call: configuration, inputs, masks, weights, and the graph that it adds to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, ModelFormatError, UnsupportedOpError
from .builder import Builder, Tensor
from .configuration import Dialect
from .weights import LayerNode

Array = np.ndarray[Any, Any]
# Constants that are made of a few numbers of a configuration may have so many elements.
_MOST_ELEMENTS = 1 << 26
Nested = Any  # a Tensor, or lists and dicts of them, as Keras passes them to layers


class Context:
    """What holds for a whole graph: its builder, whose semantics it has, the weights that stand in it already, and the
    outputs of each call of each layer so far, by the layer's path.

    ``warn`` is told of what a graph cannot keep of the layers' behaviour. ``loops`` says whether a recurrent layer over
    a known number of steps becomes a loop where that takes fewer nodes.
    """

    def __init__(
        self,
        builder: Builder,
        dialect: Dialect,
        warn: Callable[[str], None] = lambda text: None,
        loops: bool = False,
    ) -> None:
        """A context without weights and calls."""
        self.builder = builder
        self.dialect = dialect
        self.warn = warn
        self.loops = loops
        self.weights: dict[tuple[int, str], Tensor] = {}
        self.calls: dict[str, list[list[Tensor]]] = {}

    def called(self, node: LayerNode, outputs: list[Tensor]) -> list[Tensor]:
        """The outputs, once they are noted as those of a call of ``node``."""
        self.calls.setdefault(node.path, []).append(outputs)
        return outputs


def tensors_of(value: Nested) -> list[Tensor]:
    """The tensors of a structure in order.

    >>> tensors_of([None, 1.0])
    []
    """
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors_of(item)]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_of(item)]
    return []


class Call:
    """One call of a layer."""

    def __init__(
        self,
        context: Context,
        node: LayerNode,
        inputs: Sequence[Tensor],
        kwargs: Mapping[str, Any] | None = None,
        args: Nested = None,
    ) -> None:
        """A call of ``node`` with its input tensors and named arguments; ``args`` is all that came without a name."""
        self.context = context
        self.b = context.builder
        self.node = node
        self.config = node.config
        self.inputs = list(inputs)
        self.kwargs = dict(kwargs or {})
        self.args = list(args) if isinstance(args, (list, tuple)) else self.inputs

    def __str__(self) -> str:
        return f"layer {self.node.path!r} ({self.node.class_name})"

    @property
    def x(self) -> Tensor:
        """The only input, or the first."""
        return self.inputs[0]

    @property
    def keras3(self) -> bool:
        """Whether the semantics are those of Keras 3."""
        return self.context.dialect == "keras 3"

    @property
    def tfjs(self) -> bool:
        """Whether the semantics are those of TensorFlow.js, whose own save wrote the model."""
        return self.context.dialect == "tfjs"

    # Weights ---------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether the layer has the weight."""
        return name in self.node.values or any(weight.name == name for weight in self.node.own)

    def array(self, name: str) -> Array:
        """The values of a weight."""
        return self.node.array(name)

    def held(self, name: str) -> Any:
        """A weight with shape and dtype; its values stay in their file where they can wait."""
        given = self.node.values.get(name)
        lazy = not isinstance(given, np.ndarray) and str(getattr(given, "dtype", "")) in ("float32", "int32")
        return given if lazy else self.array(name)

    def weight(self, name: str, shape: Sequence[int] | None = None) -> Tensor:
        """A weight as a constant of the graph, which all calls of the layer share; ``shape`` is checked (-1: any)."""
        array = self.held(name)
        if shape is not None and not _fits(array.shape, shape):
            wanted = ", ".join("any" if size < 0 else str(size) for size in shape)
            raise ModelFormatError(f"{self}: weight {name!r} has shape {list(array.shape)}, expected [{wanted}]")
        return self.constant(name, array)

    def constant(self, name: str, array: Array) -> Tensor:
        """A constant that belongs to the layer: made once for all its calls."""
        key = (id(self.node.values) if self.node.values else id(self.node), name)
        if key not in self.context.weights:
            make = self.b.constant if isinstance(array, np.ndarray) else self.b.held
            self.context.weights[key] = make(array, name=name)
        return self.context.weights[key]

    # Configuration ---------------------------------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the configuration; null counts as absent."""
        value = self.config.get(key)
        return default if value is None else value

    def flag(self, key: str, default: bool = False) -> bool:
        """A truth value."""
        return bool(self.get(key, default))

    def number(self, key: str, default: float | None = None) -> float:
        """A number; Keras 2 writes NumPy's scalars as {"class_name": ..., "config": {"value": ...}} at times."""
        value = self.get(key, default)
        if isinstance(value, Mapping):
            value = value.get("value", value.get("config", {}).get("value"))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, "a number", value)
        return float(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """An integer."""
        value = self.number(key, default)
        if value != int(value):
            raise self.wrong(key, "an integer", value)
        return int(value)

    def size(self, key: str) -> int:
        """The size of an axis that the configuration states; -1 where it does not."""
        return -1 if self.get(key) is None else self.integer(key)

    def integers(self, key: str, count: int | None = None, default: Any = None) -> list[int]:
        """A list of integers; one number stands for ``count`` of them."""
        value = self.get(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = [value] * (count or 1)
        if not isinstance(value, (list, tuple)) or (count is not None and len(value) != count):
            raise self.wrong(key, f"{count or 'a list of'} integers", value)
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) or v != int(v) for v in value):
            raise self.wrong(key, "integers", value)
        return [int(v) for v in value]

    def text(self, key: str, default: str) -> str:
        """A string, in lower case and snake case."""
        value = self.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return {"channelsLast": "channels_last", "channelsFirst": "channels_first"}.get(value, value).lower()

    def wrong(self, key: str, expected: str, value: Any) -> ModelFormatError:
        """The error for a value that is not what it should be."""
        return ModelFormatError(f"{self}, {key!r}: expected {expected}, got {value!r}")

    def unsupported(self, what: str, instead: str) -> UnsupportedOpError:
        """The error for what Keras can and this cannot."""
        return UnsupportedOpError(f"{self}: {what}; {instead}")

    @property
    def channels_first(self) -> bool:
        """Whether ``data_format`` puts the channels before the space."""
        name = self.text("data_format", "channels_last")
        if name not in ("channels_last", "channels_first"):
            raise self.wrong("data_format", "channels_last or channels_first", name)
        return name == "channels_first"

    # Shapes ----------------------------------------------------------------------------------------------------

    def rank(self, *ranks: int) -> Tensor:
        """The first input, whose rank must be one of these."""
        if self.x.rank not in ranks:
            raise ModelFormatError(
                f"{self} takes an input of rank {' or '.join(map(str, ranks))}, got shape {list(self.x.shape)}"
            )
        return self.x

    def known(self, x: Tensor, axis: int, what: str) -> int:
        """The size of x along an axis, which has to be known; ``what`` names it in the error."""
        size = x.shape[axis]
        if size < 0:
            raise UnsupportedOpError(
                f"{self} needs {what} as a number, and the model leaves it open (shape {list(x.shape)}); give the "
                "model's input layer a fixed shape and save it again"
            )
        return size

    def bounded(self, count: int, what: str) -> int:
        """``count`` where it is no more than a graph can hold; UnsupportedOpError for more, ``what`` names it."""
        if count > _MOST_ELEMENTS:
            raise self.unsupported(f"{what} would need {count} elements in the graph", f"{_MOST_ELEMENTS} are allowed")
        return count

    def to_last(self, x: Tensor) -> Tensor:
        """Channels-first data with the channels last, where the layer's ``data_format`` says so."""
        return self.b.transpose(x, [0, *range(2, x.rank), 1]) if self.channels_first else x

    def from_last(self, x: Tensor) -> Tensor:
        """The reverse of ``to_last``."""
        return self.b.transpose(x, [0, x.rank - 1, *range(1, x.rank - 1)]) if self.channels_first else x

    # Other layers ----------------------------------------------------------------------------------------------

    def call(self, child: LayerNode, inputs: Sequence[Tensor], kwargs: Mapping[str, Any] | None = None) -> list[Tensor]:
        """The outputs of a layer that this one holds."""
        return call_layer(self.context, child, list(inputs), kwargs)

    def activate(self, x: Tensor, key: str = "activation", default: Any = "linear") -> Tensor:
        """x through the activation that the configuration names."""
        from .activations import activate

        return activate(self, x, self.get(key, default))


def call_layer(
    context: Context, node: LayerNode, args: Nested, kwargs: Mapping[str, Any] | None = None
) -> list[Tensor]:
    """The outputs of a layer or model called with ``args``, each with its mask.

    Raises UnsupportedOpError for what has no ops, ModelFormatError for a configuration that cannot be.
    """
    if node.is_model:
        from .model import call_model

        with context.builder.scope(node.name):
            return context.called(node, call_model(context, node, args))
    inputs = tensors_of(args)
    row = node.row
    if row is None:
        raise UnsupportedOpError(f"layer {node.path!r} ({node.class_name}) has no layers and no ops of its own")
    call = Call(context, node, inputs, kwargs, args)
    if len(inputs) < (row.takes or 0) or not (inputs or tensors_of(call.kwargs)):
        raise ModelFormatError(f"{call} takes {row.takes or 'some'} inputs, got {len(inputs)}")
    try:
        with context.builder.scope(node.name):
            results = row.handler(call)
    except (InvalidArgumentError, ModelFormatError) as error:
        if node.path in str(error):
            raise
        raise type(error)(f"{call}: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # A configuration is data from strangers: whatever is odd in it must end as an error of this kind.
        raise ModelFormatError(f"{call}: its configuration does not fit its inputs or weights ({error})") from error
    outputs = [results] if isinstance(results, Tensor) else list(results)
    if row.masking != "own":
        mask = inputs[0].mask if inputs and row.masking == "pass" else None
        outputs = [output.masked(mask) for output in outputs]
    return context.called(node, outputs)


def _fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    return len(shape) == len(expected) and all(e in (-1, s) for s, e in zip(shape, expected, strict=True))
