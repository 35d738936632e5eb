"""A run that goes back to an earlier checkpoint has one past, whenever it ends."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dora.config import RunConfig, SaveConfig
from dora.train.checkpoint import load_checkpoint
from dora.train.keeping import kept_checkpoints
from dora.train.launch import launch
from dora.train.resuming import Resume
from tests.dora.tiny_run import tiny_run
from tests.shard_making import make_shard_set
from wtours.shards import open_shards


def run(
    config: RunConfig,
    shards: Path,
    out: Path,
    *,
    resume: Resume = "auto",
    fails_after: int | None = None,
) -> None:
    def report(record: object, clips_hz: float) -> None:
        if fails_after is not None and record.step + 1 == fails_after:  # type: ignore[attr-defined]
            raise RuntimeError("the lights went out")

    launch(
        config,
        open_shards(shards),
        out=out,
        device=torch.device("cpu"),
        begins=lambda ahead: None,
        report=report,
        resume=resume,
    )


def steps(out: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_run_that_ends_right_after_going_back_goes_on_from_there(tmp_path: Path) -> None:
    """Two steps an epoch, saved after each; before step 6 is saved, the lights go out."""
    shards = make_shard_set(tmp_path / "shards" / "walk", frames=20)
    out = tmp_path / "a"
    config = replace(tiny_run(), save=SaveConfig(keep=1, milestone_every=1))
    run(config, shards, out)
    assert {path.name for path in kept_checkpoints(out)} == {
        *(f"milestone_{step:08d}.pth" for step in (2, 4, 6, 8)),
        *(f"step_{step:08d}.pth" for step in (6, 8)),
    }
    back = out / "checkpoints" / "milestone_00000004.pth"
    with pytest.raises(RuntimeError, match="lights"):
        run(config, shards, out, resume=back, fails_after=5)
    assert steps(out) == [0, 1, 2, 3, 4]
    assert load_checkpoint(out / "checkpoint.pth").step == 4
    assert {path.name for path in kept_checkpoints(out)} == {
        *(f"milestone_{step:08d}.pth" for step in (2, 4)),
        "step_00000004.pth",
    }
    run(config, shards, out)
    assert steps(out) == list(range(8))


def test_another_runs_checkpoint_is_the_new_ones_own_from_the_first_moment(tmp_path: Path) -> None:
    shards = make_shard_set(tmp_path / "shards" / "walk", frames=20)
    config = replace(tiny_run(), save=SaveConfig(milestone_every=1))
    with pytest.raises(RuntimeError, match="lights"):
        run(config, shards, tmp_path / "a", fails_after=3)
    with pytest.raises(RuntimeError, match="lights"):
        run(config, shards, tmp_path / "b", resume=tmp_path / "a/checkpoint.pth", fails_after=3)
    run(config, shards, tmp_path / "b")
    assert steps(tmp_path / "b") == list(range(2, 8))
