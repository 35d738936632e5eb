"""Looks at the teacher: what they leave, and that training does not notice them."""

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from dora.config import LogConfig, RunConfig
from dora.config_text import with_settings
from dora.errors import DoraError
from dora.eval.computing import Computing
from dora.eval.knn import evaluate_knn
from dora.eval.loading import open_network, random_backbone
from dora.train.launch import launch
from dora.train.looks import Look
from dora.watch.pictures import Pictures
from dora.watch.probe import Probe
from tests.dora.tiny_run import tiny_run
from tests.dora.train.test_run import assert_same_state, losses
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shard_set(tmp_path_factory.mktemp("shards") / "walk", frames=30)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise of different grain, five pictures each."""
    folder = tmp_path_factory.mktemp("classes")
    draws = np.random.default_rng(0)
    for part in ("train", "val"):
        for name, side in (("fine", 40), ("coarse", 4)):
            (folder / part / name).mkdir(parents=True)
            for number in range(5):
                pixels = draws.integers(0, 256, (side, side, 3), dtype=np.uint8)
                picture = Image.fromarray(pixels).resize((40, 40), Image.Resampling.NEAREST)
                picture.save(folder / part / name / f"{number}.png")
    return folder


def run(config: RunConfig, shards: Path, out: Path, *, classes: Path | None = None,
        stop_after: int | None = None) -> list[str]:  # fmt: skip
    """Train with the looks that are given; return what was said."""

    def report(record: Any, clips_hz: float) -> None:
        if stop_after is not None and record.step + 1 == stop_after:
            signal.raise_signal(signal.SIGUSR1)

    sets, said = open_shards(shards), list[str]()
    looks: list[Look] = []
    if classes is not None:
        looks.append(Probe(classes, every_epochs=2, model=config.model, device=CPU))
        looks.append(Pictures(sets, config, device=CPU))
    launch(
        config, sets, out=out, device=CPU, begins=lambda ahead: None, report=report, looks=looks,
        say=said.append,
    )  # fmt: skip
    return said


def looked(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "looks.jsonl").read_text().splitlines()]


def test_looks_leave_scores_and_pictures_and_change_nothing(
    shards: Path, classes: Path, tmp_path: Path
) -> None:
    config = replace(tiny_run(), log=LogConfig(pictures_every=4))
    run(tiny_run(), shards, tmp_path / "alone")
    said = run(config, shards, tmp_path / "seen", classes=classes)
    assert_same_state(tmp_path / "seen", tmp_path / "alone")
    assert losses(tmp_path / "seen") == losses(tmp_path / "alone")
    lines = looked(tmp_path / "seen")
    assert [(line["step"], line["look"]) for line in lines] == [
        (0, "knn"), (0, "pictures"), (4, "knn"), (8, "knn"), (8, "pictures"),
    ]  # fmt: skip
    teacher = open_network(str(tmp_path / "seen" / "checkpoint.pth"))
    scores = evaluate_knn(teacher, classes, ks=(10, 20), computing=Computing()).scores
    expected = {f"knn/{score.k}": score.top1 for score in scores}
    assert {name: lines[3][name] for name in expected} == expected
    assert [line.split(":")[0] for line in said] == [f"after step {n} of 8" for n in (0, 4, 8)]
    names = {path.name for path in (tmp_path / "seen" / "pictures").iterdir()}
    assert names == {
        f"{kind}_walk_{step:08d}.png" for kind in ("objects", "attention") for step in (0, 8)
    }
    (board,) = (tmp_path / "seen" / "tensorboard").iterdir()
    tags = {
        value.tag for event in EventFileLoader(str(board)).Load() for value in event.summary.value
    }
    assert {"loss", "knn/20", "objects_walk", "attention_walk"} <= tags


def test_a_run_stopped_where_a_look_is_due_looks_when_it_goes_on(
    shards: Path, classes: Path, tmp_path: Path
) -> None:
    config = replace(tiny_run(), log=LogConfig(pictures_every=4))
    run(config, shards, tmp_path / "unbroken", classes=classes)
    run(config, shards, tmp_path / "stopped", classes=classes, stop_after=4)
    assert [line["step"] for line in looked(tmp_path / "stopped")] == [0, 0]
    run(config, shards, tmp_path / "stopped", classes=classes)
    assert looked(tmp_path / "stopped") == looked(tmp_path / "unbroken")


def test_videos_too_short_for_a_clip_are_passed_over_and_pictures_are_read_once(
    tmp_path: Path,
) -> None:
    """The first of four videos has a single frame; the tars are gone when a look is taken."""
    for name, frames in (("a", 1), ("b", 6), ("c", 6), ("d", 6)):
        make_shard_set(tmp_path / name, frames=frames)
    looks = Pictures(open_shards(tmp_path), tiny_run(), device=CPU)
    for tar in tmp_path.glob("*/*.tar"):
        tar.unlink()
    teacher = random_backbone(tiny_run().model, seed=1).state_dict()
    assert set(looks.look(teacher).pictures) == {
        f"{kind}_{video}" for kind in ("objects", "attention") for video in ("b", "c")
    }


def test_a_probe_without_classes_is_named_before_training(tmp_path: Path) -> None:
    with pytest.raises(DoraError, match="has no folder train/"):
        Probe(tmp_path, every_epochs=1, model=tiny_run().model, device=CPU)


class StandIn(ModuleType):
    """As much of wandb as is used; it remembers what it is told."""

    Error = RuntimeError

    def __init__(self) -> None:
        super().__init__("wandb")
        self.begun: list[dict[str, Any]] = []
        self.told: list[tuple[int, set[str]]] = []
        self.finished = 0

    def init(self, **options: Any) -> "StandIn":
        self.begun.append(options)
        self.id = options["id"] or "a1"
        return self

    def log(self, figures: dict[str, Any], *, step: int) -> None:
        self.told.append((step, set(figures)))

    def finish(self) -> None:
        self.finished += 1

    def Image(self, picture: Image.Image) -> Image.Image:  # noqa: N802 - so it is called there
        return picture


def test_wandb_is_told_every_step_and_goes_on_with_its_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    config = with_settings(tiny_run(), ["log.wandb=walks"])
    run(config, shards, tmp_path / "a", stop_after=3)
    run(config, shards, tmp_path / "a")
    assert [(begun["project"], begun["id"]) for begun in wandb.begun] == [
        ("walks", None), ("walks", "a1"),
    ]  # fmt: skip
    assert wandb.begun[0]["config"]["save"]["keep"] == 1
    assert [step for step, _ in wandb.told] == list(range(8))
    assert all("loss" in names for _, names in wandb.told)
    assert wandb.finished == 2


def test_without_wandb_there_is_a_sentence(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(DoraError, match=r"log\.wandb is 'walks'.*pip install 'wtours\[wandb\]'"):
        run(with_settings(tiny_run(), ["log.wandb=walks"]), shards, tmp_path)


def test_a_collapse_is_said_or_ends_the_run(shards: Path, tmp_path: Path) -> None:
    """At a temperature of 9 every target is all but uniform."""
    collapsed = ["optim.lr=0", "optim.min_lr=0", "optim.teacher_temperature=[9, 9]"]
    config = with_settings(tiny_run(), [*collapsed, "save.collapse_steps=3"])
    said = run(config, shards, tmp_path / "warned")
    assert len([line for line in said if line.startswith("warning: collapse: ")]) == 1
    assert "all but uniform" in said[0]
    with pytest.raises(DoraError, match=r"collapse: .* 3 steps up to 3; try a lower teacher temp"):
        run(with_settings(config, ["save.stop_on_collapse=true"]), shards, tmp_path / "ended")
