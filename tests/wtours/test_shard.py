"""Videos become shard sets: the same every time, faces covered, what was expected."""

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.video_making import write_video
from tests.wtours.walk_in_venice import PLAIN, leftovers
from wtours.errors import WtoursError
from wtours.shard import shard_videos, verify_shards
from wtours.shard_estimate import estimate
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards


def test_a_video_becomes_a_shard_set(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    written = shard_videos([video], out=out, settings=PLAIN)
    assert (written.pictures, written.tars) == (7, 1)
    assert written.sets[0].cuts == 1
    assert leftovers(out) == ["walk_in_venice"]
    assert verify_shards([out]) == []
    (shards,) = open_shards(out)
    rows = shards.table().to_pylist()
    assert [row["time_s"] for row in rows] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 89 / 30])
    assert [row["segment"] for row in rows] == [0, 0, 0, 1, 1, 1, 1]
    picture = np.asarray(Image.open(io.BytesIO(shards.read_jpeg(0))))
    assert picture.shape == (60, 80, 3)
    record = shards.videos[0]
    assert (record.width, record.height, record.frames) == (160, 120, 90)
    assert (record.rate, record.kept_rate) == (30, 2)
    assert record.provenance is None
    assert "not recorded" in record.attribution
    assert shards.record.settings["blur"] is None
    assert shards.record.settings["cuts"]["threshold"] == 27


def test_the_same_video_gives_the_same_bytes(video: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard_videos([video], out=tmp_path / name, settings=PLAIN)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "walk_in_venice").iterdir()}
        for name in ("a", "b")
    )
    assert one == other


def test_faces_are_covered_unless_told_otherwise(tmp_path: Path) -> None:
    path = write_video(tmp_path / "face.mkv", [data.astronaut()] * 2, rate=1)
    for name, settings in (("on", ShardSettings()), ("off", ShardSettings(blur=None))):
        shard_videos([path], out=tmp_path / name, settings=settings)
    (covered,), (open_,) = open_shards(tmp_path / "on"), open_shards(tmp_path / "off")
    assert covered.record.settings["blur"]["detector"] == "centerface"
    assert len(covered.record.settings["blur"]["weights_sha256"]) == 64
    boxes = covered.table().to_pylist()[0]["boxes"]
    assert boxes[0]["score"] > 0.8
    assert open_.table().to_pylist()[0]["boxes"] == []
    faces = [
        np.asarray(Image.open(io.BytesIO(one.read_jpeg(0))))[60:175, 185:268].astype(float)
        for one in (covered, open_)
    ]
    steps = [np.abs(np.diff(face, axis=1)).mean() for face in faces]
    assert steps[0] < 2 < 5 < steps[1]


def test_a_kept_rate_over_the_videos_is_refused(video: Path, tmp_path: Path) -> None:
    fast = ShardSettings(fps=Fraction(60), blur=None)
    with pytest.raises(WtoursError, match=r"30 frames a second, fewer than the 60.*--fps native"):
        shard_videos([video], out=tmp_path / "shards", settings=fast)
    within = ShardSettings(fps=Fraction(31), blur=None, short_side_px=60)
    assert shard_videos([video], out=tmp_path / "shards", settings=within).pictures == 90


def test_progress_tells_video_time(video: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, float, float, float]] = []
    shard_videos(
        [video],
        out=tmp_path / "shards",
        settings=PLAIN,
        progress=lambda *state: seen.append(state),
    )
    name, done_s, total_s, speed = seen[-1]
    assert name == "walk_in_venice"
    assert done_s == total_s  # so that its bar ends whole
    assert total_s == pytest.approx(3.0)
    assert speed > 0


def test_an_altered_tar_is_found(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    tar = out / "walk_in_venice" / "walk_in_venice-000000.tar"
    content = bytearray(tar.read_bytes())
    content[2000] ^= 1
    tar.write_bytes(content)
    (fault,) = verify_shards([out])
    assert str(tar) in fault


def test_a_dry_run_comes_near_and_writes_nothing(video: Path, tmp_path: Path) -> None:
    before = leftovers(tmp_path)
    (expected,) = estimate([video], settings=PLAIN).videos
    assert leftovers(tmp_path) == before
    written = shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    assert (expected.frames, expected.pictures) == (90, written.pictures)
    assert expected.size_bytes == pytest.approx(written.sets[0].size_bytes, rel=0.3)
    assert 0 < expected.work_s < 60
