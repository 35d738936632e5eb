"""A small web server that behaves, or misbehaves, as a test asks."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Site:
    """One file, and how it is served."""

    content: bytes
    url: str = ""
    etag: str | None = '"first"'
    last_modified: str | None = None
    content_type: str = "video/mp4"
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off, one answer each."""
    drip_s: float = 0.0
    """Pause after every 16 kB."""
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers with which the next requests are refused."""
    announced_bytes: int | None = None
    """A Content-Length that is not true."""
    range_errors: int = 0
    """Answers that claim another place than was asked for."""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    """Range and If-Range of every request so far."""
    sent_bytes: int = 0


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve `site` on this machine until the block ends; sets `site.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, site)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/videos/walk.mp4"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    site.asked.append((wanted, condition))
    if handler.path.startswith("/elsewhere"):
        return _redirect(handler)
    if site.refusals:
        status, headers = site.refusals.pop(0)
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        return handler.end_headers()
    start = int(re.findall(r"\d+", wanted)[0]) if wanted and site.ranges else 0
    if condition not in (None, site.etag, site.last_modified):
        start = 0
    size_bytes = len(site.content)
    if start >= size_bytes:
        handler.send_response(416)
        handler.send_header("Content-Length", "0")
        return handler.end_headers()
    handler.send_response(206 if start else 200)
    if start:
        told = start + 1 if site.range_errors else start
        site.range_errors = max(0, site.range_errors - 1)
        handler.send_header("Content-Range", f"bytes {told}-{size_bytes - 1}/{size_bytes}")
    length = size_bytes - start if site.announced_bytes is None else site.announced_bytes
    for name, value in (
        ("Content-Length", str(length)),
        ("Content-Type", site.content_type),
        ("ETag", site.etag),
        ("Last-Modified", site.last_modified),
    ):
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    _send(handler, site, start, site.cuts.pop(0) if site.cuts else size_bytes)


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/videos/walk.mp4")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _send(handler: BaseHTTPRequestHandler, site: Site, start: int, limit: int) -> None:
    body = site.content[start : start + limit]
    for offset in range(0, len(body), 16_384):
        piece = body[offset : offset + 16_384]
        try:
            handler.wfile.write(piece)
        except OSError:
            break  # the client was killed
        site.sent_bytes += len(piece)
        time.sleep(site.drip_s)
    handler.close_connection = True
