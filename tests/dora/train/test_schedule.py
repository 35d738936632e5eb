from dataclasses import replace

import numpy as np
import pytest

from dora.config import OptimConfig, Span
from dora.errors import ConfigError
from dora.presets import PRESETS
from dora.train.schedule import Schedules, cosine, ramp
from tests.references import golden

CASES = golden.names("schedules.npz")


@pytest.mark.parametrize("case", CASES)
def test_schedules_equal_the_published_ones(case: str) -> None:
    arrays = golden.load("schedules.npz", case)
    first, last, *lengths = arrays["args"].tolist()
    if case.startswith("temp"):
        warmup, epochs = lengths
        ours = ramp(first, last, length=int(epochs), warmup=int(warmup))
    else:
        epochs, per_epoch, *warmup_options = lengths
        warmup_epochs, warmup_from = (*warmup_options, 0, 0)[:2]
        ours = cosine(
            first,
            last,
            steps=int(epochs * per_epoch),
            warmup_steps=int(warmup_epochs * per_epoch),
            warmup_from=warmup_from,
        )
    assert ours.dtype == np.float64
    assert ours.shape == arrays["values"].shape
    assert np.abs(ours - arrays["values"]).max() < 1e-12


def plain_cosine(
    step: int, *, first: float, last: float, steps: int, warmup_steps: int = 0
) -> float:
    if step < warmup_steps:
        return first * step / (warmup_steps - 1) if warmup_steps > 1 else 0.0
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return last + (first - last) * (1 + np.cos(np.pi * progress)) / 2


@pytest.mark.parametrize("epochs", [1, 4])
@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize("scaling", ["linear", "none"])
def test_run_follows_plain_formulas_at_every_step(epochs: int, warmup: int, scaling: str) -> None:
    optim = OptimConfig(
        warmup=Span(length=warmup),
        lr_scaling=scaling,
        teacher_temperature=(0.04, 0.07),
        temperature_warmup=Span(length=1),
        freeze_last_layer=Span(length=0.5),
    )
    schedules = Schedules.build(optim, steps_per_epoch=6, epochs=epochs, batch_clips=64)
    assert schedules.steps == 6 * epochs
    lr = 5e-4 * (64 / 256 if scaling == "linear" else 1)
    for step in range(schedules.steps):
        values = schedules.at(step)
        of_run = {"steps": schedules.steps}
        assert values.lr == pytest.approx(
            plain_cosine(step, first=lr, last=1e-5, warmup_steps=6 * warmup, **of_run)
        )
        assert values.weight_decay == pytest.approx(
            plain_cosine(step, first=0.04, last=0.4, **of_run)
        )
        assert values.teacher_momentum == pytest.approx(
            plain_cosine(step, first=0.996, last=1.0, **of_run)
        )
        assert values.teacher_temperature == (0.04 if step < 6 else 0.07)
        assert values.last_layer_frozen == (step < 3)


def test_spans_given_as_shares_follow_the_length_of_the_run() -> None:
    optim = OptimConfig(
        warmup=Span(length=0.1, unit="share"),
        freeze_last_layer=Span(length=0.05, unit="share"),
        temperature_warmup=Span(length=0.5, unit="share"),
        teacher_temperature=(0.04, 0.07),
    )
    for epochs in (2, 10):
        schedules = Schedules.build(optim, steps_per_epoch=10, epochs=epochs, batch_clips=256)
        total = 10 * epochs
        assert int(schedules.lr.argmax()) in (total // 10 - 1, total // 10)
        assert schedules.frozen_steps == round(0.05 * total)
        rising = np.diff(schedules.teacher_temperature) > 0
        assert rising.sum() == total // 2 - 1
        assert schedules.teacher_temperature[total // 2 - 1] == pytest.approx(0.07)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_schedule_of_its_own_length(name: str) -> None:
    config = PRESETS[name]()
    schedules = Schedules.build(
        config.optim,
        steps_per_epoch=7,
        epochs=config.epochs,
        batch_clips=config.data.batch_clips,
    )
    for values in (schedules.lr, schedules.weight_decay, schedules.teacher_momentum):
        assert values.shape == schedules.teacher_temperature.shape == (7 * config.epochs,)
        assert np.isfinite(values).all()
    assert schedules.lr[0] == 0


def test_a_warmup_longer_than_the_run_is_a_clear_error() -> None:
    released = PRESETS["released"]().optim
    with pytest.raises(ConfigError, match="warmup lasts 10 epochs, longer than the run of 5") as at:
        Schedules.build(released, steps_per_epoch=3, epochs=5, batch_clips=128)
    assert "shorten optim.warmup" in at.value.remedy
    Schedules.build(released, steps_per_epoch=3, epochs=10, batch_clips=128)
    rising = replace(released, teacher_temperature=(0.04, 0.07), warmup=Span(length=1))
    for warmup in (30, 2.5):
        changed = replace(rising, temperature_warmup=Span(length=warmup))
        with pytest.raises(ConfigError, match=r"temperature_warmup lasts .* in a run of 5"):
            Schedules.build(changed, steps_per_epoch=3, epochs=5, batch_clips=128)
