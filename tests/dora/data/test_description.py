"""What a run says of its shards at its start."""

from fractions import Fraction
from pathlib import Path

from dora.config import ClipConfig
from dora.data.description import describe_data, find_shard_clips
from dora.data.stream import ClipOrder
from tests.shard_making import make_shard_set
from wtours.shards import open_shards


def test_numbers_of_two_sets_with_different_rates(tmp_path: Path) -> None:
    """40 ticks at 1 a second and 60 at 3 a second: (40 - 3) + (60 - 3 x 3) starts."""
    make_shard_set(tmp_path / "slow", frames=40, fps=Fraction(1), rate=Fraction(30))
    make_shard_set(tmp_path / "a", frames=40)
    make_shard_set(tmp_path / "b", frames=60, fps=Fraction(3), rate=Fraction(3))
    shards = open_shards(tmp_path / "a", tmp_path / "b")
    starts = len(find_shard_clips(shards, ClipConfig(frames=4)))
    assert starts == 88
    order = ClipOrder(starts=starts, seed=0, batch_clips=4, clips_per_epoch=22)
    described = describe_data(shards, order, clips_per_epoch=22, epochs=3)
    assert described.kept_rates == (1, 3)
    assert described.steps_per_epoch == 5
    assert described.total_steps == 15
    assert described.passes_per_epoch == 20 / 88
    assert described.warning is None


def test_few_starts_bring_a_warning_with_remedy_and_size(tmp_path: Path) -> None:
    folder = make_shard_set(tmp_path / "walk", frames=600, rate=Fraction(30), fps=Fraction(1))
    shards = open_shards(folder)
    order = ClipOrder(starts=17, seed=0, batch_clips=4, clips_per_epoch=171)
    described = describe_data(shards, order, clips_per_epoch=171, epochs=1)
    stored = sum(shards[0].table(["size"])["size"].to_pylist())
    assert described.dense_bytes == 30 * stored
    assert described.warning is not None
    assert "17 starts" in described.warning
    assert "`wtours shard --fps 30`" in described.warning
    enough = describe_data(shards, order, clips_per_epoch=170, epochs=1)
    assert enough.warning is None


def test_shards_that_keep_every_frame_are_not_told_to_keep_more(tmp_path: Path) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=20))
    order = ClipOrder(starts=17, seed=0, batch_clips=4, clips_per_epoch=1000)
    warning = describe_data(shards, order, clips_per_epoch=1000, epochs=1).warning
    assert warning is not None
    assert "--fps" not in warning
    assert "add videos" in warning
