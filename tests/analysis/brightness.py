"""A detector of bright pictures, by plain arithmetic, and what a table of its finds should hold."""

import io
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from analysis.detectors.detector import Detections
from wtours.shards import ShardSet

NAMES = ("dark", "bright", "never")


class Brightness:
    """Finds one object in pictures above a value, two in the brightest, by plain arithmetic.

    Args:
        least: value of a picture with an object.
        fail_after: pictures after which it breaks down.
    """

    names: Sequence[str] = NAMES

    def __init__(self, *, least: float = 100.0, fail_after: int | None = None) -> None:
        self.least, self.fail_after = least, fail_after
        self.looked = 0
        self.batches: list[tuple[int, ...]] = []

    def describe(self) -> dict[str, Any]:
        return {
            "detector": "brightness",
            "weights_sha256": "0" * 64,
            "settings": {"threshold": 0.3, "least": self.least},
        }

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        self.looked += len(images)
        self.batches.append((len(images), *images[0].shape[:2]))
        if self.fail_after is not None and self.looked > self.fail_after:
            raise KeyboardInterrupt
        assert len({image.shape for image in images}) == 1
        return [self._one(image) for image in images]

    def _one(self, image: Any) -> Detections:
        value = float(image.mean())
        count = int(value > self.least) + int(value > self.least + 20)
        return Detections(
            boxes=np.array([[i, 0, i + 5, value / 10] for i in range(count)], np.float32).reshape(
                -1, 4
            ),
            scores=np.array([0.9, 0.4][:count], dtype=np.float32),
            classes=np.array([1, 0][:count], dtype=np.int64),
        )


class PreparingBrightness(Brightness):
    """The same with its first half beside it."""

    def prepare(self, images: Sequence[Any]) -> Any:
        self.thread = threading.current_thread().name
        return list(images)

    def detect_prepared(self, pictures: Any) -> list[Detections]:
        assert threading.current_thread().name != self.thread
        return super().detect(pictures)


class BrightnessAtOnce(Brightness):
    """The same in three threads, of which the first is the last to be done."""

    at_once = 3

    def __init__(self, *, least: float = 100.0, fail_after: int | None = None) -> None:
        super().__init__(least=least, fail_after=fail_after)
        self.threads: set[str] = set()

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        if not self.threads:
            self.threads.add(threading.current_thread().name)
            time.sleep(0.05)
        self.threads.add(threading.current_thread().name)
        return super().detect(images)


def plain_rows(shards: Sequence[ShardSet], detector: Brightness) -> list[tuple[Any, ...]]:
    """What the table should hold, tick by tick."""
    rows = []
    for shard_set in shards:
        index = shard_set.table().to_pandas()
        for row in range(len(index)):
            image = np.asarray(Image.open(io.BytesIO(shard_set.read_jpeg(row))))
            (found,) = detector.detect([image])
            for box, score, name in zip(found.boxes, found.scores, found.classes, strict=True):
                video, tick, time_s = index.loc[row, ["video", "tick", "time_s"]]
                rows.append((video, tick, time_s, name, NAMES[name], score, *box))
    return rows
