"""A user's mistake gets one sentence with file, fault and remedy, and exit status 2."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dora.cli import main
from tests.dora.tiny_run import TINY_SETTINGS
from tests.references import golden
from tests.shard_making import make_shard_set

Run = Callable[..., tuple[int, str, str]]
TINY = ["--preset", "smoke", *(word for setting in TINY_SETTINGS for word in ("--set", setting))]


@pytest.fixture
def run(command: Run) -> Run:
    """Run `dora` in an empty folder; return status, stdout and stderr."""
    return partial(command, main)


def class_folder(folder: Path) -> Path:
    for split in ("train", "val"):
        for level, name in ((40, "dark"), (200, "bright")):
            path = folder / split / name / "0.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.full((40, 40, 3), level, dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return make_shard_set(tmp_path / "data" / "shards" / "walk", frames=20)


def test_the_road_from_shards_to_a_score_and_pictures(
    run: Run, shards: Path, tmp_path: Path
) -> None:
    status, out, err = run("train", *TINY, "--dry-run")
    assert status == 0, err
    assert "19 clips of 2 frames" in out
    assert not (tmp_path / "runs").exists()
    status, out, err = run("train", *TINY, "--out", "runs/a")
    assert status == 0, err
    assert "step 8 of 8" in out
    status, out, err = run("train", *TINY, "--out", "runs/a")
    assert (status, "going on after step 8 of 8" in out) == (0, True), err
    weights = ["--weights", "runs/a/checkpoint.pth"]
    data = ["--data", class_folder(tmp_path / "classes")]
    status, out, err = run("eval", "knn", *weights, *data, "--k", "1", "--out", "knn.json")
    assert status == 0, err
    assert (tmp_path / "knn.json").is_file()
    for command in ("tracks", "attention"):
        status, out, err = run("visualise", command, *weights, "--out", command)
        assert status == 0, err
        assert all(Path(line).is_file() for line in out.split("\n")[:-1])
    status, out, err = run("export", *weights, "--out", "backbone.safetensors")
    assert status == 0, err
    assert (tmp_path / "backbone.md").is_file()


def test_few_starts_bring_a_warning_with_its_remedy(run: Run, shards: Path) -> None:
    status, _, err = run("train", "--preset", "smoke", "--clips-per-epoch", "4000", "--dry-run")
    assert (status, "wtours shard --fps" in err or "add videos" in err) == (0, True), err
    status, _, err = run("train", "--preset", "smoke", "--clips-per-epoch", "190", "--dry-run")
    assert (status, err) == (0, "")


FAULTS: list[tuple[str, list[str], str]] = [
    ("no shards", ["--shards", "elsewhere"], "elsewhere"),
    ("no clip long enough", ["--set", "clip.frames=50"], r"no clip fits .* 50 frames"),
    ("unknown option", ["--set", "clip.frame=5"], r"clip\.frame=5 names no option.*clip\.frames"),
    ("wrong type", ["--set", "clip.frames=many"], r"clip\.frames"),
    ("contradiction", ["--set", "clip.frames=0"], r"clip\.frames is 0"),
    ("no such device", ["--device", "abacus"], "abacus"),
    ("batch over an epoch", ["--set", "data.batch_clips=9000"], "9000"),
    ("unknown part of a mix", ["--mix", "walk=1,rome=2"], r"--mix names rome.*at hand.*walk"),
    ("weight of nothing", ["--mix", "walk=0"], r"gives walk the weight 0.*more than 0"),
    ("negative weight", ["--mix", "walk=-1"], r"gives walk the weight -1"),
    ("weight that is no number", ["--mix", "walk=nan"], r"gives walk the weight nan"),
    ("weight in words", ["--mix", "walk=two"], r"'walk=two' gives no name a weight.*NAME=WEIGHT"),
    ("no weight", ["--mix", "walk"], r"'walk' gives no name a weight"),
    ("no name", ["--mix", "=2"], r"gives 2 to no name"),
    ("a name twice", ["--mix", "walk=2,walk=1"], r"names walk twice"),
    ("a video by two names", ["--mix", "walk=2,w*=1"], r"walk .* by the name walk and by w\*"),
    ("a mix of all", ["--mix", "walk=2", "--set", "data.clips_per_epoch=all"],
     r"`all` starts takes each"),
    ("a mix in words", ["--set", "data.mix=walk"], r"data\.mix"),
    ("no open tar", ["--set", "data.open_tars=0"], r"data\.open_tars is 0"),
    ("unknown shuffle", ["--set", "data.shuffle=riffle"], r"data\.shuffle"),
    ("first crop over the frame", ["--set", "augment.first_crop=plain", "--set",
                                   "augment.first_px=300"], "300"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "named"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_mistake_in_training_is_one_sentence(
    run: Run, shards: Path, words: list[str], named: str
) -> None:
    status, out, err = run("train", *TINY, *words)
    assert status == 2, err
    assert "Traceback" not in err + out
    assert re.search(named, err + out), err + out


def test_an_altered_picture_ends_training_with_the_tars_name(run: Run, shards: Path) -> None:
    for tar in shards.glob("*.tar"):
        content = bytearray(tar.read_bytes())
        content[600::700] = bytes(b ^ 1 for b in content[600::700])
        tar.write_bytes(bytes(content))
    status, _, err = run("train", *TINY, "--workers", "1", "--set", "data.workers=1")
    assert (status, "was altered" in err, "Traceback" in err) == (2, True, False), err


def test_weights_of_another_kind_are_named(run: Run, tmp_path: Path) -> None:
    data = ["--data", class_folder(tmp_path / "classes")]
    torch.save({"fc.weight": torch.zeros(3, 3)}, tmp_path / "resnet.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("resnet.pth", "text.pth", "missing.pth"):
        status, _, err = run("eval", "knn", "--weights", name, *data)
        assert (status, name in err, "Traceback" in err) == (2, True, False), err


def test_a_folder_without_classes_is_named(run: Run, tmp_path: Path) -> None:
    status, _, err = run("eval", "knn", "--weights", "random:smoke", "--data", tmp_path / "none")
    assert (status, "none" in err) == (2, True)


@pytest.mark.parametrize("words", [["--dry-run"], []])
def test_half_an_environment_of_torchrun_is_named(
    run: Run, shards: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "one")
    status, _, err = run("train", *TINY, *words)
    assert (status, "WORLD_SIZE" in err, "Traceback" in err) == (2, True, False), err


def test_heads_that_a_file_does_not_tell_are_given(run: Run, shards: Path, tmp_path: Path) -> None:
    weights = ["--weights", golden.FOLDER / "checkpoint_tiny_backbone.pth"]
    knn = ["eval", "knn", *weights, "--data", class_folder(tmp_path / "classes"), "--k", "1"]
    for command in (knn, ["visualise", "tracks", *weights], ["visualise", "attention", *weights]):
        status, _, err = run(*command)
        assert (status, "--heads 6" in err) == (2, True), err
        status, _, err = run(*command, "--heads", "6")
        assert status == 0, err


def test_shuffle_and_mix_are_said_and_kept_by_the_run(
    run: Run, shards: Path, tmp_path: Path
) -> None:
    make_shard_set(shards.parent / "town", frames=12)
    words = [*TINY, "--mix", "town=1,w*=3", "--set", "data.open_tars=1"]
    status, out, err = run("train", *words, "--shuffle", "blocks", "--dry-run")
    assert status == 0, err
    assert "w*: 75.0% of the clips, from 19" in out
    assert "1 of 3 tars open at once" in out
    status, out, err = run("train", *words, "--set", "epochs=6", "--out", "runs/a")
    assert status == 0, err
    assert "steps 3 to 10 took" in err
    assert "for the 2 steps left" in err
    stored = json.loads((tmp_path / "runs/a/config.json").read_text())["data"]
    assert stored["shuffle"] == "global"
    assert stored["mix"] == [["town", 1.0], ["w*", 3.0]]
    status, _, err = run("train", *TINY, "--mix", "town=1", "--set", "epochs=6", "--out", "runs/a")
    assert (status, "data.mix" in err) == (2, True), err
    again = [*words, "--set", "epochs=6", "--out", "runs/a"]
    status, _, err = run("train", *again, "--shuffle", "blocks")
    assert (status, "data.shuffle 'blocks' instead of 'global'" in err) == (2, True), err
    status, out, err = run("train", *again)
    assert (status, "going on after step 12" in out) == (0, True), err
