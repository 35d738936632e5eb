"""Folders of pictures as clips of one frame: what is found, in which order, and what is refused."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dora.config import ClipConfig, RunConfig
from dora.data.description import clip_order, describe_run, find_shard_clips
from dora.data.mixture import find_sources
from dora.data.picture_folder import open_picture_folder, open_pictures, require_pictures
from dora.data.placing import clip_rows, place_clips
from dora.data.telling import data_lines
from dora.errors import ConfigError, DoraError
from dora.presets import smoke
from tests.shard_making import make_shard_set
from wtours.shards import ShardCache

NAMES = ("b/2.PNG", "b/1.jpg", "a/deep/er/x.webp", "a/y.jpeg", "top.png", "été/z.jpg")
OTHERS = ("a/notes.txt", "a/.hidden.jpg", ".git/0.png", "b/3.jpg.part")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of six files with the names of pictures, nested, and of some other files."""
    place = tmp_path / "photos"
    for number, name in enumerate((*NAMES, *OTHERS)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"0" * (number + 1))
    (place / "empty").mkdir()
    return place


def of_pictures(config: RunConfig) -> RunConfig:
    return replace(
        config,
        clip=ClipConfig(frames=1),
        data=replace(config.data, clips_per_epoch="all", batch_clips=2),
    )


def test_pictures_are_those_with_their_names_however_deep(folder: Path) -> None:
    found = open_picture_folder(folder)
    assert found.names == tuple(sorted(NAMES))
    for name, size in zip(found.names, found.sizes.tolist(), strict=True):
        assert (folder / name).stat().st_size == size


def test_a_folder_without_folders_will_do(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        (tmp_path / name).touch()
    found = open_picture_folder(tmp_path)
    assert found.names == ("a.jpg", "b.png")
    assert found.index().video_names == (".",)


def test_links_are_followed_and_rings_of_them_are_not(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.jpg").touch()
    (folder / "link").symlink_to(elsewhere)
    (folder / "a" / "ring").symlink_to(folder)
    assert open_picture_folder(folder).names == tuple(sorted((*NAMES, "link/far.jpg")))


def test_each_picture_is_a_clip_at_its_own_place(folder: Path) -> None:
    found = open_picture_folder(folder)
    clips = find_shard_clips([found], ClipConfig(frames=1))
    assert len(clips) == len(NAMES)
    sets, rows = clip_rows(clips, np.arange(len(clips)))
    places = place_clips([found], sets, rows, np.arange(len(clips)))
    assert [place.frames[0].path for place in places] == [f"{folder}/{n}" for n in sorted(NAMES)]
    assert {(frame.offset, frame.crc32) for place in places for frame in place.frames} == {
        (0, None)
    }
    assert [place.frames[0].size for place in places] == found.sizes.tolist()


def test_top_folders_can_be_mixed_by_weight(folder: Path) -> None:
    clips = find_shard_clips([open_picture_folder(folder)], ClipConfig(frames=1))
    assert [name.video for name in clips.names] == ["a", "b", ".", "été"]
    sources = find_sources([("a", 3.0), ("b", 1.0)], clips)
    assert [(source.share, len(source.clips)) for source in sources] == [(0.75, 2), (0.25, 2)]


def test_an_epoch_is_every_picture_once(folder: Path) -> None:
    config = of_pictures(smoke())
    clips = find_shard_clips([open_picture_folder(folder)], config.clip)
    order = clip_order(config, clips)
    numbers = np.concatenate([order.clips_of_step(step)[0] for step in range(3)])
    assert sorted(numbers.tolist()) == list(range(len(NAMES)))


def test_what_is_ahead_is_told_in_pictures_and_steps(folder: Path) -> None:
    config = of_pictures(smoke())
    described = describe_run(config, [open_picture_folder(folder)])
    first = next(data_lines(described, frames=1, where="cpu"))
    assert first == (
        "6 pictures in 4 folders, 1 passes an epoch of 3 steps, 30 steps in all, on cpu"
    )
    assert described.warnings == ()
    more = replace(config, data=replace(config.data, clips_per_epoch=100))
    assert (
        "the folder holds 6 pictures"
        in describe_run(more, [open_picture_folder(folder)]).warnings[0]
    )


CHANGES: dict[str, Callable[[Path], object]] = {
    "a name": lambda folder: (folder / "top.png").rename(folder / "tip.png"),
    "a size": lambda folder: (folder / "top.png").write_bytes(b"more bytes than before"),
    "one more": lambda folder: (folder / "b" / "9.jpg").touch(),
    "one less": lambda folder: (folder / "b" / "1.jpg").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_tells_names_and_sizes_and_nothing_else(folder: Path, change: str) -> None:
    before = open_picture_folder(folder).digest
    os.utime(folder / "top.png", (0, 0))
    (folder / "a" / "more.txt").touch()
    moved = folder.rename(folder.with_name("moved"))
    assert open_picture_folder(moved).digest == before
    CHANGES[change](moved)
    assert open_picture_folder(moved).digest != before


def test_a_folder_that_is_none_or_has_no_picture_is_refused(folder: Path) -> None:
    with pytest.raises(DoraError, match="nowhere does not exist"):
        open_picture_folder(folder / "nowhere")
    with pytest.raises(DoraError, match=r"top\.png is no folder"):
        open_picture_folder(folder / "top.png")
    with pytest.raises(DoraError, match=r"empty holds no picture") as fault:
        open_picture_folder(folder / "empty")
    assert ".jpg" in fault.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_listed_is_named(folder: Path) -> None:
    (folder / "b").chmod(0)
    try:
        with pytest.raises(DoraError, match=r"b cannot be listed"):
            open_picture_folder(folder)
    finally:
        (folder / "b").chmod(0o700)


def test_a_file_that_is_gone_while_it_is_listed_is_named(folder: Path) -> None:
    (folder / "b" / "lost.jpg").symlink_to(folder / "gone.jpg")
    with pytest.raises(DoraError, match=r"lost\.jpg cannot be listed"):
        open_picture_folder(folder)


def test_shards_and_pictures_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    config, cache = of_pictures(smoke()), ShardCache(tmp_path / "cache")
    shards = make_shard_set(tmp_path / "walk", frames=4)
    assert len(open_pictures([str(shards)], None, config=config, cache=cache)) == 1
    assert len(open_pictures([], folder, config=config, cache=cache)) == 1
    with pytest.raises(ConfigError, match=r"--data .* and --shards .* are both given"):
        open_pictures([str(shards)], folder, config=config, cache=cache)


def test_runs_that_need_videos_are_refused() -> None:
    config = of_pictures(smoke())
    require_pictures(config)
    wrong = {
        "clip.frames is 2": replace(config, clip=ClipConfig(frames=2)),
        "data.shuffle is 'blocks'": replace(config, data=replace(config.data, shuffle="blocks")),
        "data.decoder is 'gpu'": replace(config, data=replace(config.data, decoder="gpu")),
    }
    for words, run in wrong.items():
        with pytest.raises(ConfigError, match=words):
            require_pictures(run)
