"""ConvLSTM: recurrent layers whose matrices are convolutions, over time steps."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ModelFormatError
from ..activations import activate
from ..builder import Size, Tensor
from ..call import Call
from ..recurrence import State, run_cell
from ..registry import Weight, layer
from .convolution import convolve
from .pooling import padding_of
from .recurrent import CELLS, single_step

_WEIGHTS = (Weight("kernel"), Weight("recurrent_kernel"), Weight("bias", when="use_bias"))


class ConvLSTMCell:
    """LSTM on images (or steps) of channels; all gates of a convolution at once, in the order of LSTM.

    x is channels last: (time, batch, *space, channels).
    """

    state_count = 2
    output_state = 0

    def __init__(self, c: Call, count: int) -> None:
        """The cell of a layer over ``count`` spatial axes."""
        self.c, self.b, self.count = c, c.b, count
        kernel, recurrent = c.array("kernel"), c.array("recurrent_kernel")
        self.strides = c.integers("strides", count, 1)
        self.dilations = c.integers("dilation_rate", count, 1)
        self.padding = padding_of(c)
        if count == 1:
            # A convolution of images of height 1.
            kernel, recurrent = kernel[None], recurrent[None]
            self.strides, self.dilations = [1, *self.strides], [1, *self.dilations]
        if kernel.ndim != max(count, 2) + 2 or kernel.shape[-1] % 4:
            raise ModelFormatError(f"{c}: a kernel of shape {list(kernel.shape)} does not fit {count} axes and 4 gates")
        self.kernel, self.recurrent = c.constant("kernel", kernel), c.constant("recurrent_kernel", recurrent)

    def _convolved(self, x: Tensor, kernel: Tensor, first: bool) -> Tensor:
        ones = [1] * len(self.strides)
        strides, dilations = (self.strides, self.dilations) if first else (ones, ones)
        image = self.b.expand(x, 1) if self.count == 1 else x
        op = "Conv3D" if self.count == 3 else "Conv2D"
        result = convolve(self.b, image, kernel, strides, self.padding if first else "same", dilations, op)
        return self.b.squeeze(result, 1) if self.count == 1 else result

    def project(self, x: Tensor) -> Tensor:
        """The convolution of all steps as one batch."""
        b = self.b
        time, batch, *rest = b.sizes(x)
        merged = x.rank == self.count + 3
        result = self._convolved(b.reshape(x, [-1, *rest]) if merged else x, self.kernel, True)
        if self.c.has("bias"):
            result = b.bias_add(result, self.c.weight("bias", (self.kernel.shape[-1],)))
        return b.reshape(result, [time, batch, *b.sizes(result)[1:]]) if merged else result

    def state_sizes(self, projected: Tensor) -> list[list[Size]]:
        """The sizes of each state, batch first."""
        return [[*self.b.sizes(projected)[1:-1], self.kernel.shape[-1] // 4]] * 2

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[Tensor]]:
        """Output and new states h and c."""
        b, c = self.b, self.c
        h, carry = states
        z = x if h is None else b.add_(x, self._convolved(h, self.recurrent, False))
        into, forget, candidate, out = b.split(z, 4, -1)

        def gate(value: Tensor) -> Tensor:
            return activate(c, value, c.get("recurrent_activation", "hard_sigmoid"))

        def inner(value: Tensor) -> Tensor:
            return activate(c, value, c.get("activation", "tanh"))

        fresh = b.mul(gate(into), inner(candidate))
        if carry is not None:
            fresh = b.add_(b.mul(gate(forget), carry), fresh)
        result = b.mul(gate(out), inner(fresh))
        return result, [result, fresh]


def _last(c: Call, x: Tensor, axis: int) -> Tensor:
    """x with its channels last, which stand at ``axis`` in a channels-first layer."""
    order = [i for i in range(x.rank) if i != axis]
    return c.b.transpose(x, [*order, axis]) if c.channels_first else x


def _first(c: Call, x: Tensor, axis: int) -> Tensor:
    """The reverse of ``_last``."""
    order = list(range(x.rank - 1))
    return c.b.transpose(x, [*order[:axis], x.rank - 1, *order[axis:]]) if c.channels_first else x


@layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", weights=_WEIGHTS, masking="own")
def conv_lstm(c: Call) -> list[Tensor]:
    """x (batch, time, *space, channels), or the channels behind the time."""
    count = int(c.node.class_name[-2])
    x = c.rank(count + 3)
    given = [_last(c, state, 1) for state in c.inputs[1:]]
    results = run_cell(c, ConvLSTMCell(c, count), _last(c, x, 2).masked(x.mask), given)
    return [_first(c, y, 2 if y.rank == count + 3 else 1).masked(y.mask) for y in results]


def _cell_of_images(c: Call) -> ConvLSTMCell:
    if c.channels_first:
        raise c.unsupported("channels first in a cell are not supported", "ConvLSTM2D takes them, or put them last")
    return ConvLSTMCell(c, 2)


CELLS["ConvLSTM2DCell"] = _cell_of_images


@layer("ConvLSTM2DCell", weights=_WEIGHTS, takes=None)
def cell_alone(c: Call) -> list[Tensor]:
    """A cell called as a layer: images and states, output and new states."""
    return single_step(c)
