"""What a run says of its shards at its start."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import fsspec
import pytest

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.data.clips import ClipTable
from dora.data.description import (
    DataDescription,
    clip_order,
    describe_run,
    find_shard_clips,
    read_index,
    settled,
)
from dora.data.telling import data_lines
from dora.errors import DoraError
from tests.dora.tiny_run import tiny_run
from tests.shard_making import make_shard_set
from wtours.shards import ShardCache, open_shards


def run_of(*settings: str) -> RunConfig:
    """A run of 4 frames a clip and 4 clips a step."""
    return with_settings(tiny_run(), ["clip.frames=4", "data.batch_clips=4", *settings])


def told(data: DataDescription) -> str:
    return "\n".join(data_lines(data, frames=4, where="cpu"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets a, of 40 ticks at 1 a second, and b, of 60 at 3 a second."""
    folder = tmp_path_factory.mktemp("shards")
    make_shard_set(folder / "a", frames=40)
    make_shard_set(folder / "b", frames=60, fps=Fraction(3), rate=Fraction(3))
    return folder


def test_numbers_of_two_sets_with_different_rates(two: Path) -> None:
    """(40 - 3) + (60 - 3 x 3) starts."""
    shards = open_shards(two)
    described = describe_run(run_of("data.clips_per_epoch=22", "epochs=3"), shards)
    assert described.starts == 88
    assert described.kept_rates == (1, 3)
    assert described.steps_per_epoch == 5
    assert described.total_steps == 15
    assert described.passes_per_epoch == 20 / 88
    assert described.warning is None
    assert (described.mix, described.left_out, described.blocks) == ((), (), None)


def test_tars_and_names_of_an_index_are_read(two: Path) -> None:
    a, b = (read_index(shard_set) for shard_set in open_shards(two))
    assert a.tars.tolist() == [0] * 16 + [1] * 16 + [2] * 8
    assert (a.label, a.video_names, a.remote) == ("a", ("a",), False)
    assert b.tars.max() == 3


def test_a_mix_is_told_with_what_it_leaves_out(two: Path, tmp_path: Path) -> None:
    shards = open_shards(two, make_shard_set(tmp_path / "c", frames=20))
    mix = 'data.mix=[["a",3.0],["b",1.0]]'
    data = describe_run(run_of("data.clips_per_epoch=80", mix), shards)
    assert data.starts == 88
    assert [(s.name, s.share, s.starts) for s in data.mix] == [("a", 0.75, 37), ("b", 0.25, 51)]
    assert data.mix[0].passes_per_epoch == 60 / 37
    assert data.left_out == ("c",)
    assert "a: 75.0% of the clips, from 37, 1.62 passes an epoch" in told(data)
    assert "left out by the mix: c" in told(data)


def test_blocks_are_told_with_the_cache_that_they_need(two: Path) -> None:
    shards = open_shards(two)
    settings = ["data.shuffle=blocks", "data.block_tars=2", "data.open_tars=3"]
    data = describe_run(run_of(*settings), shards)
    assert data.blocks is not None
    assert data.blocks.tars == 3 + 4
    sizes = [tar.size_bytes for shard_set in shards for tar in shard_set.record.tars]
    assert data.blocks.cache_bytes == (3 + 1 + 0 + 2) * sum(sizes) // 7
    assert "3 of 7 tars open at once, in blocks of 2" in told(data)
    assert "about 1.5 times a pass" in told(data)
    every = describe_run(run_of("data.shuffle=blocks"), shards)
    assert "all of the 7 tars are open at once" in told(every)


def test_memory_is_that_of_batches_ahead_and_of_the_index(two: Path) -> None:
    """3 x 4 frames of one 32 px view and two 16 px crops a clip; a slot for each (`ahead`)."""
    shards = open_shards(two)
    alone = describe_run(run_of(), shards)
    ahead = describe_run(run_of("data.workers=2"), shards)
    halves = describe_run(run_of("data.workers=2"), shards, processes=2)
    clip = 3 * 4 * (32**2 + 2 * 16**2)
    assert alone.batches_bytes == 4 * clip
    # Of 2 workers each has 4 clips ready, which is two batches, or 2; then a batch, and one more
    # of a message of two.
    assert ahead.batches_bytes == (2 * 4 + 4 + 1) * clip
    assert halves.batches_bytes == (2 * 2 + 2) * clip
    assert alone.index_bytes == 20 * 100 + 2 * 4 * 88
    assert "holds up to 73.7 kB of clips made ready and 2.7 kB of index" in told(alone)


def test_few_starts_bring_a_warning_with_remedy_and_size(tmp_path: Path) -> None:
    folder = make_shard_set(tmp_path / "walk", frames=600, rate=Fraction(30), fps=Fraction(1))
    shards = open_shards(folder)
    described = describe_run(run_of("data.clips_per_epoch=181"), shards)
    stored = sum(shards[0].table(["size"])["size"].to_pylist())
    assert described.dense_bytes == 30 * stored
    assert described.warning is not None
    assert "18 starts" in described.warning
    assert "`wtours shard --fps 30`" in described.warning
    enough = describe_run(run_of("data.clips_per_epoch=180"), shards)
    assert enough.warning is None


def test_shards_that_keep_every_frame_are_not_told_to_keep_more(tmp_path: Path) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=20))
    warning = describe_run(run_of("data.clips_per_epoch=1000"), shards).warning
    assert warning is not None
    assert "--fps" not in warning
    assert "add videos" in warning


def test_an_open_shuffle_is_settled_by_where_the_tars_are(two: Path) -> None:
    """Global on a disk, blocks if any set is remote, and for a run under way what it had."""
    clips = find_shard_clips(open_shards(two), run_of().clip)
    remote = replace(clips, remote=True)
    open_, chosen = run_of(), run_of("data.shuffle=global")

    def shuffle(config: RunConfig, table: ClipTable, earlier: RunConfig | None = None) -> str:
        return settled(config, table, earlier=earlier).data.shuffle

    assert shuffle(open_, clips) == "global"
    assert shuffle(open_, remote) == "blocks"
    assert shuffle(chosen, remote) == "global"
    assert shuffle(open_, remote, settled(open_, clips)) == "global"
    assert clip_order(open_, clips).blocks is None
    assert clip_order(open_, remote).blocks is not None


def test_a_cache_too_small_for_the_order_brings_a_warning(two: Path) -> None:
    shards = open_shards(two)
    local = describe_run(run_of(), shards)
    assert (local.cache_bytes, local.warnings) == (None, ())
    fits = replace(local, cache_bytes=10**6, cache_limit_bytes=10**6)
    assert fits.cache_warning is None
    small = replace(local, cache_bytes=2 * 10**9, cache_limit_bytes=10**9)
    assert small.warnings == (small.cache_warning,)
    assert small.cache_warning is not None
    assert "needs 2 GB of tars at a time, and the cache may hold 1 GB" in small.cache_warning
    assert "--shuffle blocks" in small.cache_warning
    blocks = describe_run(run_of("data.shuffle=blocks"), shards)
    warning = replace(blocks, cache_bytes=2 * 10**9, cache_limit_bytes=10**9).cache_warning
    assert warning is not None
    assert "open fewer tars than 64 (data.open_tars)" in warning


def test_a_set_at_an_address_is_taken_in_blocks(two: Path, tmp_path: Path) -> None:
    """Its clips and tars are those of the folder, and the cache is to hold what blocks need."""
    files = fsspec.filesystem("memory")
    files.put(str(two / "a"), "/order/a", recursive=True)
    shards = open_shards("memory://order/a", cache=ShardCache(tmp_path, limit_bytes=10**9))
    index = read_index(shards[0])
    assert (index.label, index.remote) == ("a", True)
    data = describe_run(run_of(), shards)
    assert data.blocks is not None
    assert data.cache_bytes == sum(tar.size_bytes for tar in shards[0].record.tars)
    assert data.warnings == ()


def test_a_mix_that_does_not_fit_the_shards_is_refused(two: Path) -> None:
    with pytest.raises(DoraError, match="names rome"):
        describe_run(run_of('data.mix=[["rome",1.0]]'), open_shards(two))


def test_a_video_too_small_for_a_plain_first_crop_is_named_before_the_run(
    two: Path, tmp_path: Path
) -> None:
    """Unless the run takes no clip of it, or resizes its first crops."""
    small = make_shard_set(tmp_path / "small", frames=20, side=30)
    shards = open_shards(two, small)
    side = min(
        min(v.picture_width, v.picture_height) for one in open_shards(two) for v in one.videos
    )
    plain = ["augment.first_crop=plain", f"augment.first_px={side}"]
    with pytest.raises(DoraError, match="pictures of small have 40x30 px") as caught:
        describe_run(run_of(*plain), shards)
    assert "lower augment.first_px to 30, leave the video out with --mix" in str(caught.value)
    mix = 'data.mix=[["a",1.0],["b",1.0]]'
    assert describe_run(run_of(*plain, mix, "data.clips_per_epoch=80"), shards).left_out == (
        "small",
    )
    assert describe_run(run_of(f"augment.first_px={side}"), shards).starts == 88 + 17
