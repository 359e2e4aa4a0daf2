"""Models over http: addresses, headers, redirects, limits. The server is on 127.0.0.1."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from io_models import Example, assert_same_weights, every_dtype, plain
from tfgl.errors import DownloadError, InvalidArgumentError, ModelFormatError
from tfgl.io import ModelArtifacts, read_artifacts
from tfgl.io.http import model_url, shard_url

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A server's address, what it answers by path, and what it was asked."""

    address: str
    answers: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(self, example: Example, folder: str = "/m/", query: str = "") -> str:
        self.answers[f"{folder}model.json{query}"] = json.dumps(example.model).encode()
        for name, content in example.files.items():
            self.answers[f"{folder}{name}{query}"] = content
        return f"{self.address}{folder}model.json{query}"


def serve() -> Iterator[Site]:
    """A server for one test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            here.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = here.answers.get(self.path)
            if answer is None:
                self.send_error(404)
            elif isinstance(answer, bytes):
                reply(self, answer)
            else:
                answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    yield from serve()


other_site = pytest.fixture(serve, name="other_site")


def reply(handler: BaseHTTPRequestHandler, body: bytes, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        if value:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def redirect_to(address: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def without_length(body: bytes) -> Answer:
    return lambda handler: reply(handler, body, Content_Length="")


def compressed(body: bytes) -> Answer:
    return lambda handler: reply(handler, body, Content_Encoding="gzip")


@pytest.mark.parametrize("stream_weights", [False, True])
def test_every_dtype_arrives(site: Site, stream_weights: bool) -> None:
    example = every_dtype(20)
    heard: list[float] = []
    artifacts = read_artifacts(
        site.add(example), stream_weights=stream_weights, on_progress=heard.append, lazy_weights=True
    )
    assert_same_weights(artifacts.weights, example.weights)
    assert heard == sorted(heard) and heard[-1] == 1.0
    assert artifacts.source == f"{site.address}/m/model.json"


@pytest.mark.parametrize("stream_weights", [False, True])
def test_sizes_that_nobody_announces(site: Site, stream_weights: bool) -> None:
    example = every_dtype(40)
    url = site.add(example)
    for path, body in list(site.answers.items()):
        assert isinstance(body, bytes)
        site.answers[path] = without_length(body)
    assert_same_weights(read_artifacts(url, stream_weights=stream_weights).weights, example.weights)


def test_compressed_transfer(site: Site) -> None:
    example = plain()
    url = site.add(example)
    for path, body in list(site.answers.items()):
        assert isinstance(body, bytes)
        site.answers[path] = compressed(gzip.compress(body))
    assert_same_weights(read_artifacts(url).weights, example.weights)


def test_queries_go_to_the_shards(site: Site) -> None:
    example = plain()
    site.add(example, query="?tfjs-format=file")
    hub = read_artifacts(f"{site.address}/m", from_tf_hub=True)
    assert_same_weights(hub.weights, example.weights)
    assert site.asked == ["/m/model.json?tfjs-format=file", "/m/w.bin?tfjs-format=file"]


def test_a_folder_address(site: Site) -> None:
    example = plain()
    site.add(example)
    assert_same_weights(read_artifacts(f"{site.address}/m/").weights, example.weights)


def test_prefix_and_converter(site: Site, tmp_path: Path) -> None:
    example = plain()
    url = site.add(example)
    site.answers["/elsewhere/w.bin"] = site.answers.pop("/m/w.bin")
    with pytest.raises(DownloadError, match=r"/m/w.bin: the server answered 404.*weight_path_prefix"):
        read_artifacts(url)
    for prefix in (f"{site.address}/elsewhere", "../elsewhere/"):
        assert_same_weights(read_artifacts(url, weight_path_prefix=prefix).weights, example.weights)
    converted = read_artifacts(url, weight_url_converter=lambda name: f"{site.address}/elsewhere/{name}")
    assert_same_weights(converted.weights, example.weights)
    # A local model.json may have its shards on a server, and the other way round.
    example.write(tmp_path)
    (tmp_path / "w.bin").unlink()
    local = read_artifacts(tmp_path, weight_path_prefix=f"{site.address}/elsewhere")
    assert_same_weights(local.weights, example.weights)
    (tmp_path / "kept").write_bytes(example.data)
    assert_same_weights(
        read_artifacts(url, weight_url_converter=lambda name: tmp_path / "kept").weights, example.weights
    )


def test_headers_stay_with_their_host(site: Site, other_site: Site) -> None:
    example = plain()
    url = site.add(example)
    other_site.answers["/blob"] = example.data
    site.answers["/m/w.bin"] = redirect_to("/again")
    site.answers["/again"] = redirect_to(f"{other_site.address}/blob")
    read_artifacts(url, headers={"X-Token": "secret"})
    assert site.asked == ["/m/model.json", "/m/w.bin", "/again"]
    assert all(headers["x-token"] == "secret" for headers in site.headers)
    assert "x-token" not in other_site.headers[0]


def test_redirects_do_not_move_the_shards(site: Site) -> None:
    example = plain()
    url = site.add(example)
    site.answers["/blobs/1"] = site.answers["/m/model.json"]
    site.answers["/m/model.json"] = redirect_to("/blobs/1?signed")
    site.answers["/blobs/1?signed"] = site.answers.pop("/blobs/1")
    assert_same_weights(read_artifacts(url).weights, example.weights)


@pytest.mark.parametrize("target", ["/loop", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "gopher://x"])
def test_redirects_that_are_not_followed(site: Site, target: str) -> None:
    site.answers["/loop"] = redirect_to(target)
    with pytest.raises(DownloadError):
        read_artifacts(f"{site.address}/loop")
    assert len(site.asked) <= 11


def break_off(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"\0" * 5, Content_Length="24")
    handler.close_connection = True


BAD_SHARDS: dict[str, bytes | Answer] = {
    "longer": b"\0" * 25,
    "shorter": b"\0" * 23,
    "longer, unannounced": without_length(b"\0" * 25),
    "shorter, unannounced": without_length(b"\0" * 23),
    "broken off": break_off,
    "not gzip": compressed(b"\0" * 24),
    "a bomb": compressed(gzip.compress(bytes(1 << 22))),
}


@pytest.mark.parametrize("kind", BAD_SHARDS)
@pytest.mark.parametrize("stream_weights", [False, True])
def test_bad_shards(site: Site, kind: str, stream_weights: bool) -> None:
    url = site.add(plain())
    site.answers["/m/w.bin"] = BAD_SHARDS[kind]
    with pytest.raises((DownloadError, ModelFormatError), match=r"w\.bin"):
        read_artifacts(url, stream_weights=stream_weights)


@pytest.mark.parametrize("stream_weights", [False, True])
def test_a_huge_shape_takes_no_memory(site: Site, stream_weights: bool) -> None:
    example = plain()
    example.model["weightsManifest"][0]["weights"][0]["shape"] = [1 << 15, 1 << 15]
    with pytest.raises(ModelFormatError, match=r"truncated"):
        read_artifacts(site.add(example), stream_weights=stream_weights)
    with pytest.raises(ModelFormatError, match=r"max_bytes=1000000"):
        read_artifacts(site.add(example), max_bytes=1_000_000)


def test_shards_of_one_group_share_a_limit(site: Site) -> None:
    example = every_dtype(10)
    del example.model["weightsManifest"][0]["weights"][3]  # strings leave the size open
    url = site.add(example)
    for path in list(site.answers):
        if path.endswith(".bin"):
            site.answers[path] = b"\0" * 60
    with pytest.raises(DownloadError, match=r"model\.json: .*more than the"):
        read_artifacts(url)


def test_strings_are_bounded_by_max_bytes(site: Site) -> None:
    example = every_dtype(1000)
    with pytest.raises(DownloadError, match="at most"):
        read_artifacts(site.add(example), max_bytes=len(example.data) - 1)


def test_a_silent_server(site: Site) -> None:
    done = threading.Event()
    site.answers["/silent"] = lambda handler: (done.wait(5), None)[1]
    try:
        with pytest.raises(DownloadError, match="timed out"):
            read_artifacts(f"{site.address}/silent", timeout_s=0.1)
    finally:
        done.set()


def test_pages_instead_of_models(site: Site) -> None:
    site.answers["/m"] = b"<!doctype html><p>Hello"
    with pytest.raises(ModelFormatError, match=r"is not JSON.*HTML"):
        read_artifacts(f"{site.address}/m")


@pytest.mark.parametrize(
    "url", ["http://", "https:///x", "http://[::1", "http://a b/", "http://\udc80/", "http://x:99999/m"]
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises((DownloadError, InvalidArgumentError)):
        read_artifacts(url, timeout_s=2)


def test_nobody_listens() -> None:
    with pytest.raises(DownloadError, match="check the address"):
        read_artifacts("http://127.0.0.1:1/model.json")


@pytest.mark.parametrize("headers", [{"a": "b\r\nc: d"}, {"a": 3}, {"ü\n": "x"}])
def test_bad_headers(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError, match="header"):
        read_artifacts("http://127.0.0.1:1/model.json", headers=headers)


def test_addresses() -> None:
    assert model_url("https://h/m/?a=b") == "https://h/m/model.json?a=b"
    assert model_url("https://h/m/1/", from_tf_hub=True) == "https://h/m/1/model.json?tfjs-format=file"
    assert shard_url("https://h/m/x.json?a=/b", "s/1 2#3.bin") == "https://h/m/s/1%202%233.bin?a=/b"
    assert shard_url("https://h/m/x.json", "w.bin", "https://cdn/") == "https://cdn/w.bin"
    assert shard_url("https://h/x.json?k", "w.bin?alt=media") == "https://h/w.bin?alt=media&k"


def test_a_model_without_weights_asks_once(site: Site) -> None:
    site.answers["/m"] = json.dumps({"modelTopology": {"node": []}}).encode()
    assert isinstance(read_artifacts(f"{site.address}/m"), ModelArtifacts)
    assert site.asked == ["/m"]
