"""TF Hub modules: folders, archives that may be hostile, the cache, downloads from a local server."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import tensorflow_files as tf_files
from tensorflow_files import add_node, add_signature, dtype
from tfgl.errors import DownloadError, InvalidArgumentError, ModelFormatError
from tfgl_converter.formats.hub import extract, read_hub_module, resolve_module


def module_bytes() -> bytes:
    message, meta_graph = tf_files.new_saved_model([])
    add_node(meta_graph.graph_def.node, "x", "Placeholder", dtype=dtype("float32"), shape=(-1, 2))
    add_node(meta_graph.graph_def.node, "y", "Neg", "x")
    for key in ("default", "other"):
        add_signature(meta_graph, key, {"x": "x:0"}, {key: "y:0"})
    return bytes(message.SerializeToString())


def archive(entries: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def folder_entry(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


def module_archive() -> bytes:
    entries = {"./": folder_entry("./"), "./tfhub_module.pb": b"\x08\x03", "./saved_model.pb": module_bytes()}
    return archive(entries)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """An address, the paths that were asked for, and what the server answers."""
    asked: list[str] = []
    answer: dict[str, Any] = {"status": 200, "body": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(answer.get("length", len(answer["body"]))))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked, answer
        running.shutdown()
        thread.join()


def test_folder_and_archive(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "module.tar.gz"
    file.write_bytes(module_archive())
    extract(file, tmp_path / "folder")
    for handle in (tmp_path / "folder", str(file), f"file://{tmp_path / 'folder'}"):
        model = read_hub_module(handle)
        assert model.signature_key == "default" and list(model.signatures) == ["default", "other"]
    assert read_hub_module(file, signature="other").signature_key == "other"
    assert len(list(cache.iterdir())) == 1


def test_url_is_downloaded_once_into_the_cache(server: Any, cache: Path) -> None:
    address, asked, answer = server
    answer["body"] = module_archive()
    handle = f"{address}/google/module/1?x=1"
    for _ in range(2):
        assert read_hub_module(handle, show_progress=False).signature_key == "default"
    assert asked == ["/google/module/1?x=1&tf-hub-format=compressed"]
    assert [path.name for path in cache.iterdir()] == [hashlib.sha1(handle.encode()).hexdigest()]


def test_what_the_cache_holds_needs_no_server(cache: Path) -> None:
    handle = "https://example.org/google/module/1"
    folder = cache / hashlib.sha1(handle.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(module_bytes())
    assert resolve_module(handle) == folder
    assert read_hub_module(handle, (), "other").signature_key == "other"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"status": 404}, DownloadError, "404"),
        ({"body": b"<html>"}, ModelFormatError, "no module archive"),
        ({"body": b"", "length": 1 << 40}, DownloadError, "at most 1000000 are expected"),
        ({"body": archive({"a.txt": b"a"})}, ModelFormatError, r"holds no saved_model\.pb"),
        ({"body": module_archive()[:-200]}, ModelFormatError, "no module archive"),
        ({"body": gzip.compress(bytes(8_000_000))}, ModelFormatError, "holds no|no module archive"),
        ({"body": archive({"saved_model.pb": bytes(2_000_000)})}, ModelFormatError, "more than 1000000 bytes"),
    ],
    ids=str,
)
def test_bad_downloads_leave_nothing(server: Any, cache: Path, answer: Any, error: Any, message: str) -> None:
    address, _, answers = server
    answers.update(answer)
    with pytest.raises(error, match=message):
        resolve_module(f"{address}/m", max_bytes=1_000_000, show_progress=False)
    assert list(cache.iterdir()) == []


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"../evil": b"x"}, "leaves the archive's folder"),
        ({"/tmp/evil": b"x"}, "leaves the archive's folder"),
        ({"a/../../evil": b"x"}, "leaves the archive's folder"),
        ({"c:\\evil": b"x"}, "leaves the archive's folder"),
        ({"a": link("a", tarfile.SYMTYPE, "/etc"), "a/evil": b"x"}, "neither a file nor a folder"),
        ({"a": link("a", tarfile.LNKTYPE, "/etc/passwd")}, "neither a file nor a folder"),
        ({"a": link("a", tarfile.FIFOTYPE, "")}, "neither a file nor a folder"),
        ({"a": bytes(300), "b": bytes(300)}, "more than 500 bytes"),
        ({"a": b"x", "a/b": b"x"}, "damaged"),
    ],
    ids=str,
)
def test_hostile_archives(tmp_path: Path, entries: Any, message: str) -> None:
    file = tmp_path / "module.tar.gz"
    file.write_bytes(archive(entries))
    with pytest.raises(ModelFormatError, match=message):
        extract(file, tmp_path / "out", 500)
    assert not (tmp_path / "evil").exists()


def test_damaged_archives(tmp_path: Path) -> None:
    whole = module_archive()
    file = tmp_path / "module.tar.gz"
    for at in range(0, len(whole) - 8, 7):
        for number, data in enumerate((whole[:at], whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])):
            file.write_bytes(data)
            try:
                extract(file, tmp_path / f"out{at}_{number}")
            except ModelFormatError as error:
                assert str(file) in str(error)


def test_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 33
    file = tmp_path / "module.tar.gz"
    file.write_bytes(gzip.compress(info.tobuf() + bytes(20_000_000)))
    with pytest.raises(ModelFormatError, match="header"):
        extract(file, tmp_path / "out")


def test_handles_that_mean_nothing(tmp_path: Path, cache: Path) -> None:
    for handle in (tmp_path / "gone", "gs://bucket/module", str(tmp_path / "gone.tar.gz")):
        with pytest.raises(InvalidArgumentError):
            read_hub_module(handle)
