"""Whether a run begins or goes on: the folder, the options and the word of the user decide."""

from dataclasses import replace
from pathlib import Path

import pytest

from dora.config import RunConfig, SaveConfig
from dora.config_text import with_settings
from dora.errors import DoraError
from dora.train.checkpoint import Checkpoint, save_checkpoint
from dora.train.keeping import keep_newest
from dora.train.resuming import Resume, earlier_checkpoint
from tests.dora.tiny_run import tiny_run
from tests.dora.train.test_checkpoint import checkpoint


def found(
    out: Path, *, resume: Resume = "auto", config: RunConfig | None = None
) -> Checkpoint | None:
    return earlier_checkpoint(out, config or tiny_run(), data="0", resume=resume)


def step_of(out: Path, resume: Resume) -> int:
    earlier = found(out, resume=resume)
    assert earlier is not None
    return earlier.step


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run saved after steps 3 and 6."""
    for step in (3, 6):
        save_checkpoint(tmp_path / "a" / "checkpoint.pth", checkpoint(step))
        keep_newest(tmp_path / "a", step, keep=1, milestone=False)
    return tmp_path / "a"


def test_auto_goes_on_where_there_is_a_run_and_begins_where_there_is_none(
    out: Path, tmp_path: Path
) -> None:
    assert step_of(out, "auto") == 6
    assert found(tmp_path / "new") is None


def test_never_refuses_a_folder_that_holds_a_run(out: Path, tmp_path: Path) -> None:
    assert found(tmp_path / "new", resume="never") is None
    with pytest.raises(DoraError, match=r"a holds a run already \(checkpoint\.pth\); give another"):
        found(out, resume="never")
    (tmp_path / "log_only").mkdir()
    (tmp_path / "log_only" / "log.jsonl").touch()
    with pytest.raises(DoraError, match=r"holds a run already \(log\.jsonl\)"):
        found(tmp_path / "log_only", resume="never")


def test_a_run_goes_back_to_a_checkpoint_that_it_keeps(out: Path) -> None:
    assert step_of(out, out / "checkpoints" / "step_00000003.pth") == 3


def test_another_runs_checkpoint_begins_an_empty_folder_alone(out: Path, tmp_path: Path) -> None:
    assert step_of(tmp_path / "new", out / "checkpoint.pth") == 6
    other = tmp_path / "other.pth"
    save_checkpoint(other, checkpoint(2))
    with pytest.raises(DoraError, match=r"holds a run already, and .*other\.pth is not of it"):
        found(out, resume=other)


def test_a_path_that_leads_nowhere_is_met_with_those_that_there_are(out: Path) -> None:
    with pytest.raises(DoraError, match=r"step_9\.pth: there is no such file.*step_00000003\.pth"):
        found(out, resume=out / "step_9.pth")


def test_a_damaged_newest_checkpoint_is_met_with_the_one_before(out: Path) -> None:
    (out / "checkpoint.pth").unlink()  # the name alone, as whole files are replaced
    (out / "checkpoint.pth").write_bytes(b"\x80half")
    (out / "checkpoints" / "step_00000006.pth").unlink()
    with pytest.raises(DoraError, match=r"checkpoint\.pth.*give --resume .*step_00000003\.pth"):
        found(out)


def test_what_is_saved_and_logged_may_change_and_what_is_trained_may_not(out: Path) -> None:
    changed = replace(tiny_run(), save=SaveConfig(keep=5, milestone_every=2))
    assert found(out, config=with_settings(changed, ["log.wandb=p", "data.workers=3"])) is not None
    with pytest.raises(DoraError, match=r"other options.*optim\.lr"):
        found(out, config=with_settings(changed, ["optim.lr=0.1"]))
    with pytest.raises(DoraError, match="other clips"):
        earlier_checkpoint(out, tiny_run(), data="1")
