"""Batches of a mix in blocks come from worker processes as from this one."""

from pathlib import Path

import pytest
import torch

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.data.description import clip_order, find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.views import Views
from tests.dora.tiny_run import tiny_run
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

STEPS = 8


def batches(config: RunConfig, folder: Path, *, workers: int = 0, **bounds: int) -> list[Views]:
    shards = open_shards(folder)
    clips = find_shard_clips(shards, config.clip)
    order = clip_order(config, clips)
    options = {"start_step": 0, "stop_step": STEPS} | bounds
    return list(ClipLoader(shards, clips, order, config.augment, workers=workers, **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    make_shard_set(folder / "walk", frames=30, pictures_per_tar=4)
    make_shard_set(folder / "town", frames=9, pictures_per_tar=4, seed=1)
    return folder


def test_workers_and_ranks_resume_a_mix_in_blocks(folder: Path) -> None:
    """From step 5 on, by two workers, for the second of two processes; over a pass of the town."""
    config = with_settings(
        tiny_run(),
        ["data.shuffle=blocks", "data.open_tars=3", 'data.mix=[["walk",2.0],["town",1.0]]'],
    )
    unbroken = batches(config, folder)
    resumed = batches(config, folder, workers=2, start_step=5, rank=1, world=2)
    assert len(resumed) == 3
    for views, expected in zip(resumed, unbroken[5:], strict=True):
        assert torch.equal(views.positions, expected.positions[1::2])
        assert torch.equal(views.global_views, expected.global_views[:, 1::2])
        assert torch.equal(views.local_crops, expected.local_crops[:, 1::2])
