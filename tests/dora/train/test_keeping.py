"""Which checkpoints of a run are kept, under which names, and what a full disk leaves."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dora.errors import DoraError
from dora.train.checkpoint import load_checkpoint, save_checkpoint
from dora.train.keeping import keep_newest, kept_checkpoints
from tests.dora.train.test_checkpoint import checkpoint


def save(out: Path, step: int, *, keep: int = 1, milestone_every: int = 0) -> None:
    save_checkpoint(out / "checkpoint.pth", checkpoint(step))
    milestone = milestone_every > 0 and step % milestone_every == 0
    keep_newest(out, step, keep=keep, milestone=milestone)


def names(out: Path) -> set[str]:
    return {path.name for path in kept_checkpoints(out)}


def assert_true_names(out: Path) -> None:
    """Every file holds the step that its name tells."""
    for path in kept_checkpoints(out):
        assert load_checkpoint(path).step == int(path.stem.partition("_")[2])


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_the_last_ones_and_every_milestone_are_kept(tmp_path: Path, keep: int) -> None:
    for step in range(2, 21, 2):
        save(tmp_path, step, keep=keep, milestone_every=6)
        assert load_checkpoint(tmp_path / "checkpoint.pth").step == step
    last = range(20 - 2 * keep, 21, 2) if keep else range(0)
    milestones = {f"milestone_{step:08d}.pth" for step in (6, 12, 18)}
    assert names(tmp_path) == milestones | {f"step_{step:08d}.pth" for step in last}
    assert_true_names(tmp_path)


def test_the_newest_takes_no_room_twice(tmp_path: Path) -> None:
    save(tmp_path, 4, milestone_every=4)
    newest, *others = [tmp_path / "checkpoint.pth", *kept_checkpoints(tmp_path)]
    assert len(others) == 2
    assert all(path.samefile(newest) for path in others)


def test_without_links_there_are_whole_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, link: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert names(tmp_path) == {"step_00000003.pth", "step_00000002.pth"}
    assert_true_names(tmp_path)

    def fill_the_disk(source: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    with pytest.raises(DoraError, match=r"step_00000004\.pth cannot be written \(No space"):
        save(tmp_path, 4)
    assert names(tmp_path) == {"step_00000003.pth", "step_00000002.pth"}
    assert load_checkpoint(tmp_path / "checkpoint.pth").step == 4


def test_a_run_that_went_back_keeps_no_later_step(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, keep=2)
    save(tmp_path, 2, keep=2)
    assert names(tmp_path) == {"step_00000001.pth", "step_00000002.pth"}


def test_what_else_lies_there_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "checkpoints" / "mine_best.pth"
    save(tmp_path, 1)
    save_checkpoint(other, replace(checkpoint(1), data="other"))
    save(tmp_path, 2, keep=0)
    assert other.is_file()
