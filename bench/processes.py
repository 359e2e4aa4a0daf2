"""Processes that load a model, run it once, and run it again when they are told to."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

import fresh

Array = npt.NDArray[Any]


class PeerError(Exception):
    """What a runtime said when it did not start, load or run a model, in one line."""


class Runtime(Protocol):
    """A process with a loaded model that has run once; ``report`` says what that took."""

    report: dict[str, Any]
    outputs: dict[str, Array]

    def run(self, runs: int) -> list[float]:
        """Milliseconds of each of ``runs`` more inferences, inputs on the host to outputs on the host."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Worker:
    """A program that answers a line on its input with a line of JSON, the first one unasked.

    It is given the folder ``exchange`` for `outputs.npz`, and maybe `inputs.npz`.
    Raises PeerError with the program's last line when it ends or takes longer
    than ``timeout_s``.
    """

    def __init__(
        self,
        command: Sequence[str],
        exchange: Path,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 180,
    ) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._timeout_s = timeout_s
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        try:
            self.report = self._answer()
            with np.load(exchange / "outputs.npz") as outputs:
                self.outputs: dict[str, Array] = dict(outputs)
        except BaseException:
            self.close()
            raise

    def run(self, runs: int) -> list[float]:
        """Milliseconds of each of ``runs`` more inferences, inputs on the host to outputs on the host."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{runs}\n".encode())
        self._process.stdin.flush()
        answer = self._answer()
        elapsed_ms: list[float] = answer.pop("elapsed_ms")
        self.report.update(answer)
        return elapsed_ms

    def close(self) -> None:
        """Let the process end, which writes its caches then."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _answer(self) -> dict[str, Any]:
        watch = threading.Timer(self._timeout_s, self._process.kill)
        watch.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            self._process.wait()
            raise PeerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        ended = self._process.returncode
        if ended < 0:
            return f"ended by signal {-ended}, or by taking longer than {self._timeout_s:.0f} s"
        self._said.seek(0)
        said = self._said.read()[-2000:].decode(errors="replace").strip().splitlines()
        return said[-1].strip() if said else f"ended with {ended}"


def start_ours(folder: Path, caches: Path, exchange: Path) -> Worker:
    """tfgl in a new process whose caches, and the driver's, live in ``caches``; writes the inputs that it used, too."""
    command = [sys.executable, fresh.__file__, str(folder), "--exchange", str(exchange), "--serve"]
    return Worker(command, exchange, fresh.warm_environment(caches))
