"""Functions that stand in models as layers: their arguments, and the table that the modules of layers fill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .builder import Tensor
from .call import Call


class Arguments:
    """The arguments of a function by position or by any of the names that they go by."""

    def __init__(self, c: Call, function: str) -> None:
        """All of a call's arguments; an operation of Keras 3 has some in its configuration."""
        self.c, self.b, self.function = c, c.b, function
        self.args = c.args
        self.named = {**c.config, **c.kwargs}

    def get(self, position: int, *names: str, default: Any = None) -> Any:
        """An argument, ``default`` where it is not given; null counts as not given."""
        value = self.args[position] if position < len(self.args) else None
        for name in names:
            value = self.named.get(name) if value is None else value
        return default if value is None else value

    def tensor(self, position: int = 0, *names: str, like: Tensor | None = None) -> Tensor:
        """An argument that is a tensor, or becomes one of the dtype of ``like``."""
        value = self.get(position, *(names or ("x", "input", "inputs", "tensor", "a", "value", "features", "logits")))
        if isinstance(value, Tensor):
            return value
        if value is None:
            raise self.c.unsupported(f"{self.function} lacks its argument {position + 1}", "save the model again")
        return self.b.constant(np.asarray(value), like.dtype if like is not None else None)

    def integer(self, position: int, *names: str, default: int = 0) -> int:
        """An argument that is an integer."""
        return int(self.get(position, *names, default=default))

    def numbers(self, position: int, *names: str) -> list[int]:
        """An argument that is a list of integers, or one."""
        value = self.get(position, *names)
        if value is None or isinstance(value, Tensor) or any(isinstance(v, Tensor) for v in np.atleast_1d(value)):
            raise self.c.unsupported(f"{self.function} by computed numbers is not supported", "give it numbers")
        return [int(v) for v in np.atleast_1d(value)]

    def axes(self, x: Tensor, position: int = 1) -> list[int]:
        """Axes, all of them where none are given."""
        axis = self.get(position, "axis", "axes")
        return list(range(x.rank)) if axis is None else [int(a) for a in np.atleast_1d(axis)]


Function = Callable[[Arguments], "Tensor | Sequence[Tensor]"]
FUNCTIONS: dict[str, Function] = {}


def function(*names: str) -> Callable[[Function], Function]:
    """Registers the decorated function under canonical names; a second one of a name raises."""

    def register(made: Function) -> Function:
        for name in names:
            if name in FUNCTIONS:
                raise RuntimeError(f"function {name!r} is registered twice")
            FUNCTIONS[name] = made
        return made

    return register


def canonical(name: str) -> str:
    """``math.reduce_mean`` and ``ReduceMean`` are one.

    >>> canonical("__operators__.add"), canonical("ExpandDims")
    ('add', 'expanddims')
    """
    return name.rpartition(".")[2].replace("_", "").lower()
