"""Accounts of tensors and textures, and `tidy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from . import engine as engines
from .tensor import Tensor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """What the calling thread's engine holds.

    ``num_tensors`` and ``num_bytes`` count tensors that are neither disposed nor
    collected; ``num_live`` the textures that tensors and recordings hold,
    ``texture_bytes`` what they take; ``free_textures`` and ``free_bytes`` what
    waits in the pool for the next taker.
    """

    num_tensors: int
    num_bytes: int
    num_live: int
    texture_bytes: int
    free_textures: int
    free_bytes: int
    peak_bytes: int


def memory() -> MemoryInfo:
    """What tensors and textures the calling thread's engine holds now.

    >>> import tfgl
    >>> before = tfgl.memory().num_tensors
    >>> kept = tfgl.tensor([1, 2])
    >>> tfgl.memory().num_tensors - before
    1
    """
    engine = engines.current()
    pool = engine.pool
    return MemoryInfo(
        num_tensors=engine.live_tensors,
        num_bytes=engine.live_bytes,
        num_live=pool.live_textures,
        texture_bytes=pool.live_bytes,
        free_textures=pool.free_textures,
        free_bytes=pool.free_bytes,
        peak_bytes=pool.peak_bytes,
    )


def tensors_in(value: object) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


@contextmanager
def tidy_scope() -> Iterator[None]:
    """A block at whose end every tensor made inside it is disposed, but for those passed to `keep`."""
    engine = engines.current()
    with engine.scope() as made:
        yield
    for tensor in made:
        if not tensor.kept:
            tensor.dispose()


def tidy(function: Callable[[], T]) -> T:
    """Run ``function`` and dispose of every tensor that it made and does not return.

    >>> import tfgl
    >>> before = tfgl.memory().num_tensors
    >>> y = tfgl.tidy(lambda: tfgl.run_kernel("Neg", {"x": tfgl.tensor([1.0, 2.0])}))
    >>> tfgl.memory().num_tensors - before, y.numpy()
    (1, array([-1., -2.], dtype=float32))
    """
    engine = engines.current()
    with engine.scope() as made:
        result = function()
    returned = {tensor.id for tensor in tensors_in(result)}
    outer = engine.enclosing_scope
    for tensor in made:
        if tensor.id in returned:
            if outer is not None:
                outer.append(tensor)
        elif not tensor.kept:
            tensor.dispose()
    return result


def keep(tensor: Tensor) -> Tensor:
    """``tensor`` itself, which the `tidy` around it will not dispose of.

    >>> import tfgl
    >>> kept = []
    >>> tfgl.tidy(lambda: kept.append(tfgl.keep(tfgl.tensor([3.0]))))
    >>> kept[0].numpy()
    array([3.], dtype=float32)
    """
    tensor.kept = True
    return tensor


def dispose(*values: object) -> None:
    """Dispose of every tensor in nested lists, tuples and dicts.

    >>> import tfgl
    >>> t = tfgl.tensor([1.0])
    >>> tfgl.dispose({"t": [t]})
    >>> t.is_disposed
    True
    """
    for value in values:
        for tensor in tensors_in(value):
            tensor.dispose()
