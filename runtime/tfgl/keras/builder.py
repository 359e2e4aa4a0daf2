"""Builds a graph op by op: names, shapes as far as they are known, constants.

Sizes that only a run knows (the batch, mostly) are -1 in a Tensor's shape; where an op needs one as a number, it is
read off with Shape as TensorFlow's own exports do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, ModelFormatError
from ..ir.graph import AttrValue, DataType, Edge, Function, FunctionName, Graph, Node, Shape, Signature

Array = np.ndarray[Any, Any]

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\\/>-]")
_COMPARISONS = frozenset({"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"})
# Constants up to this many elements are shared by all nodes that need the same one.
_SHARED_ELEMENTS = 64


@dataclass(frozen=True, slots=True)
class Tensor:
    """One value of the graph: where it comes from, its shape (-1: unknown), dtype, and Keras's mask of it.

    >>> Tensor(Edge("x"), (-1, 3), "float32").rank
    2
    """

    edge: Edge
    shape: Shape
    dtype: str
    mask: Tensor | None = None

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def masked(self, mask: Tensor | None) -> Tensor:
        """The same value with another mask."""
        return replace(self, mask=mask)


# A size as an op takes it: a number, or a scalar int32 tensor where only a run knows it.
Size = int | Tensor
Operand = Tensor | float


class Builder:
    """Adds nodes to a graph under a stack of scopes.

    >>> b = Builder()
    >>> x = b.placeholder("x", (-1, 2), "float32")
    >>> b.binary("AddV2", x, 1.0).shape
    (-1, 2)
    """

    def __init__(self) -> None:
        """An empty graph."""
        self.nodes: dict[str, Node] = {}
        self.values: dict[str, Array] = {}
        self.functions: dict[str, Function] = {}
        # What is known of each output, for loops, which have to state the types of all that they read.
        self.tensors: dict[Edge, Tensor] = {}
        self._scopes: list[str] = []
        self._counts: dict[str, int] = {}
        self._shared: dict[tuple[str, Shape, bytes], Tensor] = {}
        self._sizes: dict[Edge, list[Size]] = {}
        self._transposed: dict[Edge, tuple[Tensor, tuple[int, ...]]] = {}

    # Nodes -----------------------------------------------------------------------------------------------------

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Nodes that are added inside have ``name/`` before their names."""
        self._scopes.append(_FORBIDDEN.sub("_", name))
        try:
            yield
        finally:
            self._scopes.pop()

    def unique(self, name: str) -> str:
        """A name below the current scopes that no node has."""
        name = "/".join([*self._scopes, _FORBIDDEN.sub("_", name)])
        candidate = name
        while candidate in self.nodes:
            # Counted, because an unrolled layer asks for the same name thousands of times.
            self._counts[name] = self._counts.get(name, 0) + 1
            candidate = f"{name}_{self._counts[name]}"
        return candidate

    def add(
        self,
        op: str,
        inputs: Sequence[Tensor],
        shape: Sequence[int],
        dtype: str | None = None,
        *,
        name: str | None = None,
        **attrs: AttrValue,
    ) -> Tensor:
        """A node and its first output; ``dtype`` is the first input's unless given."""
        return self.add_many(op, inputs, [shape], dtype, name=name, **attrs)[0]

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
        key = self.unique(name or op)
        dtype = dtype or inputs[0].dtype
        if "T" not in attrs and inputs:
            attrs["T"] = DataType(inputs[0].dtype)
        return self._put(Node(key, op, tuple(x.edge for x in inputs), (), attrs), shapes, [dtype] * len(shapes))

    def _put(self, node: Node, shapes: Sequence[Sequence[int]], dtypes: Sequence[str]) -> list[Tensor]:
        self.nodes[node.name] = node
        made = [
            Tensor(Edge(node.name, i), tuple(shape), dtype)
            for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
        ]
        self.tensors |= {tensor.edge: tensor for tensor in made}
        return made

    def put(self, node: Node, outputs: Sequence[tuple[Sequence[int], str]]) -> list[Tensor]:
        """A node whose outputs have these shapes and dtypes."""
        return self._put(node, [shape for shape, _ in outputs], [dtype for _, dtype in outputs])

    def put_loop(self, node: Node, like: Sequence[Tensor]) -> list[Tensor]:
        """A node of any dtypes whose outputs have the shapes and dtypes of ``like``."""
        return self._put(node, [x.shape for x in like], [x.dtype for x in like])

    def forget(self, names: Collection[str]) -> None:
        """Take out nodes that no other node reads."""
        for name in names:
            del self.nodes[name]
            self.values.pop(name, None)
        # Another node may come to have the name.
        for known in (self.tensors, self._sizes, self._transposed):
            for edge in [edge for edge in known if edge.node in names]:
                del known[edge]

    def placeholder(self, name: str, shape: Sequence[int], dtype: str) -> Tensor:
        """An input of the graph."""
        attrs: dict[str, AttrValue] = {"dtype": DataType(dtype), "shape": tuple(shape)}
        return self._put(Node(self.unique(name), "Placeholder", (), (), attrs), [shape], [dtype])[0]

    def constant(self, value: Any, dtype: str | None = None, *, name: str | None = None) -> Tensor:
        """A constant; small ones without a name are shared."""
        array = np.asarray(value, None if dtype is None else np.dtype(object if dtype == "string" else dtype))
        # Arrays of objects have their strings elsewhere, so that their bytes do not tell them apart.
        small = name is None and array.size <= _SHARED_ELEMENTS and array.dtype != object
        key = (str(array.dtype), tuple(array.shape), array.tobytes()) if small else None
        if key is not None and key in self._shared:
            return self._shared[key]
        result = self.held(array, name=name or "Const")
        if key is not None:
            self._shared[key] = result
        return result

    def held(self, value: Any, *, name: str) -> Tensor:
        """A constant of something that has shape and dtype and gives its values to np.asarray."""
        label, kind = self.unique(name), "string" if value.dtype == object else str(value.dtype)
        self.values[label] = value
        return self._put(Node(label, "Const", (), (), {"dtype": DataType(kind)}), [value.shape], [kind])[0]

    def integers(self, values: int | Sequence[int]) -> Tensor:
        """An int32 constant: axes, sizes, permutations."""
        return self.constant(np.asarray(values, np.int32))

    def graph(self, signature: Signature, also: Iterable[Edge] = ()) -> Graph:
        """The graph as far as the signature's outputs and ``also`` need it; its inputs stay in any case."""
        needed = {info.edge.node for info in signature.inputs.values()}
        waiting = [info.edge.node for info in signature.outputs.values()] + [edge.node for edge in also]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += [edge.node for edge in self.nodes[name].inputs]
        nodes = {name: node for name, node in self.nodes.items() if name in needed}
        constants = {name: value for name, value in self.values.items() if name in needed}
        return Graph(nodes, self._needed_functions(nodes.values()), signature, constants)

    def _needed_functions(self, nodes: Iterable[Node]) -> dict[str, Function]:
        found: dict[str, Function] = {}
        for node in nodes:
            for value in node.attrs.values():
                if isinstance(value, FunctionName) and value not in found:
                    function = self.functions[value]
                    found |= {str(value): function} | self._needed_functions(function.graph.nodes.values())
        return found

    # Elementwise -----------------------------------------------------------------------------------------------

    def unary(
        self, op: str, x: Tensor, dtype: str | None = None, *, name: str | None = None, **attrs: AttrValue
    ) -> Tensor:
        """An op that keeps the shape."""
        return self.add(op, [x], x.shape, dtype, name=name, **attrs)

    def binary(self, op: str, a: Operand, b: Operand) -> Tensor:
        """An op of two broadcast operands; a number becomes a constant of the other's dtype."""
        if not isinstance(a, Tensor):
            if not isinstance(b, Tensor):
                raise InvalidArgumentError(f"{op} needs a tensor, got {a} and {b}")
            a = self.constant(a, b.dtype)
        elif not isinstance(b, Tensor):
            b = self.constant(b, a.dtype)
        dtype = "bool" if op in _COMPARISONS else a.dtype
        if op.startswith("Logical"):
            return self.add(op, [a, b], broadcast(a.shape, b.shape), "bool", T=DataType("bool"))
        return self.add(op, [a, b], broadcast(a.shape, b.shape), dtype)

    def add_(self, a: Operand, b: Operand) -> Tensor:
        """a + b."""
        return self.binary("AddV2", a, b)

    def mul(self, a: Operand, b: Operand) -> Tensor:
        """a * b."""
        return self.binary("Mul", a, b)

    def sub(self, a: Operand, b: Operand) -> Tensor:
        """a - b."""
        return self.binary("Sub", a, b)

    def div(self, a: Operand, b: Operand) -> Tensor:
        """a / b for floats."""
        return self.binary("RealDiv", a, b)

    def logical_not(self, x: Tensor) -> Tensor:
        """Not x."""
        return self.unary("LogicalNot", x)

    def select(self, condition: Tensor, a: Tensor, b: Operand) -> Tensor:
        """a where the condition holds, else b; all three broadcast."""
        if not isinstance(b, Tensor):
            b = self.constant(b, a.dtype)
        shape = broadcast(condition.shape, broadcast(a.shape, b.shape))
        return self.add("SelectV2", [condition, a, b], shape, a.dtype, T=DataType(a.dtype))

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """x in another dtype."""
        if x.dtype == dtype:
            return x
        types: dict[str, AttrValue] = {"SrcT": DataType(x.dtype), "DstT": DataType(dtype), "Truncate": False}
        return self._put(Node(self.unique("Cast"), "Cast", (x.edge,), (), types), [x.shape], [dtype])[0].masked(x.mask)

    def clip(self, x: Tensor, low: float, high: float) -> Tensor:
        """x limited to [low, high]."""
        return self.binary("Minimum", self.binary("Maximum", x, low), high)

    def full(self, sizes: Sequence[Size], value: float, dtype: str = "float32") -> Tensor:
        """A tensor of one value; sizes that only a run knows are tensors."""
        shape = [size if isinstance(size, int) else -1 for size in sizes]
        if -1 not in shape and math.prod(shape) <= _SHARED_ELEMENTS:
            return self.constant(np.full(shape, value), dtype)
        inputs = [self.shape_tensor(sizes), self.constant(value, dtype)]
        return self.add("Fill", inputs, shape, dtype, T=DataType(dtype), index_type=DataType("int32"))

    # Shapes ----------------------------------------------------------------------------------------------------

    def sizes(self, x: Tensor) -> list[Size]:
        """The sizes of x, as numbers where they are known, else as tensors."""
        if -1 not in x.shape:
            return list(x.shape)
        if x.edge not in self._sizes:
            shape = self.add("Shape", [x], (x.rank,), "int32", out_type=DataType("int32"))
            self._sizes[x.edge] = [
                size if size >= 0 else self.strided_slice(shape, [axis]) for axis, size in enumerate(x.shape)
            ]
        return self._sizes[x.edge]

    def shape_tensor(self, sizes: Sequence[Size]) -> Tensor:
        """An int32 vector of sizes."""
        if all(isinstance(size, int) for size in sizes):
            return self.integers([size for size in sizes if isinstance(size, int)])
        parts = [self.integers(size) if isinstance(size, int) else size for size in sizes]
        return self.add("Pack", parts, (len(parts),), "int32", N=len(parts), axis=0)

    def reshape(self, x: Tensor, sizes: Sequence[Size]) -> Tensor:
        """x in another shape; one number may be -1, sizes that only a run knows are tensors."""
        shape = [size if isinstance(size, int) else -1 for size in sizes]
        if -1 not in x.shape:
            known = math.prod(size for size in shape if size != -1)
            if shape.count(-1) == 1 and known and math.prod(x.shape) % known == 0:
                shape[shape.index(-1)] = math.prod(x.shape) // known
            if -1 not in shape and math.prod(shape) != math.prod(x.shape):
                raise ModelFormatError(f"shape {list(x.shape)} cannot become {shape}: the numbers of elements differ")
        if tuple(shape) == x.shape and shape.count(-1) <= 1:
            return x
        # A single unknown size is what -1 stands for.
        target = self.integers(shape) if shape.count(-1) <= 1 else self.shape_tensor(sizes)
        return self.add("Reshape", [x, target], shape, Tshape=DataType("int32"))

    def expand(self, x: Tensor, axis: int) -> Tensor:
        """x with an axis of size 1 more."""
        axis = axis % (x.rank + 1)
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        return self.add("ExpandDims", [x, self.integers(axis)], shape, Tdim=DataType("int32"))

    def squeeze(self, x: Tensor, axis: int) -> Tensor:
        """x without an axis of size 1."""
        axis = axis % x.rank
        return self.add("Squeeze", [x], (*x.shape[:axis], *x.shape[axis + 1 :]), squeeze_dims=[axis])

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """x with its axes in another order; transposing back gives what there was before."""
        order = tuple(axis % x.rank for axis in order)
        if order == tuple(range(x.rank)):
            return x
        source, before = self._transposed.get(x.edge, (x, tuple(range(x.rank))))
        whole = tuple(before[axis] for axis in order)
        if whole == tuple(range(x.rank)):
            return source
        shape = [source.shape[axis] for axis in whole]
        result = self.add("Transpose", [source, self.integers(whole)], shape, Tperm=DataType("int32"))
        self._transposed[result.edge] = (source, whole)
        return result

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after the other along an axis."""
        if len(tensors) == 1:
            return tensors[0]
        axis = axis % tensors[0].rank
        shape = list(tensors[0].shape)
        for other in tensors[1:]:
            if other.rank != len(shape):
                raise ModelFormatError(f"shapes {shape} and {list(other.shape)} cannot be concatenated")
            for i, size in enumerate(other.shape):
                if i == axis:
                    shape[i] = -1 if -1 in (shape[i], size) else shape[i] + size
                elif shape[i] == -1:
                    shape[i] = size
                elif size not in (-1, shape[i]):
                    raise ModelFormatError(f"shapes {shape} and {list(other.shape)} cannot be concatenated")
        inputs = [*tensors, self.integers(axis)]
        return self.add("ConcatV2", inputs, shape, N=len(tensors), Tidx=DataType("int32"))

    def pack(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors of one shape along a new axis."""
        axis = axis % (tensors[0].rank + 1)
        shape = (*tensors[0].shape[:axis], len(tensors), *tensors[0].shape[axis:])
        return self.add("Pack", tensors, shape, N=len(tensors), axis=axis)

    def unpack(self, x: Tensor, axis: int) -> list[Tensor]:
        """The parts of x along an axis of known size."""
        axis = axis % x.rank
        count = x.shape[axis]
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return self.add_many("Unpack", [x], [shape] * count, num=count, axis=axis)

    def split(self, x: Tensor, count: int, axis: int) -> list[Tensor]:
        """x cut into equal parts along an axis."""
        axis = axis % x.rank
        if x.shape[axis] >= 0 and x.shape[axis] % count:
            raise ModelFormatError(f"axis {axis} of shape {list(x.shape)} cannot be cut into {count} equal parts")
        size = -1 if x.shape[axis] < 0 else x.shape[axis] // count
        shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
        return self.add_many(
            "Split", [self.integers(axis), x], [shape] * count, x.dtype, num_split=count, T=DataType(x.dtype)
        )

    def strided_slice(self, x: Tensor, items: Sequence[int | slice]) -> Tensor:
        """Python's slicing by numbers and slices, from the first axis on."""
        begin, end, step, shape = [], [], [], []
        begin_mask = end_mask = shrink = 0
        for axis, item in enumerate(items):
            size = x.shape[axis]
            if isinstance(item, int):
                begin.append(item)
                end.append(item + 1)
                step.append(1)
                shrink |= 1 << axis
                # The end after -1 is the end of the axis.
                end_mask |= (item == -1) << axis
                continue
            start, stop, stride = item.start, item.stop, 1 if item.step is None else item.step
            if not stride:
                raise ModelFormatError("a slice has a step of 0")
            begin_mask |= (start is None) << axis
            end_mask |= (stop is None) << axis
            begin.append(start or 0)
            end.append(stop or 0)
            step.append(stride)
            if size >= 0:
                shape.append(len(range(*item.indices(size))))
            else:
                shape.append(-1)
        return self.add(
            "StridedSlice",
            [x, self.integers(begin), self.integers(end), self.integers(step)],
            [*shape, *x.shape[len(items) :]],
            begin_mask=begin_mask,
            end_mask=end_mask,
            shrink_axis_mask=shrink,
            ellipsis_mask=0,
            new_axis_mask=0,
            Index=DataType("int32"),
        )

    def pad(self, x: Tensor, pairs: Sequence[Sequence[int]], value: float = 0.0) -> Tensor:
        """x with ``value`` before and after it along each axis."""
        if not any(sum(pair) for pair in pairs):
            return x
        shape = [size if size < 0 else size + sum(pair) for size, pair in zip(x.shape, pairs, strict=True)]
        widths = self.constant(np.asarray(pairs, np.int32))
        if value:
            return self.add("PadV2", [x, widths, self.constant(value, x.dtype)], shape, Tpaddings=DataType("int32"))
        return self.add("Pad", [x, widths], shape, Tpaddings=DataType("int32"))

    def tile(self, x: Tensor, counts: Sequence[int]) -> Tensor:
        """x repeated along each axis."""
        shape = [size if size < 0 else size * count for size, count in zip(x.shape, counts, strict=True)]
        return self.add("Tile", [x, self.integers(counts)], shape, Tmultiples=DataType("int32"))

    def reverse(self, x: Tensor, axis: int) -> Tensor:
        """x from its end along an axis."""
        return self.add("ReverseV2", [x, self.integers([axis % x.rank])], x.shape, Tidx=DataType("int32"))

    def gather(self, x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
        """The slices of x at ``indices``."""
        axis = axis % x.rank
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        types: dict[str, AttrValue] = {
            "Tparams": DataType(x.dtype),
            "Tindices": DataType(indices.dtype),
            "Taxis": DataType("int32"),
            "batch_dims": 0,
        }
        inputs = (x.edge, indices.edge, self.integers(axis).edge)
        return self._put(Node(self.unique("GatherV2"), "GatherV2", inputs, (), types), [shape], [x.dtype])[0]

    # Reductions and products -----------------------------------------------------------------------------------

    def reduce(self, op: str, x: Tensor, axes: Sequence[int], keep: bool = False) -> Tensor:
        """Sum, Mean, Max, Min, Prod, Any or All over axes."""
        axes = sorted({axis % x.rank for axis in axes})
        shape = [1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes]
        return self.add(op, [x, self.integers(axes)], shape, keep_dims=keep, Tidx=DataType("int32"))

    def softmax(self, x: Tensor, axis: int = -1, op: str = "Softmax") -> Tensor:
        """Softmax or LogSoftmax along any axis."""
        axis = axis % x.rank
        if axis == x.rank - 1:
            return self.unary(op, x)
        order = list(range(x.rank))
        order[axis], order[-1] = order[-1], order[axis]
        return self.transpose(self.unary(op, self.transpose(x, order)), order)

    def matmul(self, a: Tensor, b: Tensor, transpose_b: bool = False) -> Tensor:
        """The matrix product of the last two axes, broadcast over those before."""
        columns = b.shape[-2] if transpose_b else b.shape[-1]
        if a.rank == b.rank == 2:
            return self.add("MatMul", [a, b], (a.shape[0], columns), transpose_a=False, transpose_b=transpose_b)
        shape = (*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], columns)
        return self.add("BatchMatMulV2", [a, b], shape, adj_x=False, adj_y=transpose_b)

    def einsum(self, equation: str, tensors: Sequence[Tensor]) -> Tensor:
        """The sum of products that a subscript equation (without ellipsis) says."""
        left, _, right = equation.partition("->")
        sizes: dict[str, int] = {}
        for term, x in zip(left.split(","), tensors, strict=True):
            if len(term) != x.rank:
                raise ModelFormatError(f"term {term!r} of {equation!r} does not fit shape {list(x.shape)}")
            for label, size in zip(term, x.shape, strict=True):
                if sizes.get(label, -1) == -1:
                    sizes[label] = size
        return self.add(
            "Einsum", tensors, [sizes[label] for label in right], equation=equation.encode(), N=len(tensors)
        )

    def bias_add(self, x: Tensor, bias: Tensor) -> Tensor:
        """x plus a vector along its last axis."""
        return self.add("BiasAdd", [x, bias], x.shape, data_format=b"NHWC")


def broadcast(a: Sequence[int], b: Sequence[int]) -> Shape:
    """The shape that two shapes broadcast to; an unknown size takes that of the other where this is not 1.

    >>> broadcast((-1, 1, 3), (4, 1))
    (-1, 4, 3)
    """
    rank = max(len(a), len(b))
    pairs = zip([1] * (rank - len(a)) + list(a), [1] * (rank - len(b)) + list(b), strict=True)
    shape = []
    for x, y in pairs:
        if x == y or y == 1:
            shape.append(x)
        elif x == 1:
            shape.append(y)
        elif -1 in (x, y):
            shape.append(max(x, y))
        else:
            raise ModelFormatError(f"shapes {list(a)} and {list(b)} do not broadcast")
    return tuple(shape)
