"""What a fine-tuning is said to take: by pictures computed, and by pictures read."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from dora.errors import DoraError
from dora.eval.loading import Evaluated
from dora.finetune import estimate
from dora.finetune.estimate import Estimate, estimate_finetune, timed_pictures
from dora.finetune.network import DinoClassifier, trainable
from dora.finetune.order import Order
from dora.finetune.recipe import short_recipe
from tests.dora.eval.tiny_networks import ON_CPU, tiny_network, write_colours
from tests.dora.finetune.tiny_datasets import write_cifar10
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE, tune

GPU = torch.device("cuda")


def a_clock(told: Iterable[float]) -> SimpleNamespace:
    """Return a clock that tells one time after another."""
    times = iter(told)
    return SimpleNamespace(perf_counter=lambda: next(times))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("batch", "mixed"), [(128, 4), (3, 4), (128, 2), (128, 96)])
def test_timed_pass_is_as_large_as_the_largest_of_the_training(
    colours: Path, monkeypatch: pytest.MonkeyPatch, batch: int, mixed: int
) -> None:
    sizes = []
    forward = DinoClassifier.forward

    def watched(self: DinoClassifier, images: Tensor, places: list[int] | None = None) -> Tensor:
        if places is not None:
            sizes.append(len(images))
        return forward(self, images, places)

    monkeypatch.setattr(DinoClassifier, "forward", watched)
    recipe = replace(TINY_RECIPE, epochs=1, mixed_pictures=mixed)
    computing = replace(COMPUTING, batch=batch)
    tune(colours, recipe, computing)
    order = Order.of(recipe, pictures=12)
    assert timed_pictures(order, replace(computing, device=GPU)) == max(sizes)
    assert timed_pictures(order, computing) == min(4, max(sizes))


@pytest.mark.parametrize("pictures", [2, 7, 40, 600])
@pytest.mark.parametrize("step", [2, 6, 100, 256])
@pytest.mark.parametrize("mixed", [2, 6, 32, 96])
def test_largest_group_is_known_before_any_is_made(pictures: int, step: int, mixed: int) -> None:
    recipe = replace(short_recipe(), step_pictures=step, mixed_pictures=mixed)
    order = Order.of(recipe, pictures=pictures)
    (groups,) = order.groups_of_epoch(0, first_step=order.steps - 1)
    assert order.group_pictures == max(len(group.pictures) for group in groups)


def test_time_of_a_picture_is_its_part_of_the_quickest_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = trainable(tiny_network().network, classes=2, recipe=TINY_RECIPE)
    monkeypatch.setattr(estimate, "time", a_clock([0, 9, 10, 16, 20, 28]))
    found = estimate._time_picture(network, TINY_RECIPE, ON_CPU, pictures=3)
    assert found == 6 / 3


def test_time_of_reading_is_the_mean_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(estimate, "time", a_clock([0, 8]))
    readings: list[Callable[[], Tensor]] = [
        lambda n=number: done.append(n) or torch.zeros(()) for number in range(4)
    ]
    assert estimate._mean_seconds(readings) == 8 / 4
    assert done == [0, 0, 1, 2, 3]


def test_pictures_whose_reading_is_timed_are_of_all_classes(tmp_path: Path) -> None:
    """Lists are often sorted by class, and a class may have pictures of one size."""
    paths = [tmp_path / f"{number}" for number in range(100)]
    assert estimate._spread(paths) == [paths[n] for n in (0, 12, 25, 37, 50, 62, 75, 87)]
    assert estimate._spread(paths[:3]) == paths[:3]


def given(tmp_path: Path) -> tuple[Evaluated, str, Path]:
    return tiny_network(), "cifar10", write_cifar10(tmp_path)


RECIPE = replace(short_recipe(), image_px=32, epochs=7, score_every=3)


def test_estimate_measures_and_changes_nothing(tmp_path: Path) -> None:
    network, name, folder = given(tmp_path)
    before = {name: value.clone() for name, value in network.network.state_dict().items()}
    found = estimate_finetune(network, name, folder, recipe=RECIPE, computing=ON_CPU)
    assert found is not None
    assert min(found.computing_s, found.reading_s) > 0
    for key, value in network.network.state_dict().items():
        assert torch.equal(value, before[key])


def test_estimate_counts_what_is_trained_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_time_picture", lambda *_, **__: 1.0)
    monkeypatch.setattr(estimate, "_time_reading", lambda *_: (5.0, 2.0))
    arguments = given(tmp_path)
    # Ten pictures in each of 7 epochs, two test pictures after epochs 3, 6 and 7.
    for world, workers in ((1, 2), (1, 8), (2, 2)):
        monkeypatch.setattr(estimate, "world_size", lambda world=world: world)
        computing = replace(ON_CPU, workers=workers)
        found = estimate_finetune(*arguments, recipe=RECIPE, computing=computing)
        assert found is not None
        assert found.computing_s == pytest.approx((7 * 10 + 3 * 2 / 3) / world)
        assert found.reading_s == pytest.approx((5 * 7 * 10 + 2 * 3 * 2) / (workers * world))
        bound = "computing" if workers == 8 else "reading pictures"
        assert (found.seconds, found.bound) == (max(found.computing_s, found.reading_s), bound)


def test_what_takes_longer_is_named() -> None:
    assert Estimate(computing_s=2.0, reading_s=3.0).bound == "reading pictures"
    assert Estimate(computing_s=3.0, reading_s=2.0).bound == "computing"


def test_picture_that_is_not_whole_is_named_before_the_training(tmp_path: Path) -> None:
    folder = write_colours(tmp_path)
    picture = folder / "train" / "blue" / "0.png"
    picture.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(DoraError, match=r"0\.png"):
        estimate_finetune(tiny_network(), "cifar10", folder, recipe=RECIPE, computing=ON_CPU)


def test_what_was_begun_is_not_estimated(colours: Path, tmp_path: Path) -> None:
    kept = replace(COMPUTING, cache=tmp_path / "kept")
    arguments = (tiny_network(), "cifar10", colours)
    assert estimate_finetune(*arguments, recipe=TINY_RECIPE, computing=kept) is not None
    tune(colours, computing=kept)
    assert estimate_finetune(*arguments, recipe=TINY_RECIPE, computing=kept) is None
    rare = replace(TINY_RECIPE, score_every=2)
    assert estimate_finetune(*arguments, recipe=rare, computing=kept) is None
    other = replace(TINY_RECIPE, seed=1)
    assert estimate_finetune(*arguments, recipe=other, computing=kept) is not None
