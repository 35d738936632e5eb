"""A server with a page and one video, as yt-dlp's generic extractor finds it."""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.wtours.local_server import Silent, serving
from wtours.fetch.landing import Landing
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube import ask_youtube, bring_youtube, offer_youtube
from wtours.manifest import Source

QUICK = FetchSettings(first_wait_s=0.01, timeout_s=5)


CONTENT = random.Random(0).randbytes(300_000)


OTHER = random.Random(1).randbytes(300_000)


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
    last_modified: str | None = None
    ranges: bool = True
    length: bool = True
    shift: int = 0
    """By how much the next partial answer begins elsewhere than was asked for."""
    most: int | None = None
    """Bytes of a partial answer, if there is a limit."""
    drip_s: float = 0.0
    answers: list[int | dict[str, Any]] = field(default_factory=list)
    """How the next requests for the file are answered: with a status, or with the file, broken off
    after minus so many bytes; a dictionary changes this stage first, its "answer" is the same."""
    query: str = ""
    """Of the file's address, as the page gives it."""
    retry_after: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of every request so far."""
    url: str = ""
    """Of the page."""

    def ranges_asked(self) -> list[str | None]:
        """Return the Range of every request for the file."""
        return [wanted for path, wanted in self.asked if path == "/walk.webm"]

    def looked_up(self) -> int:
        """Return how often the page was asked for."""
        return [path for path, _ in self.asked].count("/walk.html")


@contextmanager
def serve(stage: Stage) -> Iterator[Stage]:
    class Handler(Silent, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            stage.asked.append((path, self.headers.get("Range")))
            if path == "/walk.webm":
                return answer_file(self, stage)
            video = f"/walk.webm{stage.query}"
            body = (MPD.format(video=video) if path == "/walk.mpd" else PAGE).encode()
            kind = "application/dash+xml" if path == "/walk.mpd" else "text/html"
            answer(self, 200, {"Content-Type": kind, "Content-Length": str(len(body))}, body)

    with serving(Handler) as port:
        stage.url = f"http://127.0.0.1:{port}/walk.html"
        yield stage


def answer_file(handler: BaseHTTPRequestHandler, stage: Stage) -> None:
    step = stage.answers.pop(0) if stage.answers else 200
    if isinstance(step, dict):
        for name, value in step.items():
            setattr(stage, name, value)
        step = int(step.get("answer", 200))
    if step >= 400:
        wait = {"Retry-After": stage.retry_after} if stage.retry_after else {}
        return answer(handler, step, {"Content-Length": "0", **wait}, b"")
    wanted = handler.headers.get("Range") if stage.ranges else None
    first, _, last = (wanted or "bytes=0-").removeprefix("bytes=").partition("-")
    whole, start = len(stage.content), int(first)
    if start >= whole:
        return answer(handler, 416, {"Content-Range": f"bytes */{whole}"}, b"")
    body = stage.content[start : int(last) + 1 if last else whole]
    body = body[: stage.most] if wanted else body
    headers = {
        "Content-Type": "video/webm",
        "ETag": stage.etag,
        "Last-Modified": stage.last_modified,
    }
    if stage.length:
        headers["Content-Length"] = str(len(body))
    if wanted:
        start, stage.shift = start + stage.shift, 0
        headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{whole}"
    said = {name: value for name, value in headers.items() if value is not None}
    answer(
        handler, 206 if wanted else 200, said, body[: -step if step <= 0 else whole], stage.drip_s
    )


def answer(
    handler: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    body: bytes,
    drip_s: float = 0.0,
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.close_connection = True
    for start in range(0, len(body), 16_384):
        try:
            handler.wfile.write(body[start : start + 16_384])
        except OSError:
            return  # the client went away
        time.sleep(drip_s)


@cache
def first_answer() -> tuple[str, str]:
    """yt-dlp's answer for such a page, as JSON, and its address: looking it up takes long."""
    with serve(Stage(query="?QUERY")) as stage:
        return json.dumps(ask_youtube(Source(kind="http", url=stage.url), QUICK)), stage.url


def look(stage: Stage, settings: FetchSettings = QUICK, **changes: Any) -> Offer:
    """Offer the page's video; `changes` are made to its format, as if yt-dlp had said so."""
    answer, url = first_answer()
    base, ours = url.removesuffix("/walk.html"), stage.url.removesuffix("/walk.html")
    info = json.loads(answer.replace(base, ours).replace("?QUERY", stage.query))
    info["formats"][0].update(changes)
    return offer_youtube(Source(kind="http", url=stage.url), info, settings)


def bring(
    offer: Offer,
    folder: Path,
    settings: FetchSettings = QUICK,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> bytes:
    landing = Landing(folder=folder, name="walk")
    arrival = bring_youtube(offer, landing, settings=settings, progress=progress)
    assert arrival.said == offer.said
    assert arrival.extension == "webm"
    return arrival.part.read_bytes()


def begin(wanted: str | None) -> int:
    """The first byte that was asked for."""
    return int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
