"""A file comes from YouTube's servers whole, in spite of cuts, refusals and changed files."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.youtube_server import CONTENT, OTHER, QUICK, Stage, begin, bring, look, serve
from wtours.errors import WtoursError
from wtours.fetch.landing import DiskFullError, UnreachableError
from wtours.fetch.youtube import ask_youtube, offer_youtube
from wtours.manifest import Source


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serve(Stage()) as served:
        yield served


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
