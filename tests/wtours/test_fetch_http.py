"""A file comes whole from any web server that lets it, or not at all and with a reason."""

import random
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import OpenerDirector

import pytest

from tests.wtours.web_server import Site, serve
from wtours.errors import WtoursError
from wtours.fetch.http import ask_http, bring_http
from wtours.fetch.landing import Arrival, Landing, UnreachableError
from wtours.fetch.offer import Offer
from wtours.fetch.settings import FetchSettings
from wtours.manifest import Source

QUICK = FetchSettings(retries=3, first_wait_s=0.01, timeout_s=5)
CONTENT = b"\0\0\0\x20ftypisom" + random.Random(0).randbytes(150_000)
OTHER = b"\0\0\0\x20ftypisom" + random.Random(1).randbytes(170_000)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(CONTENT)) as served:
        yield served


def source(url: str) -> Source:
    return Source(kind="http", url=url)


def bring(
    folder: Path, url: str, settings: FetchSettings = QUICK, progress: Any = lambda *_: None
) -> Arrival:
    landing = Landing(folder=folder, name="walk")
    offer = Offer(source=source(url))
    return bring_http(offer, landing, settings=settings, progress=progress)


def brought(folder: Path, url: str, settings: FetchSettings = QUICK) -> bytes:
    return bring(folder, url, settings).part.read_bytes()


def refusal(folder: Path, url: str, settings: FetchSettings = QUICK) -> WtoursError:
    with pytest.raises(WtoursError) as caught:
        bring(folder, url, settings)
    assert caught.value.remedy
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_comes_whole_with_what_the_server_said(tmp_path: Path, site: Site) -> None:
    site.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT"
    told: list[tuple[int, int | None]] = []
    arrival = bring(tmp_path, site.url, progress=lambda *step: told.append(step))
    assert arrival.part.read_bytes() == CONTENT
    assert (arrival.part.name, arrival.extension) == ("walk.mp4.part", "mp4")
    assert arrival.said == {
        "url": site.url,
        "validator": '"first"',
        "etag": '"first"',
        "last_modified": site.last_modified,
        "size_bytes": len(CONTENT),
    }
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


@pytest.mark.parametrize("tenth", range(10))
def test_cut_connection_is_resumed_where_it_broke(tmp_path: Path, site: Site, tenth: int) -> None:
    cut = len(CONTENT) * tenth // 10
    site.cuts = [cut]
    assert brought(tmp_path, site.url) == CONTENT
    assert site.asked[1] == ((f"bytes={cut}-", '"first"') if cut else (None, None))
    assert site.sent_bytes == len(CONTENT)


def test_connection_cut_at_every_tenth_brings_the_file_at_once(tmp_path: Path, site: Site) -> None:
    site.cuts = [len(CONTENT) // 10] * 10
    assert brought(tmp_path, site.url, FetchSettings(retries=1, first_wait_s=0)) == CONTENT
    assert site.sent_bytes == len(CONTENT)
    assert len(site.asked) == 11


def test_part_is_kept_when_attempts_run_out(tmp_path: Path, site: Site) -> None:
    half = len(CONTENT) // 2
    site.cuts = [half, 0, 0, 0]
    fault = refusal(tmp_path, site.url)
    assert f"stopped after {half} of {len(CONTENT)} bytes; {half} bytes are there" in fault.message
    assert "run the same command again" in fault.remedy
    assert names(tmp_path) == ["walk.mp4.part", "walk.mp4.part.json"]
    assert brought(tmp_path, site.url) == CONTENT
    assert site.sent_bytes == len(CONTENT)


@pytest.mark.parametrize("etag", ['"second"', None])
def test_changed_file_is_never_joined(tmp_path: Path, site: Site, etag: str | None) -> None:
    """Between two parts the server's file becomes another one; the result is that one, whole."""
    site.cuts = [len(CONTENT) // 2, 0, 0, 0]
    refusal(tmp_path, site.url)
    site.content, site.etag = OTHER, etag
    assert brought(tmp_path, site.url) == OTHER


@pytest.mark.parametrize(
    ("content", "etag"), [(OTHER[: len(CONTENT)], '"second"'), (OTHER, '"first"'), (OTHER, None)]
)
def test_changed_file_is_noticed_although_the_server_overlooks_the_condition(
    tmp_path: Path, site: Site, content: bytes, etag: str | None
) -> None:
    """By the ETag of the range, or by the size of the whole."""
    site.conditions, site.cuts = False, [len(CONTENT) // 2, 0, 0, 0]
    refusal(tmp_path, site.url)
    site.content, site.etag = content, etag
    assert brought(tmp_path, site.url) == content


@pytest.mark.parametrize(
    ("etag", "last_modified", "resumed"),
    [
        (None, None, False),
        ('W/"weak"', None, False),
        (None, "Wed, 21 Oct 2015 07:28:00 GMT", True),
    ],
)
def test_part_is_continued_only_with_a_validator(
    tmp_path: Path, site: Site, etag: str | None, last_modified: str | None, resumed: bool
) -> None:
    site.etag, site.last_modified, site.cuts = etag, last_modified, [1000]
    assert brought(tmp_path, site.url) == CONTENT
    assert site.asked[1] == (("bytes=1000-", last_modified) if resumed else (None, None))


def test_part_of_another_address_is_not_continued(tmp_path: Path, site: Site) -> None:
    site.cuts = [1000, 0, 0, 0]
    refusal(tmp_path, site.url)
    assert brought(tmp_path, site.url + "?other") == CONTENT
    assert site.asked[-1] == (None, None)


@pytest.mark.parametrize("receipt", [None, "{", "[]", '{"url": 3}'])
def test_part_without_a_usable_receipt_is_not_continued(
    tmp_path: Path, site: Site, receipt: str | None
) -> None:
    (tmp_path / "walk.mp4.part").write_bytes(b"x" * 1000)
    if receipt is not None:
        (tmp_path / "walk.mp4.part.json").write_text(receipt)
    assert brought(tmp_path, site.url) == CONTENT


def test_part_that_is_longer_than_the_file_starts_anew(tmp_path: Path, site: Site) -> None:
    site.cuts = [1000, 0, 0, 0]
    refusal(tmp_path, site.url)
    (tmp_path / "walk.mp4.part").write_bytes(OTHER)
    assert brought(tmp_path, site.url) == CONTENT


def test_whole_part_is_taken_without_asking(tmp_path: Path, site: Site) -> None:
    said = bring(tmp_path, site.url).said
    asked = len(site.paths)
    again = bring(tmp_path, site.url)
    assert (again.said, len(site.paths)) == (said, asked)


def test_server_without_ranges_starts_anew(tmp_path: Path, site: Site) -> None:
    site.ranges, site.cuts = False, [1000, 2000]
    assert brought(tmp_path, site.url) == CONTENT


def test_answer_for_another_place_is_thrown_away(tmp_path: Path, site: Site) -> None:
    site.cuts, site.range_errors = [1000], 1
    assert brought(tmp_path, site.url) == CONTENT


def test_file_in_pieces_without_a_length_comes_whole(tmp_path: Path) -> None:
    with serve(Site(CONTENT, chunked=True)) as site:
        site.cuts = [70_000]
        assert brought(tmp_path, site.url) == CONTENT
        assert bring(tmp_path, site.url).said["size_bytes"] is None


@pytest.mark.parametrize("status", [403, 408, 425, 429, 500, 502, 503, 504, 520, 202])
def test_refusal_that_may_pass_is_tried_again(tmp_path: Path, site: Site, status: int) -> None:
    site.refusals = [(status, {})]
    assert brought(tmp_path, site.url) == CONTENT
    site.refusals = [(status, {})] * 4
    fault = refusal(tmp_path, site.url + "?again")
    assert f"the server answers {status}" in fault.message
    assert ("it may have expired" if status == 403 else "later") in fault.remedy


@pytest.mark.parametrize("status", [204, 400, 401, 404, 410, 451, 501])
def test_refusal_for_good_is_told_at_once(tmp_path: Path, site: Site, status: int) -> None:
    site.refusals = [(status, {})]
    fault = refusal(tmp_path, site.url)
    assert f"the server answers {status}" in fault.message
    assert "open the address in a browser" in fault.remedy
    assert len(site.asked) == 1
    assert names(tmp_path) == []


def test_busy_server_gets_the_pause_that_it_asks_for(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_s = time.monotonic()
    site.refusals = [(429, {"Retry-After": "1"})]
    assert brought(tmp_path, site.url) == CONTENT
    assert time.monotonic() - began_s >= 1
    waits: list[float] = []
    monkeypatch.setattr("wtours.fetch.pace.rest", lambda wait_s, told: waits.append(wait_s))
    for until in (
        format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True),
        format_datetime(datetime.now(timezone(timedelta(hours=5))) + timedelta(seconds=100)),
    ):
        site.refusals = [(503, {"Retry-After": until})]
        assert brought(tmp_path, f"{site.url}?{len(waits)}") == CONTENT
    assert waits == pytest.approx([100, 100], abs=5)


@pytest.mark.parametrize(
    "pause",
    ["soon", "", "-5", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 -0000"],
)
def test_pause_that_is_none_is_our_own(tmp_path: Path, site: Site, pause: str) -> None:
    site.refusals = [(503, {"Retry-After": pause})]
    assert brought(tmp_path, site.url) == CONTENT


def test_pause_of_hours_is_told_and_not_waited_for(tmp_path: Path, site: Site) -> None:
    site.refusals = [(429, {"Retry-After": "7200"})]
    fault = refusal(tmp_path, site.url)
    assert "429 Too Many Requests, and asks for a pause of 2.0 h" in fault.message
    assert "after that" in fault.remedy


def test_waits_grow(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("wtours.fetch.pace.rest", lambda wait_s, told: waits.append(wait_s))
    site.refusals = [(500, {})] * 9
    refusal(tmp_path, site.url, FetchSettings(retries=8, first_wait_s=1))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_redirects_are_followed_with_range_and_condition(tmp_path: Path, site: Site) -> None:
    site.redirects = {"/a": "/b", "/b": "../videos/w%C3%A4lk file.mp4?x=1 2"}
    site.cuts = [1000]
    with serve(Site(b"", redirects={"/c": site.base + "/a"})) as other_host:
        assert brought(tmp_path, other_host.base + "/c") == CONTENT
    assert site.asked[-1] == ("bytes=1000-", '"first"')
    assert site.paths[-1] == "/videos/w%C3%A4lk%20file.mp4?x=1%202"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/circle", "leads in a circle"),
        ("", "leads on without saying where to"),
        ("ftp://127.0.0.1/walk.mp4", "which is no web address"),
        ("file:///etc/passwd", "which is no web address"),
    ],
)
def test_redirect_to_no_file_is_refused(
    tmp_path: Path, site: Site, location: str, words: str
) -> None:
    site.redirects = {"/circle": location}
    assert words in refusal(tmp_path, site.base + "/circle").message
    with pytest.raises(WtoursError, match=words):
        ask_http(source(site.base + "/circle"), QUICK)
    assert names(tmp_path) == []


def test_wrong_length_is_not_taken_for_the_file(tmp_path: Path, site: Site) -> None:
    site.announced_bytes = len(CONTENT) + 7
    fault = refusal(tmp_path, site.url)
    assert f"stopped after {len(CONTENT)} of {len(CONTENT) + 7} bytes" in fault.message


def test_bytes_beyond_the_announced_length_are_left(tmp_path: Path, site: Site) -> None:
    site.announced_bytes = len(CONTENT) - 7
    arrival = bring(tmp_path, site.url)
    assert arrival.part.read_bytes() == CONTENT[:-7]
    assert arrival.said["size_bytes"] == len(CONTENT) - 7


def test_range_that_is_longer_than_it_says_is_not_joined(tmp_path: Path) -> None:
    """Nor written: it might have no end."""
    reached: list[int] = []
    with serve(Site(CONTENT, chunked=True, total_told=6000)) as site:
        site.cuts = [5000]
        arrival = bring(tmp_path, site.url, progress=lambda done, _: reached.append(done))
        assert arrival.part.read_bytes() == CONTENT
        assert [span for span, _ in site.asked] == [None, "bytes=5000-", None]
    resumed = reached[: len(reached) - reached[::-1].index(0)]
    assert max(resumed) == 5000


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "text/html", r"a page (text/html)"),
        (b"<!DOCTYPE html><html>Sign in</html>", "video/mp4", "a web page (HTML)"),
        (b'{"error": "quota"}', "application/json", "a page (application/json)"),
        (b'{"error": "quota"}', "application/octet-stream", "a text answer (XML or JSON)"),
        (b"try again later", "text/plain", "text"),
        (b"", "video/mp4", "an empty file"),
    ],
)
@pytest.mark.parametrize("head_status", [200, 405])
def test_what_is_no_video_is_refused_and_leaves_nothing(
    tmp_path: Path, site: Site, body: bytes, kind: str, words: str, head_status: int
) -> None:
    site.content, site.content_type, site.head_status = body, kind, head_status
    assert f"sends {words} instead of a video" in refusal(tmp_path, site.url).message
    assert names(tmp_path) == []
    if head_status == 405 or kind == "text/html" or not body:
        with pytest.raises(WtoursError, match="instead of a video"):
            ask_http(source(site.url), QUICK)


def test_video_of_a_kind_unknown_to_its_server_comes(tmp_path: Path, site: Site) -> None:
    site.content_type = "text/plain; charset=utf-8"
    assert brought(tmp_path, site.url) == CONTENT


def test_page_in_between_does_not_cost_the_part(tmp_path: Path, site: Site) -> None:
    """A network that wants a sign-in answers in the server's place, for a while."""
    site.cuts = [100_000, 0, 0, 0]
    refusal(tmp_path, site.url)
    page = (200, {"Content-Type": "video/mp4"}, b"<html>Welcome to the hotel</html>")
    site.pages = {"/videos/walk.mp4": page}
    assert "a web page" in refusal(tmp_path, site.url).message
    site.pages = {}
    assert brought(tmp_path, site.url) == CONTENT
    assert site.sent_bytes == len(CONTENT)


def test_packed_answer_is_refused(tmp_path: Path, site: Site) -> None:
    site.more = {"Content-Encoding": "gzip"}
    assert "something packed (gzip)" in refusal(tmp_path, site.url).message


def test_challenge_for_browsers_is_named(tmp_path: Path, site: Site) -> None:
    """As figshare's guard answers programs: 202, an empty page, and a header of its own."""
    site.refusals = [(202, {"x-amzn-waf-action": "challenge", "Content-Type": "text/html"})]
    fault = refusal(tmp_path, site.url)
    assert "wants to see a browser first" in fault.message
    assert 'source of kind "file"' in fault.remedy
    assert len(site.asked) == 1


def test_first_bytes_are_judged_together(tmp_path: Path, site: Site) -> None:
    """A few letters at a time, an AVI's head would pass for text."""
    site.content = b"RIFF" + CONTENT[:3000]
    site.piece_bytes, site.drip_s, site.cuts = 3, 0.0001, [2]
    assert brought(tmp_path, site.url) == site.content


def test_slow_drip_brings_the_file(tmp_path: Path, site: Site) -> None:
    site.drip_s = 0.06  # pauses shorter than the time limit, together longer
    settings = FetchSettings(timeout_s=0.4, retries=0)
    assert brought(tmp_path, site.url, settings) == CONTENT


def test_trickle_is_given_up_and_said(tmp_path: Path, site: Site) -> None:
    site.cuts = [50_000, 50_000]
    refusal(tmp_path, site.url, FetchSettings(retries=0))
    site.piece_bytes, site.drip_s = 1, 0.02
    settings = FetchSettings(retries=1, first_wait_s=0.01, timeout_s=0.3)
    fault = refusal(tmp_path, site.url, settings)
    assert "the server sends less than 1 kB a second" in fault.message
    site.drip_s, site.piece_bytes, site.cuts = 0, 16_384, []
    assert brought(tmp_path, site.url) == CONTENT


def test_silence_is_given_up_and_said(tmp_path: Path) -> None:
    settings = FetchSettings(retries=1, first_wait_s=0.01, timeout_s=0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began_s = time.monotonic()
        fault = refusal(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}/w.mp4", settings)
    assert "the server is silent for too long" in fault.message
    assert time.monotonic() - began_s < 2


def test_speed_is_held_to_the_limit(tmp_path: Path, site: Site) -> None:
    """Over an interruption too; the time that it takes is not made up for."""
    limit_bytes_s = 200_000
    site.cuts = [60_000]
    settings = FetchSettings(rate_limit_bytes_s=limit_bytes_s, retries=1, first_wait_s=0)
    began_s = time.monotonic()
    assert brought(tmp_path, site.url, settings) == CONTENT
    speed_bytes_s = len(CONTENT) / (time.monotonic() - began_s)
    assert speed_bytes_s == pytest.approx(limit_bytes_s, rel=0.2)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("waiting", [False, True])
def test_stopped_by_its_progress_the_part_stays_usable(
    tmp_path: Path, site: Site, stop: type[BaseException], waiting: bool
) -> None:
    """Also in the middle of a wait of a minute, at once."""
    site.cuts = [80_000] if waiting else []
    calls = 0

    def progress(done_bytes: int, total_bytes: int | None) -> None:
        nonlocal calls
        calls += done_bytes >= 80_000
        if calls >= 3:
            raise stop("enough")

    began_s = time.monotonic()
    with pytest.raises(stop):
        bring(tmp_path, site.url, FetchSettings(first_wait_s=60), progress)
    assert time.monotonic() - began_s < 3
    have_bytes = (tmp_path / "walk.mp4.part").stat().st_size
    assert have_bytes >= 80_000
    assert brought(tmp_path, site.url) == CONTENT
    assert have_bytes == len(CONTENT) or site.asked[-1][0] == f"bytes={have_bytes}-"


def test_unreachable_servers_are_told_apart(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9/walk.mp4"
    with pytest.raises(UnreachableError, match=r"the connection failed \(Connection refused\)"):
        bring(tmp_path, closed)
    with pytest.raises(
        UnreachableError, match=r"the name no-such-host\.invalid cannot be resolved"
    ):
        bring(tmp_path, "http://no-such-host.invalid/walk.mp4", FetchSettings(first_wait_s=60))


def test_plain_server_behind_a_secure_address_is_told_at_once(tmp_path: Path, site: Site) -> None:
    settings = FetchSettings(first_wait_s=60)
    fault = refusal(tmp_path, site.url.replace("http:", "https:"), settings)
    assert "127.0.0.1 offers no secure connection (TLS: " in fault.message
    assert "_ssl.c" not in fault.message
    assert "begin with http:" in fault.remedy


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificate_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody vouches for is refused, so is one of another host; a trusted one will do."""
    made = tmp_path / "made.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", made, "-out", tmp_path / "c"]
    subprocess.run(["openssl", *words, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", made)
    patient = FetchSettings(first_wait_s=60)
    with serve(Site(CONTENT), tls=context) as site:
        site.cuts = [60_000]
        fault = refusal(tmp_path, site.url, patient)
        assert "localhost cannot prove who it is (TLS: self-signed certificate" in fault.message
        assert "SSL_CERT_FILE" in fault.remedy
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "c"))
        fault = refusal(tmp_path, site.url.replace("localhost", "127.0.0.1"), patient)
        assert "(TLS: IP address mismatch" in fault.message
        assert brought(tmp_path, site.url) == CONTENT
        assert site.asked[-1][0] == "bytes=60000-"
        site.redirects = {"/down": site.url.replace("https:", "http:")}
        fault = refusal(tmp_path, site.base + "/down")
        assert "leads from https on to http://localhost" in fault.message


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "cannot be resolved"),
        (ssl.SSLCertVerificationError(1, "certificate has expired"), "cannot prove who it is"),
    ],
)
def test_what_no_waiting_mends_is_told_at_once_unless_it_worked_before(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, reason: OSError, words: str
) -> None:
    works, open_really = [False], OpenerDirector.open

    def open_or_fail(opener: OpenerDirector, request: Any, timeout: float) -> Any:
        if works and not works.pop(0):
            raise URLError(reason)
        return open_really(opener, request, None, timeout)

    monkeypatch.setattr(OpenerDirector, "open", open_or_fail)
    fault = refusal(tmp_path, site.url, FetchSettings(retries=3, first_wait_s=60))
    assert words in fault.message
    assert "check" in fault.remedy
    works[:], site.cuts = [True, False, False, True], [1000]
    assert brought(tmp_path, site.url) == CONTENT


@pytest.mark.parametrize(
    "url", ["http://a..b/walk.mp4", "http://host:port/walk.mp4", "http://127.0.0.1:99999/walk.mp4"]
)
def test_address_that_is_none_is_named(tmp_path: Path, url: str) -> None:
    assert f"{url}: this is no usable address" in refusal(tmp_path, url).message


def test_letters_beyond_ascii_are_escaped(tmp_path: Path, site: Site) -> None:
    assert brought(tmp_path, site.base + "/videos/à pied%20.mp4?q=ü") == CONTENT
    assert site.paths == ["/videos/%C3%A0%20pied%20.mp4?q=%C3%BC"]


def test_proxy_of_the_environment_is_used(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.base)
    assert brought(tmp_path, "http://example.invalid/walk.mp4") == CONTENT
    assert site.paths == ["http://example.invalid/walk.mp4"]
    site.refusals = [(407, {})]
    fault = refusal(tmp_path, "http://example.invalid/other.mp4")
    assert "the proxy answers 407" in fault.message
    assert "http_proxy" in fault.remedy


@pytest.mark.parametrize("head_status", [200, 403, 405, 501])
def test_asking_fetches_nothing_and_knows_the_size(site: Site, head_status: int) -> None:
    site.head_status, site.drip_s = head_status, 0.01
    site.url = site.url.replace("walk.mp4", "walk.WebM?token=a.b")
    offer = ask_http(source(site.url), QUICK)
    assert (offer.size_bytes, offer.extension) == (len(CONTENT), "webm")
    assert offer.said["etag"] == '"first"'
    assert (offer.licence, offer.shows_licence) == (None, False)
    assert len(site.asked) == (head_status != 200)


def test_asking_follows_redirects_by_head(site: Site) -> None:
    site.redirects = {"/a": "/videos/walk.mp4"}
    assert ask_http(source(site.base + "/a"), QUICK).size_bytes == len(CONTENT)
    assert site.asked == []


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404"), (403, "answers 403")])
def test_asking_meets_the_same_faults(site: Site, status: int, words: str) -> None:
    site.head_status, site.refusals = status, [(status, {})] * 9
    with pytest.raises(WtoursError, match=words):
        ask_http(source(site.url), QUICK)


@pytest.mark.parametrize("seed", range(25))
def test_server_full_of_faults_gives_a_whole_file_or_a_reason(tmp_path: Path, seed: int) -> None:
    """Cut, busy, forgetful and exchanging the file: parts of two files are never joined."""
    chance = random.Random(seed)
    files = [(CONTENT, '"first"'), (OTHER, '"second"'), (CONTENT[:-9], '"third"')]
    with serve(Site(CONTENT, chunked=chance.random() < 0.2)) as site:
        site.ranges, site.conditions = chance.random() < 0.8, chance.random() < 0.8
        for _ in range(12):
            site.cuts = [chance.randrange(len(CONTENT)) for _ in range(chance.randrange(6))]
            site.refusals = [(chance.choice([403, 429, 500, 503]), {})] * chance.randrange(5)
            site.successors = [chance.choice(files) for _ in range(chance.randrange(4))]
            site.range_errors = chance.randrange(2)
            try:
                content = brought(tmp_path, site.url, FetchSettings(retries=2, first_wait_s=0))
            except WtoursError:
                continue
            assert content in [whole for whole, _ in files]
            break
        else:
            pytest.fail("it never came")
