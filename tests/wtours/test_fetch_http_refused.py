"""What a web server refuses, withholds or gets wrong is told with its reason."""

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

from tests.wtours.http_bringing import CONTENT, QUICK, bring, brought, names, refusal, source
from tests.wtours.web_server import Site, serve
from wtours.errors import WtoursError
from wtours.fetch.http import ask_http
from wtours.fetch.landing import UnreachableError
from wtours.fetch.settings import FetchSettings

pytestmark = pytest.mark.usefixtures("no_proxies")


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(CONTENT)) as served:
        yield served


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


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404"), (403, "answers 403")])
def test_asking_meets_the_same_faults(site: Site, status: int, words: str) -> None:
    site.head_status, site.refusals = status, [(status, {})] * 9
    with pytest.raises(WtoursError, match=words):
        ask_http(source(site.url), QUICK)
