"""What a verification is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from wtours.integrity.facts import VideoFacts
from wtours.integrity.stretches import Stretch
from wtours.manifest import Stated

Verdict = Literal["ok", "note", "fault"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of a video, measured and compared: a row of the table."""

    name: str
    measured: str
    stated: str = ""
    """What the manifest states, or the record."""
    said: str = ""
    """What the platform said."""
    verdict: Verdict = "ok"
    finding: str = ""
    """A sentence, where the verdict is not "ok"."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a video should be, by all who say so."""

    stated: Stated = field(default_factory=Stated)
    """By the manifest."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """By the platform: duration (s), size_bytes, md5, format (width, height, fps, vcodec,
    filesize); whatever is missing or None is not compared."""
    resolution: int | None = None
    """Lines that were asked for: what is stated above that is not missed."""
    fps: float | None = None
    """Pictures per second that were asked for; likewise."""
    sha256: str | None = None
    """None at first use, which is trusted."""
    sha256_from: str = "recorded"
    """Where the hash comes from, as a sentence says it before "is"."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found in one video."""

    path: Path
    size_bytes: int
    sha256: str
    md5: str | None
    """Only where the platform said one."""
    facts: VideoFacts | None
    """None where the file cannot be read as a video."""
    checks: tuple[Check, ...]
    stretches: tuple[Stretch, ...]
    keyframes: int
    """How many were looked at."""
    damaged: bool
    """Whether bytes are missing or are not the right ones, so that fetching again may help."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the video must not be used, a sentence each."""
        return tuple(check.finding for check in self.checks if check.verdict == "fault")

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual but usable, a sentence each."""
        return tuple(check.finding for check in self.checks if check.verdict == "note")

    def record(self, forced: bool) -> dict[str, Any]:
        """Return what `<name>.json` keeps of it, in JSON's types.

        Args:
            forced: whether the video is handed on in spite of its faults.
        """
        return {
            "checked_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "forced": forced,
            "faults": list(self.faults),
            "notes": list(self.notes),
            "stretches": [asdict(stretch) for stretch in self.stretches],
            "keyframes": self.keyframes,
            "checks": [
                {key: value for key, value in asdict(check).items() if key != "finding"}
                for check in self.checks
            ],
        }
