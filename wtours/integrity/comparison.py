"""Compares what a video is with what was stated and said of it; the tolerances stand here.

Every function returns one row of the table. Before anything is fetched there is no measurement:
then what the platform says takes its place against what the manifest states.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wtours.integrity.verification import Check, Expected, Verdict

_STATED_S, _STATED_SHARE = 60.0, 0.01
"""A duration that somebody states in print is rounded, often to minutes."""
_SAID_S, _SAID_SHARE = 3.0, 0.002
"""A platform rounds to seconds, and its formats end a little apart."""
_RATE_SHARE = 0.01
"""60000/1001 is stated as 60."""
_FAMILIES = {
    "avc": "h264",
    "h264": "h264",
    "hev": "hevc",
    "hvc": "hevc",
    "hevc": "hevc",
    "h265": "hevc",
    "vp09": "vp9",
    "vp9": "vp9",
    "vp08": "vp8",
    "vp8": "vp8",
    "av01": "av1",
    "av1": "av1",
    "mp4v": "mpeg4",
    "mpeg4": "mpeg4",
}
"""Beginnings of names of codecs (RFC 6381), and what FFmpeg calls the codec."""

Finding = tuple[Verdict, str]


def compare_said(expected: Expected) -> tuple[Check, ...]:
    """Compare what the platform says of a video with what the manifest states, nothing measured.

    A platform that says nothing of a property gives no row.
    """
    said = _format(expected.said)
    rows = []
    if (duration_s := number(expected.said.get("duration"))) is not None:
        rows.append(compare_duration(None, expected, said_s=duration_s))
    if (rate := number(said.get("fps"))) is not None:
        rows.append(compare_rate(None, expected, said_rate=rate))
    if (size := _size(said)) is not None:
        rows.append(compare_size(None, expected, said_size=size))
    return tuple(rows)


def compare_duration(
    measured_s: float | None, expected: Expected, *, said_s: float | None
) -> Check:
    """Compare durations, s; `measured_s` is None before the video is there."""
    stated_s, findings = expected.stated.duration_s, list[Finding]()
    value_s = said_s if measured_s is None else measured_s
    it = "the platform says that it lasts" if measured_s is None else "it lasts"
    if _differ(value_s, stated_s, _STATED_S, _STATED_SHARE):
        findings.append(
            ("fault", f"{it} {_clock(value_s)}, the manifest states {_clock(stated_s)}")
        )
    if _differ(measured_s, said_s, _SAID_S, _SAID_SHARE):
        findings.append(("fault", f"{it} {_clock(measured_s)}, the platform said {_clock(said_s)}"))
    return judged("duration", measured_s, stated_s, said_s, findings, show=clock)


def compare_rate(measured: float | None, expected: Expected, *, said_rate: float | None) -> Check:
    """Compare pictures per second; what is stated above what was asked for is not missed."""
    stated, findings = expected.stated.fps, list[Finding]()
    value = said_rate if measured is None else measured
    it = "the platform says that it has" if measured is None else "it has"
    if value is not None and stated is not None:
        wanted = min(stated, expected.fps or stated)
        says = f"the manifest states {rate_text(stated)}"
        if wanted < stated:
            says += f" and {rate_text(wanted)} were asked for"
        if value < wanted * (1 - _RATE_SHARE):
            findings.append(("fault", f"{it} {rate_text(value)} pictures a second, {says}"))
        elif value > stated * (1 + _RATE_SHARE):
            findings.append(("note", f"{it} {rate_text(value)} pictures a second, {says}"))
    if _differ(measured, said_rate, 0.0, _RATE_SHARE):
        says = f"the platform said {_rate(said_rate)}"
        findings.append(("fault", f"it has {_rate(measured)} pictures a second, {says}"))
    return judged("frame rate", measured, stated, said_rate, findings, show=rate_text)


def compare_size(
    measured: tuple[int, int] | None,
    expected: Expected,
    *,
    said_size: tuple[int, int] | None,
    turned: bool = False,
) -> Check:
    """Compare width and height, px, as shown; lines are counted along the shorter side.

    Args:
        measured: None before the video is there.
        expected: by all who say so.
        said_size: by the platform.
        turned: whether the stored picture is shown turned by a quarter, so that either order of
            the platform's width and height is right.
    """
    stated = (expected.stated.width, expected.stated.height)
    stated_size = (stated[0], stated[1]) if stated[0] and stated[1] else None
    value = said_size if measured is None else measured
    it = "the platform says that it has" if measured is None else "it has"
    findings = list[Finding]()
    if value is not None and stated_size is not None:
        says = f"the manifest states {size_text(stated_size)}"
        wanted = min(*stated_size, expected.resolution or min(stated_size))
        if wanted < min(stated_size):
            says += f" and {wanted} lines were asked for"
        if min(value) < wanted:
            findings.append(("fault", f"{it} {size_text(value)} pixels, {says}"))
        elif value != stated_size:
            findings.append(("note", f"{it} {size_text(value)} pixels, {says}"))
    right = (measured, measured[::-1]) if measured and turned else (measured,)
    if measured is not None and said_size is not None and said_size not in right:
        says = f"the platform said {size_text(said_size)}"
        findings.append(("fault", f"it has {size_text(measured)} pixels, {says}"))
    return judged("size", measured, stated_size, said_size, findings, show=size_text)


def compare_codec(measured: str, expected: Expected) -> Check:
    """Compare the codec with the one that the platform said, by family."""
    said = _format(expected.said).get("vcodec")
    said = said if isinstance(said, str) and said != "none" else None
    family, findings = codec_family(said or ""), list[Finding]()
    if family is not None and family != measured:
        findings.append(("fault", f"its codec is {measured}, the platform said {said}"))
    return judged("codec", measured, None, said, findings, show=str)


def compare_bytes(size_bytes: int, md5: str | None, expected: Expected) -> Check:
    """Compare size and MD5 with what the platform said."""
    said = number(_format(expected.said).get("filesize"))
    said = number(expected.said.get("size_bytes")) if said is None else said
    findings = list[Finding]()
    if said is not None and said != size_bytes:
        says = f"it has {size_bytes} bytes, the platform said {said:.0f}"
        findings.append(("fault", says))
    said_md5 = expected.said.get("md5")
    if md5 is not None and str(said_md5).lower() != md5:
        findings.append(("fault", f"its MD5 is {md5}, the platform said {said_md5}"))
    return judged("file", size_bytes, None, said, findings, show=_bytes)


def compare_hash(sha256: str, expected: Expected) -> Check:
    """Compare the SHA-256 with the one that is known; the first one is trusted."""
    findings = list[Finding]()
    if expected.sha256 is not None and expected.sha256.lower() != sha256:
        finding = f"its SHA-256 is {sha256}, {expected.sha256_from} is {expected.sha256}"
        findings.append(("fault", finding))
    return judged("SHA-256", sha256, expected.sha256, None, findings, show=str)


def judged(
    name: str, measured: Any, stated: Any, said: Any, findings: Iterable[Finding], *, show: Any
) -> Check:
    """Return the row of a property: its values as text, the worst verdict, all findings."""
    known: dict[Verdict, list[str]] = {"fault": [], "note": [], "ok": []}
    for verdict, sentence in findings:
        known[verdict].append(sentence)
    sentences = [*known["fault"], *known["note"]]
    worst: Verdict = "fault" if known["fault"] else "note" if known["note"] else "ok"
    shown = ["" if value is None else show(value) for value in (measured, stated, said)]
    return Check(
        name=name,
        measured=shown[0],
        stated=shown[1],
        said=shown[2],
        verdict=worst,
        finding="; ".join(sentences),
    )


def codec_family(name: str) -> str | None:
    """Return what FFmpeg calls the codec of a name, or None if it is not known.

    >>> codec_family("av01.0.13M.08")
    'av1'
    """
    for start, family in _FAMILIES.items():
        if name.lower().startswith(start):
            return family
    return None


def number(value: object) -> float | None:
    """Return a number as it is said, or None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value > 0 else None


def said_rate(expected: Expected) -> float | None:
    """Return the platform's pictures per second."""
    return number(_format(expected.said).get("fps"))


def said_size(expected: Expected) -> tuple[int, int] | None:
    """Return the platform's width and height."""
    return _size(_format(expected.said))


def said_duration_s(expected: Expected) -> float | None:
    """Return the platform's duration."""
    return number(expected.said.get("duration"))


def _differ(one: float | None, other: float | None, least: float, share: float) -> bool:
    """Whether two known values are further apart than `least` and a share of the second."""
    if one is None or other is None:
        return False
    return abs(one - other) > max(least, share * other)


def _clock(duration_s: float | None) -> str:
    return "" if duration_s is None else clock(duration_s)


def _bytes(size_bytes: float) -> str:
    return f"{size_bytes:.0f} bytes"


def _rate(rate: float | None) -> str:
    return "" if rate is None else rate_text(rate)


def _format(said: Mapping[str, Any]) -> Mapping[str, Any]:
    value = said.get("format")
    return value if isinstance(value, Mapping) else {}


def _size(said: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = number(said.get("width")), number(said.get("height"))
    return None if width is None or height is None else (int(width), int(height))


def clock(duration_s: float) -> str:
    """Write a duration for people, beside its seconds from a minute on.

    >>> clock(6598.3), clock(-0.04), clock(9.26)
    ('1:49:58.3 (6598.3 s)', '0.0 s', '9.3 s')
    """
    tenths = max(0, round(duration_s * 10))
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    return f"{short_clock(tenths / 10)} ({tenths / 10:.1f} s)"


def short_clock(time_s: float) -> str:
    """Write a time in a video.

    >>> short_clock(6598.3), short_clock(62)
    ('1:49:58.3', '1:02.0')
    """
    tenths = max(0, round(time_s * 10))
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def rate_text(rate: float) -> str:
    """Write pictures per second.

    >>> rate_text(60000 / 1001), rate_text(60)
    ('59.940', '60')
    """
    return f"{rate:.0f}" if rate == round(rate) else f"{rate:.3f}"


def size_text(size: tuple[int, int]) -> str:
    """Write width and height."""
    return f"{size[0]}x{size[1]}"
