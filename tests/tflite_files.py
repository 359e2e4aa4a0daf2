"""Writes .tflite files from plain descriptions, for operators that no exporter writes and for damaged files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

_TYPES = {
    "float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "uint8": "UINT8", "int64": "INT64", "bool": "BOOL",
    "int16": "INT16", "int8": "INT8", "complex64": "COMPLEX64", "float64": "FLOAT64",
}  # fmt: skip


@dataclass
class Tensor:
    """A tensor; ``data`` makes it a constant, of the array's dtype and shape unless stated."""

    name: str
    shape: Sequence[int] = ()
    type: str = "FLOAT32"
    data: Any = None
    scale: Sequence[float] = ()
    zero: Sequence[int] = ()
    axis: int = 0
    variable: bool = False
    signature: Sequence[int] | None = None
    sparsity: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, np.ndarray):
            self.shape = self.shape or self.data.shape
            if self.type == "FLOAT32":
                self.type = _TYPES[str(self.data.dtype)]


@dataclass
class Op:
    """An operator by the names of its tensors ("" for one left out); ``options`` by their names in the schema."""

    code: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    options_type: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    custom: bytes = b""


@dataclass
class Subgraph:
    """Tensors, operators, and which tensors go in and out."""

    tensors: Sequence[Tensor]
    operators: Sequence[Op]
    inputs: Sequence[str]
    outputs: Sequence[str]
    name: str = "main"


@dataclass
class Signature:
    """A SignatureDef of subgraph ``subgraph``; tensors by key."""

    key: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    subgraph: int = 0


def tflite_bytes(
    subgraphs: Sequence[Subgraph], signatures: Sequence[Signature] = (), *, behind: bool = False
) -> bytes:
    """The file. ``behind``: buffers lie behind the FlatBuffer, as in files over 2 GB."""
    writer = _Writer(behind)
    data = writer.model(subgraphs, signatures)
    if not behind:
        return data
    # Offsets are known once the size is: a second run writes them.
    start = -(-len(data) // 16) * 16
    writer = _Writer(behind, start)
    data = writer.model(subgraphs, signatures)
    return data.ljust(start, b"\0") + bytes(writer.outside)


class _Writer:
    def __init__(self, behind: bool, start: int = 16) -> None:
        self.b = flatbuffers.Builder(1024)
        self.behind = behind
        self.start = start
        self.outside = bytearray()
        self.buffers: list[bytes] = [b""]
        self.codes: list[str] = []

    def model(self, subgraphs: Sequence[Subgraph], signatures: Sequence[Signature]) -> bytes:
        graphs = [self.subgraph(graph) for graph in subgraphs]
        made = [self.signature(signature, subgraphs[signature.subgraph]) for signature in signatures]
        codes = [self.code(name) for name in self.codes]
        buffers = [self.buffer(data) for data in self.buffers]
        vectors = {
            "OperatorCodes": self.tables(codes), "Subgraphs": self.tables(graphs), "Buffers": self.tables(buffers),
            "SignatureDefs": self.tables(made),
        }  # fmt: skip
        self.b.Finish(self.table("Model", Version=3, **vectors), b"TFL3")
        return bytes(self.b.Output())

    def table(self, kind: str, **fields: Any) -> int:
        getattr(tflite, f"{kind}Start")(self.b)
        for name, value in fields.items():
            if value is not None:
                getattr(tflite, f"{kind}Add{name}")(self.b, value)
        return int(getattr(tflite, f"{kind}End")(self.b))

    def tables(self, offsets: Sequence[int]) -> int:
        self.b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        return int(self.b.EndVector())

    def numbers(self, values: Sequence[Any] | None, dtype: str = "int32") -> int | None:
        return None if values is None else int(self.b.CreateNumpyVector(np.asarray(values, dtype)))

    def code(self, name: str) -> int:
        if name.startswith("custom:"):
            custom = self.b.CreateString(name.removeprefix("custom:"))
            return self.table("OperatorCode", DeprecatedBuiltinCode=32, BuiltinCode=32, CustomCode=custom, Version=1)
        number = getattr(tflite.BuiltinOperator, name)
        return self.table("OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=1)

    def buffer(self, data: bytes) -> int:
        if not data:
            return self.table("Buffer")
        if self.behind:
            self.outside += b"\0" * (-len(self.outside) % 16)
            place = self.start + len(self.outside)
            self.outside += data
            return self.table("Buffer", Offset=place, Size=len(data))
        self.b.StartVector(1, len(data), 16)
        self.b.head -= len(data)
        self.b.Bytes[self.b.head : self.b.head + len(data)] = data
        return self.table("Buffer", Data=self.b.EndVector())

    def tensor(self, tensor: Tensor) -> int:
        buffer = 0
        if tensor.data is not None:
            data = tensor.data if isinstance(tensor.data, bytes) else np.ascontiguousarray(tensor.data).tobytes()
            self.buffers.append(data)
            buffer = len(self.buffers) - 1
        quantization = None
        if tensor.scale:
            zero = tensor.zero or [0] * len(tensor.scale)
            vectors = {"Scale": self.numbers(tensor.scale, "float32"), "ZeroPoint": self.numbers(zero, "int64")}
            quantization = self.table("QuantizationParameters", QuantizedDimension=tensor.axis, **vectors)
        sparsity = None if tensor.sparsity is None else self.sparsity(tensor.sparsity)
        name = self.b.CreateString(tensor.name)
        shape, signature = self.numbers(tensor.shape), self.numbers(tensor.signature)
        return self.table(
            "Tensor", Shape=shape, Type=getattr(tflite.TensorType, tensor.type), Buffer=buffer, Name=name,
            Quantization=quantization, IsVariable=tensor.variable, Sparsity=sparsity, ShapeSignature=signature,
            HasRank=True,
        )  # fmt: skip

    def sparsity(self, given: Mapping[str, Any]) -> int:
        levels = []
        for level in given["levels"]:
            if isinstance(level, int):
                levels.append(self.table("DimensionMetadata", Format=0, DenseSize=level))
                continue
            segments, indices = (
                self.table("Int32Vector", Values=self.numbers(values)) for values in level
            )
            levels.append(
                self.table("DimensionMetadata", Format=1, ArraySegmentsType=1, ArraySegments=segments,
                           ArrayIndicesType=1, ArrayIndices=indices)
            )  # fmt: skip
        vectors = {
            "TraversalOrder": self.numbers(given["order"]), "BlockMap": self.numbers(given.get("blocks")),
            "DimMetadata": self.tables(levels),
        }  # fmt: skip
        return self.table("SparsityParameters", **vectors)

    def operator(self, op: Op, places: Mapping[str, int]) -> int:
        if op.code not in self.codes:
            self.codes.append(op.code)
        options = None
        second = bool(op.options_type) and not hasattr(tflite.BuiltinOptions, op.options_type)
        if op.options_type:
            values: dict[str, Any] = {}
            for name, value in op.options.items():
                if isinstance(value, str):
                    value = self.b.CreateString(value)
                elif isinstance(value, list):
                    value = self.numbers(value, "int64" if second else "int32")
                values[name] = value
            options = self.table(op.options_type, **values)
        kinds = tflite.BuiltinOptions2 if second else tflite.BuiltinOptions
        suffix = "2" if second else ""
        fields: dict[str, Any] = {}
        if options is not None:
            fields = {
                f"BuiltinOptions{suffix}Type": getattr(kinds, op.options_type), f"BuiltinOptions{suffix}": options,
            }  # fmt: skip
        custom = self.numbers(list(op.custom), "uint8") if op.custom else None
        inputs, outputs = (
            self.numbers([places[name] if name else -1 for name in names]) for names in (op.inputs, op.outputs)
        )
        return self.table(
            "Operator", OpcodeIndex=self.codes.index(op.code), Inputs=inputs, Outputs=outputs, CustomOptions=custom,
            **fields,
        )  # fmt: skip

    def subgraph(self, graph: Subgraph) -> int:
        places = {tensor.name: i for i, tensor in enumerate(graph.tensors)}
        tensors = self.tables([self.tensor(tensor) for tensor in graph.tensors])
        operators = self.tables([self.operator(op, places) for op in graph.operators])
        ends = {
            "Inputs": self.numbers([places[name] for name in graph.inputs]),
            "Outputs": self.numbers([places[name] for name in graph.outputs]),
        }
        name = self.b.CreateString(graph.name)
        return self.table("SubGraph", Tensors=tensors, Operators=operators, Name=name, **ends)

    def signature(self, signature: Signature, graph: Subgraph) -> int:
        places = {tensor.name: i for i, tensor in enumerate(graph.tensors)}
        sides = []
        for side in (signature.inputs, signature.outputs):
            entries = []
            for key, tensor in side.items():
                name = self.b.CreateString(key)
                entries.append(self.table("TensorMap", Name=name, TensorIndex=places[tensor]))
            sides.append(self.tables(entries))
        key = self.b.CreateString(signature.key)
        return self.table(
            "SignatureDef", Inputs=sides[0], Outputs=sides[1], SignatureKey=key, SubgraphIndex=signature.subgraph
        )
