"""TensorFlow.js in a Chromium of its own: a page that this process serves, and tells what to run."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import numpy as np

from fresh import warm_environment
from processes import Array, PeerError

PAGE = Path(__file__).resolve().parent / "peers"

# The driver's own OpenGL through ANGLE, no software renderer of the browser; nothing fetched, nothing asked.
FLAGS = (
    "--headless=new", "--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist", "--enable-gpu", "--no-sandbox",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding", "--password-store=basic", "--disable-breakpad",
)  # fmt: skip

_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "?"}


def find_chromium() -> str | None:
    """The browser's program on the path."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One model in one backend of TensorFlow.js in a new browser process; ``report`` has load and first run.

    ``caches`` is a folder for the browser's profile and the driver's cache: an
    empty one makes a first visit, the same one later makes a return. Raises
    PeerError for what TensorFlow.js or the browser says.
    """

    def __init__(
        self,
        packages: Path,
        model: Path,
        backend: str,
        inputs: Mapping[str, Array],
        caches: Path,
        timeout_s: float = 180,
    ) -> None:
        self.outputs: dict[str, Array] = {}
        self._timeout_s = timeout_s
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._server = _Server(packages, model, backend, inputs)
        self._process = self._start(caches)
        try:
            self.report = self._answer()
            for position, output in enumerate(self.report.pop("outputs")):
                raw = self._server.received[position]
                values = np.frombuffer(raw, _DTYPES[output["dtype"]]).reshape(output["shape"])
                self.outputs[output["key"]] = values
        except BaseException:
            self.close()
            raise

    def run(self, runs: int) -> list[float]:
        """Milliseconds of each of ``runs`` more inferences, inputs on the host to outputs on the host."""
        self._server.commands.put({"runs": runs})
        answer = self._answer()
        elapsed_ms: list[float] = answer["elapsed_ms"]
        self.report["programs"] = answer["programs"]
        return elapsed_ms

    def close(self) -> None:
        """End the browser, which writes its caches then, and the server."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        self._server.close()
        self._said.close()

    def _start(self, caches: Path) -> subprocess.Popen[bytes]:
        program = find_chromium()
        if program is None:
            raise PeerError("there is no Chromium on the path")
        home = caches / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {**warm_environment(caches), "HOME": str(home)}
        kept |= {name: str(home) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        command = [program, *FLAGS, f"--user-data-dir={caches / 'profile'}", self._server.url]
        # A group of its own, so that no process of the browser outlives it.
        return subprocess.Popen(
            command, env=kept, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, start_new_session=True
        )

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _answer(self) -> dict[str, Any]:
        waited_s, step_s = 0.0, 0.5
        while True:
            try:
                answer = self._server.replies.get(timeout=step_s)
                break
            except queue.Empty:
                waited_s += step_s
                if self._process.poll() is not None:
                    raise PeerError(f"the browser ended: {self._last_words()}") from None
                if waited_s >= self._timeout_s:
                    raise PeerError(f"no answer from the browser in {self._timeout_s:.0f} s") from None
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read()[-2000:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the browser ends in the middle of its last request."""


class _Server:
    """Page, packages, model and inputs on a free port of this machine, and what page and process tell each other."""

    def __init__(self, packages: Path, model: Path, backend: str, inputs: Mapping[str, Array]) -> None:
        self.commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.replies: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.received: dict[int, bytes] = {}
        topology = json.loads((model / "model.json").read_text(encoding="utf-8"))["modelTopology"]
        self._inputs = [np.ascontiguousarray(values) for values in inputs.values()]
        self._task = {
            "backend": backend,
            "url": "/model/model.json",
            "layers": "node" not in topology,
            "inputs": [
                {"name": name, "dtype": str(values.dtype), "shape": list(values.shape), "url": f"/inputs/{position}"}
                for position, (name, values) in enumerate(inputs.items())
            ],
        }
        self._folders = {"packages": packages / "node_modules" / "@tensorflow", "model": model}
        self._http = _Quiet(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}/page.html"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.commands.put(None)
        self._http.shutdown()
        self._http.server_close()

    def _content(self, path: str) -> tuple[bytes, str]:
        """What a path names, and its media type; KeyError or OSError where there is nothing."""
        first, _, rest = unquote(path).lstrip("/").partition("/")
        if first == "task":
            return json.dumps(self._task).encode(), "application/json"
        if first == "next":
            return json.dumps(self.commands.get()).encode(), "application/json"
        if first == "inputs":
            return self._inputs[int(rest)].tobytes(), "application/octet-stream"
        folder, name = (self._folders[first], rest) if rest else (PAGE, first)
        file = (folder / name).resolve()
        if folder.resolve() not in file.parents:
            raise KeyError(path)
        return file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    body, kind = server._content(urlsplit(self.path).path)
                except (KeyError, OSError):
                    self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
                    return
                self._send(HTTPStatus.OK, body, kind)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                _, kind, *rest = self.path.split("/")
                if kind == "outputs":
                    server.received[int(rest[0])] = body
                else:
                    server.replies.put(json.loads(body))
                self._send(HTTPStatus.OK, b"", "text/plain")

            def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                # Only an isolated page has threads and a fine clock.
                self.send_header("Cross-Origin-Opener-Policy", "same-origin")
                self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
                # TensorFlow.js asks for all shards before it reads one; what is not to be stored, Chromium does not
                # take off a connection before it is read, and after six of them stands still.
                self.send_header("Cache-Control", "max-age=3600")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *message: object) -> None:
                """Nothing: what goes wrong is in the replies."""

        return Handler
