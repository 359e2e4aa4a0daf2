"""Model files over http and https: bounded in redirects, size and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from ..errors import DownloadError, InvalidArgumentError

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 10
# A server that keeps the connection alive with single bytes must not hold us for ever.
_SLOWEST_BYTES_PER_S = 1024
_PATIENCE_S = 60.0


def is_url(text: object) -> bool:
    """Whether ``text`` is an http(s) URL.

    >>> is_url("https://example.org/model.json"), is_url("model.json")
    (True, False)
    """
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


def model_url(url: str, *, from_tf_hub: bool = False) -> str:
    """The address of model.json itself: a URL that ends in ``/`` is a folder.

    ``from_tf_hub`` appends ``/model.json?tfjs-format=file``, as TensorFlow.js' ``fromTFHub`` does.

    >>> model_url("https://tfhub.dev/x/1", from_tf_hub=True)
    'https://tfhub.dev/x/1/model.json?tfjs-format=file'
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise InvalidArgumentError(f"{url!r} is no usable URL: {error}") from None
    if not host:
        raise InvalidArgumentError(f"{url!r} is no usable URL: it names no host")
    if from_tf_hub:
        return f"{url.rstrip('/')}/model.json?tfjs-format=file"
    if parts.path.endswith("/") or not parts.path:
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/model.json", fragment=""))
    return urlunsplit(parts._replace(fragment=""))


def shard_url(url_of_model: str, path: str, prefix: str | None = None) -> str:
    """The address of a shard: beside model.json, or below ``prefix``, with model.json's query string.

    Redirects of model.json do not move the shards: TensorFlow.js resolves against the URL that was asked for.

    >>> shard_url("https://example.org/m/model.json?tfjs-format=file", "group1-shard1of1.bin")
    'https://example.org/m/group1-shard1of1.bin?tfjs-format=file'
    """
    parts = urlsplit(url_of_model)
    folder = parts.path.rpartition("/")[0]
    base = urlunsplit((parts.scheme, parts.netloc, folder, "", "")) if prefix is None else prefix
    address = f"{base.rstrip('/')}/{quote(path, safe='/%?=&+,;@!$()*~-_.:')}"
    return f"{address}{'&' if '?' in address else '?'}{parts.query}" if parts.query else address


class Downloads:
    """One connection pool for the files of a model; a context manager.

    ``headers`` go with each request, but never to another host that a redirect names. ``timeout_s`` is how
    long a connection may stay silent.
    """

    def __init__(self, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0) -> None:
        # Imported here: reading local models must not pay for it.
        import httpx

        self._headers = _checked_headers(headers)
        try:
            self._client = httpx.Client(timeout=httpx.Timeout(timeout_s), follow_redirects=False)
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise DownloadError(f"cannot prepare downloads: {error}; check the proxy settings") from None

    def __enter__(self) -> Downloads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def read(self, url: str, limit: int) -> bytes:
        """The body of ``url``. Raises DownloadError, also when it is longer than ``limit`` bytes."""
        with _Body(self._open(url), url, limit) as body:
            return b"".join(body.chunks())

    def save(self, url: str, target: Path, limit: int, on_bytes: Callable[[int], None]) -> None:
        """Write the body of ``url`` to ``target``; ``on_bytes`` hears the length of each piece."""
        with _Body(self._open(url), url, limit) as body, target.open("wb") as file:
            for chunk in body.chunks():
                file.write(chunk)
                on_bytes(len(chunk))

    def stream(self, url: str, limit: int) -> _Body:
        """The body of ``url`` as a shard that is read while it arrives."""
        return _Body(self._open(url), url, limit)

    def _open(self, url: str) -> httpx.Response:
        import httpx

        try:
            request = self._client.build_request("GET", url, headers=self._headers)
            for _ in range(MAX_REDIRECTS + 1):
                response = self._client.send(request, stream=True)
                if not response.has_redirect_location:
                    break
                response.close()
                request = self._redirected(request, response)
            else:
                raise DownloadError(f"{url}: more than {MAX_REDIRECTS} redirects")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise DownloadError(f"{url}: {_reason(error)}; check the address and the network") from None
        except (ValueError, TypeError) as error:
            raise DownloadError(f"{url}: {error}") from None
        if not response.is_success:
            response.close()
            raise DownloadError(
                f"{url}: the server answered {response.status_code} {response.reason_phrase}; "
                "weights are looked for beside model.json unless weight_path_prefix or "
                "weight_url_converter says "
                "otherwise"
            )
        return response

    def _redirected(self, request: httpx.Request, response: httpx.Response) -> httpx.Request:
        following = response.next_request
        if following is None or following.url.scheme not in ("http", "https"):
            raise DownloadError(f"{request.url}: it redirects to something that is no http(s) address")
        if request.url.scheme == "https" and following.url.scheme == "http":
            raise DownloadError(f"{request.url}: it redirects from https to unprotected http, which is not followed")
        before, after = request.url, following.url
        if (before.scheme, before.host, before.port) != (after.scheme, after.host, after.port):
            for name in self._headers:
                following.headers.pop(name, None)
        return following


class _Body:
    """A response body with its limits; also an OpenShard."""

    def __init__(self, response: httpx.Response, url: str, limit: int) -> None:
        self._response = response
        self._url = url
        self._limit = limit
        self._chunks = self.chunks()
        self._rest = memoryview(b"")
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        announced = response.headers.get("content-length", "")
        self.size = int(announced) if announced.isascii() and announced.isdigit() and not encoded else None
        if self.size is not None and self.size > limit:
            response.close()
            raise DownloadError(f"{url}: the server announces {self.size} bytes, but at most {limit} are expected")

    def __enter__(self) -> _Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._response.close()

    def skip(self, count: int, /) -> None:
        raise NotImplementedError("a download is read, not skipped")

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def chunks(self) -> Iterator[bytes]:
        """The non-empty pieces of the body, decoded."""
        import httpx

        received, started = 0, time.monotonic()
        try:
            for chunk in self._response.iter_bytes():
                received += len(chunk)
                if received > self._limit:
                    raise DownloadError(f"{self._url}: more than the {self._limit} bytes that are expected")
                elapsed_s = time.monotonic() - started
                if elapsed_s > _PATIENCE_S and received < _SLOWEST_BYTES_PER_S * elapsed_s:
                    raise DownloadError(f"{self._url}: only {received} bytes came in {elapsed_s:.0f} s; gave up")
                if chunk:
                    yield chunk
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise DownloadError(f"{self._url}: broken off after {received} bytes: {_reason(error)}") from None


def _checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    checked: dict[str, str] = {}
    for name, value in dict(headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str) or any(c in name + value for c in "\r\n\0"):
            raise InvalidArgumentError(f"header {name!r}: names and values must be text on one line")
        checked[name] = value
    return checked


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
