"""`dora runs`: what a folder tells of its runs, whole, damaged, empty or at work."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dora.cli import main
from dora.errors import DoraError
from dora.runs.listing import list_runs
from dora.runs.standing import begin_standing, claimed, end_standing, is_claimed, read_standing

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    return partial(command, main)


def make_run(folder: Path, *, steps: int = 5, state: str | None = "stopped") -> Path:
    """A run's folder as training leaves it, without weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"preset": "smoke"}))
    lines = [
        json.dumps({"step": n, "loss": 7.0 - n / 10, "epoch": n / 2, "clips_hz": 12.5})
        for n in range(steps)
    ]
    (folder / "log.jsonl").write_text("".join(line + "\n" for line in lines))
    looks = [(0, "knn", 0.25), (2, "pictures", None), (4, "knn", 0.5)]
    (folder / "looks.jsonl").write_text(
        "".join(
            json.dumps({"step": n, "look": kind} | ({"knn/10": 0.1, "knn/20": x} if x else {}))
            + "\n"
            for n, kind, x in looks
        )
    )
    if state is not None:
        standing = begin_standing(
            folder, preset="smoke", processes=1, total_steps=8, steps_per_epoch=2
        )
        if state != "running":
            end_standing(folder, standing, state=state, sentence="a fault; a remedy")  # type: ignore[arg-type]
    return folder


def test_every_run_under_a_folder_is_listed_with_what_it_has(tmp_path: Path) -> None:
    make_run(tmp_path / "b" / "two")
    make_run(tmp_path / "a", steps=8, state="done")
    (tmp_path / "notes").mkdir()
    first, second = list_runs(tmp_path)
    assert (first.folder, first.state, first.step, first.total_steps) == ("a", "done", 8, 8)
    assert (second.folder, second.state, second.step) == ("b/two", "stopped", 5)
    assert (second.preset, second.clips_hz, second.knn) == ("smoke", 12.5, 0.5)
    assert second.loss == pytest.approx(6.6)
    assert second.started is not None
    assert second.written_s is not None


def test_running_is_who_holds_the_lock_and_killed_who_left_without_a_word(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", state="running")
    with claimed(folder):
        assert list_runs(tmp_path)[0].state == "running"
        assert is_claimed(folder)
        with pytest.raises(DoraError, match=rf"trained in .* \(process {os.getpid()} on"):
            claimed(folder).__enter__()
    assert is_claimed(folder) is False
    assert list_runs(tmp_path)[0].state == "killed"


@pytest.mark.parametrize("recorded", [True, False])
def test_where_the_lock_cannot_be_tried_a_growing_log_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    folder = make_run(tmp_path / "a", state="running" if recorded else None)
    (folder / ".lock").touch()

    def refuse(lock: object, timeout: float) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dora.runs.standing.FileLock.acquire", refuse)
    assert is_claimed(folder) is None
    assert list_runs(tmp_path)[0].state == "running"
    os.utime(folder / "log.jsonl", (0, 0))
    assert list_runs(tmp_path)[0].state == ("killed" if recorded else "stopped")


def test_names_in_brackets_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a[red]b")
    status, out, err = run("runs")
    assert (status, "a[red]b" in out) == (0, True), err


def test_when_a_run_goes_on_its_beginning_stays(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", state="failed")
    first = read_standing(folder)
    again = begin_standing(folder, preset="smoke", processes=2, total_steps=8, steps_per_epoch=2)
    assert first is not None
    assert first.sentence == "a fault; a remedy"
    assert (again.state, again.started, again.sentence) == ("running", first.started, None)
    assert again.resumed is not None


def test_half_a_last_line_does_not_count_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    log = make_run(tmp_path / "a") / "log.jsonl"
    with log.open("a") as stream:
        stream.write('{"step": 5, "lo')
    assert list_runs(tmp_path)[0].step == 5
    with log.open("a") as stream:
        stream.write("\0\0\n")
    (row,) = list_runs(tmp_path)
    assert (row.step, row.loss) == (0, None)
    assert "the last line of" in row.remark


def test_a_run_before_its_first_step_and_one_without_a_record_are_listed(tmp_path: Path) -> None:
    make_run(tmp_path / "a", steps=0)
    (make_run(tmp_path / "b", state=None) / "looks.jsonl").unlink()
    first, second = list_runs(tmp_path)
    assert (first.step, first.loss, first.clips_hz) == (0, None, None)
    assert (second.state, second.total_steps, second.knn) == ("stopped", None, None)


def test_the_command_prints_a_table_or_json(run: Run, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b", state="failed")
    status, out, err = run("runs")
    assert status == 0, err
    assert "5/8" in out
    assert "50.0" in out
    assert "b: a fault; a remedy" in err
    status, out, _ = run("runs", "--json")
    rows: list[dict[str, Any]] = json.loads(out)
    assert (status, [row["state"] for row in rows]) == (0, ["stopped", "failed"])


@pytest.mark.parametrize(("made", "words"), [(False, "there is no folder"), (True, "holds no run")])
def test_no_run_is_a_sentence(run: Run, tmp_path: Path, made: bool, words: str) -> None:
    if made:
        (tmp_path / "runs").mkdir()
    status, _, err = run("runs")
    assert (status, words in err, "Traceback" in err) == (2, True, False), err
