"""Guards over the borders of stretches: the same pictures, wherever a video was cut."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.video_making import write_video
from tests.wtours.detectors.tiny_models import BrightSpot, write_model
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards
from wtours.stages.blur import BlurSettings
from wtours.stretches import Timeline, stretches_from, with_neighbours

FRAMES, SPOT_PX = 48, 24
MISSED = {5, 11, 12, 23, 24, 35, 36, 47}
"""Frames in which the spot is too dark for the model; keyframes are 0, 12, 24 and 36."""


def spotted(index: int) -> np.ndarray:
    """Return a grey picture with a spot that moves; the model sees it where it is bright."""
    picture = np.full((96, 128, 3), 90, dtype=np.uint8)
    x, y = 8 + index, 20 + index // 3
    picture[y : y + SPOT_PX, x : x + SPOT_PX] = 170 if index in MISSED else 255
    return picture


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(
        tmp_path / "walk.mp4",
        map(spotted, range(FRAMES)),
        rate=12,
        options={"g": "12", "sc_threshold": "0", "bf": "2"},
    )


def made(video: Path, out: Path, model: Path, *, fps: str, tar_s: float, workers: int) -> ShardSet:
    settings = ShardSettings(
        fps="native" if fps == "native" else Fraction(fps),
        blur=BlurSettings(face_model=model, style="solid", detection_px=96),
        cuts=None,
        tar_s=tar_s,
    )
    shard_videos([video], out=out, settings=settings, workers=workers)
    return open_shards(out)[0]


def contents(shards: ShardSet) -> list[tuple[object, ...]]:
    rows = shards.table(["key", "boxes", "motion", "phash"]).to_pylist()
    return [(*row.values(), shards.read_jpeg(n)) for n, row in enumerate(rows)]


@pytest.mark.parametrize("fps", ["native", "4"])
def test_pictures_do_not_depend_on_where_a_video_is_cut(
    video: Path, tmp_path: Path, fps: str
) -> None:
    model = write_model(tmp_path / "spot.jit", BrightSpot())
    whole, cut = (
        made(video, tmp_path / str(tar_s), model, fps=fps, tar_s=tar_s, workers=1)
        for tar_s in (60.0, 1.0)
    )
    assert (len(whole.record.tars), len(cut.record.tars)) == (1, 4)
    assert contents(whole) == contents(cut)
    assert cut.videos[0].frames == FRAMES


def test_single_misses_do_not_show_at_borders_either(video: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "spot.jit", BrightSpot())
    shards = made(video, tmp_path / "out", model, fps="native", tar_s=1, workers=1)
    for n, row in enumerate(shards.table(["boxes"]).to_pylist()):
        kinds = {box["kind"] for box in row["boxes"]}
        assert ("face" in kinds) == (n not in MISSED)
        assert ("face-guard" in kinds) == (n in MISSED)
        picture = np.asarray(Image.open(io.BytesIO(shards.read_jpeg(n)))).astype(int)
        x, y = 8 + n, 20 + n // 3
        spot = picture[y : y + SPOT_PX, x : x + SPOT_PX]
        assert spot.std() < 4, "of one colour"
    assert {row["boxes"][0]["score"] for row in shards.table(["boxes"]).to_pylist()} == {
        np.float32(0.9)
    }


@pytest.mark.slow
def test_pictures_do_not_depend_on_the_number_of_workers(video: Path, tmp_path: Path) -> None:
    """Slow, because every worker imports torch."""
    model = write_model(tmp_path / "spot.jit", BrightSpot())
    one, two = (
        made(video, tmp_path / str(n), model, fps="native", tar_s=1, workers=n) for n in (1, 2)
    )
    assert contents(one) == contents(two)


def timeline(count: int, starts: Sequence[int]) -> Timeline:
    return Timeline(
        pts=np.arange(count, dtype=np.int64) * 10,
        starts=np.asarray(starts, dtype=np.int64) * 10,
        first_pts=7,
    )


def test_what_is_decoded_reaches_back_to_a_keyframe_and_on_to_the_last_neighbour() -> None:
    whole = timeline(100, [0, 10, 25, 30, 60, 65])
    stretches = stretches_from(whole, [0, 300, 600])
    every = np.arange(100)
    read, beyond = with_neighbours(stretches[1], whole, every, reach_pts=20)
    assert sorted(beyond) == [28, 29, 60, 61]
    assert (read.first, read.end, read.start_pts, read.end_pts) == (25, 62, 250, 620)
    assert (read.number, read.first_pts) == (1, 7)
    read, beyond = with_neighbours(stretches[0], whole, every, reach_pts=25)
    assert (sorted(beyond), read.first, read.end) == ([30, 31], 0, 32)
    read, beyond = with_neighbours(stretches[2], whole, every, reach_pts=70)
    assert (sorted(beyond), read.first, read.end_pts) == (list(range(53, 60)), 30, None)


@pytest.mark.parametrize(
    ("kept", "reach_pts"),
    [(np.arange(100), 0), (np.arange(0, 100, 10), 90), (np.asarray([5, 95]), 500)],
)
def test_nothing_more_is_decoded_where_no_neighbour_is_in_reach(
    kept: np.ndarray, reach_pts: int
) -> None:
    whole = timeline(100, [0, 30, 60])
    stretch = stretches_from(whole, [0, 300, 600])[1]
    assert with_neighbours(stretch, whole, kept, reach_pts=reach_pts) == (stretch, frozenset())
