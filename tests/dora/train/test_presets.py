"""Every preset trains, end to end, once it is made small."""

import math
from pathlib import Path

import pytest
import torch

from dora.config_text import with_settings
from dora.presets import PRESETS
from dora.train.checkpoint import load_checkpoint
from dora.train.launch import launch
from dora.train.records import read_log
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

VIEW = '{"scale": [0.4, 1.0], "px": 32, "flip": 0.5, "solarise": 0.2}'
SMALL = (
    "epochs=1", "data.clips_per_epoch=12", "data.batch_clips=4", "data.workers=0",
    "clip.frames=3", "augment.first_px=40", "augment.local_view.px=16", "augment.local_crops=2",
    "model.width=48", "model.depth=2", "model.patch_px=8", "model.image_px=32",
    "head.outputs=48", "head.hidden=32", "head.bottleneck=16",
    'optim.warmup={"length": 0.34, "unit": "share"}',
    'optim.freeze_last_layer={"length": 0.34, "unit": "share"}',
    'optim.temperature_warmup={"length": 0.67, "unit": "share"}',
)  # fmt: skip
ONE, TWO = f"augment.global_views=[{VIEW}]", f"augment.global_views=[{VIEW}, {VIEW}]"
RUNS = {
    "dora": ["dora", ONE],
    "released": ["released", ONE],
    "paper": ["paper", TWO],
    "one-gpu": ["one-gpu", ONE],
    "smoke": ["smoke", ONE],
    "images": ["released", ONE, "clip.frames=1"],
    "across cuts": ["dora", ONE, "clip.cross_cuts=true"],
    "all heads": ["released", ONE, "tracker.objects=6"],
    "all of 16 heads": ["paper", TWO, "model.last_heads=16", "tracker.objects=16"],
    "not tracked by Sinkhorn": ["paper", TWO, "tracker.sinkhorn=false", "tracker.mask=binary"],
    "random blocks": ["released", ONE, "tracker.mask=blocks"],
    "plain DINO": ["paper", TWO, "method=dino"],
    "plain DINO, one global view": ["released", ONE, "method=dino"],
}


def test_every_preset_is_tried() -> None:
    assert {words[0] for words in RUNS.values()} == set(PRESETS)


@pytest.mark.parametrize("name", RUNS)
def test_three_steps_have_finite_figures_and_change_every_parameter(
    name: str, tmp_path: Path
) -> None:
    preset, *settings = RUNS[name]
    config = with_settings(PRESETS[preset](), [*SMALL, *settings])
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=20))
    outcome = launch(
        config,
        shards,
        out=tmp_path / "run",
        device=torch.device("cpu"),
        begins=lambda ahead: None,
        report=lambda record, clips_hz: None,
    )
    assert (outcome.step, outcome.total_steps) == (3, 3)
    log = read_log(tmp_path / "run")
    assert all(
        value is not None and math.isfinite(value) for step in log for value in step.values()
    )
    assert log[0]["lr"] == 0
    areas = [figure for figure in log[0] if figure.startswith("mask_area/")]
    assert len(areas) == (config.tracker.objects if config.method == "dora" else 0)
    found = load_checkpoint(outcome.checkpoint)
    alike = [key for key, value in found.student.items() if torch.equal(value, found.teacher[key])]
    fixed = ["head.last_layer.weight_g"] if config.head.norm_last_layer else []
    assert alike == fixed  # the rest has moved, the teacher more slowly
    assert found.centre.norm() > 0
