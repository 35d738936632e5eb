"""Which of a video's formats is fetched: a rule of our own, and one codec for all videos of a run.

Formats are entries of yt-dlp's info dictionaries. Its own preferences are not asked, since they
depend on its version and on what a machine can play.
"""

from collections.abc import Sequence
from typing import Any

from wtours.fetch.settings import Codec, CodecChoice

CODECS: tuple[Codec, ...] = ("vp9", "av1", "h264")
"""In order of preference: YouTube has VP9 for every video above 1080 lines, AV1 only for some."""
CODEC_NAMES: dict[Codec, str] = {"vp9": "VP9", "av1": "AV1", "h264": "H.264"}
_RATE_TOLERANCE = 0.01
"""59.94 pictures a second count as 60, and YouTube rounds."""
_NOT_THE_CAMERAS = ("ai-upscaled", "damaged")
"""What yt-dlp's `format_note` calls lines that were invented, and files of half the length."""


def codec_of(entry: dict[str, Any]) -> Codec | None:
    """Return "vp9", "av1" or "h264" for a format, or None for a codec that is not fetched."""
    name = str(entry.get("vcodec")).lower()
    if name.startswith(("vp9", "vp09")):
        return "vp9"
    if name.startswith("av01"):
        return "av1"
    return "h264" if name.startswith(("avc", "h264")) else None


def lines_of(entry: dict[str, Any]) -> int:
    """Return the shorter side in pixels, so that portrait counts alike; 0 where it is not said."""
    sides = [int(entry[key]) for key in ("width", "height") if entry.get(key)]
    return min(sides, default=0)


def rate_of(entry: dict[str, Any]) -> int:
    """Return pictures per second, rounded: 59.94 and 60 are alike; 0 where it is not said."""
    return round(float(entry.get("fps") or 0))


def fitting_formats(
    info: dict[str, Any], *, resolution: int, fps: float, codec: CodecChoice = "auto"
) -> list[dict[str, Any]]:
    """Return the formats that may be fetched.

    They hold picture and no sound, are files of their own on a web server, without DRM, neither
    upscaled by YouTube nor marked as damaged, and within the limits.
    """
    return [
        entry
        for entry in info.get("formats") or ()
        if codec_of(entry) is not None
        and (codec == "auto" or codec_of(entry) == codec)
        and entry.get("acodec") in (None, "none")
        and entry.get("protocol") in ("https", "http")
        and not entry.get("has_drm")
        and not any(mark in _note(entry) for mark in _NOT_THE_CAMERAS)
        and 0 < lines_of(entry) <= resolution
        and float(entry.get("fps") or 0) <= fps * (1 + _RATE_TOLERANCE)
    ]


def choose_format(
    info: dict[str, Any], *, resolution: int, fps: float, codec: CodecChoice
) -> dict[str, Any] | None:
    """Return the format to fetch, or None where none fits.

    Of those that fit, the first by: most lines; highest frame rate; standard before high dynamic
    range; VP9, AV1, H.264; bit rate.

    Args:
        info: yt-dlp's info dictionary of one video.
        resolution: most lines, in pixels of the shorter side.
        fps: highest rate, in pictures per second.
        codec: the only one that will do, or "auto".
    """
    fitting = fitting_formats(info, resolution=resolution, fps=fps, codec=codec)
    return max(fitting, key=_preference, default=None)


def settle_codec(infos: Sequence[dict[str, Any]], *, resolution: int, fps: float) -> Codec:
    """Return the codec that all videos of a run are to share where "auto" was asked for.

    It is the first of VP9, AV1 and H.264 that every video has for its best picture (most lines,
    then highest rate, then standard range); else the one that most videos have, the earlier one
    where two are level. Videos without any fitting format do not count.
    """
    counts = dict.fromkeys(CODECS, 0)
    for info in infos:
        fitting = fitting_formats(info, resolution=resolution, fps=fps)
        best = max(map(_picture, fitting), default=None)
        for codec in {codec_of(entry) for entry in fitting if _picture(entry) == best}:
            assert codec is not None  # others do not fit
            counts[codec] += 1
    return max(CODECS, key=lambda codec: counts[codec])  # the first one of the highest count


def prefer_codec(
    info: dict[str, Any], best: dict[str, Any], codec: Codec, *, resolution: int, fps: float
) -> dict[str, Any]:
    """Return the format of that codec if it is as good a picture as `best`, else `best` itself."""
    shared = choose_format(info, resolution=resolution, fps=fps, codec=codec)
    return best if shared is None or _picture(shared) < _picture(best) else shared


def what_is_lacking(
    info: dict[str, Any],
    chosen: dict[str, Any],
    *,
    resolution: int,
    fps: float,
    wanted: Codec | None,
) -> tuple[str, ...]:
    """Return, a phrase each, where the chosen format falls short of what was asked for.

    Args:
        info: yt-dlp's info dictionary of the video.
        chosen: one of its formats.
        resolution: most lines that were asked for.
        fps: highest rate that was asked for.
        wanted: the codec that was asked for, or settled for the run; None where any will do.
    """
    notes = []
    codec = codec_of(chosen)
    assert codec is not None
    if wanted is not None and codec != wanted:
        notes.append(
            f"{CODEC_NAMES[codec]} although the other videos of this run are {CODEC_NAMES[wanted]}:"
            f" it has no {CODEC_NAMES[wanted]} of {_size_text(chosen)}"
        )
    best = choose_format(info, resolution=resolution, fps=fps, codec="auto")
    if best is not None and _picture(best)[:2] > _picture(chosen)[:2]:
        other = codec_of(best)
        assert other is not None
        notes.append(
            f"{CODEC_NAMES[codec]} only up to {_size_text(chosen)}: "
            f"{CODEC_NAMES[other]} has {_size_text(best)}"
        )
    elif lines_of(chosen) < resolution or 0 < rate_of(chosen) < round(fps):
        notes.append(
            f"its best is {_size_text(chosen)}, up to {resolution} lines at {fps:g} were asked for"
        )
    if not _standard_range(chosen):
        notes.append(
            f"high dynamic range ({chosen['dynamic_range']}): it has no other of that size"
        )
    return tuple(notes)


def describe_choice(
    chosen: dict[str, Any], *, resolution: int, fps: float, codec: CodecChoice, settled: bool
) -> str:
    """Return the rule and what it gave, a sentence for the record.

    Args:
        chosen: what `choose_format` returned.
        resolution: most lines that were asked for.
        fps: highest rate that was asked for.
        codec: what was asked for, or settled.
        settled: whether it was settled for all videos of the run, and not asked for.
    """
    taken = codec_of(chosen)
    assert taken is not None
    if codec == "auto" or taken != codec:
        why = "the first of VP9, AV1 and H.264 that has this"
    else:
        why = f"{CODEC_NAMES[taken]} as {'settled for the run' if settled else 'asked for'}"
    return (
        f"format {chosen.get('format_id')}, {CODEC_NAMES[taken]} of {_size_text(chosen)}: picture "
        f"alone; most lines up to {resolution}, then highest rate up to {fps:g}, then standard "
        f"range, then {why}, then bit rate"
    )


def codecs_on_offer(info: dict[str, Any], *, resolution: int, fps: float) -> list[str]:
    """Return what a video has for each codec within the limits, such as "VP9 (2160 lines)"."""
    offers = []
    for codec in CODECS:
        best = choose_format(info, resolution=resolution, fps=fps, codec=codec)
        if best is not None:
            offers.append(f"{CODEC_NAMES[codec]} ({lines_of(best)} lines)")
    return offers


def fewest_lines(info: dict[str, Any]) -> int | None:
    """Return the lines of the smallest format that could be fetched at all."""
    fitting = fitting_formats(info, resolution=1 << 20, fps=float("inf"))
    return min(map(lines_of, fitting), default=None)


def slowest_rate(info: dict[str, Any], *, resolution: int) -> float | None:
    """Return the lowest rate of the formats within a number of lines; None where there is none."""
    fitting = fitting_formats(info, resolution=resolution, fps=float("inf"))
    return min((float(entry.get("fps") or 0) for entry in fitting), default=None)


def _picture(entry: dict[str, Any]) -> tuple[int, int, bool]:
    """What decides before codec and bit rate."""
    return (lines_of(entry), rate_of(entry), _standard_range(entry))


def _preference(entry: dict[str, Any]) -> tuple[float, ...]:
    codec = codec_of(entry)
    assert codec is not None  # it would not fit
    bit_rate = float(entry.get("tbr") or entry.get("vbr") or 0)
    return (*_picture(entry), -CODECS.index(codec), bit_rate)


def _standard_range(entry: dict[str, Any]) -> bool:
    return entry.get("dynamic_range") in (None, "SDR")


def _size_text(entry: dict[str, Any]) -> str:
    """How large and how fast, such as "2160 lines at 60 a second"."""
    rate = f" at {entry['fps']:g} a second" if entry.get("fps") else ""
    return f"{lines_of(entry)} lines{rate}"


def _note(entry: dict[str, Any]) -> str:
    return str(entry.get("format_note") or "").lower()
