"""Whole training steps on a GPU that is not there: no mixed devices, no waiting host."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, distributed

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.data.augment import make_views
from dora.data.clip_draws import draw_clip
from dora.data.reading import DrawnClip
from dora.data.views import Views
from dora.methods import dora
from dora.presets import PRESETS
from dora.train import trainer as training
from dora.train.figures import FiguresOnTheWay
from dora.train.schedule import Schedules
from dora.train.trainer import Trainer, run_steps
from tests.dora.pretended_gpu import (
    ARRIVED,
    GPU,
    WAITS,
    HostWaitsError,
    MixedDevicesError,
    PretendedGpu,
    pretended_gpu,
)
from tests.dora.train.test_presets import ONE, SMALL, TWO

CPU = torch.device("cpu")
SHALLOW = "model.depth=1"
RUNS = {
    "dora": ["dora", ONE],
    "released": ["released", ONE, "tracker.scope=process"],
    "paper": ["paper", TWO, SHALLOW],
    "one-gpu": ["one-gpu", ONE, SHALLOW, "compute.accumulate=2"],
    "plain DINO": ["paper", TWO, SHALLOW, "method=dino", "optim.name=adamw"],
    "random blocks": ["dora", ONE, SHALLOW, "tracker.mask=blocks"],
}
"""In fp16 but for one-gpu, which takes bf16; LARS in paper."""
Waits = type[Exception] | tuple[type[Exception], ...]
HALFWAY = 4
"""A step in which the last layer is no longer frozen."""


def config_of(name: str, *settings: str) -> RunConfig:
    preset, *own = RUNS[name]
    small = [*SMALL, "data.batch_clips=2", "clip.frames=2", "model.drop_path=0.3", "epochs=9"]
    return with_settings(PRESETS[preset](), [*small, *own, *settings])


def trainer_of(config: RunConfig, device: torch.device = GPU) -> Trainer:
    schedules = Schedules.build(
        config.optim, steps_per_epoch=1, epochs=config.epochs, batch_clips=config.data.batch_clips
    )
    trainer = Trainer(config, schedules=schedules, device=device, data="")
    trainer.step = HALFWAY
    return trainer


def clips_of(config: RunConfig) -> list[DrawnClip]:
    """First crops and draws, as they come from the processes that read."""
    frames, px = config.clip.frames, config.augment.first_px
    draws = [
        draw_clip(config.augment, seed=0, position=b, frames=frames, height=90, width=120)
        for b in range(config.data.batch_clips)
    ]
    first = torch.zeros(frames, 3, px, px, dtype=torch.uint8)
    return [DrawnClip(position=b, first=first, draws=drawn) for b, drawn in enumerate(draws)]


def views_of(config: RunConfig) -> Views:
    return make_views(clips_of(config), config.augment, device=GPU)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] if name in ("released", "random blocks") else []
        )
        for name in RUNS
    ],
)
def test_steps_mix_no_devices_and_the_host_never_waits(name: str) -> None:
    """From first crops on the CPU to figures; the loop waits for copies of figures alone.

    What arrives is 1 everywhere, also for "asked to stop": after the step then in hand, it stops.
    """
    config = config_of(name)
    with pretended_gpu() as gpu:
        trainer = trainer_of(config)
        clips = clips_of(config)
        with gpu.never_waited_for():
            batches = (make_views(clips, config.augment, device=GPU) for _ in range(9))
            records = list(run_steps(trainer, batches))
    assert trainer.step == HALFWAY + 2
    assert [record.step for record in records] == [HALFWAY, HALFWAY + 1]
    assert {record.figures["loss"] for record in records} == {ARRIVED}
    assert {each.device for each in trainer.pair.parameters()} == {GPU}
    scaled = "_amp_foreach_non_finite_check_and_unscale_" in gpu.operations
    assert scaled == (config.precision == "fp16")
    assert ("_fused_adamw_" in gpu.operations) == (config.optim.name == "adamw")


def branch(masks: Tensor) -> Tensor:
    return masks.mean() if masks.sum() > 0 else masks.sum()


PLANTED: dict[str, tuple[Callable[[Tensor], object], Waits]] = {
    "a value read": (lambda masks: masks.sum().item(), WAITS),
    "a branch": (branch, WAITS),
    "chosen by booleans": (lambda masks: masks[masks > 0].mean(), WAITS),
    "copied to the host": (lambda masks: masks.mean().cpu(), HostWaitsError),
    "made of the host's numbers": (lambda _: torch.tensor([1.0], device=GPU), HostWaitsError),
    "from memory that is not page-locked": (
        lambda _: torch.ones(2).to(GPU, non_blocking=True),
        HostWaitsError,
    ),
    "a copy that blocks": (lambda _: torch.ones(2).pin_memory().to(GPU), HostWaitsError),
    "an operand of the CPU": (lambda masks: masks * torch.ones(masks.shape), MixedDevicesError),
    "an index of the CPU": (lambda masks: masks[torch.tensor([0])], MixedDevicesError),
}


@pytest.fixture(scope="module")
def begun() -> tuple[PretendedGpu, Trainer, Views]:
    """A trainer and a batch for all that is planted."""
    config = config_of("random blocks")
    with pretended_gpu() as gpu:
        return gpu, trainer_of(config), views_of(config)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_wait_or_mixture_is_seen(
    name: str, begun: tuple[PretendedGpu, Trainer, Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the teacher's half of a step."""
    plant, seen = PLANTED[name]
    gpu, trainer, views = begun
    monkeypatch.setattr(dora, "mask_figures", lambda masks: {"planted": plant(masks)})
    with pretended_gpu(gpu), gpu.never_waited_for(), pytest.raises(seen):
        trainer._teach(views, teacher_temperature=0.04)


def test_visible_tokens_make_the_host_wait() -> None:
    """As their option says: it asks how many they are."""
    config = config_of("random blocks", "compute.student_tokens=visible")
    with pretended_gpu() as gpu:
        trainer, views = trainer_of(config), views_of(config)
        with gpu.never_waited_for(), pytest.raises(WAITS) as wait:
            trainer.train_step(views)
    assert [entry.name for entry in wait.traceback if entry.path.name == "block.py"] == [
        "keep_visible"
    ]


def test_figures_are_read_when_their_copy_has_arrived() -> None:
    """The event comes after the copy, and before the next step's; without it NaN would be read."""
    with pretended_gpu() as gpu, gpu.never_waited_for():
        first = FiguresOnTheWay({"loss": torch.zeros((), device=GPU)}, stop=False)
        second = FiguresOnTheWay({"loss": torch.zeros((), device=GPU)}, stop=False)
        assert first._values.isnan().all()
        assert first.read()[0] == {"loss": ARRIVED}
        assert second._values.isnan().all()
        with patch.object(second._copied, "synchronize", lambda: None):
            assert second.read()[0] != {"loss": ARRIVED}


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "fp16"])
def test_a_run_goes_on_on_a_gpu_from_a_checkpoint_of_the_cpu(precision: str) -> None:
    """State of networks, optimiser, centre and loss scaling goes there, and stays there."""
    config = config_of("random blocks", f"precision={precision}")
    before = trainer_of(config, CPU)
    before.train_step(
        Views(
            global_views=torch.randn(1, 2, 2, 3, 32, 32),
            local_crops=torch.randn(2, 2, 2, 3, 16, 16),
            positions=torch.arange(2),
        )
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0).state_dict()
    checkpoint = replace(before.checkpoint(), scaler=scaler)
    with pretended_gpu() as gpu:
        trainer, views = trainer_of(config), views_of(config)
        trainer.restore(checkpoint)
        with gpu.never_waited_for():
            trainer.train_step(views)
        state = [value for one in trainer.optimizer.state.values() for value in one.values()]
    assert trainer.step == HALFWAY + 2
    assert {value.device for value in (*state, trainer.method.centre)} == {GPU}


@pytest.mark.parametrize("name", [pytest.param("dora", marks=pytest.mark.slow), "released"])
def test_processes_reduce_what_is_on_their_gpus(name: str) -> None:
    """NCCL knows no other tensors. Gradients are left out: their reduction wants real ones."""
    config = config_of(name, SHALLOW, "tracker.scope=global")
    reduced: list[torch.device] = []
    with pretended_gpu() as gpu, pytest.MonkeyPatch.context() as two:
        two.setattr(distributed, "is_initialized", lambda: True)
        two.setattr(distributed, "get_world_size", lambda: 2)
        two.setattr(distributed, "get_rank", lambda: 1)
        two.setattr(distributed, "all_reduce", lambda values: reduced.append(values.device))
        two.setattr(training, "with_shared_gradients", lambda network: network)
        trainer, views = trainer_of(config), views_of(config)
        with gpu.never_waited_for():
            list(run_steps(trainer, [views]))
    # Centre and figures; and the published threshold of each view.
    assert reduced == [GPU] * (3 if name == "released" else 2)
