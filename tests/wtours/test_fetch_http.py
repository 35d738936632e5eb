"""A file comes whole from any web server that lets it, and goes on where it broke off."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wtours.http_bringing import CONTENT, OTHER, QUICK, bring, brought, names, refusal, source
from tests.wtours.web_server import Site, serve
from wtours.errors import WtoursError
from wtours.fetch.http import ask_http
from wtours.fetch.settings import FetchSettings

pytestmark = pytest.mark.usefixtures("no_proxies")


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(CONTENT)) as served:
        yield served


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


def test_redirects_are_followed_with_range_and_condition(tmp_path: Path, site: Site) -> None:
    site.redirects = {"/a": "/b", "/b": "../videos/w%C3%A4lk file.mp4?x=1 2"}
    site.cuts = [1000]
    with serve(Site(b"", redirects={"/c": site.base + "/a"})) as other_host:
        assert brought(tmp_path, other_host.base + "/c") == CONTENT
    assert site.asked[-1] == ("bytes=1000-", '"first"')
    assert site.paths[-1] == "/videos/w%C3%A4lk%20file.mp4?x=1%202"


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


def test_slow_drip_brings_the_file(tmp_path: Path, site: Site) -> None:
    site.drip_s = 0.06  # pauses shorter than the time limit, together longer
    settings = FetchSettings(timeout_s=0.4, retries=0)
    assert brought(tmp_path, site.url, settings) == CONTENT


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
    # Without a wait the rest may come in one piece, told once.
    calls_before_stop = 3 if waiting else 1
    calls = 0

    def progress(done_bytes: int, total_bytes: int | None) -> None:
        nonlocal calls
        calls += done_bytes >= 80_000
        if calls >= calls_before_stop:
            raise stop("enough")

    began_s = time.monotonic()
    with pytest.raises(stop):
        bring(tmp_path, site.url, FetchSettings(first_wait_s=60), progress)
    assert time.monotonic() - began_s < 3
    have_bytes = (tmp_path / "walk.mp4.part").stat().st_size
    assert have_bytes >= 80_000
    assert brought(tmp_path, site.url) == CONTENT
    assert have_bytes == len(CONTENT) or site.asked[-1][0] == f"bytes={have_bytes}-"


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
