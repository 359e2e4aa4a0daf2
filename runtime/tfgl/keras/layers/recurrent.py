"""Recurrent layers and their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ModelFormatError, UnsupportedOpError
from ..activations import activate
from ..builder import Size, Tensor
from ..call import Call
from ..recurrence import Cell, State, initial_states, run_cell
from ..registry import Weight, layer
from ..weights import LayerNode

_WEIGHTS = (Weight("kernel"), Weight("recurrent_kernel"), Weight("bias", when="use_bias"))


class _MatrixCell:
    """What the cells with matrices share: input (in, gates * units), recurrent (units, gates * units)."""

    gates = 1
    state_count = 1
    output_state = 0

    def __init__(self, c: Call) -> None:
        self.c, self.b = c, c.b
        self.kernel = c.weight("kernel", (-1, -1))
        width = self.kernel.shape[1]
        if width % self.gates:
            raise ModelFormatError(f"{c}: a kernel of shape {list(self.kernel.shape)} does not have {self.gates} gates")
        self.units = width // self.gates
        self.recurrent = c.weight("recurrent_kernel", (self.units, width))
        self.bias = self._input_bias()

    def _input_bias(self) -> Tensor | None:
        return self.c.weight("bias", (self.kernel.shape[1],)) if self.c.has("bias") else None

    def state_sizes(self, projected: Tensor) -> list[list[Size]]:
        return [[self.b.sizes(projected)[1], self.units]] * self.state_count

    def project(self, x: Tensor) -> Tensor:
        if x.shape[:-1].count(-1) > 1:
            # Not as one matrix: splitting its rows again would need the sizes as numbers.
            result = self.b.matmul(x, self.kernel)
            return result if self.bias is None else self.b.add_(result, self.bias)
        flat = self.b.reshape(x, [-1, self.kernel.shape[0]]) if x.rank > 2 else x
        result = self.b.matmul(flat, self.kernel)
        if self.bias is not None:
            result = self.b.bias_add(result, self.bias)
        return self.b.reshape(result, [*self.b.sizes(x)[:-1], self.kernel.shape[1]]) if x.rank > 2 else result

    def inner(self, x: Tensor) -> Tensor:
        return activate(self.c, x, self.c.get("activation", "tanh"))

    def gate(self, x: Tensor, default: str) -> Tensor:
        return activate(self.c, x, self.c.get("recurrent_activation", default))


class SimpleCell(_MatrixCell):
    """h' = activation(x W + b + h U)."""

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """Output and new state."""
        h = states[0]
        z = x if h is None else self.b.add_(x, self.b.matmul(h, self.recurrent))
        out = self.inner(z)
        return out, [out]


class LSTMCell(_MatrixCell):
    """Gates in the order input, forget, candidate, output."""

    gates = 4
    state_count = 2

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """Output and new states h and c."""
        b = self.b
        h, carry = states
        z = x if h is None else b.add_(x, b.matmul(h, self.recurrent))
        default = "sigmoid" if self.c.keras3 else "hard_sigmoid"
        into, forget, candidate, out = b.split(z, 4, -1)
        fresh = b.mul(self.gate(into, default), self.inner(candidate))
        if carry is not None:
            fresh = b.add_(b.mul(self.gate(forget, default), carry), fresh)
        result = b.mul(self.gate(out, default), self.inner(fresh))
        return result, [result, fresh]


class GRUCell(_MatrixCell):
    """Gates in the order update, reset, candidate; ``reset_after`` resets behind the matrix, with a bias of its own."""

    gates = 3

    def _input_bias(self) -> Tensor | None:
        c = self.c
        self.recurrent_bias: Tensor | None = None
        bias = c.array("bias") if c.has("bias") else None
        # Files of before the option have a vector of biases and no key.
        self.reset_after = c.flag("reset_after", bias is not None and bias.ndim == 2)
        width = self.kernel.shape[1]
        if bias is None:
            return None
        if not self.reset_after:
            return c.weight("bias", (width,))
        if bias.shape != (2, width):
            raise ModelFormatError(f"{c}: bias has shape {list(bias.shape)}, expected {[2, width]} with reset_after")
        self.recurrent_bias = c.constant("recurrent_bias", bias[1])
        return c.constant("bias", bias[0])

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """Output and new state."""
        b, h = self.b, states[0]
        default = "sigmoid" if self.c.keras3 else "hard_sigmoid"
        if self.reset_after:
            out = self._after(x, h, default)
        else:
            both, candidate = self._halves(x)
            gates = both
            if h is not None:
                first, _ = self._recurrent_halves()
                gates = b.add_(both, b.matmul(h, first))
            update, reset = b.split(self.gate(gates, default), 2, -1)
            if h is not None:
                candidate = b.add_(candidate, b.matmul(b.mul(reset, h), self._recurrent_halves()[1]))
            out = self._mixed(update, h, self.inner(candidate))
        return out, [out]

    def _after(self, x: Tensor, h: State, default: str) -> Tensor:
        b = self.b
        x_update, x_reset, x_candidate = b.split(x, 3, -1)
        inner = None if h is None else b.matmul(h, self.recurrent)
        if self.recurrent_bias is not None:
            inner = b.bias_add(inner, self.recurrent_bias) if inner is not None else self.recurrent_bias
        if inner is None:
            return self._mixed(self.gate(x_update, default), h, self.inner(x_candidate))
        h_update, h_reset, h_candidate = b.split(inner, 3, -1)
        update = self.gate(b.add_(x_update, h_update), default)
        reset = self.gate(b.add_(x_reset, h_reset), default)
        return self._mixed(update, h, self.inner(b.add_(x_candidate, b.mul(reset, h_candidate))))

    def _mixed(self, update: Tensor, h: State, fresh: Tensor) -> Tensor:
        b = self.b
        kept = b.mul(b.sub(1.0, update), fresh)
        return kept if h is None else b.add_(b.mul(update, h), kept)

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cut = 2 * self.units
        return (
            self.b.strided_slice(x, [*[slice(None)] * (x.rank - 1), slice(None, cut)]),
            self.b.strided_slice(x, [*[slice(None)] * (x.rank - 1), slice(cut, None)]),
        )

    def _recurrent_halves(self) -> tuple[Tensor, Tensor]:
        array, cut = self.c.array("recurrent_kernel"), 2 * self.units
        return (
            self.c.constant("recurrent_gates", array[:, :cut]),
            self.c.constant("recurrent_candidate", array[:, cut:]),
        )


class CuDNNLSTMCell(LSTMCell):
    """LSTM as NVIDIA's library has it: two biases, one behind the other, which add up."""

    def _input_bias(self) -> Tensor | None:
        bias = self.c.array("bias")
        return self.c.constant("bias", bias.reshape(2, -1).sum(0))

    def gate(self, x: Tensor, default: str) -> Tensor:
        """Always a sigmoid."""
        return self.b.unary("Sigmoid", x)


class CuDNNGRUCell(GRUCell):
    """GRU as NVIDIA's library has it: ``reset_after``, two biases one behind the other."""

    def _input_bias(self) -> Tensor | None:
        first, second = self.c.array("bias").reshape(2, -1)
        self.reset_after = True
        self.recurrent_bias = self.c.constant("recurrent_bias", second)
        return self.c.constant("bias", first)

    def gate(self, x: Tensor, default: str) -> Tensor:
        """Always a sigmoid."""
        return self.b.unary("Sigmoid", x)


class StackedCells:
    """Cells one after the other; their states in a row."""

    def __init__(self, c: Call) -> None:
        """The cells of a StackedRNNCells layer."""
        self.cells = [cell_of(c, child) for child in c.node.children.values()]
        if not self.cells:
            raise ModelFormatError(f"{c} has no cells")
        self.state_count = sum(cell.state_count for cell in self.cells)
        self.output_state = self.state_count - self.cells[-1].state_count + self.cells[-1].output_state

    def project(self, x: Tensor) -> Tensor:
        """The first cell's part that needs no state."""
        return self.cells[0].project(x)

    def state_sizes(self, projected: Tensor) -> list[list[Size]]:
        """The sizes of each state, batch first."""
        return [sizes for cell in self.cells for sizes in cell.state_sizes(projected)]

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """The last cell's output and the new states of all."""
        new: list[Tensor] = []
        for i, cell in enumerate(self.cells):
            given = states[len(new) : len(new) + cell.state_count]
            x, more = cell.step(cell.project(x) if i else x, given)
            new += more
        return x, new


# Cells by class name; other modules add theirs.
CELLS: dict[str, Any] = {
    "SimpleRNN": SimpleCell,
    "SimpleRNNCell": SimpleCell,
    "LSTM": LSTMCell,
    "LSTMCell": LSTMCell,
    "CuDNNLSTM": CuDNNLSTMCell,
    "GRU": GRUCell,
    "GRUCell": GRUCell,
    "CuDNNGRU": CuDNNGRUCell,
    "StackedRNNCells": StackedCells,
}


def cell_of(c: Call, node: LayerNode) -> Cell:
    """The cell that a layer is or has; its weights are constants below the layer's scope."""
    own = Call(c.context, node, c.inputs)
    class_name = node.row.class_name if node.row is not None else node.class_name
    if class_name not in CELLS:
        raise UnsupportedOpError(
            f"layer {node.path!r}: cells of class {node.class_name!r} are not supported; "
            "SimpleRNNCell, GRUCell, LSTMCell and StackedRNNCells are"
        )
    with c.b.scope(node.name if node is not c.node else class_name.lower().removesuffix("cell") + "_cell"):
        cell: Cell = CELLS[class_name](own)
    return cell


@layer("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", weights=_WEIGHTS, masking="own")
def recurrent(c: Call) -> list[Tensor]:
    """A layer that is its own cell; x (batch, time, features)."""
    c.rank(3)
    return run_cell(c, cell_of(c, c.node), c.x, c.inputs[1:])


def _cell_of_config(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    cell = config.get("cell")
    # A list of cells is a stack of them.
    if isinstance(cell, list):
        cell = {"class_name": "StackedRNNCells", "config": {"name": "stacked_rnn_cells", "cells": cell}}
    return {"cell": cell} if isinstance(cell, Mapping) else {}


@layer("RNN", children=_cell_of_config, masking="own")
def rnn(c: Call) -> list[Tensor]:
    """A layer around any cell."""
    if "cell" not in c.node.children:
        raise c.wrong("cell", "a cell", c.get("cell"))
    return run_cell(c, cell_of(c, c.node.children["cell"]), c.x, c.inputs[1:])


def _cells_of_config(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    cells = config.get("cells", [])
    return {f"cell_{i}": cell for i, cell in enumerate(cells)} if isinstance(cells, list) else {}


@layer("SimpleRNNCell", "LSTMCell", "GRUCell", weights=_WEIGHTS, takes=None)
def cell_alone(c: Call) -> list[Tensor]:
    """A cell called as a layer: inputs and states, output and new states."""
    return single_step(c)


@layer("StackedRNNCells", children=_cells_of_config, takes=None)
def stacked_alone(c: Call) -> list[Tensor]:
    """Stacked cells called as a layer."""
    return single_step(c)


def single_step(c: Call) -> list[Tensor]:
    """Output and new states of a cell that is called with inputs and states."""
    cell = cell_of(c, c.node)
    output, states = cell.step(cell.project(c.x), initial_states(c, cell, c.inputs[1:]))
    return [output, *states]
