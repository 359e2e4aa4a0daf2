"""One operator of a TensorFlow Lite subgraph, as the rules see it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfgl.errors import ModelFormatError, UnsupportedOpError
from tfgl.ir.graph import AttrValue, DataType, Edge, Function, Node
from tfgl.ir.lazy_array import Array, LazyArray
from tfgl.keras.builder import Builder, Tensor

from ..tflite_tensors import TensorSpec

if TYPE_CHECKING:
    from ..tflite_resources import Resources

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")


class TFLiteBuilder(Builder):
    """A builder whose nodes state their shapes, for passes that need them.

    >>> b = TFLiteBuilder()
    >>> y = b.unary("Neg", b.placeholder("x", (-1, 2), "float32"))
    >>> b.nodes["Neg"].attrs["_output_shapes"]
    [(-1, 2)]
    >>> b.rename([(y.edge, "layer/y")]), list(b.nodes)
    ({'Neg': 'layer/y'}, ['x', 'layer/y'])
    """

    def __init__(self) -> None:
        """An empty graph."""
        super().__init__()
        self.unranked: set[Edge] = set()
        # The values that variables have after what was read so far; see ``tflite_resources``.
        self.assigned: dict[tuple[str, str], Tensor] = {}
        # Names given since this was last cleared.
        self.recent: list[str] = []

    def unique(self, name: str) -> str:
        """A name below the current scopes that no node has."""
        found = super().unique(name)
        self.recent.append(found)
        return found

    def add_many(
        self,
        op: str,
        inputs: Sequence[Tensor],
        shapes: Sequence[Sequence[int]],
        dtype: str | None = None,
        *,
        name: str | None = None,
        **attrs: AttrValue,
    ) -> list[Tensor]:
        """A node and all its outputs, which have one dtype."""
        unranked = any(x.edge in self.unranked for x in inputs)
        attrs["_output_shapes"] = None if unranked else [tuple(shape) for shape in shapes]
        results = super().add_many(op, inputs, shapes, dtype, name=name, **attrs)
        if unranked:
            self.unranked.update(x.edge for x in results)
        return results

    def state_shape(self, x: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """x with the shape that the file states of it; None: a rank that only a run knows."""
        node = self.nodes[x.edge.node]
        shapes = node.attrs.get("_output_shapes")
        if shape is None:
            self.unranked.add(x.edge)
        else:
            self.unranked.discard(x.edge)
        if isinstance(shapes, list) or "_output_shapes" in node.attrs:
            stated = list(shapes) if isinstance(shapes, list) else [None] * (x.edge.index + 1)
            stated[x.edge.index] = shape
            known = all(isinstance(item, tuple) for item in stated)
            attrs = {**node.attrs, "_output_shapes": stated if known else None}
            self.nodes[node.name] = Node(node.name, node.op, node.inputs, node.control_inputs, attrs, node.device)
        return Tensor(x.edge, shape or (), x.dtype)

    def rename(self, wanted: Sequence[tuple[Edge, str]]) -> dict[str, str]:
        """Give nodes that were made recently the names of what they write; the new names by the old ones."""
        moved: dict[str, str] = {}
        recent = [name for name in self.recent if name in self.nodes]
        for edge, name in wanted:
            if edge.node in recent and edge.node not in moved and self.nodes[edge.node].op != "Const":
                moved[edge.node] = self.unique(name)
        for old in recent:
            node = self.nodes[old]
            inputs = tuple(Edge(moved.get(edge.node, edge.node), edge.index) for edge in node.inputs)
            if old in moved:
                del self.nodes[old]
            if old in moved or inputs != node.inputs:
                name = moved.get(old, old)
                self.nodes[name] = Node(name, node.op, inputs, node.control_inputs, node.attrs, node.device)
        for old, name in moved.items():
            index = 0
            while (known := self.tensors.pop(Edge(old, index), None)) is not None:
                self.tensors[Edge(name, index)] = replace(known, edge=Edge(name, index))
                index += 1
        self.unranked.update(Edge(moved[e.node], e.index) for e in list(self.unranked) if e.node in moved)
        return moved

    def strings(self, values: Array, *, name: str) -> Tensor:
        """A constant of strings: an object array of bytes."""
        label = self.unique(name)
        self.nodes[label] = Node(label, "Const", (), (), {"dtype": DataType("string")})
        self.values[label] = values
        return Tensor(Edge(label), tuple(values.shape), "string")

    def value(self, x: Tensor) -> Any:
        """The array of a constant, large ones lazy; None for what is computed."""
        return self.values.get(x.edge.node)


class Surroundings(Protocol):
    """What an operator needs to know of its subgraph and model."""

    builder: TFLiteBuilder
    is_function: bool  # of a loop, a branch or a call
    sets_up: bool  # runs once, to give variables and tables their first values

    def tensor(self, index: int, place: str) -> Tensor:
        """The value of tensor ``index`` in the graph."""

    def spec(self, index: int, place: str) -> TensorSpec:
        """What the file says of tensor ``index``."""

    def bias(self, index: int, place: str) -> Tensor:
        """The value of tensor ``index``, real where it is a constant with a scale, whatever its dtype."""

    def function_at(self, subgraph: int, place: str) -> Function:
        """The function that subgraph ``subgraph`` becomes."""

    def call_once(self, subgraph: int, place: str) -> None:
        """Run a subgraph that sets variables and tables."""

    @property
    def resources(self) -> Resources:
        """The model's variables and tables."""

    def bytes_at(self, position: int, size: int, place: str) -> bytes:
        """A part of the file."""

    def warn(self, text: str) -> None:
        """Say something to the user, once."""


class Operator:
    """An operator: its inputs as tensors of the graph, its options, and the means to write nodes.

    Quantised tensors arrive as real numbers in float32.
    """

    def __init__(self, name: str, raw: Any, around: Surroundings, place: str) -> None:
        """The schema's Operator ``raw``; ``place`` says where it is, for messages."""
        self.name = name
        self.raw = raw
        self.around = around
        self.place = place
        self.b = around.builder
        self.inputs = _indices(raw.InputsAsNumpy())
        self.outputs = _indices(raw.OutputsAsNumpy())
        self._options = self._typed_options()

    # Inputs and outputs ------------------------------------------------------------------------------------------

    def has(self, i: int) -> bool:
        """Whether input ``i`` is given."""
        return i < len(self.inputs) and self.inputs[i] >= 0

    def spec(self, i: int) -> TensorSpec:
        """What the file says of input ``i``."""
        if not self.has(i):
            raise ModelFormatError(f"{self.place} has no input {i}, which it needs")
        return self.around.spec(self.inputs[i], self.place)

    def out(self, i: int = 0) -> TensorSpec:
        """What the file says of output ``i``."""
        if i >= len(self.outputs) or self.outputs[i] < 0:
            raise ModelFormatError(f"{self.place} has no output {i}, which it needs")
        return self.around.spec(self.outputs[i], self.place)

    def x(self, i: int = 0) -> Tensor:
        """Input ``i``."""
        self.spec(i)
        return self.around.tensor(self.inputs[i], self.place)

    def maybe(self, i: int) -> Tensor | None:
        """Input ``i``, None where it is left out."""
        return self.x(i) if self.has(i) else None

    def all_inputs(self) -> list[Tensor]:
        """The inputs that are given."""
        return [self.x(i) for i in range(len(self.inputs)) if self.has(i)]

    def bias(self, i: int) -> Tensor | None:
        """Input ``i`` as a real vector: biases are int32 or int64 of a scale."""
        if not self.has(i):
            return None
        self.spec(i)
        return self.around.bias(self.inputs[i], self.place)

    def value(self, i: int) -> Array | None:
        """The array at input ``i`` when that is a constant."""
        held = self.b.value(self.x(i))
        return None if held is None else np.asarray(held)

    def integers(self, i: int) -> list[int]:
        """The constant integers at input ``i``; UnsupportedOpError when they are computed."""
        value = self.value(i)
        if value is None or value.dtype.kind not in "iu":
            raise self.unsupported(f"its input {i} must be a constant of integers")
        return [int(number) for number in value.reshape(-1)]

    def weights(self, i: int, shape: Sequence[int], order: Sequence[int]) -> Tensor:
        """Input ``i`` with its axes in another order and then of ``shape``: a constant stays one."""
        x = self.x(i)
        held = self.b.value(x)
        if held is None:
            return self.b.reshape(self.b.transpose(x, order), list(shape))

        def arranged(array: Array) -> Array:
            return np.ascontiguousarray(np.transpose(array, order)).reshape(tuple(shape))

        if isinstance(held, LazyArray):
            whole = LazyArray(tuple(shape), held.dtype, lambda: arranged(held.read()), held.origin)
            return self.b.held(whole, name="weights")
        return self.b.held(arranged(np.asarray(held)), name="weights")

    def result(self, op: str, inputs: Sequence[Tensor], i: int = 0, **attrs: AttrValue) -> Tensor:
        """A node of the shape and dtype that the file states of output ``i``."""
        spec = self.out(i)
        made = self.b.add(op, inputs, spec.shape or (), spec.dtype, name=None, **attrs)
        return self.b.state_shape(made, spec.shape)

    def results(self, op: str, inputs: Sequence[Tensor], **attrs: AttrValue) -> list[Tensor]:
        """A node with as many outputs as the operator, each of the shape and dtype that the file states."""
        specs = [self.out(i) for i in range(len(self.outputs))]
        made = self.b.add_many(op, inputs, [spec.shape or () for spec in specs], None, name=None, **attrs)
        return [
            Tensor(self.b.state_shape(x, spec.shape).edge, spec.shape or (), spec.dtype)
            for x, spec in zip(made, specs, strict=True)
        ]

    def activated(self, x: Tensor, option: str = "FusedActivationFunction") -> Tensor:
        """x behind the activation that the options fuse."""
        return self.activation(x, self.option(option))

    def activation(self, x: Tensor, number: int) -> Tensor:
        """x behind the activation of a number of the schema."""
        name = ACTIVATIONS[number] if 0 <= number < len(ACTIVATIONS) else None
        if name is None:
            raise ModelFormatError(f"{self.place} fuses activation {number}, expected 0 to {len(ACTIVATIONS) - 1}")
        if name in ("RELU", "RELU6"):
            return self.b.unary({"RELU": "Relu", "RELU6": "Relu6"}[name], x)
        if name == "RELU_N1_TO_1":
            return self.b.clip(x, -1.0, 1.0)
        if name == "TANH":
            return self.b.unary("Tanh", x)
        if name == "SIGN_BIT":
            return self.b.cast(self.b.binary("Less", x, 0.0), x.dtype)
        return x

    # Options -----------------------------------------------------------------------------------------------------

    def option(self, name: str, default: Any = 0) -> Any:
        """The option called ``name`` in the schema; ``default`` where the file has no options."""
        return default if self._options is None else self._read(name, lambda options: getattr(options, name)())

    def option_array(self, name: str) -> Array | None:
        """A vector among the options, None where there is none."""
        if self._options is None:
            return None
        values = self._read(name, lambda options: getattr(options, f"{name}AsNumpy")())
        return values if isinstance(values, np.ndarray) else None

    def option_list(self, name: str) -> list[int] | None:
        """The integers of a vector among the options, None where there is none."""
        values = self.option_array(name)
        return None if values is None else [int(value) for value in values]

    def option_text(self, name: str) -> str:
        """A string among the options."""
        value = self.option(name, b"")
        try:
            return (value or b"").decode()
        except UnicodeDecodeError:
            raise ModelFormatError(f"{self.place}: its option {name} is not UTF-8 text") from None

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:
        try:
            return read(self._options)
        except AttributeError:
            kind = type(self._options).__name__
            raise ModelFormatError(f"{self.place} has options of type {kind}, which have no {name}") from None
        except (struct.error, TypeError, ValueError, IndexError):
            raise ModelFormatError(f"{self.place}: its option {name} is damaged") from None

    def _typed_options(self) -> Any:
        import tflite

        raw = self.raw
        for table, number, kinds in (
            (raw.BuiltinOptions(), raw.BuiltinOptionsType(), tflite.BuiltinOptions),
            (raw.BuiltinOptions2(), raw.BuiltinOptions2Type(), tflite.BuiltinOptions2),
        ):
            if table is None or not number:
                continue
            names = [name for name, value in vars(kinds).items() if value == number and not name.startswith("_")]
            if not names:
                raise ModelFormatError(f"{self.place} has options of type {number}, which this version does not know")
            options = getattr(tflite, names[0])()
            options.Init(table.Bytes, table.Pos)
            return options
        return None

    def custom_options(self) -> bytes:
        """The bytes of a custom operator's options, which files over 2 GB keep behind their FlatBuffer."""
        if self.raw.LargeCustomOptionsOffset() > 1:
            return self.around.bytes_at(
                self.raw.LargeCustomOptionsOffset(), self.raw.LargeCustomOptionsSize(), self.place
            )
        values = self.raw.CustomOptionsAsNumpy()
        return values.tobytes() if isinstance(values, np.ndarray) else b""

    # Errors ------------------------------------------------------------------------------------------------------

    def malformed(self, text: str) -> ModelFormatError:
        """An error that says what of this operator cannot be."""
        return ModelFormatError(f"{self.place}: {text}")

    def unsupported(self, text: str) -> UnsupportedOpError:
        """An error that says what of this operator cannot be rewritten."""
        return UnsupportedOpError(f"{self.place} cannot be converted: {text}")


def _indices(values: Any) -> list[int]:
    return [int(value) for value in values] if isinstance(values, np.ndarray) else []
