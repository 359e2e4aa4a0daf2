"""Programs: compiled once, kept in memory and on disk, timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from tfgl_shaders.assembly import VERTEX, Source, assemble

from ..errors import ShaderError
from ..flags import Flags
from . import raw
from .cache import ProgramFiles
from .device import Device
from .known import KnownPrograms


@dataclass(slots=True)
class Program:
    """A linked program and what it cost.

    ``glo`` is what GL calls the program, ``pipeline`` what it calls the pipeline of it and the vertex shader that all
    share; 0 where the program has both stages.
    """

    glo: int
    pipeline: int
    source: Source
    link_ms: float
    from_disk: bool
    first_draw_ms: float = 0.0

    def bind_call(self, gl: raw.RawGL) -> tuple[Callable[..., object], tuple[int, ...]]:
        """The GL call that makes it the current one."""
        return (gl.BindProgramPipeline, (self.pipeline,)) if self.pipeline else (gl.UseProgram, (self.glo,))

    @property
    def compile_ms(self) -> float:
        """Link plus first draw: drivers differ in which of them compiles."""
        return self.link_ms + self.first_draw_ms


class _Watch:
    """Counts programs for one who watches them being built."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report
        self._known: set[Source] = set()
        self._done = 0

    def expect(self, sources: set[Source]) -> None:
        if not sources <= self._known:
            self._known |= sources
            self._report(self._done, len(self._known))

    def built(self, source: Source) -> None:
        self._known.add(source)
        self._done += 1
        self._report(self._done, len(self._known))


class ProgramCache:
    """Programs of one device by their source.

    From GL 4.1 on the vertex shader is a program of its own: drivers compile it once, and not for each program again.
    """

    def __init__(self, device: Device, flags: Flags) -> None:
        self._device = device
        self._flags = flags
        self._separable = device.info.version_code >= 410 and device.dispatch.stage == raw.FRAGMENT_SHADER
        identity = f"{device.info.identity}|separable" if self._separable else device.info.identity
        self._files = ProgramFiles(identity)
        self.known = KnownPrograms(f"{identity}|{device.target}")
        self._vertex = 0  # a program where programs are separable, else a shader
        self.programs: dict[Source, Program] = {}
        self._watch: _Watch | None = None

    @property
    def max_inputs(self) -> int:
        """How many tensors one program can read."""
        return self._device.dispatch.max_inputs

    def get(self, source: Source, first_draw: Callable[[Program], None]) -> Program:
        """The program of ``source``; a new one is linked and then drawn with once, both timed."""
        program = self.programs.get(source)
        if program is None:
            program = self._build(source)
            self.programs[source] = program
            start = perf_counter()
            first_draw(program)
            self._device.gl.Finish()
            program.first_draw_ms = (perf_counter() - start) * 1e3
            if self._watch is not None:
                self._watch.built(source)
        return program

    @contextmanager
    def watched(self, report: Callable[[int, int], None]) -> Iterator[None]:
        """Inside the block ``report`` hears how many new programs are built, and how many are known to be needed."""
        before, self._watch = self._watch, _Watch(report)
        try:
            yield
        finally:
            self._watch = before

    def expect(self, sources: Iterable[Source]) -> None:
        """Say that these programs are needed next, for whoever watches."""
        if self._watch is not None:
            self._watch.expect({source for source in sources if source not in self.programs})

    def _build(self, source: Source) -> Program:
        gl = self._device.gl
        start = perf_counter()
        text = assemble(source, self._device.target)
        on_disk = self._flags.program_cache and self._device.info.program_binary_formats > 0
        name = None
        if on_disk:
            kept = self._files.load(text)
            name = gl.program_from_binary(*kept) if kept else None
        from_disk = name is not None
        if name is None:
            name = self._compile(source, text, retrievable=on_disk)
            if on_disk:
                binary_format, binary = gl.program_binary(name)
                if binary:
                    self._files.store(text, binary_format, binary)
        if self._device.flavour == "sampler":
            # A program in use hides every pipeline.
            gl.UseProgram(name)
            for unit, declared in enumerate(source.inputs):
                location = gl.GetUniformLocation(name, f"{declared.name}_unit".encode())
                if location >= 0:
                    gl.Uniform1i(location, unit)
            gl.UseProgram(0)
        pipeline = gl.pipeline(self._vertex_stage(), name) if self._separable else 0
        return Program(name, pipeline, source, (perf_counter() - start) * 1e3, from_disk)

    def _vertex_stage(self) -> int:
        gl = self._device.gl
        if not self._vertex:
            shader = gl.compile(raw.VERTEX_SHADER, VERTEX)
            self._vertex = gl.link((shader,), retrievable=False, separable=True) if self._separable else shader
        return self._vertex

    def _compile(self, source: Source, text: str, *, retrievable: bool) -> int:
        gl = self._device.gl
        stage = self._device.dispatch.stage
        shader = gl.compile(stage, text)
        alone = self._separable or stage != raw.FRAGMENT_SHADER
        stages = (shader,) if alone else (self._vertex_stage(), shader)
        try:
            return gl.link(stages, retrievable=retrievable, separable=self._separable)
        except ShaderError as error:
            numbered = "\n".join(f"{n:4} {line}" for n, line in enumerate(text.splitlines(), 1))
            raise ShaderError(
                f"program {source.label} failed on {self._device.info.renderer}:\n{error}\n{numbered}"
            ) from None
        finally:
            gl.DeleteShader(shader)
