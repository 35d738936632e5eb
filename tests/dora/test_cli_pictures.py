"""`dora train --data FOLDER`, `--recipe`, `--arch`, `dora recipes`: as a user types them."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dora.cli import main
from dora.recipes import RECIPES
from dora.train.checkpoint import load_checkpoint
from tests.dora.tiny_run import TINY_SETTINGS
from tests.shard_making import make_shard_set

Run = Callable[..., tuple[int, str, str]]
SETTINGS = [word for word in TINY_SETTINGS if not word.startswith(("clip.frames", "data.clips_"))]
TINY = ["--preset", "smoke", *(word for setting in SETTINGS for word in ("--set", setting))]


@pytest.fixture
def run(command: Run) -> Run:
    """Run `dora` in an empty folder; return status, stdout and stderr."""
    return partial(command, main)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten pictures in two classes, and an empty folder."""
    for number in range(10):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((60, 48)).save(path)
    (tmp_path / "empty").mkdir()
    return tmp_path / "photos"


def test_a_folder_of_pictures_is_told_trained_and_resumed(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    words = ["train", *TINY, "--data", photos, "--recipe", "images", "--set", "epochs=2"]
    status, out, err = run(*words, "--dry-run")
    assert (status, err) == (0, "")
    assert "10 pictures in 2 folders, 0.8 passes an epoch of 2 steps, 4 steps in all" in out
    assert re.search(r"GFLOP a clip.* s of a GPU that computes 100 TFLOP/s", out)
    status, out, err = run(*words)
    assert (status, "step 4 of 4" in out) == (0, True), err
    found = load_checkpoint(tmp_path / "runs" / "smoke+images" / "checkpoint.pth")
    assert (found.config.clip.frames, found.config.preset) == (1, "smoke+images")
    status, out, err = run(*words)
    assert (status, "going on after step 4 of 4" in out) == (0, True), err


def test_a_damaged_picture_ends_the_run_or_is_told_of(run: Run, photos: Path) -> None:
    (photos / "a" / "0.png").write_bytes(b"nothing that could be shown")
    words = ["train", *TINY, "--data", photos, "--set", "epochs=3"]
    status, _, err = run(*words)
    assert (status, "Traceback" in err) == (2, False)
    assert re.search(r"0\.png is no picture.*data\.on_bad_frame=skip", err)
    status, _, err = run(*words, "--set", "data.on_bad_frame=skip")
    assert (status, err.count("0.png")) == (0, 1), err


FAULTS: dict[str, tuple[list[str], str]] = {
    "no such folder": (["--data", "nowhere"], r"nowhere does not exist; give a folder of pictures"),
    "no picture": (["--data", "empty"], r"empty holds no picture"),
    "both": (["--data", "photos", "--shards", "data"], r"--data photos and --shards data"),
    "more frames": (["--data", "photos", "--set", "clip.frames=2"], r"clip\.frames is 2"),
    "blocks": (["--data", "photos", "--shuffle", "blocks"], r"pictures lie in none"),
    "large batch": (["--data", "photos", "--batch-clips", "11"], r"no batch of 11"),
    "unknown recipe": (["--recipe", "tea"], r"no recipe is called 'tea'.*objects-1"),
    "recipe on other data": (["--recipe", "images"], r"recipe images is for pictures"),
    "recipe of covered faces": (["--recipe", "blurred"], r"recipe blurred is for blurred shards"),
    "unknown network": (["--arch", "resnet18"], r"is a ResNet"),
    "too few heads": (["--recipe", "objects-5", "--arch", "vit_tiny"], r"split over 5 heads"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mistake_is_one_sentence(run: Run, photos: Path, tmp_path: Path, name: str) -> None:
    make_shard_set(tmp_path / "data" / "shards" / "walk", frames=4)
    words, named = FAULTS[name]
    status, _, err = run("train", "--preset", "smoke", *words, "--dry-run")
    assert (status, "Traceback" in err) == (2, False)
    assert re.search(named, err), err


def test_any_length_and_network_has_its_estimate(run: Run, tmp_path: Path) -> None:
    """300 epochs of ViT-B: three times the steps, and four times the work of each clip."""
    make_shard_set(tmp_path / "data" / "shards" / "walk", frames=20)
    status, out, err = run("train", "--epochs", "300", "--arch", "vit_base", "--dry-run")
    assert status == 0, err
    assert "468,600 steps in all" in out
    assert re.search(r"3\.\d+ TFLOP a clip, 2\d\d EFLOP in all: [56]\d\d hours of a GPU", out), out


def test_recipes_are_listed_with_what_they_change(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    status, out, _ = run("recipes")
    assert status == 0
    for recipe in RECIPES:
        assert re.search(rf"\b{recipe.name}\b", out)
    assert "tracker.objects=16" in out
    status, _, err = run("recipes", "--preset", "tea")
    assert (status, "one of dora" in err) == (2, True)
