"""What YouTube's refusals mean, in the words in which users reported them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from wtours.errors import WtoursError
from wtours.fetch.landing import DiskFullError, UnreachableError
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube_fault_table import FAULTS, NO_FORMATS
from wtours.fetch.youtube_faults import (
    explain_fault,
    find_fault,
    format_missing,
    waiting_helps,
)

URL = "https://www.youtube.com/watch?v=-bcdefghij_"
REPORTED: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "youtube" / "reported_errors.toml").read_text(encoding="utf-8")
)["error"]
ROWS = {fault.name: fault for fault in (*NO_FORMATS, *FAULTS)}
OURS = {
    "--codec",
    "--cookies",
    "--cookies-from-browser",
    "--fps",
    "--jobs",
    "--out",
    "--resolution",
    "--retries",
    "--sleep",
    "--source",
    "--upgrade",  # of pip
}


@pytest.mark.parametrize("prefix", ["", "\x1b[0;31mERROR:\x1b[0m "])
@pytest.mark.parametrize("case", REPORTED, ids=lambda case: f"{case['means']}: {case['source']}")
def test_reported_error_has_its_meaning_and_remedy(prefix: str, case: dict[str, Any]) -> None:
    text = prefix + case["text"].removeprefix("ERROR: ") if prefix else case["text"]
    fault, row = explain_fault(URL, text, case.get("heard", [])), ROWS[case["means"]]
    subject = "YouTube" if row.kind is UnreachableError else URL  # it holds for other videos too
    assert fault.message.startswith(f"{subject}: {row.meaning} (")
    assert fault.remedy == row.remedy
    assert type(fault) is row.kind


@pytest.mark.parametrize("case", REPORTED, ids=lambda case: f"{case['means']}: {case['source']}")
def test_what_is_quoted_of_an_error_is_short_and_free_of_its_own_advice(
    case: dict[str, Any],
) -> None:
    quoted = explain_fault(URL, case["text"], []).message
    assert not re.search(r"--\w|-t sleep|github\.com|ERROR:|\[youtube|caused by|\n|\x1b", quoted)
    assert len(quoted) < 450


def test_every_row_is_hit_by_a_reported_error() -> None:
    assert {case["means"] for case in REPORTED} == set(ROWS)
    assert all(case["source"] for case in REPORTED)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_remedy_names_what_a_user_can_type_or_do(row: Any) -> None:
    named = set(re.findall(r"--[a-z-]+", row.remedy))
    assert named <= OURS
    doings = "allow|check|close|correct|export|fetch|free|name|pip|run|show|sign|take|wait"
    assert named or re.match(doings, row.remedy)
    assert row.meaning[0].isalpha()
    assert not row.meaning.endswith(".")
    assert not row.remedy.endswith(".")


def test_unknown_error_is_passed_on_as_it_reads() -> None:
    fault = explain_fault(URL, "ERROR: [youtube] abcdefghijk: something nobody has seen", [])
    assert fault.message == f"{URL}: something nobody has seen"
    assert "yt-dlp" in fault.remedy
    assert find_fault("something nobody has seen", []) is None


def test_full_disk_and_unreachable_platform_are_kinds_of_their_own() -> None:
    full = explain_fault(URL, "ERROR: unable to write data: [Errno 28] No space left on device", [])
    assert isinstance(full, DiskFullError)
    assert isinstance(explain_fault(URL, "Name or service not known", []), UnreachableError)
    assert not isinstance(explain_fault(URL, "Private video", []), UnreachableError)


def test_waiting_helps_unless_the_way_there_is_closed() -> None:
    assert waiting_helps("[youtube] The read operation timed out. Retrying (1/3)...")
    assert waiting_helps("[youtube] HTTP Error 503: Service Unavailable. Retrying (1/3)...")
    assert not waiting_helps("[youtube] [Errno -2] Name or service not known. Retrying (1/3)...")
    assert not waiting_helps("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


def track(vcodec: str, lines: int, fps: float) -> dict[str, Any]:
    return {
        "format_id": f"{vcodec}-{lines}-{fps}",
        "vcodec": vcodec,
        "acodec": "none",
        "width": lines * 16 // 9,
        "height": lines,
        "fps": fps,
        "protocol": "https",
    }


@pytest.mark.parametrize(
    ("formats", "settings", "message", "remedy"),
    [
        (
            [track("vp9", 2160, 60), track("vp9", 720, 60), track("avc1.64002a", 1080, 60)],
            {"codec": "av1"},
            "it has no AV1 up to 2160 lines and 60 pictures a second; "
            "it has VP9 (2160 lines), H.264 (1080 lines)",
            "--codec auto",
        ),
        (
            [track("vp9", 1440, 30), track("vp9", 2160, 30)],
            {"resolution": 1080},
            "its smallest has 1440 lines",
            "--resolution 1440",
        ),
        ([track("vp9", 1080, 60)], {"fps": 30.0}, "its slowest has 60 a second", "--fps 60"),
        (
            [{**track("vp9", 1080, 60), "protocol": "m3u8_native"}],
            {},
            "no picture track of it that is a file of its own",
            "--source figshare",
        ),
    ],
)
def test_missing_format_names_what_there_is(
    formats: list[dict[str, Any]], settings: dict[str, Any], message: str, remedy: str
) -> None:
    fault = format_missing(URL, {"formats": formats}, FetchSettings(**settings))
    assert message in fault.message
    assert remedy in fault.remedy


def test_missing_format_is_explained_by_what_was_heard_before() -> None:
    heard = ["[youtube] n challenge solving failed: Some formats may be missing."]
    fault = format_missing(URL, {"formats": [], "warnings": heard}, FetchSettings())
    assert "challenge" in fault.message
    live: WtoursError = format_missing(
        URL, {"formats": [], "live_status": "is_live"}, FetchSettings()
    )
    assert "live now" in live.message
