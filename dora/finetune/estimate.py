"""What a fine-tuning will take, from a pass of a few pictures and from reading a few."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dora.eval.computing import Computing
from dora.eval.loading import Evaluated
from dora.finetune.crops import TrainingCrops, Turn
from dora.finetune.datasets import ClassificationData, open_dataset
from dora.finetune.finetune import state_of
from dora.finetune.mixing import soft_cross_entropy
from dora.finetune.network import Classifier, trainable
from dora.finetune.order import Order
from dora.finetune.pictures import Source, scored_crop
from dora.finetune.recipe import DatasetName, Recipe
from dora.train.distributed import world_size

_ON_A_CPU = 4
"""Pictures of the timed pass at most; on a GPU it is as large as the largest of the training."""
_PASSES = 3
_READ = 8
"""Pictures whose reading is timed, of training and of test pictures."""
_FORWARD_SHARE = 1 / 3
"""Of the operations of a pass forward and backward: what a scored picture costs."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of a fine-tuning from its start; pictures are read while others are computed."""

    computing_s: float
    reading_s: float

    @property
    def seconds(self) -> float:
        """Return how long it takes: the longer of the two."""
        return max(self.computing_s, self.reading_s)

    @property
    def bound(self) -> str:
        """Return what that time goes into, for people."""
        return "computing" if self.computing_s >= self.reading_s else "reading pictures"


def estimate_finetune(
    evaluated: Evaluated,
    dataset: DatasetName,
    folder: Path,
    *,
    recipe: Recipe,
    computing: Computing,
) -> Estimate | None:
    """Return what a fine-tuning takes; None: it was begun, and its state is kept.

    Args:
        evaluated: the network; moved to the computing device, and not changed.
        dataset: which one.
        folder: where it is.
        recipe: how.
        computing: where; its workers read, each on a core of its own.

    Raises:
        DoraError: as `evaluate_finetune` before its first step; a picture read here is not whole.
    """
    evaluated.network.check_side(recipe.image_px)
    data = open_dataset(dataset, folder)
    state = state_of(evaluated, data, recipe=recipe, computing=computing)
    if state is not None and state.path.is_file():
        return None
    order = Order.of(recipe, pictures=len(data.train))
    evaluated.to(computing.device)
    network = trainable(evaluated.network, classes=data.classes, recipe=recipe).train()
    scorings = sum(recipe.scored_after(epoch) for epoch in range(1, recipe.epochs + 1))
    trained = recipe.epochs * order.steps * order.step_pictures
    scored = scorings * len(data.test)
    picture_s = _time_picture(network, recipe, computing, pictures=timed_pictures(order, computing))
    crop_s, scored_crop_s = _time_reading(evaluated, data, recipe)
    return Estimate(
        computing_s=picture_s * (trained + _FORWARD_SHARE * scored) / world_size(),
        reading_s=(crop_s * trained + scored_crop_s * scored) / (computing.workers * world_size()),
    )


def timed_pictures(order: Order, computing: Computing) -> int:
    """Return the pictures of the timed pass: those of the largest, on a CPU a few at most."""
    largest = min(computing.batch, order.group_pictures)
    return largest if computing.device.type == "cuda" else min(_ON_A_CPU, largest)


def _time_picture(
    network: Classifier, recipe: Recipe, computing: Computing, *, pictures: int
) -> float:
    """Return the seconds that a picture takes forward and backward: the quickest of some passes."""
    generator = torch.Generator().manual_seed(0)
    side = recipe.image_px
    images = torch.randn(pictures, 3, side, side, generator=generator).to(computing.device)
    classes = network.head.out_features
    targets = torch.full((pictures, classes), 1 / classes, device=computing.device)
    seconds = []
    for _ in range(_PASSES):
        started = time.perf_counter()
        with computing.autocast():
            logits = network(images, list(range(pictures)))
        torch.autograd.backward(soft_cross_entropy(logits, targets).sum())
        if computing.device.type == "cuda":
            torch.cuda.synchronize(computing.device)
        seconds.append(time.perf_counter() - started)
    return min(seconds) / pictures


def _time_reading(
    evaluated: Evaluated, data: ClassificationData, recipe: Recipe
) -> tuple[float, float]:
    """Return the seconds that a core takes for a training crop, and for a crop to be scored."""
    traits = evaluated.network.traits
    crops = TrainingCrops(recipe, mean=traits.mean, deviation=traits.deviation)

    train, test = _spread(data.train.sources), _spread(data.test.sources)
    return (
        _mean_seconds(
            [partial(crops.crop, Turn(source=s, place=at)) for at, s in enumerate(train)]
        ),
        _mean_seconds(
            [
                partial(scored_crop, s, image_px=recipe.image_px, resize=recipe.test_resize)
                for s in test
            ]
        ),
    )


def _spread(sources: Sequence[Source]) -> list[Source]:
    """Return some pictures from the whole of a list, which is often sorted by class."""
    count = min(_READ, len(sources))
    return [sources[number * len(sources) // count] for number in range(count)]


def _mean_seconds(readings: Sequence[Callable[[], Tensor]]) -> float:
    """Return the mean time of some readings, after the first one again: it warms up."""
    readings[0]()
    started = time.perf_counter()
    for read in readings:
        read()
    return (time.perf_counter() - started) / len(readings)
