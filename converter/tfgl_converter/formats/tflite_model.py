"""TensorFlow Lite files (``.tflite``) as graphs of TensorFlow's ops.

Inside, every quantised tensor is a float32 tensor of the real numbers that it stands for, and operators compute in
float. The model's own inputs and outputs keep the dtypes of the file: a model that takes uint8 pixels goes on to take
0 to 255 (as ``tf.browser.fromPixels`` gives them), and is compared with the source on the same arrays. A Cast, a
subtraction and a product stand behind such an input; a division, a rounding and a Cast before such an output.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tfgl.errors import InvalidArgumentError, ModelFormatError, TfglError
from tfgl.ir.graph import DataType, Edge, Function, Graph, Node, Signature, TensorInfo
from tfgl.keras.builder import Tensor

from .signatures import DEFAULT_SIGNATURE, choose_signature
from .source_model import SourceModel
from .tflite_file import TFLiteFile, text_of
from .tflite_ops import Operator, TFLiteBuilder, flex_operator, rule_of
from .tflite_resources import Resources
from .tflite_tensors import TensorSpec, constant_of, read_tensor

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\\/>-]")
_FLEX = "custom:Flex"
# What a hostile file may unroll and call ends here.
_MOST_NODES = 300_000
_DEEPEST_CALL = 100
# What a rule runs into when shapes, ranks or options are not what its operator may have.
_UNFIT = (ArithmeticError, LookupError, TypeError, ValueError, struct.error)


def read_tflite(path: str | os.PathLike[str], signature_name: str | None = None) -> SourceModel:
    """The graph of the .tflite file ``path``, for one of its signatures.

    ``signature_name``: the key of a SignatureDef; without one ``serving_default``, else the only one. A file without
    signatures is its first subgraph, and its keys are the names of tensors. Nodes take the names of the tensors that
    they write, inputs and outputs those of their keys, with signs that TensorFlow forbids as ``_``. An operator
    without a rule becomes a node of its own name, which the check of ops reports.

    Raises ModelFormatError for a file that is damaged, naming subgraph and operator; UnsupportedOpError for an
    operator in a form that cannot be rewritten; InvalidArgumentError for an unknown signature, listing what there is.

    >>> read_tflite("missing.tflite")
    Traceback (most recent call last):
    tfgl.errors.ModelFormatError: missing.tflite: cannot be read: No such file or directory
    """
    file = TFLiteFile(Path(os.fspath(path)))
    model = _Model(file)
    signatures = model.signatures()
    key: str | None = None
    if signatures:
        key = choose_signature(
            {name: Signature() for name in signatures}, signature_name, str(file), DEFAULT_SIGNATURE
        )
    elif signature_name is not None:
        raise InvalidArgumentError(f"{file} has no signature {signature_name!r}; it has no signatures at all")
    graph = model.main(signatures[key] if key is not None else None)
    described = {name: _described(signature) for name, signature in signatures.items()}
    if key is not None:
        described[key] = graph.signature
    return SourceModel(
        graph, str(file), tables=model.resources.tables, signatures=described, signature_key=key,
        tensorflow_version=f"TensorFlow Lite, schema {file.model.Version()}", warnings=tuple(model.warnings),
    )  # fmt: skip


def _described(signature: _FileSignature) -> Signature:
    sides = [
        {key: TensorInfo(f"{node_name(key)}:0", DataType(spec.dtype), spec.shape) for key, spec in side.items()}
        for side in (signature.inputs, signature.outputs)
    ]
    return Signature(*sides)


class _FileSignature:
    """A SignatureDef: its subgraph, and tensors by key."""

    def __init__(self, subgraph: int, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> None:
        self.subgraph = subgraph
        self.inputs = inputs
        self.outputs = outputs


class _Model:
    """A file with what has been made of its subgraphs."""

    def __init__(self, file: TFLiteFile) -> None:
        self.file = file
        self.resources = Resources()
        self.functions: dict[str, Function] = {}
        self.warnings: list[str] = []
        self.nodes = 0
        self._made: dict[int, Function] = {}
        self._path: list[int] = []
        if not file.model.SubgraphsLength():
            raise ModelFormatError(f"{file} holds no subgraph")
        self._specs: dict[int, dict[int, TensorSpec]] = {}
        self._ranks_stated: dict[int, bool] = {}

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def subgraph(self, number: int, place: str) -> Any:
        count = self.file.model.SubgraphsLength()
        if not 0 <= number < count:
            raise ModelFormatError(f"{place}: subgraph {number} of {count}; the file is damaged")
        return self.file.model.Subgraphs(number)

    def spec(self, number: int, index: int, place: str) -> TensorSpec:
        known = self._specs.setdefault(number, {})
        if index not in known:
            raw = self.subgraph(number, place)
            if not 0 <= index < raw.TensorsLength():
                raise ModelFormatError(f"{place}: tensor {index} of {raw.TensorsLength()}; the file is damaged")
            if number not in self._ranks_stated:
                self._ranks_stated[number] = any(raw.Tensors(i).HasRank() for i in range(raw.TensorsLength()))
            where = f"{self.file}, subgraph {number}"
            known[index] = read_tensor(self.file, raw.Tensors(index), index, self._ranks_stated[number], where)
        return known[index]

    def signatures(self) -> dict[str, _FileSignature]:
        found: dict[str, _FileSignature] = {}
        for i in range(self.file.model.SignatureDefsLength()):
            raw = self.file.model.SignatureDefs(i)
            key = text_of(raw.SignatureKey(), f"{self.file}: the key of signature {i}")
            place = f"{self.file}, signature {key!r}"
            number = raw.SubgraphIndex()
            if key in found:
                raise ModelFormatError(f"{place} is there twice")
            inputs = self._entries(number, [raw.Inputs(j) for j in range(raw.InputsLength())], place)
            outputs = self._entries(number, [raw.Outputs(j) for j in range(raw.OutputsLength())], place)
            found[key] = _FileSignature(number, inputs, outputs)
        return found

    def _entries(self, number: int, maps: Sequence[Any], place: str) -> dict[str, TensorSpec]:
        entries: dict[str, TensorSpec] = {}
        for entry in maps:
            name = text_of(entry.Name(), f"{place}: the name of an entry")
            if name in entries:
                raise ModelFormatError(f"{place} has two entries {name!r}")
            entries[name] = self.spec(number, entry.TensorIndex(), f"{place}, entry {name!r}")
        return entries

    def main(self, signature: _FileSignature | None) -> Graph:
        number = 0 if signature is None else signature.subgraph
        with self._entered(number, str(self.file)):
            subgraph = _Subgraph(self, number)
            if signature is None:
                signature = _FileSignature(0, subgraph.named(subgraph.inputs), subgraph.named(subgraph.outputs))
            return subgraph.main(signature)

    def function(self, number: int, place: str) -> Function:
        if number not in self._made:
            with self._entered(number, place):
                name = node_name(text_of(self.subgraph(number, place).Name(), f"{place}: the name of a subgraph"))
                name = f"{name}_{number}" if name in self.functions or not name else name
                function = _Subgraph(self, number, is_function=True).function(name)
            self._made[number] = self.functions[name] = function
        return self._made[number]

    def call_once(self, number: int, place: str) -> None:
        with self._entered(number, place):
            _Subgraph(self, number, sets_up=True).run()

    @contextmanager
    def _entered(self, number: int, place: str) -> Iterator[None]:
        if number in self._path:
            raise ModelFormatError(f"{place}: subgraph {number} calls itself; recursion cannot be converted")
        if len(self._path) > _DEEPEST_CALL:
            raise ModelFormatError(f"{place}: calls nested more than {_DEEPEST_CALL} deep cannot be converted")
        self._path.append(number)
        try:
            yield
        finally:
            self._path.pop()


class _Subgraph:
    """One subgraph on its way into a graph; what the rules know of their surroundings."""

    def __init__(self, model: _Model, number: int, *, is_function: bool = False, sets_up: bool = False) -> None:
        self.model = model
        self.number = number
        self.is_function = is_function
        self.sets_up = sets_up
        self.builder = TFLiteBuilder()
        self.builder.functions = model.functions
        self.place = f"{model.file}, subgraph {number}"
        self.raw = model.subgraph(number, str(model.file))
        self.inputs = _indices(self.raw.InputsAsNumpy())
        self.outputs = _indices(self.raw.OutputsAsNumpy())
        self._values: dict[int, Tensor] = {}
        self._names: dict[int, str] = {}
        self._scopes: set[str] = set()

    # What rules ask for ------------------------------------------------------------------------------------------

    @property
    def resources(self) -> Resources:
        return self.model.resources

    def warn(self, text: str) -> None:
        self.model.warn(text)

    def function_at(self, subgraph: int, place: str) -> Function:
        return self.model.function(subgraph, place)

    def call_once(self, subgraph: int, place: str) -> None:
        self.model.call_once(subgraph, place)

    def bytes_at(self, position: int, size: int, place: str) -> bytes:
        data = self.model.file.bytes_at(*self.model.file.extent(position, size, place))
        return bytes(data)

    def spec(self, index: int, place: str) -> TensorSpec:
        return self.model.spec(self.number, index, place)

    def tensor(self, index: int, place: str) -> Tensor:
        if index not in self._values:
            spec = self.spec(index, place)
            array = constant_of(self.model.file, spec, real=spec.is_quantised)
            if array is None and spec.is_variable and spec.shape is not None and -1 not in spec.shape:
                # A state, which begins at zero.
                zero = self.builder.constant(0, spec.dtype)
                shape = self.builder.integers(list(spec.shape))
                self._values[index] = self.builder.add(
                    "Fill", [shape, zero], spec.shape, spec.dtype, T=DataType(spec.dtype), index_type=DataType("int32")
                )
            elif array is None:
                raise ModelFormatError(f"{place}: nothing writes tensor {index} {spec.name!r} before it is read")
            elif spec.type == "string":
                self._values[index] = self.builder.strings(np.asarray(array), name=self._name(spec))
            else:
                self._values[index] = self.builder.held(array, name=self._name(spec))
        return self._values[index]

    def bias(self, index: int, place: str) -> Tensor:
        spec = self.spec(index, place)
        if index in self._values or spec.quantization is None or spec.is_quantised:
            return self.tensor(index, place)
        array = constant_of(self.model.file, spec, real=True)
        return self.tensor(index, place) if array is None else self.builder.held(array, name=self._name(spec))

    # Nodes -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write the nodes of all operators, in the order of the file, which is that of execution."""
        for position in range(self.raw.OperatorsLength()):
            raw = self.raw.Operators(position)
            codes = self.model.file.codes
            place = f"{self.place}, operator {position}"
            if raw.OpcodeIndex() >= len(codes):
                raise ModelFormatError(f"{place}: operator code {raw.OpcodeIndex()} of {len(codes)}")
            name = codes[raw.OpcodeIndex()]
            place = f"{place} ({name.removeprefix('custom:')})"
            with _located(place):
                self._operator(Operator(name, raw, self, place))

    def _operator(self, o: Operator) -> None:
        specs = [o.out(i) if index >= 0 else None for i, index in enumerate(o.outputs)]
        rule = rule_of(o.name) or (flex_operator if o.name.startswith(_FLEX) else _foreign)
        first = next((spec for spec in specs if spec is not None), None)
        self.builder.recent.clear()
        with self.builder.scope(self._scope(o.name if first is None else self._name(first))):
            made = rule(o)
        results = [made] if isinstance(made, Tensor) else list(made)
        if len(results) < len(specs):
            raise ModelFormatError(f"{o.place} has {len(specs)} outputs, its operator makes {len(results)}")
        self.model.nodes += len(self.builder.recent)
        if self.model.nodes > _MOST_NODES:
            raise o.unsupported(f"the model would have more than {_MOST_NODES} nodes")
        moved = self.builder.rename(
            [
                (result.edge, self._name(spec))
                for result, spec in zip(results, specs, strict=False)
                if spec is not None
            ]
        )
        for result, spec in zip(results, specs, strict=False):
            if spec is not None:
                edge = Edge(moved.get(result.edge.node, result.edge.node), result.edge.index)
                self._values[spec.index] = Tensor(edge, result.shape, result.dtype)

    def _name(self, spec: TensorSpec) -> str:
        return self._names.get(spec.index) or node_name(spec.name) or f"tensor_{spec.index}"

    def _scope(self, name: str) -> str:
        scope, number = name, 0
        while scope in self._scopes:
            number += 1
            scope = f"{name}_{number}"
        self._scopes.add(scope)
        return scope

    # Whole graphs ------------------------------------------------------------------------------------------------

    def named(self, indices: Sequence[int]) -> dict[str, TensorSpec]:
        """Tensors by their names, without ``:0``; a name that stands twice gets a number."""
        found: dict[str, TensorSpec] = {}
        for index in indices:
            spec = self.spec(index, self.place)
            name = spec.name.removesuffix(":0") or f"tensor_{index}"
            key, number = name, 0
            while key in found:
                number += 1
                key = f"{name}_{number}"
            found[key] = spec
        return found

    def function(self, name: str) -> Function:
        """The subgraph as a function that loops, branches and calls name."""
        arguments = []
        for index in self.inputs:
            spec = self.spec(index, self.place)
            x = self.builder.placeholder(self._name(spec), spec.shape or (), spec.dtype)
            arguments.append(x.edge.node)
            self._bind_input(spec, x)
        self.run()
        results = [self.tensor(index, self.place) for index in self.outputs]
        names = tuple(f"result_{i}" for i in range(len(results)))
        signature = Signature(
            {argument: TensorInfo(argument) for argument in arguments},
            {
                key: TensorInfo(f"{x.edge.node}:{x.edge.index}", DataType(x.dtype))
                for key, x in zip(names, results, strict=True)
            },
        )
        return Function(name, tuple(arguments), names, tuple(x.edge for x in results), self.builder.graph(signature))

    def _bind_input(self, spec: TensorSpec, x: Tensor) -> None:
        if spec.shape is None:
            self.builder.unranked.add(x.edge)
        self._values[spec.index] = x

    def main(self, signature: _FileSignature) -> Graph:
        """The graph of a signature; subgraph inputs that it does not name are inputs under their tensors' names."""
        given = dict(signature.inputs)
        seen = {spec.index for spec in given.values()}
        for key, spec in self.named([index for index in self.inputs if index not in seen]).items():
            given[key if key not in given else f"{key}_{spec.index}"] = spec
        inputs: dict[str, TensorInfo] = {}
        for key, spec in given.items():
            stored = {"int4": "int8"}.get(spec.type, spec.type) if spec.is_quantised else spec.dtype
            shape = spec.shape or ()
            x = self.builder.placeholder(node_name(key) or "input", shape, stored)
            if spec.shape is None:
                self.builder.nodes[x.edge.node] = Node(
                    x.edge.node, "Placeholder", attrs={"dtype": DataType(stored), "shape": None}
                )
            inputs[key] = TensorInfo(f"{x.edge.node}:0", DataType(stored), spec.shape)
            with self.builder.scope(f"{x.edge.node}/real"):
                self._bind_input(spec, self._real(x, spec))
        for key, spec in signature.outputs.items():
            if not spec.is_quantised and spec.index not in self._values:
                self._names.setdefault(spec.index, node_name(key))
        self.run()
        self._say_what_integers_mean({"input": given, "output": signature.outputs})
        outputs: dict[str, TensorInfo] = {}
        for key, spec in signature.outputs.items():
            y = self._returned(key, spec)
            outputs[key] = TensorInfo(f"{y.edge.node}:{y.edge.index}", DataType(y.dtype), spec.shape)
        return self.builder.graph(Signature(inputs, outputs))

    def _say_what_integers_mean(self, sides: Mapping[str, Mapping[str, TensorSpec]]) -> None:
        meanings = [
            f"{side} {key!r} ({spec.type}: {spec.quantization.scale[0]:.6g} * (n - {spec.quantization.zero_point[0]}))"
            for side, specs in sides.items()
            for key, spec in specs.items()
            if spec.is_quantised and spec.quantization is not None
        ]
        if meanings:
            self.warn(f"integers stand for real numbers, as in the file, at {', '.join(meanings)}")

    def _real(self, x: Tensor, spec: TensorSpec) -> Tensor:
        """An input's real numbers, out of what the caller gives in the file's dtype."""
        if not spec.is_quantised or spec.quantization is None:
            return x
        b, scale, zero = self.builder, spec.quantization.scale, spec.quantization.zero_point
        if scale.size != 1:
            raise ModelFormatError(f"{spec.place} is an input and has {scale.size} scales, expected one")
        value = b.cast(x, "float32")
        if zero[0]:
            value = b.sub(value, float(zero[0]))
        return b.mul(value, float(scale[0]))

    def _returned(self, key: str, spec: TensorSpec) -> Tensor:
        """An output in the file's dtype, at a node of its own where it is an input or a constant."""
        b, x = self.builder, self.tensor(spec.index, self.place)
        if not spec.is_quantised or spec.quantization is None:
            if b.nodes[x.edge.node].op in ("Placeholder", "Const"):
                return b.add("Identity", [x], x.shape, name=node_name(key) or "output")
            return x
        scale, zero = spec.quantization.scale, spec.quantization.zero_point
        if scale.size != 1:
            raise ModelFormatError(f"{spec.place} is an output and has {scale.size} scales, expected one")
        stored = {"int4": "int8"}.get(spec.type, spec.type)
        low, high = (-8, 7) if spec.type == "int4" else (np.iinfo(stored).min, np.iinfo(stored).max)
        with b.scope(f"{node_name(key)}/stored"):
            steps = b.unary("Round", b.div(x, float(scale[0])))
            if zero[0]:
                steps = b.add_(steps, float(zero[0]))
            limited = b.clip(steps, float(low), float(high))
        name = b.unique(node_name(key) or "output")
        types: dict[str, Any] = {"SrcT": DataType("float32"), "DstT": DataType(stored), "Truncate": False}
        b.nodes[name] = Node(name, "Cast", (limited.edge,), (), types)
        return Tensor(Edge(name), x.shape, stored)


@contextmanager
def _located(place: str) -> Iterator[None]:
    """Errors inside say which operator they are of."""
    try:
        yield
    except TfglError as error:
        if place in str(error) or not isinstance(error, ModelFormatError):
            raise
        raise type(error)(f"{place}: {error}") from None
    except _UNFIT as error:
        raise ModelFormatError(
            f"{place}: its inputs, shapes or options are none that this operator can have "
            f"({type(error).__name__}: {error})"
        ) from error


def _foreign(o: Operator) -> list[Tensor]:
    """An operator without a rule as a node of its name."""
    return o.results(o.name.removeprefix("custom:"), o.all_inputs())


def node_name(name: str) -> str:
    """The name of a tensor as one of a node: of names that were fused the first, without ``:0``.

    >>> node_name("serving_default_x:0"), node_name("a/MatMul;a/BiasAdd"), node_name("_x 1"), node_name("s:1")
    ('serving_default_x', 'a/MatMul', 'x_1', 's_1')
    """
    first = name.partition(";")[0].removesuffix(":0")
    return _FORBIDDEN.sub("_", first).lstrip("_\\/>-").rstrip("/")


def _indices(values: Any) -> list[int]:
    return [int(value) for value in values] if isinstance(values, np.ndarray) else []
