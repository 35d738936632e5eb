"""Videos shorter than a stretch share a set and its tars; each is what it is in one of its own."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.video_making import panned, smooth, write_video
from wtours import shard_rounds, shard_sets
from wtours.errors import WtoursError
from wtours.portion_work import PortionTask
from wtours.shard import shard_videos, verify_shards
from wtours.shard_inputs import find_inputs
from wtours.shard_sets import divide, group_into_sets
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stages.blur import BlurSettings
from wtours.stages.cuts import CutSettings, find_cuts

PLAIN = ShardSettings(fps=Fraction(5), short_side_px=48, blur=None, tar_s=10.0)
RATES = {"abc": 10, "b": 25, "c": 30, "d": 10, "e": 30}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips of one to three seconds, of several rates and sizes, one with a cut."""
    folder = tmp_path_factory.mktemp("videos") / "Clips.v1"
    folder.mkdir()
    for seed, (name, rate) in enumerate(RATES.items()):
        size = (160, 120) if seed % 2 else (96, 64)
        pictures = [panned(seed + 7 * (i > 12), i, size=size) for i in range(25 + 3 * seed)]
        ending = ".mkv" if seed == 3 else ".mp4"
        write_video(folder / f"{name}{ending}", pictures, rate=rate)
    return folder


@pytest.fixture
def few_a_tar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two or three of the clips fill a tar."""
    monkeypatch.setattr(shard_sets, "_BYTES_A_PIXEL", 1000.0)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def members(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        replace(PLAIN, cuts=None),
        replace(PLAIN, fps="native", cuts=None),
        replace(PLAIN, sampling="keyframes"),
        replace(PLAIN, blur=BlurSettings(detection_px=64)),
    ],
)
@pytest.mark.usefixtures("few_a_tar")
def test_a_shared_set_holds_what_sets_of_one_video_hold(
    clips: Path, tmp_path: Path, settings: ShardSettings
) -> None:
    (written,) = shard_videos([clips], out=tmp_path / "shared", settings=settings).sets
    assert Path(written.place).name == "clips_v1"
    assert written.tars > 1
    shard_videos(sorted(clips.iterdir()), out=tmp_path / "alone", settings=settings)
    (shared,), alone = open_shards(tmp_path / "shared"), open_shards(tmp_path / "alone")
    assert [one.name for one in shared.videos] == [one.videos[0].name for one in alone]
    assert shared.videos == tuple(one.videos[0] for one in alone)
    rows = shared.table().to_pylist()
    assert [row["tar"] for row in rows] == sorted(row["tar"] for row in rows)
    expected = [(one, row) for one in alone for row in one.table().to_pylist()]
    place = {"tar", "offset"}
    assert [{k: v for k, v in row.items() if k not in place} for row in rows] == [
        {k: v for k, v in row.items() if k not in place} for _, row in expected
    ]
    first_rows = np.cumsum([0, *(one.table().num_rows for one in alone)])
    for number, one in enumerate(alone):
        for row in range(one.table().num_rows):
            assert shared.read_jpeg(int(first_rows[number]) + row) == one.read_jpeg(row)
    assert shared.cuts().to_pylist() == [row for one in alone for row in one.cuts().to_pylist()]
    assert verify_shards([tmp_path / "shared"]) == []


@pytest.mark.parametrize("detector", ["content", "adaptive"])
def test_recorded_scores_give_the_cuts_of_any_detector(
    clips: Path, tmp_path: Path, detector: Literal["content", "adaptive"]
) -> None:
    """Without the video: those of a set that was made with that detector."""
    other = replace(PLAIN, cuts=CutSettings(detector=detector, threshold=2.5, min_shot_s=0.1))
    shard_videos([clips], out=tmp_path / "plain", settings=PLAIN)
    shard_videos([clips], out=tmp_path / "other", settings=other)
    (plain,), (sought,) = open_shards(tmp_path / "plain"), open_shards(tmp_path / "other")
    table, found = plain.scores(), []
    assert table is not None
    assert other.cuts is not None
    for video in plain.videos:
        mine = [row for row in table.to_pylist() if row["video"] == video.name]
        assert len(mine) == video.frames
        assert mine[0]["score"] == 0
        cuts = find_cuts(
            np.asarray([row["score"] for row in mine]),
            np.asarray([row["pts"] for row in mine]),
            time_base=video.time_base,
            rate=video.rate,
            settings=other.cuts,
        )
        found += [(video.name, cut.pts) for cut in cuts]
    assert found == [(row["video"], row["pts"]) for row in sought.cuts().to_pylist()]
    assert found
    shard_videos([clips], out=tmp_path / "none", settings=replace(PLAIN, cuts=None))
    assert open_shards(tmp_path / "none")[0].scores() is None


@pytest.mark.usefixtures("few_a_tar")
def test_any_number_of_workers_and_any_stop_give_the_same_bytes(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (once,) = shard_videos([clips], out=tmp_path / "once", settings=PLAIN).sets
    do, begun = shard_rounds.do_portion, list[int]()

    def stopping(task: PortionTask, told: Callable[[float], None]) -> None:
        if begun:
            raise KeyboardInterrupt
        begun.append(task.number)
        do(task, told)

    tries = 0
    while not (tmp_path / "stopped" / "clips_v1").exists():
        begun.clear()
        tries += 1
        with monkeypatch.context() as patch:
            patch.setattr(shard_rounds, "do_portion", stopping)
            try:
                shard_videos([clips], out=tmp_path / "stopped", settings=PLAIN)
            except KeyboardInterrupt:
                continue
    assert tries == once.tars
    shard_videos([clips], out=tmp_path / "two", settings=PLAIN, workers=2)
    expected = content(tmp_path / "once" / "clips_v1")
    assert content(tmp_path / "stopped" / "clips_v1") == expected
    assert content(tmp_path / "two" / "clips_v1") == expected
    assert members(tmp_path / "two") == members(tmp_path / "stopped") == ["clips_v1"]


def test_long_videos_and_those_that_are_named_have_sets_of_their_own(
    clips: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(clips, folder)
    write_video(folder / "a_walk.mp4", [smooth(i // 8) for i in range(55)], rate=5)
    named = write_video(tmp_path / "named.mp4", [smooth(i) for i in range(10)], rate=5)
    written = shard_videos([folder, named], out=tmp_path / "out", settings=PLAIN).sets
    assert [Path(one.place).name for one in written] == ["a_walk", "clips", "named"]
    assert [len(one.record.videos) for one in written] == [1, 5, 1]
    again = shard_videos([folder, named], out=tmp_path / "out", settings=PLAIN).sets
    assert [one.skipped for one in again] == [True, True, True]


def test_a_set_of_a_folder_and_one_of_a_video_cannot_have_one_name(
    clips: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "walk"
    shutil.copytree(clips, folder)
    write_video(folder / "walk.mp4", [smooth(i // 8) for i in range(55)], rate=5)
    with pytest.raises(WtoursError, match=r"walk.*walk\.mp4 would both be called walk; rename"):
        shard_videos([folder], out=tmp_path / "out", settings=PLAIN)


@pytest.mark.parametrize("change", ["content", "one more", "one less", "renamed"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_that_changed_is_refused(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, whole: bool
) -> None:
    """Whether its set was finished or only begun."""
    folder, out = tmp_path / "clips", tmp_path / "out"
    shutil.copytree(clips, folder)
    monkeypatch.setattr(shard_sets, "_BYTES_A_PIXEL", 1000.0)
    do, begun = shard_rounds.do_portion, list[int]()

    def stopping(task: PortionTask, told: Callable[[float], None]) -> None:
        if begun and not whole:
            raise KeyboardInterrupt
        begun.append(task.number)
        do(task, told)

    with monkeypatch.context() as patch:
        patch.setattr(shard_rounds, "do_portion", stopping)
        try:
            shard_videos([folder], out=out, settings=PLAIN)
        except KeyboardInterrupt:
            assert not whole
    if change == "content":
        write_video(folder / "b.mp4", [panned(9, i) for i in range(28)], rate=25)
    elif change == "one more":
        shutil.copy(folder / "b.mp4", folder / "f.mp4")
    elif change == "one less":
        (folder / "b.mp4").unlink()
    else:
        (folder / "b.mp4").rename(folder / "bb.mp4")
    with pytest.raises(WtoursError, match=r"made from other videos|begun with .*listing"):
        shard_videos([folder], out=out, settings=PLAIN)
    shard_videos([folder], out=out, settings=PLAIN, replace=True)
    (made,) = open_shards(out)
    assert [one.name for one in made.videos] == [one.name for one in find_inputs([folder])]


def broken(folder: Path, kind: str) -> None:
    """Damage the third clip: so that its check, its decoding or its rate shows it."""
    video = folder / "c.mp4"
    if kind == "no video":
        video.write_bytes(b"no video")
    elif kind == "slow":
        write_video(video, [smooth(i) for i in range(12)], rate=4)
    else:
        data = bytearray(video.read_bytes())
        begin = data.index(b"mdat") + 4
        middle = begin + (len(data) - begin) // 3
        data[middle : middle + 600] = bytes(600)
        video.write_bytes(data)


@pytest.mark.parametrize("kind", ["no video", "damaged", "slow"])
@pytest.mark.usefixtures("few_a_tar")
def test_a_bad_video_ends_the_work_or_is_left_out(clips: Path, tmp_path: Path, kind: str) -> None:
    folder, out = tmp_path / "clips_v1", tmp_path / "out"
    shutil.copytree(clips, folder)
    (folder / "c.mp4").unlink()
    (expected,) = shard_videos([folder], out=tmp_path / "good", settings=PLAIN).sets
    shutil.copy(clips / "c.mp4", folder)
    broken(folder, kind)
    with pytest.raises(WtoursError, match=r"c\.mp4"):
        shard_videos([folder], out=out, settings=PLAIN)
    for skipped in (False, True):
        written = shard_videos([folder], out=out, settings=PLAIN, skip_bad=True)
        assert [one.skipped for one in written.sets] == [skipped]
        (left_out,) = written.left_out
        assert "c.mp4" in left_out
    (made,), (good,) = open_shards(out), open_shards(Path(expected.place))
    assert made.videos == good.videos
    place = ["tar", "offset"]
    assert made.table().drop_columns(place) == good.table().drop_columns(place)
    assert [made.read_jpeg(row) for row in range(20)] == [good.read_jpeg(row) for row in range(20)]
    assert verify_shards([out]) == []
    recorded = json.loads((out / "clips_v1" / "dataset.json").read_text())["left_out"]
    assert [one["video"] for one in recorded] == (["c"] if kind == "damaged" else [])


def test_a_long_video_that_is_damaged_is_left_out_as_a_whole(tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.mp4", [smooth(i) for i in range(20)], rate=5)
    bad = tmp_path / "c.mp4"
    write_video(bad, [panned(i // 60, i) for i in range(240)], rate=10, options={"g": "20"})
    broken(tmp_path, "damaged")
    settings = replace(PLAIN, tar_s=4.0)
    with pytest.raises(WtoursError, match=r"c\.mp4 cannot be decoded"):
        shard_videos([bad], out=tmp_path / "out", settings=settings)
    written = shard_videos([bad, good], out=tmp_path / "out", settings=settings, skip_bad=True)
    assert [Path(one.place).name for one in written.sets] == ["good"]
    assert len(written.left_out) == 1
    assert members(tmp_path / "out") == ["good"]


@pytest.mark.parametrize("kind", ["no video", "damaged"])
def test_a_folder_of_nothing_but_bad_videos_is_an_error(
    clips: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(clips / "c.mp4", folder)
    broken(folder, kind)
    with pytest.raises(WtoursError, match=r"no video can be used; the first fault: .*c\.mp4"):
        shard_videos([folder], out=tmp_path / "out", settings=PLAIN, skip_bad=True)


@pytest.mark.parametrize("seed", range(20))
def test_tars_are_as_full_as_they_may_be(clips: Path, seed: int) -> None:
    """Each run fits, or is one video; no run could have taken the next video as well."""
    generator = np.random.default_rng(seed)
    videos = [v for v in find_inputs([clips]) for _ in range(int(generator.integers(1, 6)))]
    bytes_of = [shard_sets.expected_bytes(video, PLAIN) for video in videos]
    most = float(generator.uniform(0.5, 6)) * max(bytes_of)
    runs = divide(videos, PLAIN, tar_bytes=round(most))
    assert [position for run in runs for position in run] == list(range(len(videos)))

    def fits(run: range) -> bool:
        length_s = sum(videos[position].facts.duration_s for position in run)
        return sum(bytes_of[position] for position in run) <= round(most) and length_s <= 100

    for run in runs:
        assert fits(run) or len(run) == 1
        assert run.stop == len(videos) or not fits(range(run.start, run.stop + 1))


def test_a_set_is_found_by_how_a_video_was_named_and_its_own_length(clips: Path) -> None:
    videos = find_inputs([clips])
    (shared,) = group_into_sets(videos, stretch_s=10)
    assert (shared.name, shared.shared) == ("clips_v1", True)
    alone = group_into_sets(find_inputs(sorted(clips.iterdir())), stretch_s=10)
    assert [(one.name, one.shared) for one in alone] == [(name, False) for name in sorted(RATES)]
    assert [len(one.videos) for one in group_into_sets(videos, stretch_s=0.1)] == [1] * 5
