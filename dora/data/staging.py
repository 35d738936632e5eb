"""Places of clips, given out when the tars they lie in are on this machine.

Sets in folders are always there. Tars of sets at addresses are fetched ahead of need, in the order
of the clips, as far as the cache's limit allows, and are held from the moment that a place is given
out until its clip has been read. This changes when a clip is read, and never which.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from dora.config import DataConfig
from dora.data.picture_folder import PictureSet
from dora.data.places import ClipPlace
from dora.progress import progress
from wtours.shards import Held, NoRoomError, RemoteTar, ShardCache, ShardError

AHEAD_CLIPS = 4096
"""Clips looked at ahead of those that are read, where the cache has room for their tars."""
OTHERS_S = 60.0
"""How long to wait for room in a cache that is full of tars that other processes use."""
_ASK_AGAIN_S = 0.5


class StagedPlaces:
    """Gives out places in order; an iteration ends early where the cache must first give up tars.

    It then goes on with the next iteration, after the clips that were given out have been read.

    Args:
        places: of all clips, in order.
        shards: the shard sets.
        processes: that share the cache, each of which uses its part of the limit.
        told: whether to say on stderr what is waited for.
    """

    def __init__(
        self,
        places: Iterator[ClipPlace],
        shards: Sequence[PictureSet],
        *,
        processes: int,
        told: bool,
    ) -> None:
        self.finished = False
        """Whether all places have been given out."""
        self._places, self._shards, self._told = places, shards, told
        caches = {shard_set.origin.cache for shard_set in shards if shard_set.origin is not None}
        assert len(caches) <= 1, "sets of one run are opened together, with one cache"
        self._cache: ShardCache | None = caches.pop() if caches else None
        self._share_bytes = self._cache.limit_bytes // processes if self._cache else 0
        self._window: deque[tuple[ClipPlace, tuple[RemoteTar, ...]]] = deque()
        self._coming: dict[RemoteTar, int] = {}  # clips of the window that need it, in order
        self._ready: deque[ClipPlace] = deque()
        self._given: deque[tuple[RemoteTar, ...]] = deque()
        self._held: dict[RemoteTar, tuple[Held, int]] = {}
        self.failed = False
        """Whether a fault has ended the places; a data loader hands it on beside its own."""

    def __iter__(self) -> Iterator[ClipPlace]:
        while True:
            if not self._ready and not self._stage_next():
                return
            yield self._ready.popleft()

    def prepare(self, clips: int) -> None:
        """Wait for the tars of the first clips, and show how far that is.

        Raises:
            ShardError: one cannot be fetched.
        """
        if self._cache is None:
            return
        with self._noted():
            self._look_ahead()
        first = {tar for _, tars in list(self._window)[:clips] for tar in tars}
        if not self._told or all(tar.path.exists() for tar in first):
            while len(self._ready) < clips and self._stage_next():
                pass
            return
        with progress("fetching the first tars", len(first)) as advance:
            while len(self._ready) < clips and self._stage_next():
                advance(min(len(self._held), len(first) - 1), str(self._cache.traffic))
            advance(len(first), str(self._cache.traffic))

    def delivered(self) -> None:
        """Let go of the tars of the clip that was given out first."""
        if self._cache is not None:
            self._release(self._given.popleft())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cache is None:
            return
        self._cache.ahead(())
        while self._given:
            self._release(self._given.popleft())
        if self._told and (self._cache.traffic.tars or self._cache.traffic.failures):
            print(f"shards at addresses: {self._cache.traffic}", file=sys.stderr)

    def _stage_next(self) -> bool:
        """Make one more clip ready; False where there is none, or not before others are read."""
        with self._noted():
            return self._stage()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.failed = True
            raise

    def _stage(self) -> bool:
        if self._cache is None:
            place = next(self._places, None)
            if place is not None:
                self._ready.append(place)
            self.finished = place is None
            return not self.finished
        self._look_ahead()
        if not self._window:
            self.finished = True
            return False
        place, tars = self._window[0]
        if not self._hold(tars):
            return False
        self._window.popleft()
        self._forget(tars)
        self._given.append(tars)
        self._ready.append(place)
        return True

    def _look_ahead(self) -> None:
        """Extend the window of coming clips as far as their tars fit, and have those fetched."""
        before = len(self._window)
        needed_bytes = sum(t.record.size_bytes for t in {**self._coming, **self._held})
        while len(self._window) < AHEAD_CLIPS:
            if self._window and needed_bytes > self._share_bytes:
                break
            place = next(self._places, None)
            if place is None:
                break
            tars = self._tars_of(place)
            self._window.append((place, tars))
            for tar in tars:
                if tar not in self._coming and tar not in self._held:
                    needed_bytes += tar.record.size_bytes
                self._coming[tar] = self._coming.get(tar, 0) + 1
        if len(self._window) != before and self._cache is not None:
            self._cache.ahead([tar for tar in self._coming if tar not in self._held])

    def _tars_of(self, place: ClipPlace) -> tuple[RemoteTar, ...]:
        """Return the tars of a clip that have to be fetched."""
        origin = self._shards[place.set_number].origin
        if origin is None:
            return ()
        paths = dict.fromkeys(frame.path for frame in place.frames)
        return tuple(origin.tar(path.rpartition("/")[2]) for path in paths)

    def _hold(self, tars: tuple[RemoteTar, ...]) -> bool:
        """Hold the tars of a clip; False where clips must be read before there is room.

        Raises:
            ShardError: one cannot be fetched, or there will be no room.
        """
        assert self._cache is not None
        new = [tar for tar in tars if tar not in self._held]
        needed_bytes = sum(tar.record.size_bytes for tar in [*self._held, *new])
        if self._given and new and needed_bytes > self._share_bytes:
            return False
        if not self._given and needed_bytes > self._cache.limit_bytes:
            raise self._no_room(new)
        until_s = time.monotonic() + OTHERS_S
        while (taken := self._take(new)) is None:
            if self._given:
                return False
            if time.monotonic() > until_s:
                raise self._no_room(new)
            time.sleep(_ASK_AGAIN_S)
        self._held |= {tar: (held, 0) for tar, held in zip(new, taken, strict=True)}
        for tar in tars:
            held, clips = self._held[tar]
            self._held[tar] = held, clips + 1
        return True

    def _take(self, tars: Sequence[RemoteTar]) -> list[Held] | None:
        """Return all of some tars, held, once they are there; None where there is no room."""
        assert self._cache is not None
        taken: list[Held] = []
        try:
            for tar in tars:
                taken.append(self._cache.hold(tar))
        except BaseException as fault:
            for held in taken:
                held.release()
            if isinstance(fault, NoRoomError):
                return None
            raise
        return taken

    def _release(self, tars: tuple[RemoteTar, ...]) -> None:
        for tar in tars:
            held, clips = self._held[tar]
            if clips > 1:
                self._held[tar] = held, clips - 1
            else:
                held.release()
                del self._held[tar]

    def _forget(self, tars: tuple[RemoteTar, ...]) -> None:
        """Take the tars of a clip out of those that are coming."""
        for tar in tars:
            self._coming[tar] -= 1
            if not self._coming[tar]:
                del self._coming[tar]

    def _no_room(self, tars: Sequence[RemoteTar]) -> ShardError:
        assert self._cache is not None
        names = " and ".join(tar.record.name for tar in tars)
        needed_gb = sum(tar.record.size_bytes for tar in tars) / 1e9
        return ShardError(
            f"the cache {self._cache.folder} of {self._cache.limit_bytes / 1e9:.3g} GB has no room "
            f"for {names} of {needed_gb:.3g} GB, which one clip needs",
            remedy="raise its limit (data.cache_gb), or end other programs that use it",
        )


def shard_cache(data: DataConfig) -> ShardCache:
    """Return the cache of a run's shard sets at addresses; sets in folders need none."""
    folder = Path(data.cache).expanduser() if data.cache else None
    return ShardCache(folder, limit_bytes=round(data.cache_gb * 1e9))
