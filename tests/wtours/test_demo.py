"""The demonstration types commands that exist, and ends with what they left."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import dora.cli
import wtours.cli
from wtours import demo
from wtours.errors import WtoursError

APPS = {"wtours": wtours.cli.app, "dora": dora.cli.app}


def test_every_command_is_one_that_the_command_lines_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed: list[Sequence[str]] = []

    def note(command: Sequence[str]) -> None:
        typed.append(command)
        if "knn" in command:
            record = {"scores": [{"top1": 0.25}, {"top1": 0.5}]}
            Path(command[command.index("--out") + 1]).write_text(json.dumps(record))

    monkeypatch.setattr(demo, "_run", note)
    left = demo.run_demo(tmp_path)
    shown = capsys.readouterr().out
    for program, *words in typed:
        APPS[program].parse_args(words, exit_on_error=False, print_error=False)
        assert f"$ {program} {words[0]}" in shown
    assert str(left.checkpoint) in shown.replace("\n", "")
    assert "50.0%" in shown


def test_a_command_that_fails_ends_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess[str](args=[], returncode=2)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: failed)
    with pytest.raises(WtoursError, match=r"`wtours fetch .*` ended with status 2"):
        demo.run_demo(Path("unused"))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_demonstration_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wtours", "demo", "--out", str(tmp_path)]
    outcome = subprocess.run(command, env=dict(os.environ), capture_output=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    for name in ("analysis/index.html", "run/checkpoint.pth", "knn-trained.json"):
        assert (tmp_path / name).is_file()
    assert list(tmp_path.glob("tracks/*.mp4"))
