"""What is said of videos before and after they are fetched."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from wtours.fetch.landing import Landing
from wtours.manifest import Manifest, Video, read_manifest
from wtours.progress import size_text
from wtours.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A video that is whole, checked and recorded."""

    name: str
    path: Path
    record_path: Path
    record: Provenance
    status: Literal["fetched", "already there"]
    notes: tuple[str, ...]
    """What a user should know of the video, and of how it differs from what is stated of it."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What fetching a video would do; nothing is asked of the network to find out."""

    name: str
    origins: tuple[str, ...]
    """Where it would be fetched from: the first that works."""
    target: Path
    """`<out>/<name>.*`, since the source decides the ending; the file itself if it is there."""
    status: Literal["to fetch", "to resume", "already there"]
    have_bytes: int
    size_bytes: int | None
    """None where only the source knows."""


def plan_fetch(names: Iterable[str], *, manifest: Manifest | Path, out: Path) -> list[Planned]:
    """Return what `fetch_videos` would do, without network and without touching a file."""
    listed = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    return [_plan(video, Landing(folder=out, name=video.name)) for video in listed.select(names)]


def describe(item: Fetched | Planned) -> str:
    """Return a line on what was, or would be, done with a video."""
    if isinstance(item, Planned):
        if item.status == "already there":
            return f"{item.name}: already there, {item.target} ({size_text(item.have_bytes)})"
        resume = f", going on after {size_text(item.have_bytes)}" if item.have_bytes else ""
        size = (
            "size known when it is asked" if item.size_bytes is None else size_text(item.size_bytes)
        )
        return f"{item.name}: {' or '.join(item.origins)} -> {item.target} ({size}{resume})"
    facts, file = item.record.measured, item.record.file
    return (
        f"{item.name}: {item.status}, {item.path} ({size_text(file['size_bytes'])}, "
        f"{facts['width']}x{facts['height']}, {facts['duration_s']:.2f} s, "
        f"{facts['frames']} frames "
        f"at {facts['rate']} per second, {facts['codec']}, sha256 {file['sha256'][:12]}...)"
    )


def differences(video: Video, record: Provenance) -> list[str]:
    """Return where what was measured differs from what the manifest states, a phrase each."""
    facts, stated = record.measured, video.stated
    notes = []
    size = (facts["width"], facts["height"])
    if stated.width and stated.height and size != (stated.width, stated.height):
        notes.append(f"stated as {stated.width}x{stated.height}, is {size[0]}x{size[1]}")
    rate_hz = float(Fraction(str(facts["rate"])))
    if stated.fps and abs(rate_hz - stated.fps) > 0.01 * stated.fps:
        notes.append(f"stated as {stated.fps:g} frames per second, has {rate_hz:.3f}")
    if stated.duration_s and abs(facts["duration_s"] - stated.duration_s) > 60:
        notes.append(
            f"stated as {stated.duration_s:g} s ({stated.duration_source or 'by nobody named'}), "
            f"is {facts['duration_s']:.1f} s"
        )
    return notes


def _plan(video: Video, landing: Landing) -> Planned:
    there = landing.finals()
    parts = [path for path in landing.leftovers() if path.suffix == ".part" and path.is_file()]
    have_bytes = sum(path.stat().st_size for path in (there or parts))
    local = video.sources[0].path
    return Planned(
        name=video.name,
        origins=tuple(source.origin for source in video.sources),
        target=there[0] if there else landing.folder / f"{video.name}.*",
        status="already there" if there else "to resume" if have_bytes else "to fetch",
        have_bytes=have_bytes,
        size_bytes=local.stat().st_size if local is not None and local.is_file() else None,
    )
