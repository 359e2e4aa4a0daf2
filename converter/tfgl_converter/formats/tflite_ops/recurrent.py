"""Recurrent operators, written out step by step; over an open or a great length they are loops.

States that TensorFlow Lite keeps from one call to the next begin at zero in every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfgl.ir.graph import DataType
from tfgl.keras.builder import Size, Tensor
from tfgl.keras.loops import Loop

from .operator import Operator
from .registry import operator

_MOST_STEPS = 512
_NORM_EPSILON = 1e-8
_GATES = ("input", "forget", "cell", "output")


def _steps(o: Operator, x: Tensor, time_major: bool) -> list[Tensor]:
    """The time steps, each (batch, features)."""
    axis = 0 if time_major else 1
    if x.rank != 3:
        raise o.malformed(f"its input has shape {list(x.shape)}, expected 3 axes")
    if not 0 < x.shape[axis] <= _MOST_STEPS:
        raise o.unsupported(f"its input of shape {list(x.shape)} must have from 1 to {_MOST_STEPS} time steps")
    return o.b.unpack(x, axis)


# One step: x and the states before it (None: zeros), then the output and the states behind it.
_Step = Callable[[Tensor, "Sequence[Tensor | None]"], "tuple[Tensor, Sequence[Tensor]]"]


def _over_time(o: Operator, x: Tensor, time_major: bool, step: _Step, widths: Sequence[int]) -> Tensor:
    """The outputs of all steps in the order of x; ``widths`` are the sizes of the states, the first the output's."""
    if x.rank == 3 and not 0 <= x.shape[0 if time_major else 1] <= _MOST_STEPS:
        return _looped(o, x, time_major, step, widths)
    states: Sequence[Tensor | None] = [None] * len(widths)
    outputs = []
    for now in _steps(o, x, time_major):
        output, states = step(now, states)
        outputs.append(output)
    return o.b.pack(outputs, 0 if time_major else 1)


def _looped(o: Operator, x: Tensor, time_major: bool, step: _Step, widths: Sequence[int]) -> Tensor:
    """The same where only a run knows how many steps there are: a loop over a list of them."""
    b, dtype = o.b, DataType(x.dtype)
    sequence = x if time_major else b.transpose(x, [1, 0, 2])
    count, batch, _ = b.sizes(sequence)
    limit = b.constant(count, "int32") if isinstance(count, int) else count
    shapes = [b.integers(sequence.shape[1:]), b.integers([sequence.shape[1], widths[0]])]
    items = b.add("TensorListFromTensor", [sequence, shapes[0]], (), "variant", element_dtype=dtype,
                  shape_type=DataType("int32"))  # fmt: skip
    written = b.add("TensorListReserve", [shapes[1], limit], (), "variant", element_dtype=dtype,
                    shape_type=DataType("int32"))  # fmt: skip
    sizes: list[list[Size]] = [[batch, width] for width in widths]
    start = [b.constant(0, "int32"), written, *(b.full(size, 0.0, x.dtype) for size in sizes)]

    def turn(at: Tensor, done: Tensor, *states: Tensor) -> list[Tensor]:
        now = b.add("TensorListGetItem", [items, at, shapes[0]], sequence.shape[1:], x.dtype, element_dtype=dtype)
        output, behind = step(now, states)
        done = b.add("TensorListSetItem", [done, at, output], (), "variant", element_dtype=dtype)
        return [b.add_(at, 1), done, *behind]

    _, done, *_ = Loop(b, start, lambda at, *rest: b.binary("Less", at, limit), turn).close()
    shape = (sequence.shape[0], sequence.shape[1], widths[0])
    stacked = b.add("TensorListStack", [done, shapes[1]], shape, x.dtype, element_dtype=dtype,
                    num_elements=sequence.shape[0])  # fmt: skip
    return stacked if time_major else b.transpose(stacked, [1, 0, 2])


def _rows(o: Operator, x: Tensor, matrix: Tensor) -> Tensor:
    """x times the transpose of a matrix (units, in), for every row."""
    return o.b.matmul(x, matrix, transpose_b=True)


def _sum(o: Operator, *terms: Tensor | None) -> Tensor:
    given = [term for term in terms if term is not None]
    total = given[0]
    for term in given[1:]:
        total = o.b.add_(total, term)
    return total


def _clipped(o: Operator, x: Tensor, limit: float) -> Tensor:
    return o.b.clip(x, -limit, limit) if limit > 0 else x


# Simple recurrence -----------------------------------------------------------------------------------------------


def _simple(
    o: Operator, steps: Sequence[Tensor], first: int, activation: int,
    aux: tuple[Sequence[Tensor], int] | None = None, before: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    """h' = activation(x W + h R + b): weights, recurrent weights and bias stand at inputs ``first`` on."""
    weights, recurrent, bias = o.x(first), o.x(first + 1), o.bias(first + 2)
    state = before
    outputs = []
    for number, x in enumerate(steps):
        extra = None if aux is None else _rows(o, aux[0][number], o.x(aux[1]))
        remembered = None if state is None else _rows(o, state, recurrent)
        state = o.activation(_sum(o, _rows(o, x, weights), extra, remembered, bias), activation)
        outputs.append(state)
    return outputs


@operator("RNN")
def rnn(o: Operator) -> Tensor:
    """One step."""
    _says_state(o)
    return _simple(o, [o.x(0)], 1, int(o.option("FusedActivationFunction")))[0]


@operator("UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence_rnn(o: Operator) -> Tensor:
    """All steps of a sequence."""
    return _over_time(o, o.x(0), bool(o.option("TimeMajor", False)), _simple_step(o, 1), [o.x(2).shape[0]])


def _simple_step(o: Operator, first: int) -> _Step:
    activation = int(o.option("FusedActivationFunction"))

    def step(x: Tensor, states: Sequence[Tensor | None]) -> tuple[Tensor, Sequence[Tensor]]:
        output = _simple(o, [x], first, activation, before=states[0])[0]
        return output, [output]

    return step


@operator("BIDIRECTIONAL_SEQUENCE_RNN")
def bidirectional_rnn(o: Operator) -> Sequence[Tensor]:
    """Forwards, and backwards over the same or an auxiliary sequence."""
    time_major = bool(o.option("TimeMajor", False))
    activation = int(o.option("FusedActivationFunction"))
    if not (o.has(9) and o.has(10)):
        layers = [(_simple_step(o, first), [o.x(first + 1).shape[0]]) for first in (1, 5)]
        return _both_ways(o, layers, 9, time_major)
    steps, aux = _steps(o, o.x(0), time_major), _steps(o, o.x(9), time_major)
    forward = _simple(o, steps, 1, activation, (aux, 10))
    backward = _simple(o, steps[::-1], 5, activation, (aux[::-1], 11))[::-1]
    return _merged(o, [o.b.pack(side, 0 if time_major else 1) for side in (forward, backward)])


def _both_ways(o: Operator, layers: Sequence[tuple[_Step, list[int]]], aux: int, time_major: bool) -> list[Tensor]:
    """A layer over the input, and one from the end over it, or over the auxiliary input where there is one."""
    axis = 0 if time_major else 1
    (forward, widths), (backward, back_widths) = layers
    behind = o.b.reverse(o.x(aux) if o.has(aux) else o.x(0), axis)
    turned = o.b.reverse(_over_time(o, behind, time_major, backward, back_widths), axis)
    return _merged(o, [_over_time(o, o.x(0), time_major, forward, widths), turned])


def _merged(o: Operator, sides: list[Tensor]) -> list[Tensor]:
    return [o.b.concat(sides, 2)] if o.option("MergeOutputs", False) else sides


# Long short-term memory ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Places:
    """At which inputs a layer's weights stand; those of the gates in the order input, forget, cell, output."""

    weights: int
    recurrent: int
    peephole: int  # input, forget, output
    biases: int
    projection: int
    norms: int | None


_FORWARD = _Places(1, 5, 9, 12, 16, 20)
_FORWARD_OF_TWO = _Places(1, 5, 9, 12, 16, None)
_BACKWARD = _Places(18, 22, 26, 29, 33, None)


class _Lstm:
    """One layer: CIFG without weights of the input gate, peepholes, projection, layer norm, clipping."""

    def __init__(self, o: Operator, places: _Places, aux: int | None = None) -> None:
        self.o, self.b = o, o.b
        self.coupled = not o.has(places.weights)
        self.gates = [gate for gate in range(4) if gate or not self.coupled]
        self.weights = {gate: o.x(places.weights + gate) for gate in self.gates}
        self.recurrent = {gate: o.x(places.recurrent + gate) for gate in self.gates}
        self.aux = {gate: o.x(aux + gate) for gate in self.gates} if aux is not None else {}
        self.biases = {gate: o.bias(places.biases + gate) for gate in self.gates}
        self.peephole = {gate: o.maybe(places.peephole + i) for i, gate in enumerate((0, 1, 3))}
        self.projection, self.projection_bias = o.maybe(places.projection), o.bias(places.projection + 1)
        norms = places.norms
        self.norms = {} if norms is None else {gate: o.maybe(norms + gate) for gate in self.gates}
        self.cell_clip, self.projection_clip = float(o.option("CellClip", 0.0)), float(o.option("ProjClip", 0.0))
        self.activation = int(o.option("FusedActivationFunction", 4))

    @property
    def widths(self) -> list[int]:
        """The sizes of the hidden state, which is the output, and of the cell."""
        cells = self.recurrent[1].shape[0]
        return [cells if self.projection is None else self.projection.shape[0], cells]

    def run(self, steps: Sequence[Tensor], aux: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of steps that read an auxiliary input too."""
        hidden: Tensor | None = None
        cell: Tensor | None = None
        outputs = []
        for number, x in enumerate(steps):
            hidden, cell = self.step(x, hidden, cell, aux[number])
            outputs.append(hidden)
        return outputs

    def turn(self, x: Tensor, states: Sequence[Tensor | None]) -> tuple[Tensor, Sequence[Tensor]]:
        """One step, as loops over time call it."""
        hidden, cell = self.step(x, states[0], states[1], None)
        return hidden, [hidden, cell]

    def step(self, x: Tensor, hidden: Tensor | None, cell: Tensor | None, aux: Tensor | None) -> tuple[Tensor, Tensor]:
        b, o = self.b, self.o

        def gate(number: int, seen: Tensor | None) -> Tensor:
            """The sum of a gate before its activation; ``seen`` is the cell that its peephole sees."""
            peephole = self.peephole.get(number)
            total = _sum(
                o, _rows(o, x, self.weights[number]),
                _rows(o, aux, self.aux[number]) if aux is not None and self.aux else None,
                None if hidden is None else _rows(o, hidden, self.recurrent[number]),
                b.mul(seen, peephole) if seen is not None and peephole is not None else None,
            )  # fmt: skip
            norm = self.norms.get(number)
            if norm is not None:
                total = b.mul(self._normal(total), norm)
            return _sum(o, total, self.biases[number])

        forget = b.unary("Sigmoid", gate(1, cell))
        into = b.sub(1.0, forget) if self.coupled else b.unary("Sigmoid", gate(0, cell))
        fresh = b.mul(into, o.activation(gate(2, None), self.activation))
        cell = _clipped(o, fresh if cell is None else b.add_(b.mul(forget, cell), fresh), self.cell_clip)
        hidden = b.mul(b.unary("Sigmoid", gate(3, cell)), o.activation(cell, self.activation))
        if self.projection is not None:
            hidden = _sum(o, _rows(o, hidden, self.projection), self.projection_bias)
            hidden = _clipped(o, hidden, self.projection_clip)
        return hidden, cell

    def _normal(self, x: Tensor) -> Tensor:
        b = self.b
        centred = b.sub(x, b.reduce("Mean", x, [-1], keep=True))
        variance = b.reduce("Mean", b.unary("Square", centred), [-1], keep=True)
        return b.mul(centred, b.unary("Rsqrt", b.add_(variance, _NORM_EPSILON)))


@operator("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(o: Operator) -> Tensor:
    """All steps of a sequence."""
    layer = _Lstm(o, _FORWARD)
    return _over_time(o, o.x(0), bool(o.option("TimeMajor", False)), layer.turn, layer.widths)


@operator("BIDIRECTIONAL_SEQUENCE_LSTM")
def bidirectional_lstm(o: Operator) -> Sequence[Tensor]:
    """Forwards, and backwards over the same or an auxiliary sequence."""
    time_major = bool(o.option("TimeMajor", True))
    if not (o.has(39) and o.has(41)):
        layers = [_Lstm(o, places) for places in (_FORWARD_OF_TWO, _BACKWARD)]
        return _both_ways(o, [(layer.turn, layer.widths) for layer in layers], 39, time_major)
    steps, aux = _steps(o, o.x(0), time_major), _steps(o, o.x(39), time_major)
    forward = _Lstm(o, _FORWARD_OF_TWO, 40).run(steps, aux)
    backward = _Lstm(o, _BACKWARD, 44).run(steps[::-1], aux[::-1])[::-1]
    return _merged(o, [o.b.pack(side, 0 if time_major else 1) for side in (forward, backward)])


@operator("LSTM")
def lstm(o: Operator) -> Sequence[Tensor]:
    """One step; the basic kernel takes and returns its state, the full one keeps it."""
    if o.option("KernelType"):
        return _basic_lstm(o)
    _says_state(o)
    hidden, _ = _Lstm(o, _FORWARD).step(o.x(0), None, None, None)
    return [hidden]


def _basic_lstm(o: Operator) -> list[Tensor]:
    """Inputs: x, h, one matrix for both, bias, c. Gates in the order input, candidate, forget, output."""
    b = o.b
    x, hidden, weights, cell = o.x(0), o.x(1), o.x(2), o.x(4)
    joined = b.concat([x, hidden], 1)
    sums = _sum(o, _rows(o, joined, weights), o.bias(3))
    into, candidate, forget, out = b.split(sums, 4, 1)
    fresh = b.mul(b.unary("Sigmoid", into), b.unary("Tanh", candidate))
    cell = b.add_(b.mul(b.unary("Sigmoid", forget), cell), fresh)
    return [b.mul(b.unary("Sigmoid", out), b.unary("Tanh", cell)), cell, joined, sums][: len(o.outputs)]


@operator("SVDF")
def svdf(o: Operator) -> Tensor:
    """A filter of features, then one over time; its memory begins at zero, so that only the newest step counts."""
    b, x, features, times = o.b, o.x(0), o.x(1), o.x(2)
    _says_state(o)
    rank = int(o.option("Rank", 1))
    if rank < 1 or features.shape[0] % rank:
        raise o.malformed(f"{features.shape[0]} filters are no multiple of rank {rank}")
    newest = b.strided_slice(times, [slice(None), -1])
    filtered = b.mul(_rows(o, x, features), newest)
    units = features.shape[0] // rank
    summed = b.reduce("Sum", b.reshape(filtered, [-1, units, rank]), [2]) if rank > 1 else filtered
    return o.activation(_sum(o, summed, o.bias(3)), int(o.option("FusedActivationFunction")))


def _says_state(o: Operator) -> None:
    o.around.warn(
        f"{o.place} keeps a state between calls; a graph model has none, every call starts from zeros"
    )
