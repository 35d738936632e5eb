"""A small web server of a folder that behaves, or misbehaves, as a test asks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from tests.wtours.local_server import Silent, serving


@dataclass
class FolderSite:
    """A folder, and how it is served."""

    folder: Path
    url: str = ""
    listings: bool = True
    """Whether a folder's address gives a page of links."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """By a file's name, what is wrong with the next answers: a status, or cut, wrong, slow."""
    always: dict[str, str] = field(default_factory=dict)
    """By a file's name, what is wrong with every answer."""
    slow_s: float = 0.0
    """How long a slow answer is silent in its middle."""
    drip_s: float = 0.0
    """Pause in every answer, after its first half."""
    asked: list[str] = field(default_factory=list)
    """Names of files of all requests so far."""

    def count(self, suffix: str) -> dict[str, int]:
        """Return how often each file with that suffix was asked for."""
        names = [name for name in self.asked if name.endswith(suffix)]
        return {name: names.count(name) for name in sorted(set(names))}


@contextmanager
def serve_folder(folder: Path) -> Iterator[FolderSite]:
    """Serve a folder on this machine until the block ends."""
    site = FolderSite(folder)

    class Handler(Silent, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, site)

    with serving(Handler, quiet=True) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site


def _answer(handler: BaseHTTPRequestHandler, site: FolderSite) -> None:
    path = site.folder / unquote(handler.path).strip("/")
    site.asked.append(path.name)
    if path.is_dir():
        return _list(handler, path) if site.listings else handler.send_error(403)
    if not path.is_file():
        return handler.send_error(404)
    waiting = site.faults.get(path.name, [])
    fault = waiting.pop(0) if waiting else site.always.get(path.name, "")
    if fault.isdigit():
        return handler.send_error(int(fault))
    content = path.read_bytes()
    if fault == "wrong":
        content = content[:-1] + bytes([content[-1] ^ 1])
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    half = len(content) // 2
    handler.wfile.write(content[:half])
    handler.wfile.flush()
    time.sleep(site.slow_s if fault == "slow" else site.drip_s)
    if fault != "cut":
        handler.wfile.write(content[half:])
    return None


def _list(handler: BaseHTTPRequestHandler, folder: Path) -> None:
    """Send a page as other servers do: folders end with a slash, and a link leads up."""
    names = [f"{one.name}/" if one.is_dir() else one.name for one in sorted(folder.iterdir())]
    links = "".join(f'<a href="{name}">{name}</a>' for name in ["../", "?C=M;O=D", *names])
    page = f"<html><body>{links}</body></html>".encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.wfile.write(page)
