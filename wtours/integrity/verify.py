"""Verifies a video: one read of its bytes, a look at some keyframes, and what others say of it.

`reading` walks the packets, `looks` decodes keyframes, `comparison` holds the tolerances against
what is stated and said. What container, time stamps and pictures must keep stands here.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from wtours.integrity.check import require_file
from wtours.integrity.comparison import (
    Finding,
    clock,
    compare_bytes,
    compare_codec,
    compare_duration,
    compare_hash,
    compare_rate,
    compare_size,
    judged,
    said_duration_s,
    said_rate,
    said_size,
    short_clock,
)
from wtours.integrity.facts import ROUNDING_S, Span, VideoFacts, rotation_note
from wtours.integrity.hashing import HashingReader, unreadable
from wtours.integrity.looks import Looks
from wtours.integrity.reading import Reading, read_video
from wtours.integrity.stretches import Stretch, find_stretches
from wtours.integrity.timestamps import (
    Ticks,
    gap_note,
    holes_s,
    repeated_note,
    variation_note,
)
from wtours.integrity.verification import Check, Expected, Verdict, Verification

_SHORT_S, _SHARE = 2.0, 0.01
"""Pictures may end this much before their container; a hundredth of its length, if that is more."""
_EMPTY_S = 10.0
"""A stretch that shows nothing may be shorter than this, or than a hundredth of the video."""
_HOLES_S = 1.0
"""Holes in time may add up to this, or to a hundredth of the video."""
_NOTHING = Expected()
_SHOWS = {"black": "is black", "blank": "is of one colour", "frozen": "stands still"}


def verify_video(
    path: str | Path,
    expected: Expected = _NOTHING,
    *,
    shown_as: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Measure the video at `path` and compare it with what is expected of it.

    Args:
        path: a file.
        expected: what manifest, platform and record say.
        shown_as: what sentences call it; its path if None.
        progress: called with (bytes read, bytes in all).

    Raises:
        WtoursError: there is no such file, or it cannot be read. Whatever is wrong with a file
            that can be read is told in what is returned.
    """
    path, name = Path(path), str(shown_as or path)
    size_bytes, reading = require_file(path), Reading()
    try:
        with path.open("rb", buffering=0) as file:
            wants_md5 = bool(expected.said.get("md5"))
            reader = HashingReader(file, with_md5=wants_md5, progress=progress, name=name)
            sha256, md5 = read_video(path, name, size_bytes, reader, reading)
    except OSError as error:
        raise unreadable(name, error) from error
    facts, looks = reading.facts, reading.looks
    stretches = () if facts is None else _stretches(looks, facts)
    checks = [compare_bytes(size_bytes, md5, expected), compare_hash(sha256, expected)]
    other_bytes = any(check.verdict == "fault" for check in checks)
    checks += _checks(reading, stretches, expected)
    return Verification(
        path=path,
        size_bytes=size_bytes,
        sha256=sha256,
        md5=md5,
        facts=facts,
        checks=tuple(_named(check, name) for check in checks),
        stretches=stretches,
        keyframes=len(looks.seen),
        damaged=reading.damaged or other_bytes or bool(looks.unreadable),
    )


def _stretches(looks: Looks, facts: VideoFacts) -> tuple[Stretch, ...]:
    return find_stretches(looks.ordered, end_s=facts.duration_s, tail_seen=looks.tail_seen)


def _checks(reading: Reading, stretches: tuple[Stretch, ...], expected: Expected) -> list[Check]:
    """Return all rows but those of the bytes."""
    facts, walk, span = reading.facts, reading.walk, reading.span
    readable = f"{_container_name(facts)}, to its last packet" if facts else ""
    faults: list[Finding] = [("fault", reading.container)] if reading.container else []
    rows = [judged("container", "" if faults else readable, None, None, faults, show=str)]
    if facts is None or walk is None or span is None:
        return rows
    turned = facts.rotation_deg % 180 != 0
    shown = np.sort(walk.pts)
    rate = compare_rate(float(facts.average_rate), expected, said_rate=said_rate(expected))
    size = compare_size(
        (facts.width, facts.height), expected, said_size=said_size(expected), turned=turned
    )
    rows += [
        _length(reading, span, facts),
        compare_duration(facts.duration_s, expected, said_s=said_duration_s(expected)),
        _with_notes(rate, [variation_note(shown, facts.time_base)]),
        Check(name="frames", measured=str(facts.packets)),
        _with_notes(size, reading.size_notes),
        compare_codec(facts.codec, expected),
        _rotation(facts),
        _time_stamps(shown, reading, facts),
    ]
    if reading.container or reading.jump:
        return rows  # then keyframes cannot be found by their time
    return [*rows, _picture(reading, stretches, facts)]


def _container_name(facts: VideoFacts) -> str:
    """Return FFmpeg's name, without all the relatives of MP4."""
    return "mp4" if "mp4" in facts.container else facts.container.replace(",", "/")


def _length(reading: Reading, span: Span, facts: VideoFacts) -> Check:
    """Compare the length of picture with that of the container."""
    start_s = span.container_start_s
    header_end_s = start_s + (reading.header_s or 0.0)
    end_s = max(span.container_end_s or 0.0, header_end_s, span.packets_end_s)
    length_s = max(end_s - start_s, facts.duration_s)
    limit_s, findings = max(_SHORT_S, _SHARE * length_s), list[Finding]()
    tail_s, late_s = end_s - span.picture_end_s, span.picture_start_s - start_s
    of = f"{clock(facts.duration_s)} of picture in {clock(length_s)}"
    cause = "" if span.packets_end_s > end_s - ROUNDING_S else ", and nothing follows them"
    if reading.container:
        pass  # the end is missing, which that row tells
    elif tail_s > limit_s or reading.beyond:
        findings.append(
            ("fault", f"the pictures end {clock(tail_s)} before the container: {of}{cause}")
        )
    elif late_s > limit_s:
        findings.append(("fault", f"the pictures begin {clock(late_s)} after the container: {of}"))
    elif tail_s > ROUNDING_S:
        findings.append(("note", f"the pictures end {tail_s:.2f} s before the container"))
    return judged("length of picture", of, None, None, findings, show=str)


def _rotation(facts: VideoFacts) -> Check:
    note = rotation_note(facts.rotation_deg, facts.width, facts.height)
    return _with_notes(Check(name="rotation", measured=f"{facts.rotation_deg} degrees"), [note])


def _time_stamps(shown: Ticks, reading: Reading, facts: VideoFacts) -> Check:
    """Judge jumps and holes in time."""
    findings: list[Finding] = [("fault", reading.jump)] if reading.jump else []
    assert reading.walk is not None
    end = int(shown[-1]) + reading.walk.last_duration  # a last picture may be shown for an hour
    holes = holes_s(np.append(shown, end), facts.time_base)
    total_s = sum(length_s for _, length_s in holes)
    if holes:
        at_s, longest_s = max(holes, key=lambda hole: hole[1])
        places = "1 place" if len(holes) == 1 else f"{len(holes)} places"
        finding = (
            f"time jumps forward by {clock(total_s)} in {places}, "
            f"most by {clock(longest_s)} at {short_clock(at_s)}"
        )
        too_much = total_s > max(_HOLES_S, _SHARE * facts.duration_s)
        findings.append(("fault" if too_much else "note", finding))
    elif gap := gap_note(shown, facts.time_base):
        findings.append(("note", gap))
    if repeated := repeated_note(shown):
        findings.append(("note", repeated))
    measured = "jump backwards" if reading.jump else "only go forward"
    return judged("time stamps", measured, None, None, findings, show=str)


def _picture(reading: Reading, stretches: tuple[Stretch, ...], facts: VideoFacts) -> Check:
    """Judge what the keyframes show."""
    looks, limit_s = reading.looks, max(_EMPTY_S, _SHARE * facts.duration_s)
    findings: list[Finding] = []
    for time_s, fault in looks.unreadable.items():
        where = short_clock(time_s)
        findings.append(("fault", f"its picture at {where} cannot be decoded ({fault})"))
    for stretch in stretches:
        length_s = stretch.end_s - stretch.start_s
        finding = (
            f"its picture {_SHOWS[stretch.kind]} from about {short_clock(stretch.start_s)} "
            f"to {short_clock(stretch.end_s)}, {clock(length_s)} of {clock(facts.duration_s)}"
        )
        findings.append(("fault" if length_s >= limit_s else "note", finding))
    if looks.unseen:
        looked_for = len(looks.seen) + len(looks.unreadable) + looks.unseen
        findings.append(
            ("note", f"{looks.unseen} of {looked_for} keyframes could not be looked at")
        )
    if (apart_s := _furthest_s(looks, facts.duration_s)) > limit_s and not looks.unreadable:
        findings.append(
            (
                "note",
                f"its keyframes that could be looked at are up to {clock(apart_s)} apart: black "
                "or still pictures between them would not be seen",
            )
        )
    return judged("picture", f"{len(looks.seen)} keyframes", None, None, findings, show=str)


def _furthest_s(looks: Looks, duration_s: float) -> float:
    """Return the longest time that nothing was looked at."""
    times_s = [0.0, *(look.time_s for look in looks.ordered), duration_s]
    return float(np.diff(times_s).max())


def _with_notes(check: Check, notes: list[str]) -> Check:
    """Add notes to a row."""
    sentences = [sentence for sentence in (check.finding, *notes) if sentence]
    if len(sentences) == bool(check.finding):
        return check
    verdict: Verdict = "fault" if check.verdict == "fault" else "note"
    return replace(check, verdict=verdict, finding="; ".join(sentences))


def _named(check: Check, name: str) -> Check:
    """Let the sentence of a row begin with the video's name."""
    if not check.finding or check.finding.startswith(name):
        return check
    return replace(check, finding=f"{name}: {check.finding}")
