"""A small web server that behaves, or misbehaves, as a test asks."""

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.wtours.local_server import Silent, serving


@dataclass
class Site:
    """One file, and how it is served."""

    content: bytes
    url: str = ""
    etag: str | None = '"first"'
    last_modified: str | None = None
    content_type: str = "video/mp4"
    ranges: bool = True
    conditions: bool = True
    """Whether If-Range is heeded."""
    chunked: bool = False
    """Whether the file comes without a length, in pieces that say their own."""
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off, one answer each."""
    drip_s: float = 0.0
    """Pause after every piece."""
    piece_bytes: int = 16_384
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers with which the next requests are refused."""
    announced_bytes: int | None = None
    """A Content-Length that is not true."""
    total_told: int | None = None
    """Size of the whole file that ranges tell, where it is not true."""
    range_errors: int = 0
    """Answers that claim another place than was asked for."""
    more: dict[str, str] = field(default_factory=dict)
    """Further headers of the file."""
    head_status: int = 200
    """How HEAD is answered; HEAD is not counted in `asked`, and is refused by no `refusals`."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Paths, and where they lead."""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """Paths with other content than the file: status, headers, body."""
    successors: list[tuple[bytes, str | None]] = field(default_factory=list)
    """Content and ETag that take the place of the present ones, one pair at each new request."""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    """Range and If-Range of every request so far."""
    paths: list[str] = field(default_factory=list)
    """Paths of every request so far, HEAD included."""
    sent_bytes: int = 0

    @property
    def base(self) -> str:
        """Return the address of the server's root, without a slash at its end."""
        return self.url.partition("/videos/")[0]


@contextmanager
def serve(site: Site, *, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve `site` on this machine until the block ends; sets `site.url`."""

    class Handler(Silent, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if site.chunked else "HTTP/1.0"

        def do_GET(self) -> None:
            _answer(self, site)

        def do_HEAD(self) -> None:
            _answer_head(self, site)

    host = "http://127.0.0.1" if tls is None else "https://localhost"
    with serving(Handler, tls=tls, quiet=tls is not None) as port:
        site.url = f"{host}:{port}/videos/walk.mp4"
        yield site


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    site.paths.append(handler.path)
    if handler.path in site.pages:
        return _page(handler, *site.pages[handler.path])
    wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    site.asked.append((wanted, condition))
    if handler.path in site.redirects or handler.path.startswith("/elsewhere"):
        return _redirect(handler, site.redirects.get(handler.path, "/videos/walk.mp4"))
    if site.successors:
        site.content, site.etag = site.successors.pop(0)
    if site.refusals:
        status, headers = site.refusals.pop(0)
        return _page(handler, status, headers, b"")
    start = int(re.findall(r"\d+", wanted)[0]) if wanted and site.ranges else 0
    if site.conditions and condition not in (None, site.etag, site.last_modified):
        start = 0
    size_bytes = len(site.content)
    if start and start >= size_bytes:
        return _page(handler, 416, {}, b"")
    handler.send_response(206 if start else 200)
    if start:
        told = start + 1 if site.range_errors else start
        site.range_errors = max(0, site.range_errors - 1)
        whole = size_bytes if site.total_told is None else site.total_told
        handler.send_header("Content-Range", f"bytes {told}-{whole - 1}/{whole}")
    _send_headers(handler, site, size_bytes - start)
    _send(handler, site, start, site.cuts.pop(0) if site.cuts else size_bytes)


def _answer_head(handler: BaseHTTPRequestHandler, site: Site) -> None:
    site.paths.append(handler.path)
    if handler.path in site.redirects:
        return _redirect(handler, site.redirects[handler.path])
    handler.send_response(site.head_status)
    _send_headers(handler, site, len(site.content))


def _send_headers(handler: BaseHTTPRequestHandler, site: Site, length: int) -> None:
    length = length if site.announced_bytes is None else site.announced_bytes
    for name, value in (
        ("Transfer-Encoding", "chunked" if site.chunked else None),
        ("Content-Length", None if site.chunked else str(length)),
        ("Content-Type", site.content_type),
        ("ETag", site.etag),
        ("Last-Modified", site.last_modified),
        *site.more.items(),
    ):
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()


def _page(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _redirect(handler: BaseHTTPRequestHandler, location: str) -> None:
    _page(handler, 302, {"Location": location} if location else {}, b"")


def _send(handler: BaseHTTPRequestHandler, site: Site, start: int, limit: int) -> None:
    body = site.content[start : start + limit]
    for offset in range(0, len(body), site.piece_bytes):
        piece = body[offset : offset + site.piece_bytes]
        site.sent_bytes += len(piece)  # before a client can know that it has come
        try:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if site.chunked else piece)
        except OSError:
            break  # the client was killed, or has had enough
        time.sleep(site.drip_s)
    if site.chunked and start + limit >= len(site.content):
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = True
