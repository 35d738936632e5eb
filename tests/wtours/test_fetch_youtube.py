"""YouTube's part of fetching, with yt-dlp for real against a page on this machine."""

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from wtours.doctor import find_deno
from wtours.errors import WtoursError
from wtours.fetch.landing import DiskFullError, Landing, UnreachableError
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube import ask_youtube, bring_youtube, offer_youtube
from wtours.fetch.youtube_session import downloader
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
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            stage.asked.append((path, self.headers.get("Range")))
            if path == "/walk.webm":
                return answer_file(self, stage)
            video = f"/walk.webm{stage.query}"
            body = (MPD.format(video=video) if path == "/walk.mpd" else PAGE).encode()
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


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serve(Stage()) as served:
        yield served


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


def test_page_is_looked_up_and_its_file_brought(stage: Stage, tmp_path: Path) -> None:
    source = Source(kind="http", url=stage.url)
    offer = offer_youtube(source, ask_youtube(source, QUICK), QUICK)
    assert offer.said == look(stage).said
    assert (offer.said["title"], offer.said["format"]["vcodec"]) == ("A walk (1)", "vp09.00.51.08")
    assert (offer.extension, offer.size_bytes, offer.shows_licence) == ("webm", None, True)
    assert stage.ranges_asked() == []
    told: list[tuple[int, int | None]] = []
    assert bring(offer, tmp_path, progress=lambda *step: told.append(step)) == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["walk.webm.part", "walk.webm.part.json"]


@pytest.mark.parametrize("tenth", range(10))
def test_cut_transfer_goes_on_about_where_it_broke_off(
    stage: Stage, tmp_path: Path, tenth: int
) -> None:
    """yt-dlp drops the block that it was reading, of at most half of what came before it."""
    cut = len(CONTENT) * tenth // 10
    stage.answers = [-cut]
    assert bring(look(stage), tmp_path) == CONTENT
    first, second = stage.ranges_asked()
    assert first is None
    assert cut == 0 or cut // 3 <= begin(second) <= cut
    assert stage.looked_up() == 0


def test_next_run_goes_on_with_the_part(stage: Stage, tmp_path: Path) -> None:
    impatient = replace(QUICK, retries=0)
    stage.answers = [-100_000]
    with pytest.raises(WtoursError, match=r"\d{5} bytes are there"):
        bring(look(stage), tmp_path, impatient)
    assert bring(look(stage), tmp_path, impatient) == CONTENT
    assert bring(look(stage), tmp_path, impatient) == CONTENT
    first, second = stage.ranges_asked()  # the third run asked for nothing
    assert (first, begin(second) > 33_000) == (None, True)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refused_address_is_asked_for_anew(stage: Stage, tmp_path: Path, status: int) -> None:
    stage.answers = [-50_000, status, 200]
    assert bring(look(stage), tmp_path) == CONTENT
    assert stage.looked_up() == 1
    _, second, third = stage.ranges_asked()
    assert begin(third) == begin(second) > 0


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_refusals_are_waited_for(stage: Stage, tmp_path: Path, status: int) -> None:
    stage.answers = [status, status, 200]
    assert bring(look(stage), tmp_path) == CONTENT
    assert stage.looked_up() == 0


def test_server_that_names_a_pause_is_given_it(stage: Stage, tmp_path: Path) -> None:
    stage.answers, stage.retry_after = [429], "1"
    offer, begun_s = look(stage), time.monotonic()
    assert bring(offer, tmp_path) == CONTENT
    assert time.monotonic() - begun_s >= 1


def test_server_that_names_a_long_pause_is_told_of(stage: Stage, tmp_path: Path) -> None:
    stage.answers, stage.retry_after = [429], "7200"
    with pytest.raises(UnreachableError, match="too much was asked"):
        bring(look(stage), tmp_path)


def test_server_that_knows_no_ranges_sends_the_whole(stage: Stage, tmp_path: Path) -> None:
    stage.answers, stage.ranges = [-100_000], False
    assert bring(look(stage), tmp_path) == CONTENT


def test_server_that_tells_no_length_is_believed_at_its_end(stage: Stage, tmp_path: Path) -> None:
    stage.length = False
    assert bring(look(stage), tmp_path) == CONTENT


def test_ranges_of_yt_dlp_are_put_together(stage: Stage, tmp_path: Path) -> None:
    """YouTube's files are asked for in pieces; the third one breaks off here."""
    stage.answers = [200, 200, -5000]
    offer = look(stage, downloader_options={"http_chunk_size": 50_000})
    assert bring(offer, tmp_path) == CONTENT
    ranges = [str(wanted) for wanted in stage.ranges_asked()]
    assert len(ranges) >= 7
    assert all(re.fullmatch(r"bytes=\d+-\d+", wanted) for wanted in ranges)


@pytest.mark.parametrize(
    "change",
    [
        {"content": OTHER, "etag": '"second"'},
        {"content": OTHER + b"more"},
        {"content": OTHER[:-50]},
        {"content": OTHER[:60_000]},
        {"content": OTHER, "etag": None, "last_modified": "Tue, 02 Jan 2024 00:00:00 GMT"},
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_file_that_changed_between_two_parts_is_not_joined(
    tmp_path: Path, change: dict[str, Any], runs: int
) -> None:
    etag = None if "last_modified" in change else '"first"'
    stage = Stage(etag=etag, last_modified="Mon, 01 Jan 2024 00:00:00 GMT")
    stage.answers = [-100_000, change]
    with serve(stage):
        if runs == 2:
            with pytest.raises(WtoursError):
                bring(look(stage), tmp_path, replace(QUICK, retries=0))
        assert bring(look(stage), tmp_path) == change["content"]


def test_another_date_is_no_other_file_where_youtube_says_when_it_was_made(
    tmp_path: Path,
) -> None:
    stage = Stage(etag=None, last_modified="Mon, 01 Jan 2024 00:00:00 GMT", query="?lmt=17")
    stage.answers = [-100_000, {"last_modified": "Tue, 02 Jan 2024 00:00:00 GMT"}]
    with serve(stage):
        assert bring(look(stage, filesize=len(CONTENT)), tmp_path) == CONTENT
        assert begin(stage.ranges_asked()[1]) > 33_000
        assert len(stage.ranges_asked()) == 2


def test_file_that_changes_again_and_again_ends_patience(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [{"etag": f'"{number}"', "answer": -100_000} for number in range(20)]
    with pytest.raises(WtoursError, match="again and again"):
        bring(look(stage), tmp_path, replace(QUICK, retries=2))
    assert 4 <= len(stage.ranges_asked()) <= 8


def test_file_that_was_begun_anew_is_given_as_much_patience(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-200_000, {"etag": '"second"'}, *[-40_000] * 6]
    assert bring(look(stage), tmp_path, replace(QUICK, retries=1)) == CONTENT


def test_server_that_sends_less_than_it_was_asked_for_is_asked_again(
    stage: Stage, tmp_path: Path
) -> None:
    stage.answers, stage.most = [-100_000], 60_000
    assert bring(look(stage), tmp_path, replace(QUICK, retries=1)) == CONTENT
    assert stage.looked_up() == 0
    begun = [begin(wanted) for wanted in stage.ranges_asked()]
    assert begun == sorted(set(begun))


def test_answer_from_elsewhere_in_the_file_is_not_taken(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-100_000, {"shift": 7}]
    assert bring(look(stage), tmp_path) == CONTENT


def test_file_of_another_size_than_was_announced_is_given_up(stage: Stage, tmp_path: Path) -> None:
    offer = look(stage, filesize=len(CONTENT) - 40)
    offer.handle.info["formats"][0]["filesize"] = len(CONTENT) - 40
    with pytest.raises(WtoursError, match="made the file anew") as caught:
        bring(offer, tmp_path, replace(QUICK, retries=0))
    assert "joined" in caught.value.remedy


def test_part_of_another_format_is_not_continued(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-100_000]
    with pytest.raises(WtoursError):
        bring(look(stage), tmp_path, replace(QUICK, retries=0))
    assert bring(look(stage, format_id="313"), tmp_path) == CONTENT
    assert stage.ranges_asked() == [None, None]


def test_part_that_youtube_made_anew_since_is_not_continued(stage: Stage, tmp_path: Path) -> None:
    stage.answers, stage.query = [-100_000], "?lmt=1700000000000001"
    with pytest.raises(WtoursError):
        bring(look(stage), tmp_path, replace(QUICK, retries=0))
    stage.query = "?lmt=1700000000000002"
    assert bring(look(stage), tmp_path) == CONTENT
    assert stage.ranges_asked() == [None, None]


def test_part_longer_than_the_file_is_thrown_away(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-100_000]
    with pytest.raises(WtoursError):
        bring(look(stage), tmp_path, replace(QUICK, retries=0))
    with (tmp_path / "walk.webm.part").open("ab") as part:
        part.write(bytes(len(CONTENT)))
    assert bring(look(stage), tmp_path) == CONTENT


def test_address_whose_time_is_over_is_asked_for_before_it_is_used(
    stage: Stage, tmp_path: Path
) -> None:
    stage.query = f"?expire={int(time.time()) + 30}"
    offer = look(stage)
    stage.query = f"?expire={int(time.time()) + 20_000}"
    assert bring(offer, tmp_path) == CONTENT
    assert stage.looked_up() == 1
    assert bring(look(stage), tmp_path) == CONTENT
    assert stage.looked_up() == 1


def test_format_that_is_gone_meanwhile_is_said(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [403]
    offer = look(stage, format_id="gone")
    with pytest.raises(WtoursError, match="no longer has the format gone"):
        bring(offer, tmp_path)


def test_patience_ends_after_attempts_that_bring_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-100_000, 403, 403, 403, 403]
    with pytest.raises(WtoursError, match=r"refuses to hand out the file \(403\).*\d bytes"):
        bring(look(stage), tmp_path, replace(QUICK, retries=2))
    assert len(stage.ranges_asked()) == 3
    assert (tmp_path / "walk.webm.part").stat().st_size > 10_000


def test_cuts_that_bring_something_new_never_end_patience(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [-30_000] * 9
    assert bring(look(stage), tmp_path, replace(QUICK, retries=1)) == CONTENT


def test_speed_keeps_to_the_limit(stage: Stage, tmp_path: Path) -> None:
    offer, begun_s = look(stage), time.monotonic()
    slow = replace(QUICK, rate_limit_bytes_s=len(CONTENT) * 2.0)
    assert bring(offer, tmp_path, slow) == CONTENT
    assert 0.4 < time.monotonic() - begun_s < 3


class StoppedError(Exception):
    """What another thread's wish to stop becomes."""


@pytest.mark.parametrize("kind", [StoppedError, KeyboardInterrupt, WtoursError])
def test_stop_from_progress_ends_at_once_and_can_be_continued(
    stage: Stage, tmp_path: Path, kind: Any
) -> None:
    threads, stop = threading.active_count(), kind if kind is not WtoursError else None

    def told(done: int, total: int | None) -> None:
        if done > 100_000:
            raise stop() if stop else WtoursError("stopped", remedy="go on")

    offer = look(stage)
    with pytest.raises(kind):
        bring(offer, tmp_path, progress=told)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["walk.webm.part", "walk.webm.part.json"]
    assert stage.ranges_asked() == [None]
    assert bring(look(stage), tmp_path) == CONTENT
    assert str(stage.ranges_asked()[1]).startswith("bytes=1")
    assert threading.active_count() <= threads + 1  # the server's own


def test_stop_is_heard_while_waiting(stage: Stage, tmp_path: Path) -> None:
    stage.answers = [503] * 10
    offer, begun_s, calls = look(stage), time.monotonic(), []

    def told(done: int, total: int | None) -> None:
        calls.append(done)
        raise StoppedError

    with pytest.raises(StoppedError):
        bring(offer, tmp_path, replace(QUICK, first_wait_s=30), progress=told)
    assert time.monotonic() - begun_s < 5


def test_full_disk_is_told_from_a_lost_connection(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is a file that the kernel refuses to write to."""
    from yt_dlp.downloader.http import HttpFD

    full = Path("/dev/full")
    monkeypatch.setattr(HttpFD, "sanitize_open", lambda self, name, mode: (full.open(mode), name))
    with pytest.raises(DiskFullError, match=r"walk\.webm\.part: no room is left"):
        bring(look(stage, filesize=len(CONTENT)), tmp_path)


def test_no_byte_is_asked_for_where_there_is_no_room(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="more are needed"):
        bring(look(stage, filesize=1 << 60), tmp_path)
    assert stage.ranges_asked() == []


def test_server_that_is_gone_is_explained(stage: Stage, tmp_path: Path) -> None:
    offer = look(stage)
    offer.handle.entry["url"] = "http://127.0.0.1:9/walk.webm"
    with pytest.raises(WtoursError, match="cannot be reached"):
        bring(offer, tmp_path, replace(QUICK, retries=1))


def test_page_that_cannot_be_asked_is_explained(stage: Stage) -> None:
    with pytest.raises(UnreachableError, match="YouTube cannot be reached"):
        ask_youtube(Source(kind="http", url="http://127.0.0.1:9/walk.html"), QUICK)


def test_javascript_runtime_that_doctor_finds_is_the_one_that_yt_dlp_uses() -> None:
    with downloader(QUICK, []) as ydl:
        info, found = ydl._js_runtimes["deno"].info, find_deno()
    assert (info and info.version) == (found and found[1])


RECORDED = Path(__file__).parent / "youtube"
WALK = Source(kind="youtube", id="-bcdefghij_")


def recorded(name: str) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return info


def test_offer_records_what_youtube_says() -> None:
    offer = offer_youtube(WALK, recorded("walk_2160p60_cc"), FetchSettings())
    assert offer.licence == "Creative Commons Attribution license (reuse allowed)"
    assert offer.shows_licence
    assert (offer.extension, offer.size_bytes, offer.notes) == ("webm", 2_190_443_871, ())
    said = offer.said
    assert {"id", "title", "channel", "channel_url", "upload_date", "license"} <= set(said)
    assert {"description", "formats", "tags", "warnings"}.isdisjoint(said)
    assert said["format"]["format_id"] == "315"
    assert (said["format"]["filesize"], said["format"]["fps"]) == (2_190_443_871, 60)
    assert said["choice"].startswith("format 315, VP9 of 2160 lines at 60 a second")
    assert json.loads(json.dumps(said)) == said


def test_video_that_shows_no_licence_is_told_from_one_without_a_place_for_it() -> None:
    offer = offer_youtube(WALK, recorded("walk_2160p30"), FetchSettings())
    assert (offer.licence, offer.shows_licence) == (None, True)
    assert "license" not in offer.said


def test_estimated_size_is_said_to_be_one() -> None:
    settings = FetchSettings(codec="h264")
    offer = offer_youtube(WALK, recorded("portrait_480p"), settings)
    assert offer.size_bytes == 43_935_334
    assert offer.notes[-1] == "its size is an estimate from its bit rate"
    unknown = offer_youtube(WALK, recorded("upscaled"), FetchSettings())
    assert unknown.size_bytes is None
    assert not any("estimate" in note for note in unknown.notes)


def test_settled_codec_gives_way_where_a_video_lacks_it_and_an_asked_one_does_not() -> None:
    walk, old = recorded("walk_2160p60_av1"), recorded("h264_only")
    shared = offer_youtube(WALK, walk, FetchSettings(), settled="av1")
    assert (shared.said["format"]["format_id"], shared.notes) == ("401", ())
    assert "AV1 as settled for the run" in shared.said["choice"]
    other = offer_youtube(WALK, old, FetchSettings(), settled="av1")
    assert other.said["format"]["format_id"] == "299"
    assert "H.264 although the other videos of this run are AV1" in other.notes[0]
    with pytest.raises(WtoursError, match=r"no AV1 .* it has H\.264 \(1080 lines\)"):
        offer_youtube(WALK, old, FetchSettings(codec="av1"))


@pytest.mark.network
def test_youtube_answers_today() -> None:
    """Looks a video of the manifest up; nothing is downloaded."""
    source = Source(kind="youtube", id="fGX0Te6pFvk")
    offer = offer_youtube(source, ask_youtube(source, FetchSettings()), FetchSettings())
    assert offer.said["format"]["height"] == 2160
