"""Detections as a table: every tick, kept tar by tar, shared by processes, never mixed."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.detection_run import ahead
from analysis.detection_units import decode_jpeg, units_of
from analysis.detections import DETECTION_COLUMNS, LOOKED_COLUMNS, find_objects, kept_objects
from analysis.detectors.detector import Detections
from analysis.detectors.opening import open_detector
from tests.analysis.sets import make_set
from tests.shard_making import jpeg_of
from wtours import WtoursError
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardError, ShardSet, open_shards

REPOSITORY = Path(__file__).parents[2]
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


@pytest.fixture
def walk(tmp_path: Path) -> ShardSet:
    """Forty pictures in three tars."""
    return make_set(tmp_path / "walk")


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


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("kind", [Brightness, PreparingBrightness, BrightnessAtOnce])
def test_the_table_holds_the_boxes_of_every_tick(
    walk: ShardSet, tmp_path: Path, kind: type[Brightness], batch: int
) -> None:
    street = make_set(tmp_path / "street", frames=9, seed=3, side=60)
    found = find_objects([walk, street], kind(), tmp_path / "out", batch=batch)
    rows = [tuple(row) for row in found.detections.itertuples(index=False)]
    assert rows == plain_rows([walk, street], Brightness())
    assert len(rows) > 10
    assert found.looked["video"].tolist() == ["walk"] * 40 + ["street"] * 9
    assert found.record["picture_px"] == {"walk": (64, 48), "street": (80, 60)}
    assert found.record["source"] == "shards"


def test_columns_have_their_types(walk: ShardSet, tmp_path: Path) -> None:
    found = find_objects([walk], Brightness(), tmp_path / "out")
    none = find_objects([walk], Brightness(least=999), tmp_path / "out")
    assert len(none.detections) == 0
    assert len(none.looked) == 40
    for one in (found, none):
        for table, columns in (
            (one.detections, DETECTION_COLUMNS),
            (one.looked, LOOKED_COLUMNS),
        ):
            assert {name: str(kind) for name, kind in table.dtypes.items()} == dict(columns)
    assert list(found.detections["name"].cat.categories) == ["dark", "bright"]


def test_ticks_that_share_a_picture_share_its_boxes(tmp_path: Path) -> None:
    """As where only keyframes are kept: here every picture stands for two ticks."""
    slow = make_set(tmp_path / "slow", frames=12)
    path = slow.folder / "index.parquet"
    index = pq.read_table(path)
    doubled = index.take(np.arange(24) // 2)
    place = index.schema.get_field_index("tick")
    pq.write_table(doubled.set_column(place, "tick", pa.array(np.arange(24))), path)
    slow = ShardSet(slow.folder)
    detector = Brightness(least=0)
    found = find_objects([slow], detector, tmp_path / "out")
    assert detector.looked == 12
    assert found.looked["tick"].tolist() == list(range(24))
    assert [tuple(row) for row in found.detections.itertuples(index=False)] == plain_rows(
        [slow], Brightness(least=0)
    )


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


def test_a_run_that_broke_off_goes_on_and_gives_the_same(walk: ShardSet, tmp_path: Path) -> None:
    whole = find_objects([walk], Brightness(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        find_objects([walk], Brightness(fail_after=20), tmp_path / "out", batch=4)
    detector = Brightness()
    found = find_objects([walk], detector, tmp_path / "out", batch=4)
    assert detector.looked == 40 - 16  # the first tar was done
    assert found.detections.equals(whole.detections)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]
    detector = Brightness()
    assert find_objects([walk], detector, tmp_path / "out").detections.equals(whole.detections)
    assert detector.looked == 0


def test_another_detector_and_a_set_that_grew_never_mix(walk: ShardSet, tmp_path: Path) -> None:
    first = find_objects([walk], Brightness(), tmp_path / "out")
    other = Brightness(least=110)
    found = find_objects([walk], other, tmp_path / "out")
    assert other.looked == 40
    assert len(found.detections) < len(first.detections)
    assert found.record["digest"] != first.record["digest"]
    street = make_set(tmp_path / "street", frames=9, seed=3)
    more = Brightness()
    assert len(find_objects([walk, street], more, tmp_path / "out").looked) == 49
    assert more.looked == 9


@pytest.mark.parametrize("harm", ["cut", "zeros", "bytes", "empty", "another"])
def test_a_damaged_file_is_found_and_made_again(walk: ShardSet, tmp_path: Path, harm: str) -> None:
    whole = find_objects([walk], Brightness(), tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    assert len(files) == 3
    content = files[1].read_bytes()
    files[1].write_bytes(
        {
            "cut": content[: len(content) // 2],
            "zeros": content[:40] + bytes(60) + content[100:],
            "bytes": content[:60] + bytes([content[60] ^ 1]) + content[61:],
            "empty": b"",
            "another": files[0].read_bytes(),
        }[harm]
    )
    detector = Brightness()
    found = find_objects([walk], detector, tmp_path / "out")
    assert 0 < detector.looked <= 16
    assert found.detections.equals(whole.detections)
    assert files[1].read_bytes() == content


def test_two_classes_of_one_name_are_told_where_both_were_found(
    walk: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Brightness, "names", ("dark", "dark", "never"))
    with pytest.raises(WtoursError, match=r"classes 0 and 1 were both found, .* called 'dark'"):
        find_objects([walk], Brightness(least=0), tmp_path)
    monkeypatch.setattr(Brightness, "names", ("never", "bright", "never"))
    found = find_objects([walk], Brightness(least=1000), tmp_path)
    assert found.detections.empty


def test_what_was_found_is_read_without_a_detector(walk: ShardSet, tmp_path: Path) -> None:
    assert kept_objects([walk], tmp_path / "out") == ()
    made = [find_objects([walk], Brightness(least=v), tmp_path / "out") for v in (100, 110)]
    kept = {one.record["digest"]: one for one in kept_objects([walk], tmp_path / "out")}
    assert len(kept) == 2
    for one in made:
        again = kept[one.record["digest"]]
        assert again.detections.equals(one.detections)
        assert again.looked.equals(one.looked)
        assert dict(again.record) == dict(one.record)
    street = make_set(tmp_path / "street", frames=9, seed=3)
    assert kept_objects([walk, street], tmp_path / "out") == ()
    json_file = next((tmp_path / "out").rglob("detector.json"))
    json_file.write_text(json.dumps({"detector": {}, "names": []}))
    assert len(kept_objects([walk], tmp_path / "out")) == 1


def test_pictures_of_different_sizes_are_never_in_one_batch(tmp_path: Path) -> None:
    """Short videos share a tar: their pictures may alternate in size."""
    first = make_set(tmp_path / "first", frames=6)
    (unit,) = units_of([first])
    small = np.full((30, 20, 3), 200, dtype=np.uint8)
    unit.sizes[1::2] = (30, 20)
    read = type(first).read_jpeg
    jpeg = {int(unit.rows[number]): jpeg_of(small) for number in (1, 3, 5)}
    try:
        ShardSet.read_jpeg = lambda self, row: jpeg.get(row) or read(self, row)  # type: ignore[method-assign]
        batches = [call() for call in unit.batches(4)]
    finally:
        ShardSet.read_jpeg = read  # type: ignore[method-assign]
    assert [batch.numbers.tolist() for batch in batches] == [[1, 3, 5], [0, 2, 4]]
    assert all(len({image.shape for image in batch.images}) == 1 for batch in batches)


def test_altered_and_mislabelled_pictures_are_told(tmp_path: Path) -> None:
    wrong = make_set(tmp_path / "wrong", frames=3, video={"picture_width": 30})
    with pytest.raises(ShardError, match="picture 0 is 64x48, but 30x48 is recorded"):
        find_objects([wrong], Brightness(), tmp_path / "out")
    torn = make_set(tmp_path / "torn", frames=3)
    (tar,) = torn.folder.glob("*.tar")
    content = bytearray(tar.read_bytes())
    content[900] ^= 1
    tar.write_bytes(content)
    with pytest.raises(ShardError, match="was altered"):
        find_objects([torn], Brightness(), tmp_path / "out")


@pytest.mark.parametrize("size", [(48, 64), (7, 9), (131, 77)])
def test_jpegs_decode_to_the_values_that_pillow_gives(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(stream, "JPEG")
    for jpeg in (jpeg_of(pixels), stream.getvalue()):  # in colours, and grey
        plain = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        assert np.array_equal(decode_jpeg(jpeg), plain)


@pytest.mark.parametrize("harm", ["cut", "no end", "text", "nothing"])
def test_a_picture_that_is_no_whole_jpeg_is_told(
    walk: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """As where a foreign writer's index has the checksum of a broken picture."""
    read = ShardSet.read_jpeg

    def broken(self: ShardSet, row: int) -> bytes:
        jpeg = read(self, row)
        return {
            "cut": jpeg[: len(jpeg) // 2],
            "no end": jpeg[:-1],
            "text": b"no picture",
            "nothing": b"",
        }[harm]

    monkeypatch.setattr(ShardSet, "read_jpeg", broken)
    with pytest.raises(ShardError, match=r"walk/.*\.tar: picture \d+ cannot be decoded"):
        find_objects([walk], Brightness(), tmp_path / "out")


def test_no_pictures_and_no_batch(walk: ShardSet, tmp_path: Path) -> None:
    with pytest.raises(WtoursError, match="no picture to look at"):
        find_objects([], Brightness(), tmp_path / "out")
    with pytest.raises(WtoursError, match="batch is 0"):
        find_objects([walk], Brightness(), tmp_path / "out", batch=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(WtoursError, match="cannot be written"):
        find_objects([walk], Brightness(), tmp_path / "file")


def test_progress_tells_the_speed_and_ends_at_all(walk: ShardSet, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    find_objects([walk], Brightness(), tmp_path / "out", progress=lambda *one: told.append(one))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all("pictures a second" in what for what, _ in told)


_RANK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from analysis.detections import find_objects
from tests.analysis.test_detections import Brightness
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


@pytest.mark.media
def test_a_room_with_people_has_people(media: Path, tmp_path: Path) -> None:
    """A real video, sharded and looked at by a real detector."""
    settings = ShardSettings(fps=Fraction(1, 5), blur=None, cuts=None)
    shard_videos([media / "people_room.mp4"], out=tmp_path / "shards", settings=settings)
    shards = open_shards(tmp_path / "shards")
    detector = open_detector(f"onnx:{media / 'yolox_nano.onnx'}", threshold=0.5)
    found = find_objects(shards, detector, tmp_path / "out")
    counted = found.detections["name"].value_counts()
    assert counted.index[0] == "person"
    assert counted["person"] > 0.5 * counted.sum()
    assert found.detections["x1"].max() <= found.record["picture_px"]["people_room"][0]
