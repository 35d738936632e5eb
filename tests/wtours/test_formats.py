"""Which format is taken, and which codec all videos of a run share."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtours.fetch.formats import (
    choose_format,
    codec_of,
    codecs_on_offer,
    describe_choice,
    prefer_codec,
    settle_codec,
    what_is_lacking,
)
from wtours.fetch.settings import CodecChoice

RECORDED = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "youtube").glob("*.json"))
}
CODEC_CHOICES: tuple[CodecChoice, ...] = get_args(CodecChoice)
ASKED: dict[str, Any] = {"resolution": 2160, "fps": 60}


def track(format_id: str, vcodec: str, lines: int, fps: float, **more: Any) -> dict[str, Any]:
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
UPSCALED = track("248-sr", "vp9", 1080, 60, format_note="1080p, AI-upscaled")
DAMAGED = track("401", "av01.0.12M.08", 2160, 60, format_note="2160p60, DAMAGED")


@pytest.mark.parametrize(
    ("formats", "resolution", "chosen"),
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
        ([{**VP9_2160, "width": None}, VP9_1080], 2160, "315"),
        ([UPSCALED, track("244", "vp9", 480, 60)], 2160, "244"),
        ([DAMAGED, VP9_1080], 2160, "303"),
        ([SOUND, JOINED, BOARD], 2160, None),
        ([VP9_2160], 1080, None),
        ([], 2160, None),
    ],
)
def test_format_is_chosen_by_rule(
    formats: list[dict[str, Any]], resolution: int, chosen: str | None
) -> None:
    """Lines, then rate, then standard range, then codec, then bit rate; order does not matter."""
    for order in (formats, formats[::-1]):
        taken = choose_format(
            {"formats": [SOUND, BOARD, *order]}, resolution=resolution, fps=60, codec="auto"
        )
        assert (taken and taken["format_id"]) == chosen


@pytest.mark.parametrize(
    ("asked", "offered", "taken"),
    [
        (60, [60, 59.94, 50, 30], 60),
        (59.94, [60, 30], 60),
        (60, [60.5], 60.5),
        (60, [61, 50], 50),
        (50, [59.94, 50, 25], 50),
        (30, [29.97, 60, 25], 29.97),
        (24, [30, 60], None),
        (60, [None, 25], 25),
        (60, [None], None),
    ],
)
def test_rate_is_the_highest_within_a_hundredth_of_what_is_asked(
    asked: float, offered: list[float | None], taken: float | None
) -> None:
    formats = [track(str(fps), "vp9", 1080, fps or 0) for fps in offered]
    for entry, fps in zip(formats, offered, strict=True):
        entry["fps"] = fps
    chosen = choose_format({"formats": formats}, resolution=2160, fps=asked, codec="auto")
    assert (chosen and chosen["fps"]) == taken
    assert (chosen is None) == (offered == [30, 60])


def test_rates_that_round_alike_do_not_decide() -> None:
    """A track of 59.94 pictures a second is no slower than one of 60: the codec decides."""
    formats = [track("a", "av01.0.09M.08", 1080, 60), track("v", "vp9", 1080, 59.94)]
    chosen = choose_format({"formats": formats}, **ASKED, codec="auto")
    assert chosen is not None
    assert chosen["format_id"] == "v"


def test_codecs_are_known_by_all_their_names() -> None:
    names = ("vp9", "vp09.00.51.08", "vp9.2", "av01.0.12M.08", "avc1.64002a", "hvc1.1.6", "none")
    found = [codec_of({"vcodec": name}) for name in names]
    assert found == ["vp9", "vp9", "vp9", "av1", "h264", None, None]
    assert codec_of({}) is None


def plain_choice(
    info: dict[str, Any], *, resolution: int, fps: float, codec: str
) -> dict[str, Any] | None:
    """The rule once more, by striking out what is worse, one criterion after the other."""
    families = {"vp9": ("vp9", "vp09"), "av1": ("av01",), "h264": ("avc",)}
    left = []
    for entry in info["formats"]:
        sides = [side for side in (entry["width"], entry["height"]) if side]
        whole = entry["protocol"] == "https" and entry.get("acodec") == "none"
        note = str(entry.get("format_note"))
        if whole and sides and "AI" not in note and "DAMAGED" not in note:
            names = [name for name, heads in families.items() if entry["vcodec"].startswith(heads)]
            rate = entry["fps"] or 0
            within = min(sides) <= resolution and rate <= 1.01 * fps
            if names and within and codec in ("auto", names[0]):
                left.append((min(sides), round(rate), entry["dynamic_range"], names[0], entry))
    if not left:
        return None
    left = [one for one in left if one[0] == max(other[0] for other in left)]
    left = [one for one in left if one[1] == max(other[1] for other in left)]
    left = [one for one in left if one[2] == "SDR"] or left
    for name in ("vp9", "av1", "h264"):
        if any(one[3] == name for one in left):
            left = [one for one in left if one[3] == name]
            break
    return sorted(left, key=lambda one: -one[4]["tbr"])[0][4]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers_get_the_format_of_the_plain_rule(name: str) -> None:
    for resolution in (144, 270, 360, 480, 720, 1080, 1440, 2160, 4320):
        for fps in (24, 25, 30, 50, 59.94, 60, 120):
            for codec in CODEC_CHOICES:
                limits: dict[str, Any] = {"resolution": resolution, "fps": fps, "codec": codec}
                assert choose_format(RECORDED[name], **limits) == plain_choice(
                    RECORDED[name], **limits
                )


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("film_1080p24", "248"),
        ("h264_only", "299"),
        ("hdr60_480p", "333"),
        ("portrait_480p", "244"),
        ("upscaled", "244"),
        ("walk_2160p30", "313"),
        ("walk_2160p60_av1", "315"),
        ("walk_2160p60_cc", "315"),
        ("wide_hdr", "271"),
    ],
)
def test_recorded_answers_get_the_format_that_one_would_take_by_hand(
    name: str, chosen: str
) -> None:
    taken = choose_format(RECORDED[name], **ASKED, codec="auto")
    assert taken is not None
    assert taken["format_id"] == chosen


def test_one_codec_is_settled_for_all_videos() -> None:
    walks = [RECORDED["walk_2160p60_cc"], RECORDED["walk_2160p60_av1"], RECORDED["walk_2160p30"]]
    assert settle_codec(walks, **ASKED) == "vp9"
    assert settle_codec([RECORDED["h264_only"]], **ASKED) == "h264"
    assert settle_codec([RECORDED["h264_only"], RECORDED["film_1080p24"]], **ASKED) == "h264"
    assert settle_codec([*walks, RECORDED["h264_only"]], **ASKED) == "vp9"
    only_av1 = {"formats": [AV1_2160, H264_1080, VP9_1080]}
    assert settle_codec([only_av1], **ASKED) == "av1"
    assert settle_codec([only_av1, RECORDED["walk_2160p60_cc"]], **ASKED) == "vp9"
    assert settle_codec([], **ASKED) == "vp9"
    assert settle_codec([{"formats": [SOUND]}], **ASKED) == "vp9"


tracks = st.builds(
    lambda vcodec, lines, fps, dynamic_range, tbr: track(
        "any", vcodec, lines, fps, dynamic_range=dynamic_range, tbr=tbr
    ),
    st.sampled_from(["vp9", "av01.0.13M.08", "avc1.64002a", "hvc1.1.6"]),
    st.sampled_from([1080, 2160, 4320]),
    st.sampled_from([30, 59.94, 60]),
    st.sampled_from(["SDR", "HDR10"]),
    st.sampled_from([100.0, 200.0]),
)
videos = st.builds(lambda formats: {"formats": formats}, st.lists(tracks, max_size=5))


def picture(entry: dict[str, Any]) -> tuple[Any, ...]:
    return (entry["height"], round(entry["fps"]), entry["dynamic_range"])


@settings(max_examples=150, deadline=None)
@given(st.lists(videos, max_size=4))
def test_settled_codec_is_that_of_counting_by_hand(infos: list[dict[str, Any]]) -> None:
    """Each video votes for every codec that has a picture as good as its best."""
    votes = {"vp9": 0, "av1": 0, "h264": 0}
    for info in infos:
        best = plain_choice(info, **ASKED, codec="auto")
        for codec in votes:
            own = plain_choice(info, **ASKED, codec=codec)
            if best is not None and own is not None and picture(own) == picture(best):
                votes[codec] += 1
    most = max(votes.values())
    assert settle_codec(infos, **ASKED) == next(one for one in votes if votes[one] == most)


@settings(max_examples=150, deadline=None)
@given(videos)
def test_random_sets_get_the_format_of_the_plain_rule(info: dict[str, Any]) -> None:
    for codec in CODEC_CHOICES:
        assert choose_format(info, **ASKED, codec=codec) == plain_choice(info, **ASKED, codec=codec)


def test_settled_codec_is_taken_only_for_as_good_a_picture() -> None:
    walk, h264 = RECORDED["walk_2160p60_av1"], RECORDED["h264_only"]
    best = choose_format(walk, **ASKED, codec="auto")
    assert best is not None
    assert prefer_codec(walk, best, "av1", **ASKED)["format_id"] == "401"
    assert prefer_codec(walk, best, "h264", **ASKED) is best
    only = choose_format(h264, **ASKED, codec="auto")
    assert only is not None
    assert prefer_codec(h264, only, "vp9", **ASKED) is only


@pytest.mark.parametrize(
    ("name", "codec", "wanted", "notes"),
    [
        ("walk_2160p60_cc", "auto", "vp9", []),
        ("walk_2160p60_cc", "vp9", "vp9", []),
        (
            "h264_only",
            "auto",
            "vp9",
            ["H.264 although the other videos of this run are VP9", "its best is 1080 lines at 60"],
        ),
        (
            "walk_2160p60_cc",
            "h264",
            "h264",
            ["H.264 only up to 1080 lines at 60 a second: VP9 has 2160 lines at 60 a second"],
        ),
        ("film_1080p24", "auto", None, ["its best is 1080 lines at 24 a second, up to 2160"]),
        ("hdr60_480p", "auto", None, ["its best is 480 lines at 60", "high dynamic range (HDR10)"]),
    ],
)
def test_what_a_video_lacks_is_said(
    name: str, codec: CodecChoice, wanted: Any, notes: list[str]
) -> None:
    info = RECORDED[name]
    chosen = choose_format(info, **ASKED, codec=codec)
    assert chosen is not None
    said = what_is_lacking(info, chosen, **ASKED, wanted=wanted)
    assert len(said) == len(notes)
    assert all(note in one for note, one in zip(notes, said, strict=True))


def test_choice_is_written_down_with_its_reason() -> None:
    walk = RECORDED["walk_2160p60_cc"]
    best = choose_format(walk, **ASKED, codec="auto")
    assert best is not None
    for codec, settled, reason in (
        ("auto", True, "the first of VP9, AV1 and H.264 that has this"),
        ("vp9", True, "VP9 as settled for the run"),
        ("vp9", False, "VP9 as asked for"),
        ("av1", True, "the first of VP9, AV1 and H.264 that has this"),
    ):
        sentence = describe_choice(best, **ASKED, codec=codec, settled=settled)  # type: ignore[arg-type]
        assert sentence.startswith("format 315, VP9 of 2160 lines at 60 a second: ")
        assert reason in sentence


def test_codecs_on_offer_are_listed_with_their_lines() -> None:
    walk = RECORDED["walk_2160p60_av1"]
    assert codecs_on_offer(walk, **ASKED) == [
        "VP9 (2160 lines)",
        "AV1 (2160 lines)",
        "H.264 (1080 lines)",
    ]
    assert codecs_on_offer({"formats": [SOUND]}, **ASKED) == []
