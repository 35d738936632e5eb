"""YouTube's answers, recorded in shape: which format is taken, and what its refusals mean."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.tiny_videos import write_tiny_video
from tests.wtours.web_server import Site, serve
from wtours.errors import WtoursError
from wtours.fetch import FetchSettings, fetch_videos, youtube
from wtours.fetch.landing import DiskFullError
from wtours.fetch.youtube import choose_format, codec_of
from wtours.fetch.youtube_faults import explain_fault

URL = "https://www.youtube.com/watch?v=-bcdefghij_"


def track(format_id: str, vcodec: str, lines: int, fps: int, **more: Any) -> dict[str, Any]:
    """A format as yt-dlp describes one of YouTube's picture tracks."""
    return {
        "format_id": format_id,
        "ext": "webm" if vcodec.startswith("vp") else "mp4",
        "vcodec": vcodec,
        "acodec": "none",
        "width": lines * 16 // 9,
        "height": lines,
        "fps": fps,
        "dynamic_range": "SDR",
        "protocol": "https",
        "tbr": 1000.0,
        **more,
    }


SOUND = track("251", "none", 0, 0, acodec="opus")
JOINED = track("18", "avc1.42001E", 360, 30, acodec="mp4a.40.2")
BOARD = track("sb0", "none", 90, 1, protocol="mhtml")
H264_1080 = track("299", "avc1.64002a", 1080, 60)
VP9_1080 = track("303", "vp9", 1080, 60)
VP9_2160 = track("315", "vp9", 2160, 60)
AV1_2160 = track("701", "av01.0.13M.08", 2160, 60, tbr=900.0)
HDR_2160 = track("337", "vp9.2", 2160, 60, dynamic_range="HDR10")
SLOW_2160 = track("313", "vp9", 2160, 30)
AV1_4320 = track("702", "av01.0.17M.08", 4320, 60)
STREAM_2160 = track("628", "vp09.00.51.08", 2160, 60, protocol="m3u8_native", tbr=9000.0)


@pytest.mark.parametrize(
    ("formats", "max_height", "chosen"),
    [
        ([H264_1080, VP9_2160, AV1_2160, SLOW_2160, HDR_2160, AV1_4320], 2160, "315"),
        ([H264_1080, AV1_2160], 2160, "701"),
        ([SLOW_2160, VP9_1080], 2160, "313"),
        ([HDR_2160, AV1_2160], 2160, "701"),
        ([HDR_2160, VP9_1080], 2160, "337"),
        ([VP9_2160, VP9_1080, H264_1080], 1080, "303"),
        ([AV1_4320, VP9_2160], 4320, "702"),
        ([STREAM_2160, H264_1080], 2160, "299"),
        ([VP9_2160, {**VP9_2160, "format_id": "315-2", "tbr": 2000.0}], 2160, "315-2"),
        ([{**VP9_2160, "width": 2160, "height": 3840}], 2160, "315"),
        ([{**VP9_2160, "has_drm": True}, VP9_1080], 2160, "303"),
        ([SOUND, JOINED, BOARD], 2160, None),
        ([VP9_2160], 1080, None),
    ],
)
def test_format_is_chosen_by_rule(
    formats: list[dict[str, Any]], max_height: int, chosen: str | None
) -> None:
    """Lines, then rate, then standard range, then codec, then bit rate; order does not matter."""
    for order in (formats, formats[::-1]):
        taken = choose_format({"formats": [SOUND, BOARD, *order]}, max_height=max_height)
        assert (taken and taken["format_id"]) == chosen


def test_codecs_are_known_by_all_their_names() -> None:
    names = ("vp9", "vp09.00.51.08", "av01.0.12M.08", "avc1.64002a", "hvc1.1.6", "none")
    found = [codec_of({"vcodec": name}) for name in names]
    assert found == ["vp9", "vp9", "av1", "h264", None, None]


# What users report, in the words of YouTube and yt-dlp (the typographic apostrophe is YouTube's).
REPORTED = [
    ("Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies", "for a bot"),
    ("Sign in to confirm your age. This video may be inappropriate for some users.", "age"),
    ("Private video. Sign in if you've been granted access to this video", "is private"),
    ("Video unavailable. This video has been removed by the uploader", "no longer has"),
    (
        "Video unavailable. This video is no longer available because the YouTube account "
        "associated with this video has been terminated.",
        "no longer has",
    ),
    ("Video unavailable", "no longer has"),
    (
        "Video unavailable. The uploader has not made this video available in your country",
        "not shown in this country",
    ),
    (
        "Video unavailable. This video contains content from 'ZDF', who has blocked it in your "
        "country on copyright grounds",
        "not shown in this country",
    ),
    (
        "This content isn't available, try again later. The current session has been rate-limited "
        "by YouTube for up to an hour.",
        "too much was asked",
    ),
    (
        "Unable to download API page: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: "
        "Too Many Requests>)",
        "too much was asked",
    ),
    (
        "Unable to download API page: [Errno -3] Temporary failure in name resolution (caused by "
        "TransportError('[Errno -3] Temporary failure in name resolution'))",
        "name of YouTube's server",
    ),
    (
        "Unable to download webpage: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        "unable to get local issuer certificate (_ssl.c:1006)",
        "cannot be trusted",
    ),
    ("unable to download video data: HTTP Error 403: Forbidden", "(403)"),
    ("Premieres in 3 hours", "not been shown yet"),
    ("Join this channel to get access to members-only content", "only members"),
    (
        "Requested format is not available. Use --list-formats for a list of available formats",
        "no picture track",
    ),
    ("something nobody has seen", "something nobody has seen"),
]


@pytest.mark.parametrize("prefix", ["ERROR: [youtube] abc: ", "\x1b[0;31mERROR:\x1b[0m "])
@pytest.mark.parametrize(("error", "meaning"), REPORTED)
def test_reported_errors_have_a_meaning_and_a_remedy(prefix: str, error: str, meaning: str) -> None:
    fault = explain_fault(URL, prefix + error, [])
    assert fault.message.startswith(f"{URL}: ")
    assert meaning in fault.message
    assert fault.remedy
    assert "--cookies" not in fault.message + fault.remedy  # an option that is not ours
    assert "\x1b" not in fault.message


def test_missing_runtime_is_named_where_formats_are_missing() -> None:
    heard = ["[youtube] No supported JavaScript runtime could be found. Only deno is enabled by"]
    fault = explain_fault(URL, "ERROR: [youtube] abc: Requested format is not available", heard)
    assert "JavaScript" in fault.message
    assert "wtours[youtube]" in fault.remedy


def test_full_disk_is_known_by_its_own_error() -> None:
    error = "ERROR: unable to write data: [Errno 28] No space left on device"
    assert isinstance(explain_fault(URL, error, []), DiskFullError)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    video = write_tiny_video(tmp_path / "source.mp4", frames=40, size=(160, 96))
    with serve(Site(video.read_bytes())) as served:
        yield served


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[video]]\nname = "walk"\n[[video.source]]\nkind = "youtube"\nid = "-bcdefghij_"\n'
    )
    return path


@pytest.fixture
def _answering(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """YouTube's answer as yt-dlp would return it, with the file on this machine's own server."""
    chosen = track("315", "vp9", 2160, 60, ext="mp4", filesize=len(site.content))
    info = {
        "id": "-bcdefghij_",
        "title": "A walk",
        "channel": "Walks",
        "upload_date": "20240102",
        "license": "Creative Commons Attribution license (reuse allowed)",
        "description": "not recorded",
        "ext": "mp4",
        "formats": [SOUND, {**chosen, "url": f"{site.url}?itag=315&lmt=1700000000000000"}],
    }
    monkeypatch.setattr(youtube, "look_up", lambda ydl, url, heard: info)


@pytest.mark.usefixtures("_answering")
def test_track_is_fetched_by_yt_dlp_and_recorded(
    tmp_path: Path, manifest: Path, site: Site
) -> None:
    out, told = tmp_path / "out", list[tuple[Any, ...]]()
    site.cuts = [50_000]
    (fetched,) = fetch_videos(
        [],
        manifest=manifest,
        out=out,
        settings=FetchSettings(first_wait_s=0.01),
        progress=lambda *step: told.append(step),
    )
    assert fetched.path.read_bytes() == site.content
    assert sorted(path.name for path in out.iterdir()) == ["walk.json", "walk.mp4"]
    record = fetched.record
    assert record.source == {"kind": "youtube", "url": URL, "id": "-bcdefghij_"}
    assert record.file["sha256"] == hashlib.sha256(site.content).hexdigest()
    said = record.platform
    assert (said["title"], said["channel"], said["upload_date"]) == ("A walk", "Walks", "20240102")
    assert said["license"].startswith("Creative Commons")
    assert said["format"]["format_id"] == "315"
    assert "description" not in said
    assert ("walk", "fetching", len(site.content), len(site.content)) in told


@pytest.mark.usefixtures("_answering")
def test_track_is_resumed_by_the_next_run(tmp_path: Path, manifest: Path, site: Site) -> None:
    out, settings = tmp_path / "out", FetchSettings(first_wait_s=0.01, retries=0)
    site.cuts = [50_000]
    with pytest.raises(WtoursError):
        fetch_videos([], manifest=manifest, out=out, settings=settings)
    assert (out / "walk.mp4.part").stat().st_size == 50_000
    (fetched,) = fetch_videos([], manifest=manifest, out=out, settings=settings)
    assert fetched.path.read_bytes() == site.content
    assert site.asked[-1][0] == "bytes=50000-"
    assert site.sent_bytes == len(site.content)


@pytest.mark.network
def test_youtube_answers_today(tmp_path: Path) -> None:
    """Looks a video of the manifest up; nothing is downloaded."""
    heard: list[str] = []
    with youtube.downloader(FetchSettings(), heard) as ydl:
        info = youtube.look_up(ydl, "https://www.youtube.com/watch?v=fGX0Te6pFvk", heard)
    assert choose_format(info, max_height=2160) is not None
