"""Rows that stand side by side differ in the method alone, and what was stopped goes on."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import side_by_side
from dora.config_text import config_to_json
from tests.dora.eval.tiny_networks import write_colours
from tests.shard_making import make_shard_set

METHOD = (
    "preset",
    "method",
    "tracker.",
    "loss.",
    "optim.name",
    "optim.lr",
    "augment.first_crop",
    "augment.first_px",
    "augment.global_views",
    "augment.local_view.flip",
)
"""Where rows may differ."""


def options(**changed: Any) -> argparse.Namespace:
    given = {"epochs": 2, "clips_per_epoch": 16, "probe": Path("classes"), "mix": None}
    return argparse.Namespace(**(given | changed))


def leaves(tree: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {name: tree}
    inner = (leaves(value, f"{name}.{key}".lstrip(".")) for key, value in tree.items())
    return {key: value for part in inner for key, value in part.items()}


@pytest.mark.parametrize("row", side_by_side.ROWS)
def test_a_row_differs_from_ours_in_the_method_alone(row: str) -> None:
    one, ours = (
        leaves(json.loads(config_to_json(side_by_side.small(name, seed=1, options=options()))))
        for name in (row, "dora")
    )
    differing = {name for name in one if one[name] != ours[name]}
    assert {name for name in differing if not name.startswith(METHOD)} == set()
    assert (row == "dora") == (not differing)


def test_lars_keeps_the_printed_rate_and_others_share_one() -> None:
    rates = {
        row: side_by_side.small(row, seed=0, options=options()).optim.lr
        for row in side_by_side.ROWS
    }
    assert rates.pop("paper") == 5e-4
    assert set(rates.values()) == {side_by_side.LR}


@pytest.mark.slow
def test_whole_runs_are_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second command trains the row that is missing, and its record has both."""
    shards = make_shard_set(tmp_path / "walk", frames=30, side=160)
    classes = write_colours(tmp_path / "classes")
    given = ["--shards", str(shards), "--probe", str(classes), "--work", str(tmp_path / "w")]
    tiny = ["--epochs", "1", "--clips-per-epoch", "16", "--runs", "1", "--out", str(tmp_path)]
    side_by_side.main([*given, *tiny, "--rows", "dora"])
    checkpoint = tmp_path / "w" / "dora-0" / "checkpoint.pth"
    before = checkpoint.stat().st_mtime_ns
    side_by_side.main([*given, *tiny, "--rows", "dora", "DINO"])
    assert checkpoint.stat().st_mtime_ns == before
    text = (tmp_path / "side_by_side.json").read_text(encoding="utf-8")
    rows = json.loads(text)["rows"]
    assert [(row["name"], row["steps"], row["clips"]) for row in rows] == [
        ("dora", 2, 16),
        ("DINO", 2, 16),
    ]
    assert "mask_overlap" in rows[0]
    assert "mask_overlap" not in rows[1]
    assert [len(row["knn/20"][0]) for row in rows] == [2, 2]
    capsys.readouterr()
