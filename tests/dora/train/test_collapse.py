"""A collapse is told once, after the warm-up, over many steps; a run in order is left alone."""

import math
import random

import pytest

from dora.train.collapse import CollapseWatch

OUTPUTS, WIDTH = 2048, 192
LARGEST = math.log(OUTPUTS)
GOOD = {"teacher_entropy": 4.0, "teacher_kl_to_uniform": 3.0, "feature_std": 0.04}
BAD = {
    "use 1.0 of 2048": {"teacher_kl_to_uniform": LARGEST, "teacher_entropy": 0.0},
    "all but uniform": {"teacher_entropy": 0.99 * LARGEST},
    "the same features": {"feature_std": 1e-4},
}


def watch(*, steps: int = 10, first_step: int = 20, images: int = 16) -> CollapseWatch:
    return CollapseWatch(
        outputs=OUTPUTS, width=WIDTH, images=images, steps=steps, first_step=first_step
    )


@pytest.mark.parametrize("words", BAD)
def test_each_collapse_is_told_once_after_its_steps_with_what_to_try(words: str) -> None:
    watched = watch()
    told = [
        (step, found) for step in range(60) if (found := watched.after(step, GOOD | BAD[words]))
    ]
    assert [step for step, _ in told] == [29]
    assert words in str(told[0][1])
    assert "10 steps up to 29; try a" in str(told[0][1])


def test_several_kinds_are_told_one_after_another() -> None:
    watched = watch()
    bad = GOOD | BAD["use 1.0 of 2048"] | BAD["the same features"]
    assert sum(watched.after(step, bad) is not None for step in range(60)) == 2


def test_a_run_in_order_and_a_moments_lapse_are_left_alone() -> None:
    watched = watch()
    draws = random.Random(0)
    for step in range(300):
        figures = {name: value * draws.uniform(0.5, 1.5) for name, value in GOOD.items()}
        if step % 50 < 3:
            figures["feature_std"] = 0.0
        assert watched.after(step, figures) is None


def test_figures_during_the_warm_up_do_not_count() -> None:
    watched = watch(first_step=50)
    assert all(watched.after(step, GOOD | BAD["all but uniform"]) is None for step in range(50))
    assert all(watched.after(step, GOOD) is None for step in range(50, 100))


def test_few_images_are_not_blamed_for_few_outputs() -> None:
    """Two clips of two frames may well have two distinct targets."""
    figures = GOOD | {"teacher_kl_to_uniform": LARGEST - math.log(2)}
    few = watch(images=4)
    assert all(few.after(step, figures) is None for step in range(60))
    watched = watch(images=16)
    assert any(watched.after(step, figures) for step in range(60))
