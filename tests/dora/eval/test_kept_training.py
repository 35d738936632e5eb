from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dora.errors import DoraError
from dora.eval import kept_training
from dora.eval.kept_training import Clock, StateFile


def state(cache: Path, **about: object) -> StateFile:
    return StateFile.of(about, cache=cache, name="probe", training="probe of tests")


def read_epoch(stored: dict[str, Any]) -> int:
    epoch: int = stored["epoch"]
    return epoch


def test_state_is_found_again_by_all_that_it_depends_on(tmp_path: Path) -> None:
    assert state(tmp_path, lr=0.1, seed=0).read(read_epoch) is None
    state(tmp_path, lr=0.1, seed=0).write({"epoch": 3})
    assert state(tmp_path, seed=0, lr=0.1).read(read_epoch) == 3
    assert state(tmp_path, lr=0.1, seed=1).read(read_epoch) is None
    assert [path.name[:6] for path in tmp_path.iterdir()] == ["probe-"]


def test_first_process_alone_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_training, "rank", lambda: 1)
    state(tmp_path, lr=0.1).write({"epoch": 3})
    assert not list(tmp_path.iterdir())


def test_state_that_is_cut_off_or_another_one_is_named(tmp_path: Path) -> None:
    kept = state(tmp_path, lr=0.1)
    kept.write({"step": 3})
    whole = kept.path.read_bytes()
    for content in (whole, whole[:100], b""):
        kept.path.write_bytes(content)
        with pytest.raises(DoraError, match="no whole state of a probe of tests") as caught:
            kept.read(read_epoch)
        assert caught.value.remedy == "remove the file; the probe of tests begins anew"


def test_clock_counts_all_runs_and_is_due_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(kept_training, "time", SimpleNamespace(monotonic=lambda: now[0]))
    clock = Clock(before=50.0)
    due = []
    for second in (0, 119, 120, 121, 239, 240):
        now[0] = 1000.0 + second
        due.append(clock.due())
    assert due == [False, False, True, False, False, True]
    assert clock.spent() == 290.0
