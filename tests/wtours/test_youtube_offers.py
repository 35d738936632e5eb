"""What YouTube says of a video becomes an offer."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.youtube_server import QUICK
from wtours.doctor import find_deno
from wtours.errors import WtoursError
from wtours.fetch.settings import FetchSettings
from wtours.fetch.youtube import ask_youtube, offer_youtube
from wtours.fetch.youtube_session import downloader
from wtours.manifest import Source


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
    try:
        socket.create_connection(("www.youtube.com", 443), timeout=10).close()
    except OSError as fault:
        pytest.skip(f"YouTube cannot be reached from here ({fault})")
    source = Source(kind="youtube", id="fGX0Te6pFvk")
    offer = offer_youtube(source, ask_youtube(source, FetchSettings()), FetchSettings())
    assert offer.said["format"]["height"] == 2160
