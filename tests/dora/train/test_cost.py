"""The operations of a run: counted by torch, known of ViT-S, and told in hours."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dora.config import HeadConfig, ModelConfig
from dora.model.pair import Network
from dora.presets import PRESETS, dora
from dora.recipes import with_recipes
from dora.train.cost import clip_flop, cost_sentence, head_flop, image_flop
from tests.dora.train.test_trainer import batch, config_of, trainer_of

MODEL = ModelConfig(width=48, depth=3, heads=3, image_px=48)
HEAD = HeadConfig(outputs=128, hidden=64, bottleneck=16)


@pytest.mark.parametrize("px", [32, 48, 64])
@pytest.mark.parametrize("whole", [False, True])
def test_a_forward_pass_is_what_torch_counts(px: int, whole: bool) -> None:
    torch.manual_seed(0)
    network = Network(MODEL, HEAD)
    images = torch.randn(2, 3, px, px)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        network.logits_and_tokens(images) if whole else network([images])
    expected = 2 * (image_flop(MODEL, px=px, whole=whole) + head_flop(MODEL, HEAD))
    # Of the last block's queries only that of [CLS] counts; the rest are a few per cent of this
    # small network.
    assert counted.get_total_flops() == pytest.approx(expected, rel=1e-6 if whole else 0.025)


def test_one_clip_of_vit_small_is_a_teraflop() -> None:
    """4.6 GFLOP (two for each multiplication and addition: 9.2) an image of 224 px is known."""
    assert image_flop(ModelConfig(), px=224, whole=True) == pytest.approx(9.2e9, rel=0.01)
    assert clip_flop(dora()) == pytest.approx(1.0e12, rel=0.02)


def test_cost_grows_with_frames_objects_and_epochs() -> None:
    config = dora()
    half = with_recipes(config, ["frames-4"])
    # The tracker's rows of first frames, at the teacher, do not halve.
    assert clip_flop(half) == pytest.approx(clip_flop(config) / 2, rel=0.005)
    costs = [clip_flop(with_recipes(config, [f"objects-{k}"])) for k in (1, 2, 3, 6)]
    assert costs == sorted(costs)
    assert costs[1] - costs[0] == pytest.approx(costs[2] - costs[1])
    two_views = PRESETS["paper"]()
    dino = clip_flop(replace(two_views, method="dino"))
    assert dino < clip_flop(with_recipes(two_views, ["objects-1"]))  # but for the teacher's rows
    assert dino == pytest.approx(clip_flop(with_recipes(two_views, ["objects-1"])), rel=0.01)


@pytest.mark.parametrize("name", ["released", "paper", "DINO"])
@pytest.mark.parametrize("checkpoint", ["false", "true"])
def test_a_step_is_about_what_torch_counts(name: str, checkpoint: str) -> None:
    """But for the tracker, and for queries in the last block."""
    config = config_of(name, f"compute.checkpoint={checkpoint}", "model.drop_path=0")
    trainer = trainer_of(config)
    with FlopCounterMode(display=False) as counted:
        trainer.train_step(batch(config))
    expected = clip_flop(config) * config.data.batch_clips
    assert counted.get_total_flops() == pytest.approx(expected, rel=0.01)


def test_hours_are_those_of_the_docstrings() -> None:
    """20 million clips of a teraflop at 100 TFLOP/s: 55 hours."""
    assert cost_sentence(dora(), clips=20_000_000) == (
        "986 GFLOP a clip, 19.7 EFLOP in all: 54.8 hours of a GPU that computes 100 TFLOP/s"
    )
    assert cost_sentence(PRESETS["smoke"](), clips=2400) == (
        "3.13 GFLOP a clip, 7.5 TFLOP in all: 0.075 s of a GPU that computes 100 TFLOP/s"
    )
    for name, hours in (("released", 52), ("one-gpu", 55), ("paper", 89)):
        assert f"{hours}" in (PRESETS[name].__doc__ or "")
        words = cost_sentence(PRESETS[name](), clips=20_000_000).split(": ")[1]
        assert round(float(words.split()[0])) == hours
