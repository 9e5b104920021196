"""An object store behind bad weather: a proxy before an S3 emulator that breaks what a plan tells it to."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>bad weather</Message></Error>"
REFUSALS = {
    "500": (500, "InternalError"), "503": (503, "SlowDown"), "403": (403, "AccessDenied"),
}  # fmt: skip
TRANSIENT = ("500", "503", "close", "lost", "truncate", "late", "pages")
"""What a store may do now and then.

500, 503: it refuses. close: no answer, nothing done. lost: done, but no answer. truncate: the answer breaks off.
late: done, but the answer comes after the client's patience. pages: listings come one or two keys at a time.
"""
LATE_SECONDS = 0.7
Plan = Callable[[str, str], str | None]
"""Method and path (with its query) of a request to the fault it meets, or None."""


def calm(method: str, path: str) -> None:
    return None


def showers(seed: int, rate: float, kinds: tuple[str, ...] = TRANSIENT) -> Plan:
    """A fault on about `rate` of the requests; the same request meets the same faults in every run of a seed."""
    seen: Counter[tuple[str, str]] = Counter()

    def plan(method: str, path: str) -> str | None:
        key = (method, re.sub(r"[0-9a-f]{32}", "uuid", path))
        seen[key] += 1
        dice = random.Random(f"{seed} {key} {seen[key]}")
        if "pages" in kinds and "list-type=2" in path and dice.random() < 0.5:
            return "pages"
        return dice.choice(kinds) if dice.random() < rate else None

    return plan


class Weather(ThreadingHTTPServer):
    """Forwards to `upstream` (host, port); `plan` may be changed at any time; `met` counts faults by kind."""

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.plan: Plan = calm
        self.met: Counter[str] = Counter()
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are part of the weather."""


@contextmanager
def weather(upstream: tuple[str, int]) -> Iterator[Weather]:
    server = Weather(upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Weather

    def _handle(self) -> None:
        body = self._body()
        fault = self.server.plan(self.command, self.path)
        self.server.requests.append((self.command, self.path))
        if fault in ("pages", "stale") and "list-type=2" not in self.path:
            fault = None
        if fault:
            self.server.met[fault] += 1
        if fault in REFUSALS:
            status, code = REFUSALS[fault]
            self._answer(status, {"Content-Type": "application/xml"}, ERROR.format(code).encode())
            return
        if fault == "close":
            self.close_connection = True
            return
        if fault == "pages":
            self.path = re.sub(r"&?max-keys=\d+", "", self.path) + f"&max-keys={1 + len(self.server.requests) % 2}"
        status, headers, data = self._forward(body)
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "late":
            time.sleep(LATE_SECONDS)
        if fault == "stale":
            data = without_newest(data)
        cut = len(data) // 2 if fault == "truncate" and self.command == "GET" else None
        self._answer(status, headers, data, cut)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(*self.server.upstream)
        dropped = ("expect", "connection", "transfer-encoding", "content-length")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        headers["Content-Length"] = str(len(body))
        try:
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            data = answer.read()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
            return answer.status, kept, data
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], data: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])
        if cut is not None:
            self.close_connection = True


def without_newest(listing: bytes) -> bytes:
    """A listing that does not know the object written last."""
    entries = re.findall(rb"<Contents>.*?</Contents>", listing, re.DOTALL)
    if not entries:
        return listing
    newest = max(entries, key=lambda entry: re.search(rb"<LastModified>(.*?)<", entry)[1])  # type: ignore[index]
    return listing.replace(newest, b"")
