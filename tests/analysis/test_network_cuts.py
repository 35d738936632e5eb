"""A network's cuts in the videos of sets are one more detector's, and are sought only once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.cuts import frames_by_detector, read_cuts
from analysis.network_cuts import find_network_cuts
from analysis.statistics.cut_agreement import detector_agreement
from tests.video_making import flat, write_video
from wtours import SourceVideos, WtoursError
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import ShardSet, open_shards

CUTS = {"film": [20, 45], "walk": list[int]()}


class Jumps:
    """Says that a shot ends with a frame where the next one is much lighter or darker."""

    def __init__(self, weights_sha256: str = "0" * 64, *, fail_after: int | None = None) -> None:
        self.weights_sha256, self.fail_after = weights_sha256, fail_after
        self.windows = 0

    def __call__(self, windows: Any) -> Any:
        self.windows += len(windows)
        if self.fail_after is not None and self.windows > self.fail_after:
            raise KeyboardInterrupt
        assert windows.shape[1:] == (100, 27, 48, 3)
        levels = windows.astype(np.float64).mean(axis=(2, 3, 4))
        ends = np.abs(np.diff(levels, axis=1, append=levels[:, -1:])) > 20
        return ends.astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[ShardSet, ...]]:
    """A film of three shots and a walk of one, and their sets with scores."""
    folder = tmp_path_factory.mktemp("films")
    levels = [60] * 20 + [200] * 25 + [110] * 25
    write_video(folder / "film.mp4", [flat(level) for level in levels], rate=10)
    write_video(folder / "walk.mp4", [flat(60 + i) for i in range(30)], rate=10)
    settings = ShardSettings(blur=None, short_side_px=48)
    shard_videos([folder / "film.mp4", folder / "walk.mp4"], out=folder / "s", settings=settings)
    return folder, open_shards(folder / "s")


def find(
    made: tuple[Path, tuple[ShardSet, ...]],
    out: Path,
    network: Jumps,
    videos: Path | None = None,
    **given: Any,
) -> dict[str, list[int]]:
    folder, sets = made
    records = [video for each in sets for video in each.videos]
    sources = SourceVideos([videos or folder], records)
    return find_network_cuts(sets, network, out, sources=sources, **given)


def test_its_frames_agree_with_those_of_the_scores(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path
) -> None:
    told: list[tuple[str, float]] = []
    found = find(made, tmp_path, Jumps(), progress=lambda *of: told.append(of))
    assert found == CUTS
    table = detector_agreement(frames_by_detector(read_cuts(made[1])) | {"transnet": found})
    of_film = table[(table["video"] == "film") & (table["other"] == "transnet")]
    assert of_film["one"].tolist() == ["content", "adaptive"]
    assert of_film["f1"].tolist() == [1, 1]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_what_was_found_is_kept_by_video_and_network(
    made: tuple[Path, tuple[ShardSet, ...]], tmp_path: Path
) -> None:
    find(made, tmp_path, Jumps())
    again = Jumps()
    assert find(made, tmp_path, again, videos=tmp_path / "gone") == CUTS
    assert again.windows == 0
    with pytest.raises(WtoursError, match="no such file"):
        find(made, tmp_path, Jumps("1" * 64), videos=tmp_path / "gone")
    kept = sorted((tmp_path / "cuts").rglob("*.parquet"))
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-40])
    assert find(made, tmp_path, again) == CUTS
    assert 0 < again.windows <= 2


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[ShardSet, ...]]:
    """A film of 700 frames."""
    folder = tmp_path_factory.mktemp("long")
    cuts = [30, 199, 200, 201, 333, 420, 690]
    levels = np.cumsum([frame in cuts for frame in range(700)]) % 2 * 120 + 60
    pictures = [flat(int(level)) for level in levels]
    write_video(folder / "film.mp4", pictures, rate=10, options={"g": "48"})
    settings = ShardSettings(blur=None, cuts=None, short_side_px=48)
    shard_videos([folder / "film.mp4"], out=folder / "s", settings=settings)
    return folder, open_shards(folder / "s")


@pytest.mark.parametrize("windows", [4, 12])
def test_a_broken_run_goes_on_in_the_middle_of_a_video(
    long: tuple[Path, tuple[ShardSet, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    windows: int,
) -> None:
    monkeypatch.setattr("analysis.network_cuts._KEPT_FRAMES", 200)
    with pytest.raises(KeyboardInterrupt):
        find(long, tmp_path, Jumps(fail_after=windows))
    again = Jumps()
    assert find(long, tmp_path, again) == {"film": [30, 201, 333, 420, 690]}
    assert again.windows == 14 - windows
