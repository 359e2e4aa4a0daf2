"""Draws, and recordings of them that replay as a flat list of bound GL calls."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import moderngl

from tfgl_shaders.assembly import Source

from . import raw
from .device import Device
from .dispatch import GLCall
from .placement import Span, place
from .programs import Program
from .textures import Texture, TexturePool, TextureShape

_UNIFORM_ALIGNMENT = 256
_WORD = 4


class Buffer:
    """What a draw reads or writes: a texture, or a texture to be.

    ``owners`` counts the tensors and recordings that need it; ``viewport`` is
    the part of the texture that holds data, (columns, rows), and ``first_row``
    the row where it begins.
    """

    __slots__ = ("first_row", "owners", "shape", "texture", "viewport")

    def __init__(self, shape: TextureShape, viewport: tuple[int, int], first_row: int = 0) -> None:
        self.shape = shape
        self.viewport = viewport
        self.first_row = first_row
        self.texture: Texture | None = None
        self.owners = 0

    @property
    def bytes(self) -> int:
        """Bytes of the texels that hold data."""
        columns, rows = self.viewport
        return columns * rows * max(1, self.shape.layers) * self.shape.format.bytes_per_texel


@dataclass(slots=True)
class Draw:
    """One program over one output, with everything that it reads.

    ``drawn`` are the words of ``parameters`` that each execution draws anew: seeds of random numbers.
    """

    source: Source
    inputs: tuple[Buffer, ...]
    output: Buffer
    parameters: bytes
    node: str
    drawn: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Of the buffers of some draws, by their identity: the first draw that writes each, the last that uses it."""

    buffers: dict[int, Buffer]
    first: dict[int, int]
    last: dict[int, int]

    @classmethod
    def of(cls, draws: Sequence[Draw]) -> Lifetimes:
        """Those of ``draws``; what no draw writes has no first one."""
        found = cls({}, {}, {})
        for at, draw in enumerate(draws):
            found.first.setdefault(id(draw.output), at)
            for buffer in (*draw.inputs, draw.output):
                found.buffers[id(buffer)] = buffer
                found.last[id(buffer)] = at
        return found


class Arena:
    """Textures for the intermediates of all recordings of one device; they never run at the same time."""

    def __init__(self, pool: TexturePool) -> None:
        self._pool = pool
        self._textures: list[Texture] = []
        self._users = 0

    def join(self, spans: Sequence[Span]) -> list[Texture]:
        """A recording begins: a texture for each of its spans."""
        self._users += 1
        places, wanted = place(spans, [texture.shape for texture in self._textures])
        for shape in wanted:
            self._textures.append(self._pool.take(shape))
        return [self._textures[at] for at in places]

    def leave(self) -> None:
        """A recording is gone; the last one gives the textures back to the pool."""
        self._users -= 1
        if self._users == 0:
            for texture in self._textures:
                self._pool.give(texture)
            self._textures.clear()


@dataclass(slots=True)
class _Slot:
    """A buffer that is another texture at each replay, and the calls that name it."""

    shape: TextureShape
    viewport: tuple[int, int]
    first_row: int
    bound: Texture | None = None
    reads: list[tuple[int, int]] = field(default_factory=list)  # (index of the first call, unit)
    writes: list[int] = field(default_factory=list)


class _Owner(Protocol):
    device: Device
    pool: TexturePool
    arena: Arena

    def retire(self, release: Callable[[], None], *, now: bool) -> None: ...

    def release(self, buffer: Buffer) -> None: ...

    def program(self, draw: Draw, textures: Mapping[int, Texture]) -> Program: ...


class Recording:
    """The GL work of one traced run, bound once, replayed with other inputs.

    ``inputs`` and ``outputs`` are slots: buffers whose textures a replay
    exchanges. Everything else that the draws read and did not write (weights)
    is kept alive by the recording. The draws have not been executed before:
    the first replay, into the textures that ``outputs`` then have, does it.
    """

    def __init__(
        self, engine: _Owner, draws: Sequence[Draw], inputs: Sequence[Buffer], outputs: Iterable[Buffer]
    ) -> None:
        self._engine = engine
        self._device = engine.device
        self.draws = len(draws)
        self._slots: dict[int, _Slot] = {}
        written = {id(draw.output) for draw in draws}
        for buffer in inputs:
            self._slots[id(buffer)] = _Slot(buffer.shape, buffer.viewport, buffer.first_row)
        self._inputs = [self._slots[id(buffer)] for buffer in inputs]
        self.outputs = [buffer for buffer in outputs if id(buffer) in written]
        for buffer in self.outputs:
            self._slots[id(buffer)] = _Slot(buffer.shape, buffer.viewport, buffer.first_row)
        self._outputs = [self._slots[id(buffer)] for buffer in self.outputs]
        external = {
            id(b): b for draw in draws for b in draw.inputs if id(b) not in written and id(b) not in self._slots
        }
        self._kept = list(external.values())
        for buffer in self._kept:
            buffer.owners += 1
        self._uniforms, offsets = _uniform_buffer(self._device.context, draws)
        self._seeds = [
            offset + _WORD * word for draw, offset in zip(draws, offsets, strict=True) for word in draw.drawn
        ]
        self._calls: list[GLCall] = []
        self._closed = False
        try:
            textures = self._textures(draws)
            self._bind(draws, offsets, textures)
        except BaseException:
            self.close()
            raise

    def _textures(self, draws: Sequence[Draw]) -> dict[int, Texture]:
        """A texture for each buffer, by its identity, that the draws write."""
        lives = Lifetimes.of(draws)
        own = [key for key in lives.first if key not in self._slots]
        spans = [Span(lives.buffers[key].shape, lives.first[key], lives.last[key]) for key in own]
        textures = dict(zip(own, self._engine.arena.join(spans), strict=True))
        for buffer in self.outputs:
            if buffer.texture is None:
                buffer.texture = self._engine.pool.take(buffer.shape)
            textures[id(buffer)] = buffer.texture
        return textures

    def _bind(self, draws: Sequence[Draw], offsets: Sequence[int], textures: Mapping[int, Texture]) -> None:
        gl, dispatch = self._device.gl, self._device.dispatch
        image = self._device.flavour == "image"
        calls = self._calls
        bound: dict[int, int] = {}  # unit -> id of the buffer's texture or slot
        current_program = current_offset = -1
        for draw, offset in zip(draws, offsets, strict=True):
            program = self._engine.program(draw, textures)
            if program.glo != current_program:
                calls.append(program.bind_call(gl))
                current_program = program.glo
            if offset != current_offset:
                size = len(draw.parameters)
                calls.append((gl.BindBufferRange, (raw.UNIFORM_BUFFER, 0, self._uniforms.glo, offset, size)))
                current_offset = offset
            out_slot = self._slots.get(id(draw.output))
            for unit, buffer in enumerate(draw.inputs):
                slot = self._slots.get(id(buffer))
                if slot is not None:
                    if bound.get(unit) != id(slot):
                        slot.reads.append((len(calls), unit))
                        calls.extend([_nothing] if image else [_nothing, _nothing])
                        bound[unit] = id(slot)
                    continue
                texture = textures.get(id(buffer)) or buffer.texture
                assert texture is not None, "a draw reads what no earlier draw wrote"
                if bound.get(unit) != id(texture):
                    calls.extend(texture.bind_calls(unit, image))
                    bound[unit] = id(texture)
            if out_slot is not None:
                out_slot.writes.append(len(calls))
                calls.append(_nothing)
            else:
                calls.append(dispatch.output_call(textures[id(draw.output)]))
            calls.extend(dispatch.run_calls(draw.output.first_row, draw.output.viewport))

    def replay(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer] = ()) -> list[Buffer]:
        """Run the draws on ``inputs``; fresh buffers for the outputs, in the order of ``outputs``, unless given."""
        image = self._device.flavour == "image"
        calls = self._calls
        for slot, buffer in zip(self._inputs, inputs, strict=True):
            texture = buffer.texture
            assert texture is not None and texture.shape == slot.shape
            if slot.bound is not texture:
                self._point(slot, texture, image)
        results: list[Buffer] = []
        for at, slot in enumerate(self._outputs):
            if outputs:
                buffer = outputs[at]
            else:
                buffer = Buffer(slot.shape, slot.viewport, slot.first_row)
                buffer.texture = self._engine.pool.take(slot.shape)
            assert buffer.texture is not None
            if slot.bound is not buffer.texture:
                self._point(slot, buffer.texture, image)
            results.append(buffer)
        for offset in self._seeds:
            self._uniforms.write(os.urandom(_WORD), offset)
        for function, arguments in calls:
            function(*arguments)
        return results

    def _point(self, slot: _Slot, texture: Texture, image: bool) -> None:
        for at, unit in slot.reads:
            bind = texture.bind_calls(unit, image)
            self._calls[at : at + len(bind)] = bind
        for at in slot.writes:
            self._calls[at] = self._device.dispatch.output_call(texture)
        slot.bound = texture

    def close(self) -> None:
        """Give back what it holds, at once or when the device's thread next works; it cannot be replayed afterwards."""
        self._retire(now=True)

    def _retire(self, *, now: bool) -> None:
        if not self._closed:
            self._closed = True
            self._engine.retire(partial(_give_back, self._engine, self._kept, self._uniforms), now=now)

    def __del__(self) -> None:
        # Python may collect it in the middle of another context's work, so only a note is left. A recording
        # whose constructor failed has no flag; at exit the engine may be gone.
        if not getattr(self, "_closed", True):
            with contextlib.suppress(AttributeError, TypeError):
                self._retire(now=False)


def _give_back(engine: _Owner, kept: Sequence[Buffer], uniforms: moderngl.Buffer) -> None:
    for buffer in kept:
        engine.release(buffer)
    uniforms.release()
    engine.arena.leave()


def _do_nothing() -> None:
    pass


_nothing: GLCall = (_do_nothing, ())


def _uniform_buffer(context: moderngl.Context, draws: Sequence[Draw]) -> tuple[moderngl.Buffer, list[int]]:
    """One uniform buffer with every distinct parameter block, and each draw's offset into it.

    A draw with seeds of its own has a block of its own.
    """
    at: dict[object, int] = {}
    blocks = bytearray()
    offsets: list[int] = []
    for draw in draws:
        key = id(draw) if draw.drawn else draw.parameters
        offset = at.get(key)
        if offset is None:
            offset = at[key] = len(blocks)
            blocks += draw.parameters
            blocks += bytes(-len(blocks) % _UNIFORM_ALIGNMENT)
        offsets.append(offset)
    return context.buffer(bytes(blocks) or bytes(_UNIFORM_ALIGNMENT)), offsets
