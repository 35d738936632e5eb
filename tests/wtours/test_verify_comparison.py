"""What is stated, said and measured is compared with the tolerances that the documents name."""

import pytest

from wtours.integrity import Expected, compare_said
from wtours.integrity.comparison import (
    clock,
    codec_family,
    compare_codec,
    compare_duration,
    compare_rate,
    compare_size,
    rate_text,
    short_clock,
)
from wtours.manifest import Stated


@pytest.mark.parametrize(
    ("measured_s", "stated_s", "said_s", "verdict"),
    [
        (6598.3, None, None, "ok"),
        (6598.3, 6658.0, 6600.0, "ok"),
        (6598.3, 6500.0, 6598.0, "fault"),  # 1 % of it is 65 s
        (5900.0, 5961.0, None, "fault"),  # 60 s is more than 1 %
        (10500.0, 10604.0, None, "ok"),
        (3600.0, None, 3603.1, "ok"),  # 0.2 % is 7.2 s
        (3600.0, None, 3608.0, "fault"),
        (60.0, None, 62.9, "ok"),
        (60.0, None, 63.1, "fault"),
    ],
)
def test_duration(
    measured_s: float, stated_s: float | None, said_s: float | None, verdict: str
) -> None:
    row = compare_duration(measured_s, Expected(stated=Stated(duration_s=stated_s)), said_s=said_s)
    assert row.verdict == verdict
    assert (row.finding == "") == (verdict == "ok")


def test_venice_of_the_mirror_is_told_in_hours() -> None:
    row = compare_duration(6600.0, Expected(stated=Stated(duration_s=13200.0)), said_s=None)
    assert row.finding == (
        "it lasts 1:50:00.0 (6600.0 s), the manifest states 3:40:00.0 (13200.0 s)"
    )


@pytest.mark.parametrize(
    ("measured", "stated", "asked", "said", "verdict"),
    [
        (59.94, 60.0, 60.0, 59.94, "ok"),
        (59.94, 60.0, 60.0, 60, "ok"),
        (29.97, 60.0, 60.0, 29.97, "fault"),
        (29.97, 60.0, 30.0, 30, "ok"),
        (60.0, 30.0, None, None, "note"),
        (24.0, 30.0, 60.0, None, "fault"),
        (30.0, None, 60.0, 30, "ok"),
        (30.0, None, None, 25, "fault"),
    ],
)
def test_rate(
    measured: float,
    stated: float | None,
    asked: float | None,
    said: float | None,
    verdict: str,
) -> None:
    expected = Expected(stated=Stated(fps=stated), fps=asked)
    assert compare_rate(measured, expected, said_rate=said).verdict == verdict


@pytest.mark.parametrize(
    ("measured", "asked", "said", "turned", "verdict"),
    [
        ((3840, 2160), 2160, (3840, 2160), False, "ok"),
        ((1920, 1080), 2160, (1920, 1080), False, "fault"),  # fewer lines than stated
        ((1920, 1080), 1080, (1920, 1080), False, "note"),  # as many as were asked for
        ((1280, 720), 1080, None, False, "fault"),
        ((4096, 2160), None, None, False, "note"),
        ((2160, 3840), None, (2160, 3840), False, "note"),
        ((2160, 3840), None, (3840, 2160), False, "fault"),
        ((2160, 3840), None, (3840, 2160), True, "note"),
        ((3840, 2160), None, (3840, 2158), False, "fault"),
    ],
)
def test_size(
    measured: tuple[int, int],
    asked: int | None,
    said: tuple[int, int] | None,
    turned: bool,
    verdict: str,
) -> None:
    expected = Expected(stated=Stated(width=3840, height=2160), resolution=asked)
    row = compare_size(measured, expected, said_size=said, turned=turned)
    assert row.verdict == verdict


@pytest.mark.parametrize(
    ("measured", "said", "verdict"),
    [
        ("vp9", "vp09.00.51.08", "ok"),
        ("vp9", "vp9", "ok"),
        ("av1", "av01.0.13M.08", "ok"),
        ("h264", "avc1.640028", "ok"),
        ("hevc", "hvc1.1.6.L93.90", "ok"),
        ("h264", "av01.0.13M.08", "fault"),
        ("h264", "something new", "ok"),
        ("h264", "none", "ok"),
        ("h264", None, "ok"),
    ],
)
def test_codec(measured: str, said: str | None, verdict: str) -> None:
    assert compare_codec(measured, Expected(said={"format": {"vcodec": said}})).verdict == verdict
    assert codec_family("avc3.42") == "h264"


def test_platform_is_compared_with_manifest_before_anything_is_fetched() -> None:
    expected = Expected(
        stated=Stated(width=3840, height=2160, fps=60.0, duration_s=6600.0),
        said={"duration": 13200, "format": {"width": 1920, "height": 1080, "fps": 30}},
    )
    rows = {row.name: row for row in compare_said(expected)}
    assert {name: row.verdict for name, row in rows.items()} == {
        "duration": "fault",
        "frame rate": "fault",
        "size": "fault",
    }
    assert rows["duration"].finding.startswith("the platform says that it lasts 3:40:00.0")
    assert all(row.measured == "" and row.said for row in rows.values())


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"duration": None, "format": None},
        {"format": {"fps": None, "width": "?"}, "duration": 0},
    ],
)
def test_what_nobody_says_is_not_missed(said: dict[str, object]) -> None:
    assert compare_said(Expected(said=said)) == ()


def test_numbers_are_written_for_people() -> None:
    assert (clock(0.0), clock(59.94), clock(59.96)) == ("0.0 s", "59.9 s", "1:00.0 (60.0 s)")
    assert (short_clock(3599.97), short_clock(9.0)) == ("1:00:00.0", "0:09.0")
    assert (rate_text(30000 / 1001), rate_text(60.0)) == ("29.970", "60")
