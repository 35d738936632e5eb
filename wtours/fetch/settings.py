"""What a user chooses about fetching, and how progress is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wtours.errors import WtoursError


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """Choices that hold for all videos of a run."""

    max_height: int = 2160
    """Lines of the tallest format taken from YouTube."""
    retries: int = 5
    """Attempts in a row that may bring nothing new before a source is given up."""
    first_wait_s: float = 1.0
    """Pause before the first new attempt, in seconds; doubles each time, up to a minute."""
    timeout_s: float = 30.0
    """Silence of a server after which a connection counts as lost, in seconds."""

    def __post_init__(self) -> None:
        for name, least in (("max_height", 1), ("retries", 0), ("first_wait_s", 0)):
            if getattr(self, name) < least:
                raise WtoursError(
                    f"{name} is {getattr(self, name)}", remedy=f"give it a value of {least} or more"
                )
        if self.timeout_s <= 0:
            raise WtoursError(f"timeout_s is {self.timeout_s}", remedy="give it a value above 0")

    def wait_s(self, attempt: int) -> float:
        """Return the pause before attempt number `attempt`, counted from 1."""
        return float(min(60.0, self.first_wait_s * 2 ** (attempt - 1)))


class FetchProgress(Protocol):
    """Called now and then with how far a step of a video has come."""

    def __call__(self, name: str, step: str, done: int, total: int | None) -> None:
        """Take note of progress.

        Args:
            name: of the video.
            step: "fetching" or "hashing", in bytes; "rendering", in frames.
            done: how much is done, resumed parts included.
            total: how much there is, if known.
        """


StepProgress = Callable[[int, int | None], None]
"""The same for one step of one video, (done, total): what a source is given."""
