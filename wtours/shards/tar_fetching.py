"""Threads that fetch tars: those that are waited for first, then those that will be needed."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Thread

from wtours.shards.cache_room import CacheRoom, Held, NoRoomError
from wtours.shards.remote import RemoteFolder, StoppedError, Traffic
from wtours.shards.schema import ShardError, TarRecord

_LOOK_AGAIN_S = 0.2
"""How often a reader looks whether another process has brought its tar."""


@dataclass(frozen=True, kw_only=True)
class RemoteTar:
    """A tar of a set at an address."""

    source: RemoteFolder
    record: TarRecord
    path: Path
    """Where it lies on this machine when it is there."""


class TarFetcher:
    """Fetches tars into a cache, a few at a time.

    Args:
        room: the cache's.
        threads: how many at a time.
        traffic: where it is counted.
        stop: ends the threads.
    """

    def __init__(self, room: CacheRoom, *, threads: int, traffic: Traffic, stop: Event) -> None:
        self._room, self._threads, self._traffic, self._stop = room, threads, traffic, stop
        self._change = Condition()
        self._urgent: deque[RemoteTar] = deque()
        self._ahead: list[RemoteTar] = []
        self._put_off: set[Path] = set()
        self._at_work: set[Path] = set()
        self._faults: dict[Path, Exception] = {}
        self._started = False

    def ahead(self, tars: Sequence[RemoteTar]) -> None:
        """Fetch these as long as there is room, the first ones first, in place of those before."""
        with self._change:
            self._ahead = list(tars)
            self._put_off.clear()
            self._start()
            self._change.notify_all()

    def hold(self, tar: RemoteTar) -> Held:
        """Return a tar, in use from now on, once it is there.

        Raises:
            NoRoomError: the cache is full of tars in use.
            ShardError: it cannot be fetched.
            StoppedError: the cache was closed meanwhile.
        """
        size_bytes, since_s = tar.record.size_bytes, time.monotonic()
        held = self._room.hold(tar.path, size_bytes=size_bytes)
        while held is None:
            if self._stop.is_set():
                raise StoppedError
            with self._change:
                if (fault := self._faults.pop(tar.path, None)) is not None:
                    raise fault
                if tar.path not in self._at_work and tar not in self._urgent:
                    self._urgent.append(tar)
                    self._start()
                    self._change.notify_all()
                self._change.wait(_LOOK_AGAIN_S)
            held = self._room.hold(tar.path, size_bytes=size_bytes)
        self._traffic.add(waited_s=time.monotonic() - since_s)
        return held

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for number in range(self._threads):
                # Daemons: a program that ends does not wait for a store's answer.
                Thread(target=self._work, name=f"tars-{number}", daemon=True).start()

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._change:
                tar, spare = self._next()
                if tar is None:
                    self._change.wait(1.0)
                    continue
                self._at_work.add(tar.path)
            fault = self._fault_of(tar, spare)
            with self._change:
                self._at_work.discard(tar.path)
                if isinstance(fault, NoRoomError) and spare:
                    self._put_off.add(tar.path)
                elif isinstance(fault, NoRoomError) and self._at_work:
                    self._urgent.append(tar)  # what is being fetched can be removed afterwards
                    self._change.wait(_LOOK_AGAIN_S)
                elif fault is not None:
                    self._faults[tar.path] = fault
                self._change.notify_all()

    def _next(self) -> tuple[RemoteTar | None, set[Path]]:
        """Return what to fetch now, and what is not to be removed for it."""
        while self._urgent:
            tar = self._urgent.popleft()
            if tar.path not in self._at_work:
                return tar, set()
        out = self._at_work | self._put_off
        for tar in self._ahead:
            if tar.path not in out and not tar.path.exists():
                return tar, {one.path for one in self._ahead}
        return None, set()

    def _fault_of(self, tar: RemoteTar, spare: set[Path]) -> Exception | None:
        """Fetch a tar; return the error instead of raising it, for whoever waits for the tar."""
        try:
            self._fetch(tar, spare)
        except StoppedError:
            return None
        except OSError as fault:
            return ShardError(
                f"{tar.path} cannot be kept ({fault.strerror or fault})",
                remedy="see that the cache's folder is there and can be written to",
            )
        except Exception as fault:
            return fault
        return None

    def _fetch(self, tar: RemoteTar, spare: set[Path]) -> None:
        size_bytes = tar.record.size_bytes
        claim = self._room.claim(tar.path, size_bytes=size_bytes, spare=spare, stop=self._stop)
        with claim as partial:
            if partial is None:
                return
            tar.source.copy(tar.record.name, partial, sha256=tar.record.sha256)
        self._traffic.add(tars=1, size_bytes=size_bytes)
