"""What is said of videos once they are fetched, a line each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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


def describe(fetched: Fetched) -> str:
    """Return a line on what was done with a video, and what it is."""
    facts, file = fetched.record.measured, fetched.record.file
    return (
        f"{fetched.name}: {fetched.status}, {fetched.path} ({size_text(file['size_bytes'])}, "
        f"{facts['width']}x{facts['height']}, {facts['duration_s']:.2f} s, "
        f"{facts['frames']} frames "
        f"at {facts['rate']} per second, {facts['codec']}, sha256 {file['sha256'][:12]}...)"
    )
