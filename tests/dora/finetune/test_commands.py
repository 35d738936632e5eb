"""`dora eval finetune` as it is typed."""

import json
from pathlib import Path

import pytest

import dora.cli

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_command_trains_and_writes_a_record(colours: Path, tmp_path: Path, command) -> None:
    status, out, err = command(
        dora.cli.main,
        *("eval", "finetune", "--weights", "random:smoke", "--dataset", "cifar10"),
        *("--data", colours, "--preset", "short", "--epochs", 1, "--image-px", 32),
        *("--batch", 8, "--workers", 1, "--device", "cpu", "--out", tmp_path / "record.json"),
    )
    assert status == 0, err
    assert "CIFAR-10: " in out
    assert "not the paper's" in err
    stored = json.loads((tmp_path / "record.json").read_text())
    assert stored["benchmark"] == "finetune"
    assert stored["recipe"]["epochs"] == 1
    assert stored["paper"]["numbers"] == {}


def test_command_refuses_what_is_no_data_set(tmp_path: Path, command) -> None:
    words = ("eval", "finetune", "--weights", "random:smoke", "--data", tmp_path)
    status, _, err = command(dora.cli.main, *words, "--dataset", "cars", "--image-px", 32)
    assert status == 2
    assert "cars_train_annos.mat is missing" in err
    status, _, err = command(dora.cli.main, *words, "--dataset", "cifar10", "--epochs", 0)
    assert status == 2
    assert "epochs is 0" in err
