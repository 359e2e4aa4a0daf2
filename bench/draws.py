"""The draws of one replayed inference, one by one: `python bench/draws.py FOLDER` prints a table."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

import tfgl
from tfgl.engine import LAYOUT_CHANGES, Engine, Trace
from tfgl.flags import Flags, flags
from tfgl.gl import raw
from tfgl.gl.device import Device, open_device
from tfgl.gl.recording import Buffer, Draw
from tfgl.tables import bytes_text, one_line
from workloads import inputs_of

# Floating point operations for each term of a sum.
_TERM = 2


class Watched(Engine):
    """An engine that keeps what its traces held when they ended."""

    def __init__(self, device: Device, flags: Flags) -> None:
        super().__init__(device, flags)
        self.traces: list[Trace] = []
        self.timed: list[tuple[Draw, float]] | None = None
        """Draws and what each took, while somebody asks."""

    @contextmanager
    def tracing(self, *, record: bool = True) -> Iterator[Trace]:
        with super().tracing(record=record) as trace:
            self.traces.append(trace)
            yield trace

    def execute(self, draw: Draw) -> None:
        if self.timed is None:
            super().execute(draw)
        else:
            self.timed.append((draw, _time_us(self, super().execute, draw)))


@dataclass(slots=True)
class Row:
    """A draw and what it takes."""

    draw: Draw
    times_us: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """Time between two moments at which the device has nothing to do."""
        return median(self.times_us)

    @property
    def conversion(self) -> bool:
        """Whether it only moves a tensor from one layout to the other."""
        return self.draw.source.body in LAYOUT_CHANGES

    @property
    def bytes(self) -> int:
        """Bytes of the texels that it reads and writes, each counted once."""
        read = {id(buffer): buffer for buffer in self.draw.inputs}
        return sum(buffer.bytes for buffer in (*read.values(), self.draw.output))

    @property
    def operations(self) -> int:
        """Floating point operations of convolutions and matrix products, padding included; 0 for others."""
        held = parameters_of(self.draw)
        window = held.get("filter_height", 1) * held.get("filter_width", 1) * held.get("filter_depth", 1)
        values = self.draw.output.bytes // 4
        terms = {
            "pointwise": 4 * held.get("in_blocks", 0),
            "convolution": 4 * held.get("in_blocks", 0) * window,
            "depthwise": window,
            "product": held.get("in_terms", 0),
            "product_parts": 4 * held.get("chunk", 0),
        }
        return _TERM * values * terms.get(self.draw.source.body, 0)

    @property
    def shape(self) -> str:
        """Its output: extents of a tiled tensor, elements of a flat one."""
        held = parameters_of(self.draw)
        if self.draw.source.layout == "flat":
            return str(held["out_size"])
        return "x".join(str(held[f"out_{name}"]) for name in ("batch", "height", "width", "channels"))


def parameters_of(draw: Draw) -> dict[str, int]:
    """The whole numbers that a draw hands to its program, by name."""
    words = np.frombuffer(draw.parameters, np.int32).tolist()
    held: dict[str, int] = {}
    at = 0
    for parameter in draw.source.parameters:
        if parameter.type == "int" and not parameter.count:
            held[parameter.name] = words[at]
        at += parameter.slots
    return held


def recorded_draws(engine: Watched, folder: Path) -> list[Draw]:
    """The draws that a replay of the model runs; ValueError where the host reads values in the middle."""
    model = tfgl.load(folder, progress=False)
    # Tensors that stay: their textures are what the first draws read.
    inputs = {key: tfgl.tensor(array) for key, array in inputs_of(model, folder).items()}
    engine.traces.clear()
    model.execute(inputs, model.output_keys)
    draws = [draw for trace in engine.traces if trace.recorded for draw in trace.draws]
    if not draws:
        raise ValueError(f"{folder.name} runs without a recording: the host reads values in the middle")
    return draws


def measured(engine: Engine, draws: Sequence[Draw], rounds: int) -> list[Row]:
    """Each draw's time in ``rounds`` runs of all of them."""
    rows = [Row(draw) for draw in draws]
    made = {id(draw.output) for draw in draws}
    last = {id(buffer): at for at, draw in enumerate(draws) for buffer in (*draw.inputs, draw.output)}
    gl = engine.device.gl
    for _ in range(rounds):
        taken: dict[int, Buffer] = {}
        for at, row in enumerate(rows):
            draw = row.draw
            if draw.output.texture is None:
                draw.output.texture = engine.pool.take(draw.output.shape)
                taken[id(draw.output)] = draw.output
            row.times_us.append(_time_us(engine, engine.execute, draw))
            for key in {id(buffer) for buffer in (*draw.inputs, draw.output)} & made & taken.keys():
                if last[key] == at:
                    buffer = taken.pop(key)
                    assert buffer.texture is not None
                    engine.pool.give(buffer.texture)
                    buffer.texture = None
        gl.Finish()
    return rows


def _time_us(engine: Engine, execute: Callable[[Draw], None], draw: Draw) -> float:
    """By the driver's timer; by the host's clock where there is none, or a software driver, whose timer starts late."""
    gl, info = engine.device.gl, engine.device.info
    gl.Finish()
    if info.timer_queries and not info.software:
        query = gl.query()
        gl.BeginQuery(raw.TIME_ELAPSED, query)
        execute(draw)
        gl.EndQuery(raw.TIME_ELAPSED)
        elapsed_us = gl.query_result(query) / 1e3
        gl.delete_query(query)
        return elapsed_us
    start = perf_counter()
    execute(draw)
    gl.Finish()
    return (perf_counter() - start) * 1e6


def limits(engine: Watched) -> str:
    """What this device reaches on draws that do nothing else: moving texels, and multiplying large matrices."""
    x = tfgl.tensor(np.ones((1 << 22,), np.float32))
    factors = {name: tfgl.tensor(np.ones((1024, 1024), np.float32)) for name in "ab"}
    engine.timed = []
    for _ in range(6):
        tfgl.run_kernel("Neg", {"x": x})
        tfgl.run_kernel("BatchMatMul", factors)
    timed, engine.timed = engine.timed, None
    best = {draw.source.body: Row(draw, [elapsed_us]) for draw, elapsed_us in sorted(timed, key=lambda item: -item[1])}
    copy, product = best["elementwise"], best["pointwise"]
    bandwidth, speed = copy.bytes / copy.median_us / 1e3, product.operations / product.median_us / 1e3
    return f"{bandwidth:.1f} GB/s element-wise on 16 MB, {speed:.1f} GFLOP/s in a product of 1024x1024 matrices"


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with model.json")
    parser.add_argument("--rounds", type=int, default=7, help="runs, of which each draw's median counts")
    parser.add_argument("--sum", action="store_true", help="one row for each program instead of each draw")
    chosen = parser.parse_args()
    engine = Watched(open_device(flags), flags)
    tfgl.engine.use(engine)
    rows = measured(engine, recorded_draws(engine, chosen.folder), chosen.rounds)
    total_us = sum(row.median_us for row in rows)
    print(f"{'#' if not chosen.sum else 'draws':>5} {'µs':>8} {'%':>5} {'GFLOP/s':>8} {'GB/s':>6}  program")
    if chosen.sum:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.draw.source.label, []).append(row)
        for members in sorted(groups.values(), key=lambda members: -sum(row.median_us for row in members)):
            print(_line(len(members), members, total_us))
    else:
        for at, row in enumerate(rows):
            print(_line(at, [row], total_us), f"{row.shape}  {_short(row.draw.node)}", sep="  ")
    converted = [row for row in rows if row.conversion]
    by_body = Counter(row.draw.source.body for row in converted)
    programs = len({row.draw.source for row in rows})
    print(f"{len(rows)} draws, {programs} programs, {total_us / 1e3:.1f} ms with the device drained after each")
    print(
        f"conversions of layout (*): {by_body['to_flat']} to_flat, {by_body['to_tiles']} to_tiles, "
        f"{bytes_text(sum(row.bytes for row in converted))}, {sum(row.median_us for row in converted) / 1e3:.1f} ms"
    )
    print(f"limits measured here: {limits(engine)}")


def _line(first: int, rows: Sequence[Row], total_us: float) -> str:
    elapsed_us = sum(row.median_us for row in rows)
    operations = sum(row.operations for row in rows)
    speed = f"{operations / elapsed_us / 1e3:.1f}" if operations else ""
    bandwidth = sum(row.bytes for row in rows) / elapsed_us / 1e3
    mark = "*" if rows[0].conversion else " "
    share = 100 * elapsed_us / total_us
    numbers = f"{first:5} {elapsed_us:8.0f} {share:5.1f} {speed:>8} {bandwidth:6.1f}"
    return f"{numbers} {mark}{rows[0].draw.source.label}"


def _short(node: str) -> str:
    """The end of a node's name, and its op."""
    name, _, op = one_line(node).removeprefix("node ").partition(" (op ")
    return f"{op.removesuffix(')')} {'/'.join(name.strip(chr(39)).split('/')[-2:])}"


if __name__ == "__main__":
    main()
