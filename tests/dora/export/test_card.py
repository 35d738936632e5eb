"""The card says how to load a file, and what its run has done; its code works as it stands."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dora.cli import main
from dora.config import RunConfig
from dora.errors import DoraError
from dora.export.forms import SUFFIXES, Form
from dora.export.record import read_record
from dora.model.weights import read_weights
from tests.dora.export.test_forms import RELEASED, checkpoint, features, images, tiny

FORMS: list[Form] = ["timm", "released", "torchscript"]


def write_log(folder: Path, *, steps: int) -> None:
    lines = [
        {"step": step, "loss": 4.0 - step, "epoch": step / 2, "feature_std": None}
        for step in range(steps)
    ]
    looks = [{"step": step, "look": "knn", "knn/20": step / 10} for step in (0, 4, 8)]
    for name, records in (("log.jsonl", lines), ("looks.jsonl", looks)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / name).write_text(text)


def run_of(preset: str) -> RunConfig:
    return replace(tiny(), preset=preset, data=replace(tiny().data, batch_clips=4))


def test_a_record_tells_steps_epochs_data_and_figures(tmp_path: Path) -> None:
    """The log goes on after the checkpoint, and what it says of later steps is not of these."""
    path = checkpoint(tmp_path, run_of("smoke+frames-2"))
    write_log(tmp_path, steps=9)
    record = read_record(path)
    assert (record.step, record.epoch, record.data) == (6, 3.0, "0" * 64)
    assert record.figures == {"loss": pytest.approx(4 - 2.5), "knn/20": 0.4}
    assert any(phrase.startswith("model.width 24 instead of 192") for phrase in record.changed)
    assert not any(phrase.startswith("preset") for phrase in record.changed)


def test_without_a_log_there_are_no_figures_and_epochs_are_counted(tmp_path: Path) -> None:
    record = read_record(checkpoint(tmp_path, run_of("smoke")))
    assert (record.figures, record.epoch) == ({}, 3.0)
    everything = replace(tiny(), data=replace(tiny().data, clips_per_epoch="all"))
    assert read_record(checkpoint(tmp_path, everything)).epoch is None


def test_half_a_last_line_is_passed_over_and_any_other_is_named(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, run_of("smoke"))
    write_log(tmp_path, steps=3)
    log = tmp_path / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 3, "lo')
    assert read_record(path).figures["loss"] == 3.0
    log.write_text("tea\n" + log.read_text())
    with pytest.raises(DoraError, match=r"line 1 of .*log\.jsonl is no record of a step"):
        read_record(path)


def test_of_other_checkpoints_the_epoch_is_known_at_most(tmp_path: Path) -> None:
    assert read_record(RELEASED).epoch == 57
    torch.save(read_weights(RELEASED).backbone, tmp_path / "bare.pth")
    assert read_record(tmp_path / "bare.pth").epoch is None


def export(form: Form, path: Path, *words: str) -> str:
    out = path.with_name(f"out{SUFFIXES[form]}")
    tokens = ["export", "--weights", str(path), "--out", str(out), "--form", form, *words]
    with pytest.raises(SystemExit) as ended:
        main(tokens)
    assert ended.value.code == 0
    return out.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:FutureWarning")
@pytest.mark.parametrize("form", [*FORMS, pytest.param("torch-export", marks=pytest.mark.slow)])
def test_the_code_of_the_card_loads_the_file(
    tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = export(form, checkpoint(tmp_path, run_of("smoke")))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    expected = features(tmp_path / "checkpoint.pth", 32)
    if form == "released":
        ours = read_weights(tmp_path / "checkpoint.pth").backbone
        assert names["backbone"].keys() == ours.keys()
        assert all(torch.equal(value, ours[name]) for name, value in names["backbone"].items())
    else:
        network = names["model"].eval() if form == "timm" else names["model"]
        with torch.no_grad():
            torch.testing.assert_close(network(images(32)), expected, atol=1e-5, rtol=1e-5)


def test_the_card_tells_of_the_run(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, run_of("smoke+frames-2"))
    write_log(tmp_path, steps=6)
    card = export("timm", path)
    for words in (
        "library_name: timm\nlicense: apache-2.0\ntags: [",
        "A ViT of 2 blocks, width 24, 3 heads and patches of 8 px",
        "checkpoint.pth: teacher of a dora checkpoint (step 6)",
        "Preset `smoke+frames-2`, seed 0.",
        "6 steps, 3 of 4 epochs: 24 clips of 2 frames.",
        f"SHA-256 of the data's index: `{'0' * 64}`.",
        f"Written by torch {torch.__version__}.",
        "model.width 24 instead of 192",
        "| loss | 1.5 |",
        "| knn/20 | 0.4 |",
    ):
        assert words in card, words
    assert not re.search(r"\{[a-z_]+\}", card)  # nothing was left to be filled in


def test_the_card_of_plain_dino_names_dino(tmp_path: Path) -> None:
    card = export("timm", checkpoint(tmp_path, replace(run_of("smoke"), method="dino")))
    assert "2104.14294" in card
    assert "2310.08584" not in card


def test_a_card_of_other_weights_says_no_more_than_is_known(tmp_path: Path) -> None:
    path = tmp_path / "released.pth"
    path.write_bytes(RELEASED.read_bytes())
    card = export("timm", path, "--heads", "3")
    assert "57 epochs, by its checkpoint." in card
    assert "\nby a method that its file does not tell, for images of" in card
    assert "license" not in card
    assert "2310.08584" not in card
    bare = tmp_path / "bare.pth"
    torch.save(read_weights(RELEASED).backbone, bare)
    assert "## Training" not in export("timm", bare, "--heads", "3")
