"""Videos of shard sets are known by their bytes, and give the very frames of the sets' pictures."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.video_making import flat, panned, write_video
from tests.wtours.encodings import ENCODINGS, REFRESHED, encode
from wtours import SourceVideos, WtoursError, open_video
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards

KEPT = ShardSettings(fps=Fraction(3), blur=None, cuts=None, short_side_px=32, tar_s=1.0)


def shard(*videos: Path, out: Path, settings: ShardSettings = KEPT) -> tuple[ShardSet, ...]:
    shard_videos(videos, out=out, settings=settings)
    return open_shards(out)


def sources(sets: tuple[ShardSet, ...], *paths: Path, **given: Any) -> SourceVideos:
    return SourceVideos(paths, [video for one in sets for video in one.videos], **given)


def stamps_by_tar(shard_set: ShardSet) -> list[np.ndarray]:
    index = shard_set.table(["pts", "tar"]).to_pandas()
    return [np.unique(rows["pts"]) for _, rows in index.groupby("tar", observed=True)]


def walk(path: Path, *, seed: int = 0, **given: Any) -> Path:
    return write_video(
        path, [panned(seed, i) for i in range(30)], rate=10, options={"g": "10"}, **given
    )


MAKERS = {
    "even": lambda d: walk(d / "a.mp4"),
    "variable": lambda d: walk(
        d / "a.mp4", time_base=Fraction(1, 1000), pts=np.cumsum([0, *[70, 130] * 15])[:30].tolist()
    ),
    "upright": lambda d: walk(d / "a.mov", rotation_deg=90),
    "keyframes that are none": lambda d: encode(d / "a.mp4", REFRESHED["h264-refreshed.mp4"]),
    "guessed times": lambda d: encode(d / "a.avi", ENCODINGS["h264-closed.mp4"]),
    "open groups": lambda d: encode(d / "a.mkv", ENCODINGS["h264-open-8.mkv"]),
}


@pytest.fixture(scope="module", params=MAKERS.values(), ids=MAKERS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[ShardSet, ...]]:
    """A video called `a`, and its set."""
    folder = tmp_path_factory.mktemp("made")
    path = request.param(folder)
    return path, shard(path, out=folder / "shards")


def test_pictures_are_the_frames_of_the_set_in_full_size(
    made: tuple[Path, tuple[ShardSet, ...]],
) -> None:
    """Tar by tar, equal to a plain decode of everything, also of videos decoded whole."""
    path, sets = made
    with open_video(path) as video:
        plain = {frame.pts: frame.image for frame in video}
        size = video.height, video.width
    source = sources(sets, path).find(["a"])["a"]
    for pts in stamps_by_tar(sets[0]):
        pictures = list(source.pictures(pts))
        assert len(pictures) == len(pts)
        for stamp, picture in zip(pts.tolist(), pictures, strict=True):
            assert picture.shape == (*size, 3)
            assert np.array_equal(picture, plain[stamp])


def test_every_picture_comes_with_its_time_from_any_frame_on(
    made: tuple[Path, tuple[ShardSet, ...]],
) -> None:
    path, sets = made
    with open_video(path) as video:
        plain = [(frame.pts, frame.scaled(48, 27)) for frame in video]
    source = sources(sets, path).find(["a"])["a"]
    for first in (0, 1, 17, len(plain) - 1, len(plain)):
        every = list(source.every_picture(width=48, height=27, first=first))
        assert [pts for pts, _ in every] == [pts for pts, _ in plain[first:]]
        for (_, picture), (_, expected) in zip(every, plain[first:], strict=True):
            assert np.array_equal(picture, expected)


def test_a_video_is_known_by_its_bytes_whatever_it_is_called(tmp_path: Path) -> None:
    made = walk(tmp_path / "My Walk.mp4")
    sets = shard(made, out=tmp_path / "shards")
    (tmp_path / "other").mkdir()
    moved = made.rename(tmp_path / "other" / "b.mp4")
    found = sources(sets, tmp_path / "other").find(["my_walk"])["my_walk"]
    assert found.facts.path == moved


def test_of_two_files_of_equal_size_the_right_one_is_found(tmp_path: Path) -> None:
    made = walk(tmp_path / "a.mp4")
    sets = shard(made, out=tmp_path / "shards")
    twin = bytearray(made.read_bytes())
    made.rename(tmp_path / "z.mp4")
    twin[-1] ^= 1
    (tmp_path / "a.mp4").write_bytes(bytes(twin))
    told: list[tuple[str, int, int]] = []
    finder = sources(sets, tmp_path, progress=lambda *of: told.append(of))
    assert finder.find(["a"])["a"].facts.path == tmp_path / "z.mp4"
    assert told[-1] == ("a", len(twin), len(twin))
    told.clear()
    assert finder.find(["a"])["a"].facts.path == tmp_path / "z.mp4"
    assert not told


def test_a_video_that_is_not_needed_need_not_be_there(tmp_path: Path) -> None:
    sets = shard(walk(tmp_path / "a.mp4"), out=tmp_path / "shards")
    assert sources(sets, tmp_path / "nowhere").find([]) == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda d: (d / "v" / "a.mp4").rename(d / "gone.mp4"),
            r"no video in .*v is the one that the shards of a were",
        ),
        (
            lambda d: walk(d / "v" / "a.mp4", seed=3),
            r"a\.mp4 is not the video that the shards of a",
        ),
        (lambda d: (d / "v" / "a.mp4").write_bytes(b""), r"a\.mp4 is not the video"),
    ],
)
def test_a_missing_or_another_video_is_told(tmp_path: Path, change: Any, named: str) -> None:
    (tmp_path / "v").mkdir()
    sets = shard(walk(tmp_path / "v" / "a.mp4"), out=tmp_path / "shards")
    walk(tmp_path / "v" / "b.mp4", seed=1)
    change(tmp_path)
    with pytest.raises(WtoursError, match=named) as raised:
        sources(sets, tmp_path / "v").find(["a"])
    assert raised.value.remedy


def test_paths_without_videos_are_told(tmp_path: Path) -> None:
    sets = shard(walk(tmp_path / "a.mp4"), out=tmp_path / "shards")
    (tmp_path / "empty").mkdir()
    for path, named in ((tmp_path / "empty", "has no video"), (tmp_path / "no", "no such file")):
        with pytest.raises(WtoursError, match=named):
            sources(sets, path).find(["a"])


def test_a_frame_that_the_video_does_not_have_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [flat(90)] * 10, rate=10)
    sets = shard(path, out=tmp_path / "shards")
    source = sources(sets, path).find(["a"])["a"]
    pts = stamps_by_tar(sets[0])[0]
    with pytest.raises(WtoursError, match=r"has no frame at 0\.\d+ s, where its shards have one"):
        list(source.pictures(np.array([pts[0], pts[1] + 1])))
