"""Detections as a table: every tick, its types, what is told."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.detections import DETECTION_COLUMNS, LOOKED_COLUMNS, find_objects
from analysis.detectors.opening import open_detector
from tests.analysis.brightness import Brightness, BrightnessAtOnce, PreparingBrightness, plain_rows
from tests.analysis.sets import make_set
from wtours import WtoursError
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards


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


def test_two_classes_of_one_name_are_told_where_both_were_found(
    walk: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Brightness, "names", ("dark", "dark", "never"))
    with pytest.raises(WtoursError, match=r"classes 0 and 1 were both found, .* called 'dark'"):
        find_objects([walk], Brightness(least=0), tmp_path)
    monkeypatch.setattr(Brightness, "names", ("never", "bright", "never"))
    found = find_objects([walk], Brightness(least=1000), tmp_path)
    assert found.detections.empty


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
