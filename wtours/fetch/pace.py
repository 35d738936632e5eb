"""How fast and how often a server is asked: the limit that the user sets, and waits that grow."""

import time
from collections.abc import Callable

from wtours.errors import WtoursError
from wtours.fetch.connection import LostError, RefusedError
from wtours.fetch.landing import UnreachableError
from wtours.fetch.settings import FetchSettings
from wtours.progress import duration_text

_CHUNK_BYTES = 1 << 16
_LONGEST_WAIT_S = 600.0
"""A server that asks for a longer pause is told of instead of being waited for."""
_BREATH_S = 0.25
"""How often a wait asks whether it should go on."""


class Pace:
    """Holds a download to a number of bytes a second, without catching up on lost time.

    Args:
        limit_bytes_s: None for as fast as it comes.
    """

    def __init__(self, limit_bytes_s: float | None) -> None:
        self._limit_bytes_s = limit_bytes_s
        self._free_at_s = 0.0
        self.chunk_bytes = _CHUNK_BYTES
        """How much to read at once: a tenth of a second's worth at most."""
        if limit_bytes_s is not None:
            self.chunk_bytes = max(1, min(_CHUNK_BYTES, int(limit_bytes_s / 10)))

    def took(self, size_bytes: int) -> None:
        """Wait as long as these bytes should have taken."""
        if self._limit_bytes_s is None:
            return
        now_s = time.monotonic()
        self._free_at_s = max(self._free_at_s, now_s) + size_bytes / self._limit_bytes_s
        time.sleep(self._free_at_s - now_s)


class Attempts:
    """Counts attempts in a row that brought nothing new, and waits longer before each.

    Args:
        what: is asked for, to begin the message with.
        settings: how many attempts, how long the first wait.
        told: called several times a second while waiting; may raise, to stop.
    """

    def __init__(self, what: str, settings: FetchSettings, *, told: Callable[[], None]) -> None:
        self._what, self._settings, self._told = what, settings, told
        self._failures, self._reached_bytes = 0, 0
        self._faults: dict[str, None] = {}
        self.answered = False
        """Whether the server has answered before: then its name and its certificate are good."""

    def failed(self, fault: LostError, *, reached_bytes: int | None = None) -> None:
        """Take note of a failed attempt, and wait before the next one.

        Args:
            fault: why it failed.
            reached_bytes: how much of a file is there by now.

        Raises:
            WtoursError: it was one too many, or no other can help: a RefusedError where the server
                would not, an UnreachableError where there never was one.
        """
        if reached_bytes is not None and reached_bytes > self._reached_bytes and not fault.trickle:
            self._failures, self._reached_bytes = 0, reached_bytes
            self._faults.clear()
        self._failures += 1
        self._faults[str(fault)] = None
        if self._failures > self._settings.retries or (fault.hopeless and not self.answered):
            raise self._given_up(fault, reached_bytes) from fault
        wait_s = max(self._settings.wait_s(self._failures), fault.retry_after_s)
        if wait_s > _LONGEST_WAIT_S:
            raise WtoursError(
                f"{self._what}: {fault}, and asks for a pause of {duration_text(wait_s)}",
                remedy="run the same command again after that: it goes on from there",
            ) from fault
        rest(wait_s, self._told)

    def _given_up(self, fault: LostError, reached_bytes: int | None) -> WtoursError:
        there = f"; {reached_bytes} bytes are there" if reached_bytes else ""
        kind: type[WtoursError] = RefusedError if fault.refused else WtoursError
        if fault.unreachable and not self.answered:
            kind = UnreachableError
        return kind(f"{self._what}: {'; '.join(self._faults)}{there}", remedy=fault.remedy)


def rest(wait_s: float, told: Callable[[], None]) -> None:
    """Wait, and call `told` several times a second, which may raise to end the wait."""
    until_s = time.monotonic() + wait_s
    while (left_s := until_s - time.monotonic()) > 0:
        told()
        time.sleep(min(left_s, _BREATH_S))
