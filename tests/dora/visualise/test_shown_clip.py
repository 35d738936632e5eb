from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dora.config import ClipConfig
from dora.data.placing import place_rows
from dora.data.reading import read_frames
from dora.errors import DoraError
from dora.visualise.shown_clip import ClipChoice, read_clip
from tests.shard_making import make_shard_set
from tests.wtours.shards.folder_server import serve_folder
from wtours.shards import ShardCache, ShardSet

CLIP = ClipConfig(frames=3, stride_s=1.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Video `a` of 20 s at 2 pictures a second with a cut at 6.5 s, and `b` of 5 s at 1."""
    folder = tmp_path_factory.mktemp("shards")
    make_shard_set(folder / "a", frames=40, fps=Fraction(2), rate=Fraction(2), cut_frames=[13])
    make_shard_set(folder / "b", frames=5)
    return folder


@pytest.mark.parametrize(
    ("choice", "video", "times_s"),
    [
        (ClipChoice(), "a", [0, 1, 2]),
        (ClipChoice(video="b"), "b", [0, 1, 2]),
        (ClipChoice(clip=3), "a", [1.5, 2.5, 3.5]),
        (ClipChoice(start_s=1.2), "a", [1.5, 2.5, 3.5]),
        (ClipChoice(start_s=1.5004), "a", [1.5, 2.5, 3.5]),
        # No clip that begins in (4, 6.5) ends before the cut.
        (ClipChoice(start_s=4.1), "a", [6.5, 7.5, 8.5]),
        (ClipChoice(video="b", frames=5), "b", [0, 1, 2, 3, 4]),
        (ClipChoice(start_s=5.9, frames=1), "a", [6]),
        (ClipChoice(start_s=2, seconds=1.5), "a", [2, 2.5, 3]),
        (ClipChoice(start_s=5.5, seconds=60), "a", [5.5, 6]),
    ],
)
def test_choice_gives_these_pictures(
    shards: Path, choice: ClipChoice, video: str, times_s: list[float]
) -> None:
    clip = read_clip([shards], choice, CLIP)
    assert clip.video == video
    assert clip.times_s == pytest.approx(times_s)
    shard_set = ShardSet(shards / video)
    every_s = shard_set.table(["time_s"])["time_s"].to_numpy()
    rows = np.searchsorted(every_s, np.asarray(times_s) - 1e-6).tolist()
    found = np.stack([np.asarray(picture) for picture in clip.pictures])
    np.testing.assert_array_equal(found, read_frames(place_rows(shard_set, rows)))
    np.testing.assert_array_equal(np.asarray(clip.pictures[-1:][0]), found[-1])
    assert clip.attribution == "A test picture."


def test_set_at_an_address_is_shown_through_the_cache_of_training(
    shards: Path, tmp_path: Path
) -> None:
    """The same pictures; only their tars are fetched, each once, and stay in the cache."""
    choice = ClipChoice(video="a", start_s=5.5, frames=1)
    expected = read_clip([shards], choice, CLIP)
    cache = ShardCache(tmp_path / "cache")
    with serve_folder(shards.parent) as site:
        clip = read_clip([f"{site.url}/{shards.name}"], choice, CLIP, cache=cache)
        assert site.count(".tar") == {}
        for _ in range(2):
            for found, picture in zip(clip.pictures, expected.pictures, strict=True):
                assert found.tobytes() == picture.tobytes()
        assert site.count(".tar") == {"a-000000.tar": 1}
    assert clip.times_s == expected.times_s
    assert [path.name for path in (tmp_path / "cache").glob("*/*.tar")] == ["a-000000.tar"]
    cache.close()


def test_picture_that_is_none_is_named(tmp_path: Path) -> None:
    """With a checksum that is right: something wrote it so."""
    folder = make_shard_set(tmp_path / "walk", frames=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShardSet, "read_jpeg", lambda self, row: b"nothing that could be shown")
        clip = read_clip([folder], ClipChoice(), CLIP)
        with pytest.raises(DoraError, match=r"walk: the picture of row 1 cannot be decoded"):
            clip.pictures[1]


@pytest.mark.parametrize(
    ("choice", "fault", "remedy"),
    [
        (ClipChoice(video="c"), "no video 'c'", "a, b"),
        (ClipChoice(video="b", clip=3), "no clip 3", "from 0 to 2"),
        (ClipChoice(clip=-1), "no clip -1", "from 0 to"),
        (ClipChoice(start_s=18), "at 18 s or later", "17.500 s"),
        (ClipChoice(video="b", frames=9), "no clip fits", "fewer frames"),
    ],
)
def test_what_is_not_there_is_named(
    shards: Path, choice: ClipChoice, fault: str, remedy: str
) -> None:
    with pytest.raises(DoraError, match=fault) as caught:
        read_clip([shards], choice, CLIP)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "options", [{"clip": 1, "start_s": 2}, {"frames": 2, "seconds": 3}, {"frames": 0}]
)
def test_contradicting_choice_is_refused(options: dict) -> None:
    with pytest.raises(DoraError):
        ClipChoice(**options)
