"""Every step of runs of many lengths beside its figures computed alone, in plain arithmetic."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.config import OptimConfig, Span
from dora.presets import PRESETS
from dora.train.schedule import Schedules
from tests.references.schedules import plain_step

EPOCHS = st.builds(Span, length=st.sampled_from([0, 0.5, 1, 2]))
SHARES = st.builds(Span, length=st.sampled_from([0, 0.1, 0.34, 1.0]), unit=st.just("share"))
WHOLE_EPOCHS = st.builds(Span, length=st.sampled_from([0, 1, 2]))
PAIRS = st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.5))


def require_plain(optim: OptimConfig, **of_run: int) -> None:
    schedules = Schedules.build(optim, **of_run)
    assert schedules.steps == of_run["steps_per_epoch"] * of_run["epochs"]
    for step in range(schedules.steps):
        values = asdict(schedules.at(step))
        expected = plain_step(optim, step, **of_run)
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-15), step


@given(
    optim=st.builds(
        OptimConfig,
        lr=st.floats(0, 1),
        lr_scaling=st.sampled_from(["linear", "none"]),
        min_lr=st.floats(0, 0.1),
        warmup=EPOCHS | SHARES,
        weight_decay=PAIRS,
        freeze_last_layer=EPOCHS | SHARES,
        teacher_momentum=PAIRS,
        teacher_temperature=PAIRS,
        temperature_warmup=WHOLE_EPOCHS | SHARES,
    ),
    steps_per_epoch=st.integers(1, 9),
    epochs=st.integers(2, 6),
    batch_clips=st.sampled_from([1, 8, 128, 300]),
)
def test_schedules_are_those_of_plain_arithmetic(
    optim: OptimConfig, steps_per_epoch: int, epochs: int, batch_clips: int
) -> None:
    require_plain(optim, steps_per_epoch=steps_per_epoch, epochs=epochs, batch_clips=batch_clips)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_schedules_of_plain_arithmetic(preset: str) -> None:
    """As they are, and for 300 epochs, as `--epochs 300` asks."""
    config = PRESETS[preset]()
    for epochs in {config.epochs, 300}:
        run = replace(config, epochs=epochs)
        require_plain(run.optim, steps_per_epoch=3, epochs=epochs, batch_clips=run.data.batch_clips)
