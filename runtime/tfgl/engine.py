"""The engine: tensors and draws on one device, eagerly or traced."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import moderngl
import numpy as np
import numpy.typing as npt

from tfgl_shaders.assembly import (
    Access,
    Input,
    Layout,
    ParameterValue,
    Source,
    Storage,
    alignment,
    pack_parameters,
    parameters_of,
)

from .dtypes import DType, dtype_of
from .errors import InvalidArgumentError, TensorTooLargeError
from .flags import Flags
from .flags import flags as process_flags
from .gl import raw
from .gl.device import Device, open_device
from .gl.fusion import fuse_draws
from .gl.programs import Program, ProgramCache
from .gl.recording import Arena, Buffer, Draw, Lifetimes
from .gl.textures import Kind, Texture, TexturePool
from .tensor import ByteCodes, Shape, Tensor, Tiling, host_array, tiling

LAYOUT_CHANGES = ("to_flat", "to_tiles")
"""Shader bodies that bring a tensor from one layout into the other."""
_UNIFORM_BUFFERS_KEPT = 1024
_STORAGE: dict[np.dtype[Any], Storage] = {np.dtype(np.float16): "half", np.dtype(np.uint8): "byte"}
_AS_THEY_ARE = (np.float32, np.int32, np.bool_)


@dataclass(frozen=True, slots=True)
class KernelRun:
    """One `tfgl.run_kernel` as `tfgl.profile.profile` reports it; bytes and tensors as `tfgl.memory` counts them."""

    name: str
    elapsed_ms: float
    input_shapes: Mapping[str, tuple[Shape, ...]]
    output_shapes: tuple[Shape, ...]
    bytes_added: int
    total_bytes: int
    tensors_added: int
    total_tensors: int


class Trace:
    """Draws of one traced run, in order; those before ``done`` have been executed.

    Once it is not ``recorded`` any more, draws that have been executed are forgotten.
    """

    def __init__(self, *, recorded: bool = True) -> None:
        self.recorded = recorded
        self.draws: list[Draw] = []
        self.done = 0
        self.fusions: Counter[str] = Counter()  # how many draws each fusion merged into others
        self.reads = 0  # values of inputs and draws that the host asked for in the middle
        self.inputs: frozenset[int] = frozenset()  # identities of the buffers that the next run may fill otherwise
        self.deferred: list[Buffer] = []


class Engine:
    """Kernels' way to the device: buffers, draws, tensors and their accounts.

    One engine serves one thread. `current()` gives the calling thread's.
    """

    def __init__(self, device: Device, flags: Flags) -> None:
        self.device = device
        self.flags = flags
        self.pool = TexturePool(device)
        self.programs = ProgramCache(device, flags)
        self.arena = Arena(self.pool)
        self.node = ""
        """What runs now, for error messages: a graph node's or a kernel's name."""
        self.interrupted = False
        """Whether Ctrl-C came while Python collected a tensor, where nothing can be raised."""
        self.upload_seconds = 0.0
        self.upload_bytes = 0
        self.draw_count = 0
        self.kernel_log: list[KernelRun] | None = None
        """Where `run_kernel` writes what it ran; None, as a rule, since each line waits for the device."""
        self._trace: Trace | None = None
        self._open_trace: Trace | None = None  # also while draws run outside it (`_alone`)
        self._uniforms: OrderedDict[bytes, moderngl.Buffer] = OrderedDict()
        self._dead: deque[Buffer] = deque()  # released on other threads
        self._retired: deque[Callable[[], None]] = deque()  # what deletes GL objects, when this context is current
        self._live: dict[int, tuple[int, int]] = {}  # tensor id -> (bytes, textures)
        self._scopes: list[list[Tensor]] = []
        self._shared: dict[object, Tensor] = {}
        self._vertex_array = device.gl.vertex_array()
        device.gl.BindVertexArray(self._vertex_array)

    # -- tensors ------------------------------------------------------------

    def tensor(self, values: object, shape: Sequence[int] | None = None, dtype: str | None = None) -> Tensor:
        """A tensor of ``values``; uploaded when a kernel first needs it."""
        self.device.check()
        array, known = host_array(values, shape, dtype)
        result = Tensor(self, array.shape, known, host=array)
        if known == "complex64":
            real = Tensor(self, array.shape, "float32", host=np.ascontiguousarray(array.real))
            imaginary = Tensor(self, array.shape, "float32", host=np.ascontiguousarray(array.imag))
            result.adopt_parts(real, imaginary)
        return result

    def weight(self, values: object, codes: ByteCodes | None = None) -> Tensor:
        """A tensor of ``values`` that keeps what is derived from it; an array must stay as it is, and is not copied.

        ``codes``: what its values are in bytes, where they come from such.
        """
        if isinstance(values, np.ndarray) and values.dtype in _AS_THEY_ARE and values.flags.c_contiguous:
            self.device.check()
            tensor = Tensor(self, values.shape, dtype_of(values), host=values)
            tensor.codes = codes
            return tensor.become_weight(host_stays=True)
        return self.tensor(values).become_weight(host_stays=False)

    def register(self, tensor: Tensor) -> None:
        """Count a new tensor and put it into the innermost tidy scope."""
        itemsize = (
            0 if tensor.dtype == "string" else 8 if tensor.dtype == "complex64" else 1 if tensor.dtype == "bool" else 4
        )
        self._live[tensor.id] = (tensor.size * itemsize, 1)
        if self._scopes:
            self._scopes[-1].append(tensor)

    def unregister(self, tensor: Tensor) -> None:
        """Forget a tensor that was disposed or collected."""
        self._live.pop(tensor.id, None)

    @property
    def live_tensors(self) -> int:
        """Number of tensors that are neither disposed nor collected."""
        return len(self._live)

    @property
    def live_bytes(self) -> int:
        """Bytes of their values."""
        return sum(size for size, _ in list(self._live.values()))

    @contextmanager
    def scope(self) -> Iterator[list[Tensor]]:
        """A tidy scope: the list of tensors made inside it."""
        made: list[Tensor] = []
        self._scopes.append(made)
        try:
            yield made
        finally:
            self._scopes.pop()

    @property
    def enclosing_scope(self) -> list[Tensor] | None:
        """The innermost open tidy scope."""
        return self._scopes[-1] if self._scopes else None

    def make_flat(self, tensor: Tensor) -> Buffer:
        """A flat buffer with the tensor's values: an upload, or a conversion from tiles."""
        if tensor.dtype in ("string", "complex64"):
            raise InvalidArgumentError(f"{self.node or 'this kernel'} takes no {tensor.dtype} tensor")
        if tensor.is_tiled:
            shape = tiling(tensor.shape, self.device.layers)
            source_tensor = tensor
            with self._alone(tensor.persistent):
                flat = self._flat_buffer(tensor.size, tensor.kind)
                values: dict[str, ParameterValue] = {"out_size": tensor.size, **shape.parameters("in")}
                tiles = source_tensor.tiles()
                assert tiles is not None
                declared, texels = (Input("x", tensor.kind, "tiles"),), alignment(shape.channels)
                self._submit("to_flat", declared, (tiles,), flat, tensor.kind, "flat", values, texels)
            return flat
        host = tensor.host
        assert host is not None, "a tensor without buffers holds its values on the host"
        return self._upload(tensor, host)

    def _upload(self, tensor: Tensor, host: npt.NDArray[Any]) -> Buffer:
        self.device.check()
        start = perf_counter()
        created = self.pool.create_seconds
        storage = _STORAGE.get(host.dtype, "") if tensor.kind == "float" else ""
        buffer = self._flat_buffer(tensor.size, tensor.kind, storage)
        buffer.texture = self.pool.take(buffer.shape)
        flat: npt.NDArray[Any] = host.reshape(-1)
        texels = host.dtype if storage else np.float32 if tensor.kind == "float" else np.int32
        buffer.texture.write(np.ascontiguousarray(flat, texels))
        tensor.uploaded()
        self.upload_seconds += perf_counter() - start - (self.pool.create_seconds - created)
        self.upload_bytes += flat.nbytes
        return buffer

    def make_tiles(self, tensor: Tensor) -> Buffer | None:
        """A tiled buffer with the values of a (batch, height, width, channels) tensor; None if it does not fit."""
        shape = tiling(tensor.shape, self.device.layers)
        buffer = self.tiles_buffer(shape, tensor.kind)
        if buffer is None:
            return None
        with self._alone(tensor.persistent):
            values: dict[str, ParameterValue] = dict(shape.parameters("out"))
            declared = (Input("x", tensor.kind),)
            flat = tensor.flat()
            self._submit("to_tiles", declared, (flat,), buffer, tensor.kind, "tiles", values, alignment(shape.channels))
        return buffer

    def tiles_buffer(self, shape: Tiling, kind: Kind) -> Buffer | None:
        """A buffer, yet without texture, in the tiled layout; None over the device's limits."""
        first_row = self.device.first_row(shape.width, shape.rows)
        texture_shape = self.device.tiles_shape(shape.width, first_row + shape.rows, kind)
        if texture_shape is None:
            first_row = 0
            texture_shape = self.device.tiles_shape(shape.width, shape.rows, kind)
        return None if texture_shape is None else Buffer(texture_shape, (shape.width, shape.rows), first_row)

    def _flat_buffer(self, elements: int, kind: Kind, storage: Storage = "") -> Buffer:
        try:
            shape = self.device.flat_shape(elements, kind, storage)
        except TensorTooLargeError as error:
            raise TensorTooLargeError(f"{self.node}: {error}" if self.node else str(error)) from None
        texels = max(1, -(-elements // 4))
        return Buffer(shape, (min(texels, shape.width), -(-texels // shape.width)))

    def release(self, buffer: Buffer) -> None:
        """One owner less; the last one returns the texture to the pool."""
        buffer.owners -= 1
        if buffer.owners > 0 or buffer.texture is None:
            return
        if not self.device.on_own_thread:
            self._dead.append(buffer)
        elif self._open_trace is not None:
            self._open_trace.deferred.append(buffer)
        else:
            self.pool.give(buffer.texture)
            buffer.texture = None

    def retire(self, release: Callable[[], None], *, now: bool) -> None:
        """Call ``release``, which deletes GL objects, with this context current: now, or when its thread next works.

        Inside a trace, and on another thread, it waits in any case.
        """
        self._retired.append(release)
        if now and self.device.on_own_thread and self._open_trace is None:
            self.device.check()
            self.collect_dead()

    def collect_dead(self) -> None:
        """Give back what other threads, or a trace, let go; the device is current."""
        while self._retired:
            self._retired.popleft()()
        while self._dead:
            buffer = self._dead.popleft()
            if buffer.texture is not None:
                self.pool.give(buffer.texture)
                buffer.texture = None

    def read(self, buffer: Buffer, size: int) -> npt.NDArray[Any]:
        """The first ``size`` elements of a flat buffer; executes what a trace holds back."""
        self.device.check()
        if self._trace is not None and (buffer.texture is None or id(buffer) in self._trace.inputs):
            self._trace.reads += 1
            self.flush()
        texture = buffer.texture
        if texture is None:
            raise InvalidArgumentError("this tensor belongs to a trace that was abandoned; run the model again")
        return texture.read(size)

    # -- draws --------------------------------------------------------------

    def emit(
        self,
        body: str,
        inputs: Mapping[str, Tensor],
        shape: Sequence[int],
        dtype: DType,
        parameters: Mapping[str, ParameterValue] | None = None,
        defines: Mapping[str, object] | None = None,
        *,
        layout: Layout = "flat",
        tiled: Sequence[str] = (),
        access: Mapping[str, Access] | None = None,
        drawn: Sequence[str] = (),
    ) -> Tensor:
        """A tensor of ``shape`` computed by the shader ``body``.

        ``inputs`` go to the shader under their names, in the flat layout but for
        those in ``tiled``. ``parameters`` (ints, floats, sequences of ints) become
        uniform members, ``defines`` text: only what changes the program belongs
        there. With ``layout="tiles"`` the output is a tiled (batch, height, width,
        channels) tensor. ``out_size`` (flat), or ``out_height``, ``out_width``,
        ``out_channels``, ``out_blocks`` and ``out_bands`` (tiles) come by themselves, as do the
        ``<name>_first_row`` that accessors of tiled tensors use.
        ``access`` says how ``<name>_here`` reads an input (`tfgl_shaders.assembly.Input`).
        ``drawn`` names further int parameters that every execution, a replay too, sets to random bits.
        """
        result = Tensor(self, shape, dtype)
        kind = result.kind
        values: dict[str, ParameterValue]
        if layout == "tiles":
            plan = tiling(result.shape, self.device.layers)
            buffer = self.tiles_buffer(plan, kind)
            if buffer is None:
                raise TensorTooLargeError(
                    f"{self.node}: a tensor of shape {result.shape} does not fit the tiled layout"
                )
            values = dict(plan.parameters("out"))
            result.adopt(tiles=buffer)
        else:
            if result.size == 0:
                result._host = np.empty(
                    result.shape, np.float32 if kind == "float" else np.int32 if dtype == "int32" else np.bool_
                )
                return result
            buffer = self._flat_buffer(result.size, kind)
            values = {"out_size": result.size}
            result.adopt(flat=buffer)
        places: tuple[int, ...] = ()
        if drawn:
            words = sum(parameter.slots for parameter in parameters_of(values))
            places = tuple(range(words, words + len(drawn)))
            values.update({name: int.from_bytes(os.urandom(4), "little", signed=True) for name in drawn})
        values.update(parameters or {})
        declared: list[Input] = []
        buffers: list[Buffer] = []
        access = access or {}
        for name, tensor in inputs.items():
            if name in tiled:
                tiles = tensor.tiles()
                if tiles is None:
                    raise TensorTooLargeError(
                        f"{self.node}: input {name} of shape {tensor.shape} does not fit the tiled layout"
                    )
                declared.append(Input(name, tensor.kind, "tiles", access.get(name, "")))
                buffers.append(tiles)
            else:
                declared.append(Input(name, tensor.kind, "flat", access.get(name, "")))
                buffers.append(tensor.flat())
                if tensor.codes is not None and buffers[-1].shape.storage == "byte":
                    values |= {f"{name}_scale": tensor.codes.scale, f"{name}_zero": tensor.codes.zero}
        texts = {name: str(text) for name, text in (defines or {}).items()}
        self._submit(body, tuple(declared), tuple(buffers), buffer, kind, layout, values, texts, places)
        return result

    def _submit(
        self,
        body: str,
        declared: tuple[Input, ...],
        buffers: tuple[Buffer, ...],
        output: Buffer,
        kind: Kind,
        layout: Layout,
        values: Mapping[str, ParameterValue],
        defines: Mapping[str, str],
        drawn: tuple[int, ...] = (),
    ) -> None:
        values = dict(values)
        if layout == "tiles":
            values["out_first_row"] = output.first_row
        for read, buffer in zip(declared, buffers, strict=True):
            if read.layout == "tiles":
                values[f"{read.name}_first_row"] = buffer.first_row
        plain = ("",) if self.device.flavour == "image" else ("", "half")
        declared = tuple(
            read if buffer.shape.storage in plain else replace(read, storage=buffer.shape.storage)
            for read, buffer in zip(declared, buffers, strict=True)
        )
        packed = pack_parameters(values)
        constants: tuple[int, ...] = ()
        if self.flags.shapes_as_constants and not drawn:
            constants = tuple(np.frombuffer(packed, np.int32).tolist())
        source = Source(
            body,
            declared,
            kind,
            layout,
            parameters_of(values),
            tuple(defines.items()),
            constants,
        )
        draw = Draw(source, buffers, output, packed, self.node, drawn)
        if self._trace is not None:
            self._trace.draws.append(draw)
        else:
            self.device.check()
            self.collect_dead()
            self.execute(draw)

    def program(self, draw: Draw, textures: Mapping[int, Texture] | None = None) -> Program:
        """The program of a draw, compiled when it is new.

        ``textures``, by the identity of a buffer, come before the buffers' own; each of its buffers must have one.
        """
        given = textures or {}
        return self.programs.get(draw.source, lambda program: self._run(program, draw, (1, 1), given))

    def execute(self, draw: Draw) -> None:
        """Run one draw whose inputs have textures; its output gets one when it has none."""
        if draw.output.texture is None:
            try:
                draw.output.texture = self.pool.take(draw.output.shape)
            except TensorTooLargeError as error:
                raise TensorTooLargeError(f"{draw.node}: {error}" if draw.node else str(error)) from None
        self._run(self.program(draw), draw, draw.output.viewport, {})
        self.draw_count += 1

    def _run(
        self, program: Program, draw: Draw, viewport: tuple[int, int], textures: Mapping[int, Texture]
    ) -> None:
        gl = self.device.gl
        bind, arguments = program.bind_call(gl)
        bind(*arguments)
        image = self.device.flavour == "image"
        for unit, buffer in enumerate(draw.inputs):
            texture = textures.get(id(buffer)) or buffer.texture
            assert texture is not None, f"{draw.node}: an input of {draw.source.label} has no texture"
            for function, arguments in texture.bind_calls(unit, image):
                function(*arguments)
        uniforms = self._uniform_buffer(draw.parameters)
        gl.BindBufferRange(raw.UNIFORM_BUFFER, 0, uniforms.glo, 0, len(draw.parameters))
        target = textures.get(id(draw.output)) or draw.output.texture
        assert target is not None
        way = self.device.dispatch
        for call, arguments in (way.output_call(target), *way.run_calls(draw.output.first_row, viewport)):
            call(*arguments)

    def _uniform_buffer(self, parameters: bytes) -> moderngl.Buffer:
        buffer = self._uniforms.get(parameters)
        if buffer is None:
            buffer = self._uniforms[parameters] = self.device.context.buffer(parameters)
            if len(self._uniforms) > _UNIFORM_BUFFERS_KEPT:
                self._uniforms.popitem(last=False)[1].release()
        else:
            self._uniforms.move_to_end(parameters)
        return buffer

    # -- tracing ------------------------------------------------------------

    @contextmanager
    def tracing(self, *, record: bool = True) -> Iterator[Trace]:
        """Collect draws instead of executing them; what is left runs when the block ends.

        Without ``record`` draws are forgotten once they have run: they are held back only to be merged.
        """
        if self._open_trace is not None:
            raise InvalidArgumentError("a trace is open already; traces do not nest")
        self.device.check()
        self.collect_dead()
        trace = self._trace = self._open_trace = Trace(recorded=record)
        try:
            yield trace
            self.flush()
        finally:
            self._trace = self._open_trace = None
            self._give_deferred(trace)

    def _give_deferred(self, trace: Trace) -> None:
        for buffer in trace.deferred:
            if buffer.owners <= 0 and buffer.texture is not None:
                self.pool.give(buffer.texture)
                buffer.texture = None
        trace.deferred.clear()

    @contextmanager
    def _alone(self, outside: bool) -> Iterator[None]:
        """Execute at once, outside any trace, when ``outside``: for what is derived from weights."""
        trace = self._trace
        if outside:
            self._trace = None
        try:
            yield
        finally:
            self._trace = trace

    @contextmanager
    def untraced(self) -> Iterator[None]:
        """Execute draws at once even inside a trace; their inputs must exist."""
        with self._alone(True):
            yield

    def hand_over(self) -> list[Draw]:
        """The draws that the open trace holds back, merged, for a recording to execute in the trace's place."""
        trace = self._trace
        assert trace is not None, "draws are held back by a trace only"
        pending = self._merged(trace)
        trace.done = len(trace.draws)
        return pending

    def _merged(self, trace: Trace) -> list[Draw]:
        pending = trace.draws[trace.done :]
        if self.flags.fusion:
            inputs, known = self.programs.max_inputs, self.programs.programs
            pending, fused = fuse_draws(pending, lambda buffer: buffer.owners > 0, inputs, known, self.flags.fuses)
            trace.fusions += fused
            trace.draws[trace.done :] = pending
        self.programs.expect(draw.source for draw in pending)
        return pending

    def flush(self) -> None:
        """Execute the draws that the open trace holds back, freeing textures by liveness."""
        trace = self._trace
        if trace is None:
            return
        pending = self._merged(trace)
        last_use = Lifetimes.of(pending).last
        made = {id(draw.output) for draw in trace.draws}
        for at, draw in enumerate(pending):
            self.execute(draw)
            for buffer in {id(b): b for b in (*draw.inputs, draw.output)}.values():
                unused = last_use[id(buffer)] == at and buffer.owners <= 0 and id(buffer) in made
                if unused and buffer.texture is not None:
                    self.pool.give(buffer.texture)
                    buffer.texture = None
        trace.done = len(trace.draws)
        if not trace.recorded:
            trace.draws.clear()
            trace.done = 0
            self._give_deferred(trace)

    def derive(self, tensor: Tensor, key: object, make: Callable[[], Tensor]) -> Tensor:
        """``make()``, kept with ``tensor`` under ``key`` when it is a weight, so that it is made once."""
        tensor = tensor.base
        if not tensor.persistent:
            return make()
        if tensor.derived is None:
            tensor.derived = {}
        if key not in tensor.derived:
            tensor.derived[key] = self._made_once(make)
        return tensor.derived[key]

    def shared(self, key: object, make: Callable[[], Tensor]) -> Tensor:
        """``make()``, made once for this engine and counted among nobody's tensors."""
        if key not in self._shared:
            self._shared[key] = self._made_once(make)
            self.unregister(self._shared[key])
        return self._shared[key]

    def _made_once(self, make: Callable[[], Tensor]) -> Tensor:
        scopes, self._scopes = self._scopes, []
        try:
            with self._alone(True):
                return make().become_weight(host_stays=False)
        finally:
            self._scopes = scopes

    def close(self) -> None:
        """Close the device; every tensor on it is lost."""
        self.device.close()


class _Engines(threading.local):
    engine: Engine | None = None


_engines = _Engines()


def current() -> Engine:
    """The calling thread's engine; opens a device with `tfgl.flags` when there is none yet.

    Raises NoDeviceError when no context can be created.
    """
    engine = _engines.engine
    if engine is None:
        engine = _engines.engine = Engine(open_device(process_flags), process_flags)
    return engine


def use(engine: Engine | None) -> Engine | None:
    """Make ``engine`` the calling thread's; returns the one before. None: open a new one when needed."""
    before, _engines.engine = _engines.engine, engine
    return before
