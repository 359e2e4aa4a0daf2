"""Where time and memory go: the warmup of a model, the kernels of a function."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from . import engine as engines
from .engine import KernelRun
from .errors import InvalidArgumentError
from .gl import raw
from .tables import bytes_text
from .tensor import Tensor

if TYPE_CHECKING:
    from rich.table import Table

    from .graph.runner import GraphRunner, Inputs
    from .graph.stats import ProgramCost

T = TypeVar("T")

# The second inference may still create textures for its outputs; from the third on nothing is new.
_RUNS_BEFORE_STEADY = 2


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of repeated runs in milliseconds.

    >>> Spread.of([1.0, 2.0, 3.0]).median_ms
    2.0
    """

    runs: int
    median_ms: float
    p5_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Spread:
        """The spread of one or more times; InvalidArgumentError for none."""
        if not times_ms:
            raise InvalidArgumentError("no run was timed; runs must be 1 or more")
        p5, median, p95 = np.percentile(times_ms, [5, 50, 95]).tolist()
        return cls(len(times_ms), median, p5, p95, min(times_ms), max(times_ms))


@dataclass(frozen=True, slots=True)
class Warmup:
    """What a model cost until its first output, phase by phase, beside what it costs afterwards.

    Times are milliseconds on the host's clock. ``first_ms`` is the whole first
    inference: uploads of its inputs, compilation, and the textures made inside it
    are part of it and also stand apart. ``steady`` counts from the inputs on the
    host to every output on the host.
    """

    model: str
    renderer: str
    software: bool
    read_ms: float
    graph_ms: float
    upload_ms: float
    upload_bytes: int
    texture_ms: float
    textures: int
    texture_bytes: int
    programs: tuple[ProgramCost, ...]
    first_ms: float
    steady: Spread
    draws: int

    @property
    def compile_ms(self) -> float:
        """Link and first draw of all programs."""
        return sum(program.compile_ms for program in self.programs)

    @property
    def from_disk_cache(self) -> int:
        """How many programs came from the program cache on disk."""
        return sum(program.from_disk_cache for program in self.programs)

    @property
    def first_to_steady(self) -> float:
        """How many steady inferences the first one lasts."""
        return self.first_ms / max(self.steady.median_ms, 1e-6)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain numbers, texts, lists and dicts, for JSON."""
        members = asdict(self)
        members["programs"] = [
            {**asdict(program), "compile_ms": program.compile_ms} for program in self.programs
        ]
        return {
            **members,
            "compile_ms": self.compile_ms,
            "from_disk_cache": self.from_disk_cache,
            "first_to_steady": self.first_to_steady,
        }

    def table(self) -> Table:
        """The same for people, to be printed by rich."""
        from rich.table import Table
        from rich.text import Text

        device = f"{self.renderer}{', a software driver' if self.software else ''}"
        title = Text(f"warmup of {self.model}" if self.model else "warmup")
        table = Table(title=title, caption=Text(f"on {device}"), title_justify="left", caption_justify="left")
        # Narrow enough for a terminal of 80 columns: there, only names of programs are cut.
        table.add_column("phase", no_wrap=True, max_width=34)
        table.add_column("ms", justify="right", no_wrap=True, min_width=8)
        table.add_column("", no_wrap=True, min_width=28)

        def row(phase: str, elapsed_ms: float, note: str = "", style: str | None = None) -> None:
            table.add_row(Text(phase), f"{elapsed_ms:.2f}", Text(note), style=style)

        row("load: model.json and shards", self.read_ms)
        row("load: graph", self.graph_ms)
        row("upload of weights and inputs", self.upload_ms, bytes_text(self.upload_bytes))
        row("texture creation", self.texture_ms, f"{self.textures} textures, {bytes_text(self.texture_bytes)}")
        row("compile", self.compile_ms, f"{len(self.programs)} programs, {self.from_disk_cache} from disk")
        for program in self.programs:
            parts = f"link {program.link_ms:.1f} + draw {program.first_draw_ms:.1f}"
            row(f"  {program.label}", program.compile_ms, parts + (", disk" if program.from_disk_cache else ""), "dim")
        table.add_section()
        steady = self.steady
        row("first inference", self.first_ms, "with what it compiles")
        row("steady inference", steady.median_ms, f"p5 {steady.p5_ms:.2f}, p95 {steady.p95_ms:.2f}")
        table.add_row("first ÷ steady", f"{self.first_to_steady:.1f} ×", f"median of {steady.runs}, {self.draws} draws")
        return table


def measure_warmup(model: GraphRunner, inputs: Inputs, runs: int = 50, *, name: str = "") -> Warmup:
    """What the load and the first inference of ``model`` cost, and the spread of ``runs`` later ones on ``inputs``.

    The model has to live on the calling thread's engine.

    A model that has not run yet runs its first inference here, up to the values
    of all outputs on the host; for one that has, the figures of its own
    `stats` stand. ``name`` is what the report calls the model. Raises
    InvalidArgumentError for runs below 1 and for inputs that do not fit.

    >>> from tfgl.graph.model import load_graph_model
    >>> nodes = [{"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
    ...          {"name": "y", "op": "Relu", "input": ["x"]}]
    >>> model = load_graph_model({"modelTopology": {"node": nodes}})
    >>> measure_warmup(model, np.ones((1, 2), np.float32), runs=3).steady.runs
    3
    """
    if runs < 1:
        raise InvalidArgumentError(f"runs must be 1 or more, got {runs}")
    keys = model.output_keys
    first_ms = None
    if model.stats.first_ms is None:
        first_ms = _timed(lambda: _read(model.execute(inputs, keys)))
    for _ in range(_RUNS_BEFORE_STEADY):
        _read(model.execute(inputs, keys))
    times = []
    # A collection in the middle of a run would be charged to that run.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(runs):
            times.append(_timed(lambda: _read(model.execute(inputs, keys))))
    finally:
        if was_enabled:
            gc.enable()
    stats = model.stats
    if first_ms is None:
        first_ms = stats.first_ms or 0.0
    info = engines.current().device.info
    return Warmup(
        model=name,
        renderer=info.renderer,
        software=info.software,
        read_ms=stats.read_ms,
        graph_ms=stats.graph_ms,
        upload_ms=stats.upload_ms,
        upload_bytes=stats.upload_bytes,
        texture_ms=stats.texture_ms,
        textures=stats.textures,
        texture_bytes=stats.texture_bytes,
        programs=tuple(stats.programs),
        first_ms=first_ms,
        steady=Spread.of(times),
        draws=stats.draws,
    )


def warmup_table(model: GraphRunner, inputs: Inputs, runs: int = 50) -> Table:
    """`measure_warmup` as a table, to be printed by rich.

    >>> from tfgl.graph.model import load_graph_model
    >>> nodes = [{"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
    ...          {"name": "y", "op": "Relu", "input": ["x"]}]
    >>> model = load_graph_model({"modelTopology": {"node": nodes}})
    >>> warmup_table(model, np.ones((1, 2), np.float32), runs=3).row_count > 5
    True
    """
    return measure_warmup(model, inputs, runs).table()


@dataclass(frozen=True, slots=True)
class ProfileInfo(Generic[T]):
    """What `profile` found: tf.profile's members, and the function's ``result``."""

    new_bytes: int
    new_tensors: int
    peak_bytes: int
    kernels: tuple[KernelRun, ...]
    result: T

    @property
    def kernel_names(self) -> list[str]:
        """Every kernel that ran, once, in the order of its first run."""
        return list(dict.fromkeys(run.name for run in self.kernels))

    def as_dict(self) -> dict[str, Any]:
        """The members of tf.profile under their names there, without ``result``."""
        return {
            "newBytes": self.new_bytes,
            "newTensors": self.new_tensors,
            "peakBytes": self.peak_bytes,
            "kernelNames": self.kernel_names,
            "kernels": [
                {
                    "name": run.name,
                    "kernelTimeMs": run.elapsed_ms,
                    "inputShapes": {
                        name: [list(shape) for shape in shapes] for name, shapes in run.input_shapes.items()
                    },
                    "outputShapes": [list(shape) for shape in run.output_shapes],
                    "bytesAdded": run.bytes_added,
                    "totalBytesSnapshot": run.total_bytes,
                    "tensorsAdded": run.tensors_added,
                    "totalTensorsSnapshot": run.total_tensors,
                }
                for run in self.kernels
            ],
        }


def profile(function: Callable[[], T]) -> ProfileInfo[T]:
    """Run ``function`` and report every kernel that it ran, with its time, and the memory that it took.

    Each kernel is waited for, so that its time is its own; the whole takes
    longer than without. Bytes and tensors are counted as `tfgl.memory` does.

    >>> import tfgl
    >>> x = tfgl.tensor([1.0, -2.0])
    >>> report = profile(lambda: tfgl.run_kernel("Relu", {"x": x}))
    >>> report.kernel_names, report.new_tensors, report.new_bytes
    (['Relu'], 1, 8)
    """
    engine = engines.current()
    tensors, size = engine.live_tensors, engine.live_bytes
    outer, log = engine.kernel_log, list[KernelRun]()
    engine.kernel_log = log
    try:
        result = function()
    finally:
        engine.kernel_log = outer
        if outer is not None:
            outer.extend(log)
    peak = max((run.total_bytes for run in log), default=size)
    return ProfileInfo(engine.live_bytes - size, engine.live_tensors - tensors, peak, tuple(log), result)


@dataclass(frozen=True, slots=True)
class TimeInfo:
    """Milliseconds of one call: ``wall_ms`` on the host until the device is done, ``kernel_ms`` on the device.

    ``kernel_ms`` is None where the driver has no timer queries.
    """

    wall_ms: float
    kernel_ms: float | None


def time(function: Callable[[], object]) -> TimeInfo:
    """How long ``function`` takes, on the host's clock and by the driver's timer.

    >>> import tfgl
    >>> x = tfgl.tensor([1.0, -2.0])
    >>> time(lambda: tfgl.run_kernel("Relu", {"x": x})).wall_ms > 0
    True
    """
    engine = engines.current()
    engine.device.check()
    gl = engine.device.gl
    query = gl.query() if engine.device.info.timer_queries else 0
    gl.Finish()
    start = perf_counter()
    if query:
        gl.BeginQuery(raw.TIME_ELAPSED, query)
    try:
        function()
    finally:
        if query:
            gl.EndQuery(raw.TIME_ELAPSED)
    gl.Finish()
    wall_ms = (perf_counter() - start) * 1e3
    kernel_ms = gl.query_result(query) / 1e6 if query else None
    if query:
        gl.delete_query(query)
    return TimeInfo(wall_ms, kernel_ms)


def _timed(function: Callable[[], object]) -> float:
    start = perf_counter()
    function()
    return (perf_counter() - start) * 1e3


def _read(outputs: Tensor | Sequence[Tensor]) -> None:
    """Bring the values to the host, then give the textures back."""
    for tensor in [outputs] if isinstance(outputs, Tensor) else outputs:
        tensor.numpy()
        tensor.dispose()
