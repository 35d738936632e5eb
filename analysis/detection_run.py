"""Runs a detector over units of pictures: kept ones are not looked at again, and work is shared.

Reading, decoding and scaling of the next batches goes on beside the detector.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from analysis.detection_files import DetectionFiles, UnitDetections
from analysis.detection_units import Batch, Unit
from analysis.detectors.detector import Detections, ObjectDetector

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
    found: dict[int, UnitDetections] = {}
    order = _own_first(len(units), *rank_and_world())
    while len(found) < len(units):
        before = len(found)
        for number in order:
            if number in found:
                continue
            one = _look_once(units[number], detector, files, tell, batch=batch)
            if one is not None:
                found[number] = one
        if len(found) == before:
            time.sleep(_WAIT_S)  # what is missing is being looked at by another process
    return [found[number] for number in range(len(units))]


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


def _look_once(
    unit: Unit, detector: ObjectDetector, files: DetectionFiles, tell: _Speed, *, batch: int
) -> UnitDetections | None:
    """Return what is kept of a unit, or look at it; None while another process does."""
    kept = files.read(unit.key, pictures=unit.pictures)
    if kept is None:
        with files.claim(unit.key) as mine:
            if not mine:
                return None
            kept = files.read(unit.key, pictures=unit.pictures)  # finished in the meantime
            if kept is None:
                found = _look(unit, detector, tell, batch=batch)
                files.write(unit.key, found, pictures=unit.pictures)
                return found
    tell.kept(unit.pictures)
    return kept


def _look(unit: Unit, detector: ObjectDetector, tell: _Speed, *, batch: int) -> UnitDetections:
    """Look at all pictures of a unit; they are read and prepared beside the detector."""
    prepares = detector if isinstance(detector, PreparesPictures) else None

    def prepared(read: Callable[[], Batch]) -> tuple[Batch, Any]:
        pictures = read()
        return pictures, prepares.prepare(pictures.images) if prepares else pictures.images

    calls = ((lambda read=read: prepared(read)) for read in unit.batches(batch))
    threads = max(1, min(unit.threads, (os.cpu_count() or 1) // 2))
    numbers, found, since_s = list[Any](), list[Detections](), time.monotonic()
    for pictures, ready in ahead(calls, threads=threads):
        found += prepares.detect_prepared(ready) if prepares else detector.detect(ready)
        numbers.append(pictures.numbers)
        now_s = time.monotonic()
        tell.looked(len(pictures.numbers), now_s - since_s)
        since_s = now_s
    of_picture = np.concatenate(numbers)
    assert sorted(of_picture) == list(range(unit.pictures))
    assert len(found) == unit.pictures
    order = np.argsort(of_picture)
    found = [found[at] for at in order]
    return UnitDetections(
        picture=np.repeat(of_picture[order], [len(one) for one in found]).astype(np.int32),
        class_id=np.concatenate([one.classes for one in found]).astype(np.int32),
        score=np.concatenate([one.scores for one in found]),
        boxes=np.concatenate([one.boxes for one in found]),
    )


def _own_first(units: int, rank: int, world: int) -> list[int]:
    """Return the units in the order in which a process takes them: its share, then the others'."""
    return sorted(range(units), key=lambda number: (number % world - rank) % world)
