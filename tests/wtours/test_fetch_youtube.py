"""YouTube's part of fetching, with yt-dlp for real against a page on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from wtours.errors import WtoursError
from wtours.fetch.landing import Landing
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube import ask_youtube, bring_youtube, offer_youtube
from wtours.manifest import Source

QUICK = FetchSettings(first_wait_s=0.01, timeout_s=5)
CONTENT = bytes(range(256)) * 1200
PAGE = """<html><head><title>A walk</title></head><body>
<video><source src="/walk.mpd" type="application/dash+xml"></video></body></html>"""
MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT5S"><Period>
<AdaptationSet mimeType="video/webm"><Representation id="315" codecs="vp09.00.51.08" width="3840"
height="2160" frameRate="60" bandwidth="20000000"><BaseURL>{video}</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""


@dataclass
class Stage:
    """A page with one video, and how its file is served."""

    content: bytes = CONTENT
    etag: str | None = '"first"'
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    """How the next requests for the file are answered; 0 breaks off after a third of it."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of every request so far."""
    url: str = ""
    """Of the page."""


@contextmanager
def serve(stage: Stage) -> Iterator[Stage]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            stage.asked.append((path, self.headers.get("Range")))
            if path == "/walk.webm":
                return answer_file(self, stage)
            body = (MPD.format(video="/walk.webm") if path == "/walk.mpd" else PAGE).encode()
            kind = "application/dash+xml" if path == "/walk.mpd" else "text/html"
            answer(self, 200, {"Content-Type": kind, "Content-Length": str(len(body))}, body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stage.url = f"http://127.0.0.1:{server.server_port}/walk.html"
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer_file(handler: BaseHTTPRequestHandler, stage: Stage) -> None:
    status = stage.statuses.pop(0) if stage.statuses else 200
    if status >= 400:
        return answer(handler, status, {"Content-Length": "0"}, b"")
    wanted = handler.headers.get("Range")
    start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
    start = start if stage.ranges else 0
    whole = len(stage.content)
    if start >= whole:
        return answer(handler, 416, {"Content-Range": f"bytes */{whole}"}, b"")
    headers = {"Content-Length": str(whole - start), "Content-Type": "video/webm"}
    if stage.etag:
        headers["ETag"] = stage.etag
    if wanted and stage.ranges:
        headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
    body = stage.content[start:] if status else stage.content[start:][: whole // 3]
    answer(handler, 206 if "Content-Range" in headers else 200, headers, body)


def answer(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serve(Stage()) as served:
        yield served


def look(stage: Stage, settings: FetchSettings = QUICK) -> Offer:
    source = Source(kind="http", url=stage.url)
    return offer_youtube(source, ask_youtube(source, settings), settings)


def bring(offer: Offer, folder: Path, settings: FetchSettings = QUICK) -> bytes:
    landing = Landing(folder=folder, name="walk")
    arrival = bring_youtube(offer, landing, settings=settings, progress=lambda done, total: None)
    return arrival.part.read_bytes()


def test_page_is_looked_up_and_its_file_brought(stage: Stage, tmp_path: Path) -> None:
    offer = look(stage)
    assert (offer.said["title"], offer.said["format"]["vcodec"]) == ("A walk (1)", "vp09.00.51.08")
    assert bring(offer, tmp_path) == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "walk.webm.part",
        "walk.webm.part.json",
    ]
