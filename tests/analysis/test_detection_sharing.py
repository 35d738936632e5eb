"""Detections shared by threads and by processes: all is looked at once, faults are told."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.detection_run import ahead
from analysis.detections import find_objects
from analysis.detectors.detector import Detections
from tests.analysis.brightness import Brightness, BrightnessAtOnce
from tests.analysis.sets import make_set
from wtours import WtoursError
from wtours.shards import ShardSet


class SlowBrightness(Brightness):
    """The same, which in its first tar waits until another process has finished one.

    Args:
        until: folder with what was found.
    """

    def __init__(self, *, until: Path) -> None:
        super().__init__()
        self.until = until

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        deadline_s = time.monotonic() + 60
        while not list(self.until.rglob("*.parquet")) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return super().detect(images)


def test_a_detector_may_look_at_several_batches_at_once(walk: ShardSet, tmp_path: Path) -> None:
    """Each of two threads waits until the other has a batch as well."""

    class Meeting(BrightnessAtOnce):
        met = threading.Barrier(2)

        def detect(self, images: Sequence[Any]) -> list[Detections]:
            self.met.wait(timeout=30)
            return super().detect(images)

    detector = Meeting()
    detector.at_once = 2
    found = find_objects([walk], detector, tmp_path / "out", batch=5)  # 4 + 4 + 2 batches of tars
    assert len(detector.threads) == 2
    assert found.detections.equals(
        find_objects([walk], Brightness(), tmp_path / "plain").detections
    )


def test_a_fault_in_one_of_several_threads_is_told_and_the_run_goes_on_later(
    walk: ShardSet, tmp_path: Path
) -> None:
    class Failing(BrightnessAtOnce):
        def detect(self, images: Sequence[Any]) -> list[Detections]:
            if self.looked > 20:
                raise WtoursError("broken", remedy="mend it")
            return super().detect(images)

    with pytest.raises(WtoursError, match="broken"):
        find_objects([walk], Failing(), tmp_path / "out", batch=2)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]
    again = BrightnessAtOnce()
    found = find_objects([walk], again, tmp_path / "out", batch=2)
    assert again.looked < 40
    assert found.detections.equals(
        find_objects([walk], Brightness(), tmp_path / "plain").detections
    )


REPOSITORY = Path(__file__).parents[2]


_RANK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from analysis.detections import find_objects
from tests.analysis.brightness import Brightness
from wtours.shards import open_shards
detector = Brightness()
found = find_objects(open_shards(sys.argv[2]), detector, Path(sys.argv[3]), batch=2)
print(detector.looked, len(found.looked), len(found.detections))
"""


def test_processes_divide_the_tars_and_all_get_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under torchrun: each looks first at its own share, and waits for the rest."""
    walk = make_set(tmp_path / "sets" / "walk", pictures_per_tar=5)
    alone = find_objects([walk], Brightness(), tmp_path / "alone")
    other = subprocess.Popen(
        [sys.executable, "-c", _RANK, REPOSITORY, tmp_path / "sets", tmp_path / "out"],
        env=os.environ | {"RANK": "1", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    detector = SlowBrightness(until=tmp_path / "out" / "detections")
    found = find_objects([walk], detector, tmp_path / "out", batch=2)
    looked, ticks, boxes = map(int, other.communicate(timeout=60)[0].split())
    assert other.returncode == 0
    assert 0 < looked < 40
    assert detector.looked + looked == 40
    assert (ticks, boxes) == (40, len(alone.detections))
    assert found.detections.equals(alone.detections)


def test_results_come_in_order_and_only_a_few_are_ahead() -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        time.sleep(0.002 * (number % 3))
        return number

    results = []
    for result in ahead(((lambda n=n: call(n)) for n in range(20)), threads=3):
        results.append(result)
        assert len(begun) <= result + 5
    assert results == list(range(20))


def test_a_fault_in_a_thread_is_raised_here() -> None:
    def fail() -> int:
        raise WtoursError("broken", remedy="mend it")

    with pytest.raises(WtoursError, match="broken"):
        list(ahead([lambda: 1, fail, lambda: 3], threads=2))
