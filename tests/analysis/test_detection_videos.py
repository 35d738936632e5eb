"""Objects are counted in the videos of sets, stretch by stretch, with the ticks of the sets."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from analysis.detection_streams import BATCH_BYTES
from analysis.detection_videos import units_of_videos
from analysis.detections import Objects, find_objects, find_objects_in_videos
from analysis.durations import match_duration
from analysis.tables import read_tables
from tests.analysis.brightness import Brightness
from tests.video_making import flat, write_video
from wtours import SourceVideos, WtoursError
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[ShardSet, ...]]:
    """A video of six seconds that grows brighter and a short one, with sets of 2 s a tar."""
    folder = tmp_path_factory.mktemp("videos")
    walk = [flat(60 + 2 * i) for i in range(60)]
    write_video(folder / "walk.mp4", walk, rate=10, options={"g": "10"})
    write_video(folder / "hall.mp4", [flat(150, size=(96, 64))] * 12, rate=10)
    settings = ShardSettings(fps=Fraction(3), blur=None, cuts=None, short_side_px=48, tar_s=2.0)
    shard_videos([folder / "walk.mp4", folder / "hall.mp4"], out=folder / "s", settings=settings)
    return folder, open_shards(folder / "s")


def look(
    made: tuple[Path, tuple[ShardSet, ...]],
    out: Path,
    detector: Brightness,
    *,
    videos: Path | None = None,
    batch: int = 3,
) -> Objects:
    folder, sets = made
    records = [video for each in sets for video in each.videos]
    sources = SourceVideos([videos or folder], records)
    return find_objects_in_videos(sets, detector, out, sources=sources, batch=batch)


def test_ticks_times_and_counts_are_those_of_the_set(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path
) -> None:
    of_shards = find_objects(made[1], Brightness(), tmp_path / "out")
    detector = Brightness()
    of_videos = look(made, tmp_path / "out", detector)
    assert of_videos.looked.equals(of_shards.looked)
    assert len(of_videos.detections) == len(of_shards.detections) > 20
    assert of_videos.record["source"] == "videos"
    assert of_videos.record["picture_px"] == {"hall": (96, 64), "walk": (64, 48)}
    assert {size[1:] for size in detector.batches} == {(48, 64), (64, 96)}
    tables = read_tables(made[1])
    joined = of_videos.detections.merge(tables.pictures, on=["video", "tick"], how="left")
    assert joined["row"].notna().all()
    matched = match_duration(
        tables, detections=of_videos.detections, looked=of_videos.looked, part="random"
    )
    assert matched.looked is not None
    assert set(matched.looked.groupby("video", observed=True).size()) == {4}


def test_stretches_are_those_whose_pictures_share_a_tar(
    made: tuple[Path, tuple[ShardSet, ...]],
) -> None:
    units = units_of_videos(made[1], SourceVideos([], []))
    assert [unit.video for unit in units] == ["hall", "walk", "walk", "walk"]
    assert [unit.pictures for unit in units] == [4, 6, 6, 7]
    assert len({unit.key for unit in units}) == 4
    assert units[2].label == "walk, 2 to 4 s"


def test_a_broken_run_goes_on_with_the_stretch_it_was_in(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path
) -> None:
    whole = look(made, tmp_path / "whole", Brightness())
    with pytest.raises(KeyboardInterrupt):
        look(made, tmp_path / "out", Brightness(fail_after=12))
    detector = Brightness()
    assert look(made, tmp_path / "out", detector).detections.equals(whole.detections)
    assert detector.looked == len(whole.looked) - 4 - 6


def test_what_is_kept_needs_no_video_and_another_video_is_refused(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path
) -> None:
    first = look(made, tmp_path / "out", Brightness())
    again = look(made, tmp_path / "out", Brightness(fail_after=0), videos=tmp_path / "gone")
    assert again.detections.equals(first.detections)
    with pytest.raises(WtoursError, match="no such file or folder"):
        look(made, tmp_path / "out", Brightness(least=90), videos=tmp_path / "gone")
    with pytest.raises(WtoursError, match="is the one that the shards of hall were made from"):
        look(made, tmp_path / "o", Brightness(), videos=made[0] / "walk.mp4")
    assert not (tmp_path / "o").exists()


def test_batches_of_large_pictures_are_smaller(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.detection_streams.BATCH_BYTES", 2 * 64 * 48 * 3)
    detector = Brightness()
    look(made, tmp_path, detector, batch=4)
    largest = {height: count for count, height, _ in sorted(detector.batches)}
    assert largest == {64: 1, 48: 2}
    assert 10 * 3840 * 2160 * 3 < BATCH_BYTES < 11 * 3840 * 2160 * 3


@pytest.mark.media
@pytest.mark.slow
@pytest.mark.parametrize("name", ["street_hevc_portrait.mp4", "people_room.mp4"])
def test_real_videos_give_the_ticks_of_their_shards(media: Path, tmp_path: Path, name: str) -> None:
    """The portrait one has times that contradict the order of its pictures: decoded whole."""
    settings = ShardSettings(fps=Fraction(1), blur=None, cuts=None, tar_s=30)
    shard_videos([media / name], out=tmp_path / "s", settings=settings)
    sets = open_shards(tmp_path / "s")
    detector = Brightness(least=0)
    found = look((media, sets), tmp_path, detector)
    record = sets[0].videos[0]
    assert {size[1:] for size in detector.batches} == {(record.height, record.width)}
    np.testing.assert_array_equal(found.looked["tick"], sets[0].table(["tick"])["tick"].to_numpy())
