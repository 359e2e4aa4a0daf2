"""What recurrent layers share: a cell over the time steps of its input, as a loop or written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import ModelFormatError
from ..ir.graph import DataType
from .builder import Size, Tensor
from .call import Call, tensors_of
from .loops import Loop

# A state that is None is all zeros: what it would be multiplied with is left out.
State = Tensor | None
_MOST_STEPS = 4096


class Cell(Protocol):
    """One step of a recurrent layer. Its first output is also its state number ``output_state``."""

    state_count: int
    output_state: int

    def project(self, x: Tensor) -> Tensor:
        """What can be done for all time steps, x (time, batch, ...), at once."""

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """Output and new states of one step of what ``project`` returned."""

    def state_sizes(self, projected: Tensor) -> list[list[Size]]:
        """The sizes of each state, batch first."""


@dataclass
class Recurrence:
    """A cell over time steps, with what is the same whether it is a loop or not.

    ``projected`` is (time, batch, ...), and so is ``holds``, the mask: where it does not hold, output and states stay
    as they were, or outputs are 0 with ``zero_output``. Going ``backwards``, it begins with the last step.
    """

    c: Call
    cell: Cell
    projected: Tensor
    holds: Tensor | None
    initial: Sequence[State]
    zero_output: bool
    sequences: bool
    backwards: bool

    @property
    def steps(self) -> int:
        """The number of steps, -1 where only a run knows it."""
        return self.projected.shape[0]

    @property
    def output_is_state(self) -> bool:
        """Whether the output before the first step equals the state: both are zeros."""
        return self.initial[self.cell.output_state] is None

    def step(
        self, x: Tensor, hold: Tensor | None, states: Sequence[State], last: State
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """What is shown, the output that later steps know as the last, and the new states."""
        output, new = self.cell.step(x, states)
        if hold is None:
            return output, output, new
        at = self.cell.output_state
        kept = [self._kept(hold, state, before) for state, before in zip(new, states, strict=True)]
        if self.zero_output:
            return self._kept(hold, output, None), kept[at], kept
        output = kept[at] if self.output_is_state else self._kept(hold, output, last)
        return output, output, kept

    def _kept(self, hold: Tensor, new: Tensor, before: State) -> Tensor:
        return self.c.b.select(hold, new, 0.0 if before is None else before)

    def unrolled(self) -> tuple[Tensor, list[Tensor]]:
        """The output (time, batch, ...) or the last one, and the states; every step written out."""
        b = self.c.b
        parts = b.unpack(self.projected, 0)
        holds: Sequence[Tensor | None] = [None] * len(parts) if self.holds is None else b.unpack(self.holds, 0)
        states, last, shown = list(self.initial), None, []
        for i in reversed(range(len(parts))) if self.backwards else range(len(parts)):
            part, hold = parts[i], holds[i]
            output, last, states[:] = self.step(part, hold, states, last)
            shown.append(output)
        final = [state for state in states if state is not None]
        return (b.pack(shown, 0) if self.sequences else shown[-1]), final

    def looped(self) -> Looped:
        """The same as a loop, traced but not closed."""
        return Looped(self)

    def result(self, unroll: bool) -> tuple[Tensor, list[Tensor]]:
        """The output and the states; ``unroll`` writes the steps out even where a loop takes fewer nodes."""
        few = 0 <= self.steps <= _MOST_STEPS
        if few and (unroll or not self.c.context.loops):
            return self.unrolled()
        looped = self.looped()
        if few and looped.unrolled_size <= looped.lowered_size:
            looped.loop.give_up()
            return self.unrolled()
        return looped.close()


class Looped:
    """The loop of a recurrence: its variables are the step, the list of outputs, the last output, and the states.

    List of outputs and last output are there only where something needs them.
    """

    def __init__(self, recurrence: Recurrence) -> None:
        """Trace the loop."""
        self.recurrence = r = recurrence
        self.b = b = r.c.b
        self.step_count = b.sizes(r.projected)[0]
        count = self.step_count if isinstance(self.step_count, Tensor) else b.constant(self.step_count, "int32")
        sizes = r.cell.state_sizes(r.projected)
        dtype = r.projected.dtype
        states = [
            b.full(size, 0.0, dtype) if state is None else state for state, size in zip(r.initial, sizes, strict=True)
        ]
        output_sizes = sizes[r.cell.output_state]
        masked = r.holds is not None
        self.has_last = masked and (not r.sequences if r.zero_output else not r.output_is_state)
        initial = [b.constant(0, "int32")]
        self.element_shape = tuple(size if isinstance(size, int) else -1 for size in output_sizes)
        if r.sequences:
            shape = b.integers(self.element_shape)
            initial.append(
                b.add("TensorListReserve", [shape, count], (), "variant", element_dtype=DataType(dtype),
                      shape_type=DataType("int32"))
            )  # fmt: skip
        if self.has_last:
            initial.append(b.full(output_sizes, 0.0, dtype))
        items = self._list(r.projected)
        holds = None if r.holds is None else self._list(r.holds)
        last_step = None
        if r.backwards:
            size = self.step_count
            last_step = b.sub(size, 1) if isinstance(size, Tensor) else b.constant(size - 1, "int32")

        def proceed(step: Tensor, *rest: Tensor) -> Tensor:
            return b.binary("Less", step, count)

        def turn(step: Tensor, *rest: Tensor) -> list[Tensor]:
            variables = list(rest)
            shown_list = variables.pop(0) if r.sequences else None
            last = variables.pop(0) if self.has_last else None
            at = step if last_step is None else b.sub(last_step, step)
            x = self._item(items, at, r.projected)
            hold = None if holds is None or r.holds is None else self._item(holds, at, r.holds)
            output, last, new = r.step(x, hold, variables, last)
            turned = [b.add_(step, 1)]
            if shown_list is not None:
                turned.append(
                    b.add("TensorListSetItem", [shown_list, step, output], (), "variant", element_dtype=DataType(dtype))
                )
            if self.has_last:
                turned.append(output if r.zero_output else last)
            return [*turned, *new]

        self.loop = Loop(b, [*initial, *states], proceed, turn)

    def _list(self, x: Tensor) -> Tensor:
        inputs, types = [x, self.b.integers(x.shape[1:])], (DataType(x.dtype), DataType("int32"))
        return self.b.add("TensorListFromTensor", inputs, (), "variant", element_dtype=types[0], shape_type=types[1])

    def _item(self, items: Tensor, step: Tensor, x: Tensor) -> Tensor:
        inputs = [items, step, self.b.integers(x.shape[1:])]
        return self.b.add("TensorListGetItem", inputs, x.shape[1:], x.dtype, element_dtype=DataType(x.dtype))

    @property
    def unrolled_size(self) -> int:
        """About how many nodes the steps take when they are written out."""
        # Not the reading of lists, nor the counting, nor the writing of a list.
        r = self.recurrence
        counting = 3 + (r.holds is not None) + r.sequences + r.backwards
        return max(self.loop.size - counting, 1) * r.steps + 2

    @property
    def lowered_size(self) -> int:
        """About how many nodes the loop takes as Switch, Merge and their like, with all that it needs around it."""
        variables = len(self.loop.initial)
        constants = sum(x.edge.node in self.b.values for x in self.loop.handed_over)
        lists = 3 + 2 * self.recurrence.sequences
        return self.loop.size + 5 * variables + len(self.loop.handed_over) - constants + lists + 12

    def close(self) -> tuple[Tensor, list[Tensor]]:
        """The output (time, batch, ...) or the last one, and the states."""
        b, r = self.b, self.recurrence
        variables = self.loop.close()[1:]
        states = variables[-r.cell.state_count :]
        if not r.sequences:
            return variables[0] if self.has_last else states[r.cell.output_state], states
        output_shape = (r.steps, *self.element_shape)
        inputs = [variables[0], b.integers(self.element_shape)]
        dtype = DataType(r.projected.dtype)
        result = b.add("TensorListStack", inputs, output_shape, dtype, element_dtype=dtype, num_elements=r.steps)
        return result, states


def run_cell(c: Call, cell: Cell, x: Tensor, given: Sequence[Tensor]) -> list[Tensor]:
    """What the layer returns for x (batch, time, ...), or (time, batch, ...) with ``time_major``.

    That is output or outputs, then the states if ``return_state`` says so. ``given`` are the states to begin with,
    zeros if there are none. A mask comes as an argument or with x.
    """
    b = c.b
    time_major = c.flag("time_major")
    mask, passed = x.mask, x.mask
    if c.keras3 and (given or tensors_of(c.kwargs.get("initial_state"))):
        # Keras 3 hands the mask of the input on only where that is the one tensor that comes in.
        mask = None
    if isinstance(c.kwargs.get("mask"), Tensor):
        mask = passed = c.kwargs["mask"]
    if x.shape[0 if time_major else 1] == 0:
        raise ModelFormatError(f"{c}: a sequence of no steps")
    sequence = x if time_major else _swapped(c, x)
    holds = None
    if mask is not None:
        holds = b.cast(mask, "bool")
        while holds.rank < x.rank:
            holds = b.expand(holds, -1)
        holds = holds if time_major else _swapped(c, holds)
    if c.flag("stateful"):
        c.context.warn(f"{c} is stateful; a graph model keeps no states between calls, each begins with zeros")
    recurrence = Recurrence(
        c,
        cell,
        cell.project(sequence),
        holds,
        initial_states(c, cell, given),
        c.flag("zero_output_for_mask"),
        c.flag("return_sequences"),
        c.flag("go_backwards"),
    )
    output, states = recurrence.result(c.flag("unroll"))
    if recurrence.sequences:
        output = (output if time_major else _swapped(c, output)).masked(passed)
    return [output, *states] if c.flag("return_state") else [output]


def _swapped(c: Call, x: Tensor) -> Tensor:
    return c.b.transpose(x, [1, 0, *range(2, x.rank)])


def initial_states(c: Call, cell: Cell, given: Sequence[Tensor]) -> list[State]:
    """The states that the layer is called with, else zeros."""
    stated = c.kwargs.get("initial_state")
    if stated is not None and not given:
        given = tensors_of(stated)
    if not given:
        return [None] * cell.state_count
    if len(given) != cell.state_count:
        raise ModelFormatError(f"{c} has {cell.state_count} states, got {len(given)}")
    return list(given)
