"""The official TensorFlow.js in a Node process that runs one model after another."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

Array = np.ndarray[Any, Any]
HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / ".official"
_LONGEST_RUN_S = 120.0


class OfficialError(Exception):
    """What TensorFlow.js said when it did not load or run a model."""


class OfficialRuntime:
    """A running Node process; ``run`` gives it a model. Use as a context manager."""

    def __init__(self, work: Path) -> None:
        """``work`` holds node_modules; Node starts with the first model, and again after it had to be ended."""
        self._work = work
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._node: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OfficialRuntime:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._end()
        self._said.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._node is None or self._node.poll() is not None:
            self._end()
            command = ["node", str(HERE / "serve.mjs"), str(self._work)]
            self._node = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
            )
        return self._node

    def _end(self) -> None:
        if self._node is None:
            return
        self._node.kill()
        for stream in (self._node.stdin, self._node.stdout):
            if stream is not None:
                stream.close()
        self._node.wait()
        self._node = None

    def run(self, model: Path, feeds: Mapping[str, Array], *, backend: str = "cpu") -> dict[str, Array]:
        """The outputs by signature key (layers models: by layer) of the model.json at ``model``; 8-byte inputs narrow.

        Raises OfficialError with the message of TensorFlow.js, or when it takes longer than two minutes.
        """
        request = {
            "model": str(model), "backend": backend,
            "inputs": [{"name": name, **_packed(np.asarray(value))} for name, value in feeds.items()],
        }  # fmt: skip
        node = self._started()
        assert node.stdin is not None and node.stdout is not None
        watch = threading.Timer(_LONGEST_RUN_S, node.kill)
        watch.start()
        try:
            node.stdin.write(json.dumps(request).encode() + b"\n")
            node.stdin.flush()
            line = node.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            node.wait()
            self._said.seek(0)
            raise OfficialError(f"Node ended: {self._said.read()[-2000:].decode(errors='replace')}")
        answer = json.loads(line)
        if "error" in answer:
            raise OfficialError(answer["error"])
        return {key: _unpacked(output) for key, output in answer["outputs"].items()}


def installed(given: str | None) -> Path | str:
    """The folder that holds node_modules, fetched by npm where it is not there; or why there is none."""
    if shutil.which("node") is None:
        return "Node is not there"
    if given is not None:
        folder = Path(given).resolve()
        if folder.name == "node_modules":
            folder = folder.parent
        there = (folder / "node_modules" / "@tensorflow" / "tfjs").is_dir()
        return folder if there else f"--tfjs {given}: no node_modules/@tensorflow/tfjs in that folder"
    if (WORK / ".installed").exists():
        return WORK
    if shutil.which("npm") is None:
        return "npm is not there to fetch TensorFlow.js"
    WORK.mkdir(exist_ok=True)
    shutil.copy(HERE / "package.json", WORK)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=WORK, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "npm did not fetch TensorFlow.js within five minutes"
    if done.returncode:
        return f"npm could not fetch TensorFlow.js: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    (WORK / ".installed").touch()
    return WORK


def _packed(value: Array) -> dict[str, Any]:
    shape = list(value.shape)
    if value.dtype.kind in "OSU":
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in value.reshape(-1).tolist()]
        return {"dtype": "string", "shape": shape, "data": [base64.b64encode(text).decode() for text in texts]}
    dtype = {"f": "<f4", "i": "<i4", "u": "<i4", "b": "|u1", "c": "<c8"}[value.dtype.kind]
    name = {"f": "float32", "i": "int32", "u": "int32", "b": "bool", "c": "complex64"}[value.dtype.kind]
    return {"dtype": name, "shape": shape, "data": base64.b64encode(value.astype(dtype).tobytes()).decode()}


def _unpacked(output: Mapping[str, Any]) -> Array:
    shape = tuple(output["shape"])
    if output["dtype"] == "string":
        found = np.empty(math.prod(shape), object)
        found[:] = [base64.b64decode(text) for text in output["data"]]
        return found.reshape(shape)
    dtype = {"float32": "<f4", "int32": "<i4", "bool": "?", "complex64": "<c8"}[output["dtype"]]
    return np.frombuffer(base64.b64decode(output["data"]), dtype).reshape(shape)
