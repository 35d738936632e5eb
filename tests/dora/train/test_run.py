"""A run that is stopped, killed or started again elsewhere goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.errors import DoraError
from dora.presets import smoke
from dora.train.checkpoint import load_checkpoint
from dora.train.launch import launch
from dora.train.records import read_log
from tests.dora.tiny_run import TINY_SETTINGS, tiny_run
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shard_set(tmp_path_factory.mktemp("shards") / "walk", frames=30, cut_frames=(13,))


def run(config: RunConfig, shards: Path, out: Path, *, stop_after: int | None = None) -> int:
    """Train in this process; return the steps done."""

    def report(record: object, clips_hz: float) -> None:
        if stop_after is not None and record.step + 1 == stop_after:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)

    outcome = launch(
        config,
        open_shards(shards),
        out=out,
        device=CPU,
        begins=lambda ahead: None,
        report=report,
    )
    return outcome.step


def command(shards: Path, out: Path) -> list[str]:
    settings = [word for setting in TINY_SETTINGS for word in ("--set", setting)]
    return [
        *(sys.executable, "-m", "dora", "train", "--shards", str(shards), "--out", str(out)),
        *("--preset", "smoke", "--device", "cpu", *settings),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def assert_same_state(first: Path, second: Path) -> None:
    ours, theirs = (load_checkpoint(folder / "checkpoint.pth") for folder in (first, second))
    assert ours.step == theirs.step
    for name, value in ours.student.items():
        assert torch.equal(value, theirs.student[name]), f"student {name}"
    for name, value in ours.teacher.items():
        assert torch.equal(value, theirs.teacher[name]), f"teacher {name}"
    assert torch.equal(ours.centre, theirs.centre)
    assert str(ours.optimizer) == str(theirs.optimizer)


def losses(folder: Path) -> list[float]:
    return [figures["loss"] for figures in read_log(folder)]


@pytest.fixture(scope="module")
def unbroken(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    assert run(tiny_run(), shards, out) == 8
    return out


def test_settings_on_the_command_line_are_the_tiny_run() -> None:
    assert with_settings(smoke(), TINY_SETTINGS) == tiny_run()


def test_a_run_stopped_after_any_step_and_resumed_equals_the_unbroken_one(
    shards: Path, unbroken: Path, tmp_path: Path
) -> None:
    for stop in range(1, 8):
        out = tmp_path / str(stop)
        assert run(tiny_run(), shards, out, stop_after=stop) == stop
        assert run(tiny_run(workers=0), shards, out) == 8
        assert_same_state(out, unbroken)
        assert losses(out) == losses(unbroken)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(
    shards: Path, unbroken: Path, tmp_path: Path
) -> None:
    run(tiny_run(), shards, tmp_path / "again")
    assert losses(tmp_path / "again") == losses(unbroken)
    other = with_settings(tiny_run(), ["seed=1"])
    run(other, shards, tmp_path / "other")
    assert losses(tmp_path / "other") != losses(unbroken)


def test_a_run_of_other_options_or_other_clips_is_refused(
    shards: Path, unbroken: Path, tmp_path: Path
) -> None:
    with pytest.raises(DoraError, match=r"other options.*clip\.stride_s 2\.0 instead of 1\.0"):
        run(with_settings(tiny_run(), ["clip.stride_s=2"]), shards, unbroken)
    other = make_shard_set(tmp_path / "other", frames=30, seed=5)
    with pytest.raises(DoraError, match="other clips"):
        run(tiny_run(), other, unbroken)


def test_a_damaged_checkpoint_is_named(shards: Path, tmp_path: Path) -> None:
    run(tiny_run(epochs=1), shards, tmp_path)
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DoraError, match=r"checkpoint\.pth"):
        run(tiny_run(epochs=1), shards, tmp_path)


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(
    shards: Path, tmp_path: Path
) -> None:
    config = with_settings(tiny_run(), ["optim.lr=1e30", "optim.clip_norm=0"])
    with pytest.raises(DoraError, match=r"the loss of step \d+ is nan"):
        run(config, shards, tmp_path)
    if (tmp_path / "checkpoint.pth").is_file():
        saved = load_checkpoint(tmp_path / "checkpoint.pth")
        assert all(torch.isfinite(value).all() for value in saved.student.values())


def test_two_processes_train_and_one_writes(shards: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--master-port", "29517"]
    words = command(shards, tmp_path / "two")
    outcome = subprocess.run(
        [*torchrun, *words[1:]], env=environment(), capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert [figures["step"] for figures in read_log(tmp_path / "two")] == list(range(8))
    assert load_checkpoint(tmp_path / "two" / "checkpoint.pth").step == 8
