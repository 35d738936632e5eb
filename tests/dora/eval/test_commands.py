"""`dora eval ...` as it is typed."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from dora.cli import main
from dora.eval.loading import random_backbone
from tests.dora.eval.tiny_networks import TINY, write_colours

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command: Run) -> Run:
    return partial(command, main, "eval")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    torch.save(random_backbone(TINY, seed=3).state_dict(), tmp_path / "tiny.pth")
    write_colours(tmp_path / "colours")
    return ["--weights", "tiny.pth", "--heads", "2"]


def test_probe_prints_its_numbers_beside_the_papers_and_keeps_a_record(
    run: Run, words: list[str], tmp_path: Path
) -> None:
    linear = ["linear", *words, "--data", "colours", "--epochs", "2", "--blocks", "1", "2"]
    linear += ["--lr", "0.01", "0.1", "--step-pictures", "6", "--out", "linear.json"]
    status, out, err = run(*linear)
    assert status == 0, err
    assert "LP: 100.0 %; the paper's DoRA, WT-Venice: 45.4, Table 5" in out
    assert "note: the paper's numbers are of ImageNet-1k" in err
    assert "features of val/: 6 pictures, 0.0 MiB in data/eval/features-" in err
    record = json.loads((tmp_path / "linear.json").read_text())
    assert record["weights"] == "tiny.pth: bare state dict"
    assert len(record["heads"]) == 4
    assert len(record["network"]["sha256"]) == 64
    assert record["paper"]["numbers"]["LP"]["number"] == 45.4
    assert record["cost"]["torch"] == str(torch.__version__)
    seconds = record["training_seconds"]
    run(*linear)
    assert json.loads((tmp_path / "linear.json").read_text())["training_seconds"] == seconds


def test_without_a_cache_nothing_is_kept(run: Run, words: list[str], tmp_path: Path) -> None:
    status, out, err = run(
        "knn", *words, "--data", "colours", "--cache", "none", "--beside", "DINO, IN-1k"
    )
    assert status == 0, err
    assert "the paper's DINO, IN-1k: 69.0" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours", "tiny.pth"]


def test_suite_ends_in_a_page_and_says_what_failed(
    run: Run, words: list[str], tmp_path: Path
) -> None:
    data = ["--data", "knn,linear=colours"]
    status, out, err = run("suite", *words, *data, "--short", "--out", "suite")
    assert status == 0, err
    assert out.split() == ["suite/index.html", "suite/table.md"]
    (tmp_path / "colours" / "val" / "red" / "0.png").write_bytes(b"no picture")
    status, _, err = run(
        "suite", *words, "--weights", "random:smoke", *data, "--short", "--out", "suite"
    )
    assert status == 2
    assert "4 of 4 evaluations failed, the first one linear of tiny.pth: bare state dict" in err
    assert "failed" in (tmp_path / "suite" / "table.md").read_text()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["knn", "--data", "nowhere"], "nowhere is no folder"),
        (["linear", "--data", "colours", "--epochs", "0"], "epochs is 0"),
        (["linear", "--data", "colours"], "last 4 blocks"),
        (["knn", "--data", "colours", "--beside", "mine"], "no row 'mine'"),
        (["knn", "--data", "colours", "--batch", "0"], "batches of 0"),
        (["suite", "--data", "colours"], "names no evaluation"),
        (["knn", "--data", "colours", "--out", "colours"], "--out colours is a folder"),
        (["linear", "--data", "colours", "--out", "tiny.pth/a.json"], "tiny.pth is a file"),
        (["suite", "--data", "knn=colours", "--out", "tiny.pth"], "tiny.pth is a file"),
        (["suite", "--data", "knn=colours", "--finetune-hours", "nan"], "hours is nan"),
        (["suite", "--data", "knn=colours", "--finetune-hours", "-1"], "hours is -1"),
    ],
)
def test_mistake_gets_one_sentence(
    run: Run, words: list[str], given: list[str], fault: str
) -> None:
    status, out, err = run(*given, *words)
    assert (status, out) == (2, "")
    assert fault in err
    assert len(err.strip().splitlines()) == 1
