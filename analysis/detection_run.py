"""Runs a detector over units of pictures: kept ones are not looked at again, and work is shared.

Reading, decoding and scaling of the next batches goes on beside the detector.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from analysis.detection_files import DetectionFiles, UnitDetections
from analysis.detection_units import Batch, Unit
from analysis.detectors.detector import Detections, ObjectDetector
from analysis.detectors.device import cores_of_process

Progress = Callable[[str, float], None]
"""Called with what is being done now, and the share of all, 0 to 1, that is done."""
Item = TypeVar("Item")

_WAIT_S = 0.5
"""How often is asked whether another process has finished its unit."""


@runtime_checkable
class PreparesPictures(Protocol):
    """A detector whose work without the network can be done in a thread beside it."""

    def prepare(self, images: Sequence[Any]) -> Any:
        """Check and scale pictures of one size."""
        ...

    def detect_prepared(self, pictures: Any) -> list[Detections]:
        """Find the objects of what `prepare` returned."""
        ...


@runtime_checkable
class LooksAtOnce(Protocol):
    """A detector that several threads may call at the same time."""

    at_once: int
    """How many threads use the machine best."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ready:
    """A batch that waits for the detector."""

    unit: int
    numbers: NDArray[np.int32]
    images: Any
    """As `PreparesPictures.prepare` gave them, else the pictures."""


def run_detector(
    units: Sequence[Unit],
    detector: ObjectDetector,
    files: DetectionFiles,
    *,
    progress: Progress | None = None,
    batch: int = 8,
) -> list[UnitDetections]:
    """Return what is found in each unit, from the files where it was found before.

    Args:
        units: what to look at.
        detector: what looks.
        files: where what was found is kept.
        progress: told of the speed in pictures a second after each batch.
        batch: pictures at a time.

    Raises:
        WtoursError: a picture is damaged, or the folder cannot be written.
    """
    tell = _Speed(units, progress or (lambda what, share: None))
    readers = max(1, min(min(unit.threads for unit in units), cores_of_process() // 2))
    found: dict[int, UnitDetections] = {}
    while True:
        before = len(found)
        claims = _Claims(units, files, found, tell)
        with claims:
            ready = ahead(_calls(units, claims, detector, batch=batch), threads=readers)
            _keep(units, claims, _seen(detector, ready), tell)
        if len(found) == len(units):
            return [found[number] for number in range(len(units))]
        if len(found) == before:
            time.sleep(_WAIT_S)  # what is missing is being looked at by another process


def rank_and_world() -> tuple[int, int]:
    """Return the number of this process and how many there are, as torchrun tells them."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return (rank, world) if 0 <= rank < world else (0, 1)


def ahead(calls: Iterable[Callable[[], Item]], *, threads: int) -> Iterator[Item]:
    """Give the results of calls in their order, while threads do those that follow."""
    waiting: deque[Future[Item]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Speed:
    """Tells how far all units are, and how many pictures a second this process looks at."""

    def __init__(self, units: Sequence[Unit], progress: Progress) -> None:
        self._all = max(1, sum(unit.pictures for unit in units))
        self._progress = progress
        self._done = self._looked = 0
        self._busy_s = 0.0

    def kept(self, pictures: int) -> None:
        """Take note of pictures that need not be looked at."""
        self._done += pictures
        self._tell()

    def looked(self, pictures: int, lasted_s: float) -> None:
        """Take note of pictures that were looked at."""
        self._done, self._looked = self._done + pictures, self._looked + pictures
        self._busy_s += lasted_s
        self._tell()

    def _tell(self) -> None:
        rate = f", {self._looked / self._busy_s:.1f} pictures a second" if self._looked else ""
        self._progress(f"looking for objects{rate}", min(1.0, self._done / self._all))


class _Claims:
    """Gives the units that are to be looked at here, one after the other; a context.

    What is kept already goes to `found`; what another process has is left to it.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        files: DetectionFiles,
        found: dict[int, UnitDetections],
        tell: _Speed,
    ) -> None:
        self._units, self._files, self._found, self._tell = units, files, found, tell
        self._held: dict[int, ExitStack] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        for stack in self._held.values():
            stack.close()

    def __iter__(self) -> Iterator[int]:
        for number in _own_first(len(self._units), *rank_and_world()):
            if number in self._found or self._kept(number):
                continue
            stack = ExitStack()
            mine = stack.enter_context(self._files.claim(self._units[number].key))
            if not mine or self._kept(number):  # another process has it, or has just finished it
                stack.close()
                continue
            self._held[number] = stack
            yield number

    def finish(self, number: int, found: UnitDetections) -> None:
        """Keep what was found in a unit."""
        unit = self._units[number]
        self._files.write(unit.key, found, pictures=unit.pictures)
        self._held.pop(number).close()
        self._found[number] = found

    def _kept(self, number: int) -> bool:
        unit = self._units[number]
        kept = self._files.read(unit.key, pictures=unit.pictures)
        if kept is not None:
            self._found[number] = kept
            self._tell.kept(unit.pictures)
        return kept is not None


def _calls(
    units: Sequence[Unit], numbers: Iterable[int], detector: ObjectDetector, *, batch: int
) -> Iterator[Callable[[], _Ready]]:
    """Give calls that do all that can be done beside the detector, unit after unit."""
    prepares = detector if isinstance(detector, PreparesPictures) else None

    def ready(number: int, read: Callable[[], Batch]) -> _Ready:
        pictures = read()
        images = prepares.prepare(pictures.images) if prepares else pictures.images
        return _Ready(unit=number, numbers=pictures.numbers, images=images)

    for number in numbers:
        for read in units[number].batches(batch):
            yield partial(ready, number, read)


def _seen(
    detector: ObjectDetector, batches: Iterable[_Ready]
) -> Iterator[tuple[_Ready, list[Detections]]]:
    """Give batches with what is found in them, in their order."""
    prepares = detector if isinstance(detector, PreparesPictures) else None

    def look(one: _Ready) -> tuple[_Ready, list[Detections]]:
        images = one.images
        return one, prepares.detect_prepared(images) if prepares else detector.detect(images)

    at_once = detector.at_once if isinstance(detector, LooksAtOnce) else 1
    if at_once == 1:
        return map(look, batches)
    return ahead((partial(look, one) for one in batches), threads=at_once)


def _keep(
    units: Sequence[Unit],
    claims: _Claims,
    batches: Iterable[tuple[_Ready, list[Detections]]],
    tell: _Speed,
) -> None:
    """Keep a unit when all of its pictures were looked at."""
    found: dict[int, dict[int, Detections]] = {}
    since_s = time.monotonic()
    for one, seen in batches:
        of_unit = found.setdefault(one.unit, {})
        of_unit.update(zip(one.numbers.tolist(), seen, strict=True))
        if len(of_unit) == units[one.unit].pictures:
            claims.finish(one.unit, _together(found.pop(one.unit)))
        now_s = time.monotonic()
        tell.looked(len(seen), now_s - since_s)
        since_s = now_s
    assert not found


def _together(found: Mapping[int, Detections]) -> UnitDetections:
    """Return the boxes of all pictures of a unit, by the numbers of the pictures."""
    in_order = sorted(found.items())
    seen = [one for _, one in in_order]
    numbers = np.array([number for number, _ in in_order], dtype=np.int32)
    return UnitDetections(
        picture=np.repeat(numbers, [len(one) for one in seen]),
        class_id=np.concatenate([one.classes for one in seen]).astype(np.int32),
        score=np.concatenate([one.scores for one in seen]),
        boxes=np.concatenate([one.boxes for one in seen]),
    )


def _own_first(units: int, rank: int, world: int) -> list[int]:
    """Return the units in the order in which a process takes them: its share, then the others'."""
    return sorted(range(units), key=lambda number: (number % world - rank) % world)
