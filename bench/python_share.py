"""Python's share of a replayed inference: `python bench/python_share.py FOLDER...` prints a line for each model.

The same inference is timed in turn as it is, and with every GL call of its recording replaced by a C function that does
nothing and with no upload and no reading; what is then left is Python's, the way into C included. Medians of both, so
that a pause of the machine counts little.
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

import tfgl
from tfgl.gl.textures import Texture
from workloads import inputs_of, run_to_host


def _nothing(*_: object) -> None:
    pass


def _idle(function: Callable[..., object]) -> Callable[..., object]:
    """A function of C that takes the arguments of the GL call ``function`` and does nothing."""
    address = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value
    made: Callable[..., object] = type(function)(address)  # type: ignore[call-arg]
    return made


def _empty(_: Texture, size: int) -> npt.NDArray[Any]:
    return np.empty(size, np.float32)


def share(folder: Path, runs: int) -> tuple[float, float]:
    """Milliseconds of an inference, inputs on the host to outputs on the host, and of Python's part in it."""
    with tfgl.load(folder, progress=False) as model:
        inputs = inputs_of(model, folder)

        def timed() -> float:
            start = perf_counter()
            run_to_host(model, inputs)
            return (perf_counter() - start) * 1e3

        for _ in range(3):
            timed()
        captured = [item for kept in model._executor._captured.values() for item in kept]
        if len(captured) != 1:
            raise SystemExit(f"{folder.name} is not replayed by one recording, but by {len(captured)}")
        calls = captured[0].recording._calls
        idle = {id(function): _idle(function) for function, _ in calls}
        whole: list[float] = []
        python: list[float] = []
        write, read = Texture.write, Texture.read
        for _ in range(runs):
            whole.append(timed())
            bound: list[tuple[Callable[..., object], tuple[int, ...]]] = list(calls)
            try:
                calls[:] = [(idle[id(function)], arguments) for function, arguments in bound]
                Texture.write, Texture.read = _nothing, _empty  # type: ignore[assignment, method-assign]
                python.append(timed())
            finally:
                calls[:] = bound
                Texture.write, Texture.read = write, read  # type: ignore[method-assign]
                # What the other texture of an input or output is bound by was left out above.
                for slot in (*captured[0].recording._inputs, *captured[0].recording._outputs):
                    slot.bound = None
        return median(whole), median(python)


def main() -> None:
    """Print the share of each model named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders with a model.json")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    for folder in options.folders:
        whole, python = share(folder, options.runs)
        print(f"{folder.name:24} {whole:8.2f} ms, Python {python:6.2f} ms, {100 * python / whole:5.1f} %")


if __name__ == "__main__":
    main()
