"""What a video was measured to be, computed from a walk over its packets."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from wtours.integrity.container import Walk
from wtours.integrity.timestamps import average_rate, is_variable, timing_notes

ROUNDING_S = 1.0
"""A container may state this much more than its packets hold; rounding and sound stay far below."""

_FROM_ZERO = ("mov", "matroska")
"""Formats whose clock begins at 0, whenever the first packet comes."""


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a whole video was measured to be; nothing in it is taken from what somebody states."""

    path: Path
    size_bytes: int
    width: int
    """Pixels, as shown: after rotation."""
    height: int
    """Pixels, as shown: after rotation."""
    rotation_deg: int
    """Counterclockwise turn that shows a stored picture upright, as PyAV gives it; mostly 0."""
    codec: str
    container: str
    time_base: Fraction
    """Seconds of one tick of the time stamps."""
    average_rate: Fraction
    """Pictures per second over the whole video."""
    duration_s: float
    """From the first picture's appearance to the last one's disappearance."""
    container_duration_s: float | None
    """What the container states, sound included; None where it states nothing."""
    packets: int
    """Packets with a picture that is shown: the number of frames that decoding gives."""
    variable_rate: bool
    notes: tuple[str, ...]
    """What is unusual but usable, a phrase each."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where pictures and container begin and end, on the container's clock, s."""

    picture_start_s: float
    picture_end_s: float
    packets_end_s: float
    """Of any stream."""
    container_start_s: float
    container_end_s: float | None
    """As the header states it; None where it states nothing."""


def span_of(container: Any, stream: Any, walk: Walk) -> Span:
    """Measure where the pictures lie in the container."""
    last, time_base = int(walk.pts.max()), Fraction(stream.time_base)
    start_s = (container.start_time or 0) / av.time_base
    end_s = None if container.duration is None else start_s + container.duration / av.time_base
    if start_s > 0 and container.format.name.startswith(_FROM_ZERO):
        if end_s is not None and "matroska" in container.format.name:
            end_s -= start_s  # its Duration counts from 0, too
        start_s = 0.0
    return Span(
        picture_start_s=float(int(walk.pts.min()) * time_base),
        picture_end_s=float((last + _last_ticks(stream, walk)) * time_base),
        packets_end_s=walk.end_s,
        container_start_s=start_s,
        container_end_s=end_s,
    )


def facts_of(
    path: Path, size_bytes: int, container: Any, stream: Any, walk: Walk, rotation_deg: int
) -> VideoFacts:
    """Put together what a walk has shown."""
    shown, time_base = np.sort(walk.pts), Fraction(stream.time_base)
    span = span_of(container, stream, walk)
    width, height = stream.codec_context.width, stream.codec_context.height
    if rotation_deg % 180 != 0:
        width, height = height, width
    stated = container.duration
    return VideoFacts(
        path=path,
        size_bytes=size_bytes,
        width=width,
        height=height,
        rotation_deg=rotation_deg,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        time_base=time_base,
        average_rate=average_rate(shown, time_base, stream.average_rate),
        duration_s=float((int(shown[-1] - shown[0]) + _last_ticks(stream, walk)) * time_base),
        container_duration_s=None if stated is None else stated / av.time_base,
        packets=len(shown),
        variable_rate=is_variable(shown),
        notes=(
            *timing_notes(shown, time_base),
            *filter(None, [rotation_note(rotation_deg, width, height)]),
            *size_notes(stream, width, height),
            *_tail_notes(span.packets_end_s - span.picture_end_s),
        ),
    )


def _last_ticks(stream: Any, walk: Walk) -> Fraction:
    """Return how long the last picture is shown, in ticks."""
    if walk.last_duration:
        return Fraction(walk.last_duration)
    time_base = Fraction(stream.time_base)
    rate = average_rate(np.sort(walk.pts), time_base, stream.average_rate)
    return 1 / rate / time_base if rate else Fraction(0)


def rotation_note(rotation_deg: int, width: int, height: int) -> str:
    """Say that pictures are turned when they are shown, or ''."""
    if not rotation_deg:
        return ""
    return f"rotation metadata: turned by {rotation_deg} degrees, {width}x{height} shown"


def size_notes(stream: Any, width: int, height: int) -> list[str]:
    """Say what is unusual in size and shape of the pixels."""
    notes = [f"odd size: {width}x{height}"] if width % 2 or height % 2 else []
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        notes.append(f"pixels are not square: {aspect.numerator}:{aspect.denominator}")
    return notes


def _tail_notes(without_picture_s: float) -> list[str]:
    if without_picture_s > ROUNDING_S:
        return [f"the pictures end {without_picture_s:.2f} s before the sound"]
    return []
