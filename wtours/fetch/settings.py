"""What a user chooses about fetching, and how progress is told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from wtours.errors import WtoursError
from wtours.manifest import SourceKind

Codec = Literal["vp9", "av1", "h264"]
CodecChoice = Literal["auto", "av1", "vp9", "h264"]


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """Choices that hold for all videos of a run."""

    resolution: int = 2160
    """Lines of the tallest format taken from YouTube; the best at or below it."""
    fps: float = 60.0
    """Highest frame rate taken from YouTube, in pictures per second; the best at or below it."""
    codec: CodecChoice = "auto"
    """Codec taken from YouTube; `auto` is settled once for all videos of a run."""
    sources: tuple[SourceKind, ...] = ()
    """Kinds of source to try, in this order; as the manifest orders them where empty."""
    retries: int = 5
    """Attempts in a row that may bring nothing new before a source is given up."""
    first_wait_s: float = 1.0
    """Pause before the first new attempt, in seconds; doubles each time, up to a minute."""
    timeout_s: float = 30.0
    """Silence of a server after which a connection counts as lost, in seconds."""
    sleep_s: float = 0.0
    """Pause between two questions to a platform, in seconds."""
    rate_limit_bytes_s: float | None = None
    """Bytes a second of all downloads together; unlimited where None."""
    cookies: Path | None = None
    """Cookies in Netscape's format, shown to YouTube; read, never written."""
    cookies_from_browser: str | None = None
    """Browser whose cookies are shown to YouTube: NAME or NAME:PROFILE."""
    accept_licences: tuple[str, ...] = ()
    """Licences that will do although they are no Creative Commons ones, as their names read."""
    force: bool = False
    """Hand a readable video on although its check found faults; the record says so."""
    jobs: int = 1
    """Videos that are fetched at once."""

    def __post_init__(self) -> None:
        for name, least in (
            ("resolution", 1),
            ("retries", 0),
            ("first_wait_s", 0),
            ("sleep_s", 0),
            ("jobs", 1),
        ):
            if not getattr(self, name) >= least:
                raise WtoursError(
                    f"{name} is {getattr(self, name)}", remedy=f"give it a value of {least} or more"
                )
        for name in ("timeout_s", "fps", "rate_limit_bytes_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise WtoursError(f"{name} is {value}", remedy="give it a value above 0")
        if self.codec not in get_args(CodecChoice):
            raise WtoursError(
                f"codec is {self.codec!r}", remedy=f"choose of {', '.join(get_args(CodecChoice))}"
            )

    def wait_s(self, attempt: int) -> float:
        """Return the pause before attempt number `attempt`, counted from 1."""
        return float(min(60.0, self.first_wait_s * 2 ** (attempt - 1)))


class FetchProgress(Protocol):
    """Called now and then with how far a step of a video has come."""

    def __call__(self, name: str, step: str, done: int, total: int | None) -> None:
        """Take note of progress.

        Args:
            name: of the video.
            step: "fetching" or "verifying", in bytes; "rendering", in thousandths.
            done: how much is done, resumed parts included.
            total: how much there is, if known.
        """


StepProgress = Callable[[int, int | None], None]
"""The same for one step of one video, (done, total): what a source is given."""
