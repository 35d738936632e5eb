"""Which format is taken, and which codec all videos of a run share."""

from typing import Any

import pytest

from wtours.fetch.formats import choose_format, codec_of


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
        taken = choose_format(
            {"formats": [SOUND, BOARD, *order]}, resolution=max_height, fps=60, codec="auto"
        )
        assert (taken and taken["format_id"]) == chosen


def test_codecs_are_known_by_all_their_names() -> None:
    names = ("vp9", "vp09.00.51.08", "av01.0.12M.08", "avc1.64002a", "hvc1.1.6", "none")
    found = [codec_of({"vcodec": name}) for name in names]
    assert found == ["vp9", "vp9", "av1", "h264", None, None]
