"""What a fine-tuning will take, from a pass of a few pictures."""

import time
from pathlib import Path

import torch

from dora.eval.computing import Computing
from dora.eval.loading import Evaluated
from dora.finetune.datasets import open_dataset
from dora.finetune.mixing import soft_cross_entropy
from dora.finetune.network import Classifier, trainable
from dora.finetune.order import Order
from dora.finetune.recipe import DatasetName, Recipe
from dora.train.distributed import world_size

_ON_A_CPU = 4
"""Pictures of the timed pass; on a GPU as many as a pass of the training has."""
_PASSES = 3
_FORWARD_SHARE = 1 / 3
"""Of the operations of a pass forward and backward: what a scored picture costs."""


def estimate_seconds(
    evaluated: Evaluated,
    dataset: DatasetName,
    folder: Path,
    *,
    recipe: Recipe,
    computing: Computing,
) -> float:
    """Return the seconds that a fine-tuning takes from its start, without reading pictures.

    Args:
        evaluated: the network; moved to the computing device, and not changed.
        dataset: which one.
        folder: where it is.
        recipe: how.
        computing: where.

    Raises:
        DoraError: as `evaluate_finetune` before its first step.
    """
    evaluated.network.check_side(recipe.image_px)
    data = open_dataset(dataset, folder)
    order = Order.of(recipe, pictures=len(data.train))
    evaluated.to(computing.device)
    network = trainable(evaluated.network, classes=data.classes, recipe=recipe).train()
    scorings = sum(recipe.scored_after(epoch) for epoch in range(1, recipe.epochs + 1))
    passes = recipe.epochs * order.steps * order.step_pictures
    passes_forward = scorings * len(data.test)
    picture_s = _time_picture(network, recipe, computing)
    return picture_s * (passes + _FORWARD_SHARE * passes_forward) / world_size()


def _time_picture(network: Classifier, recipe: Recipe, computing: Computing) -> float:
    """Return the seconds that a picture takes forward and backward: the quickest of some passes."""
    on_gpu = computing.device.type == "cuda"
    pictures = computing.batch if on_gpu else min(_ON_A_CPU, computing.batch)
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
        if on_gpu:
            torch.cuda.synchronize(computing.device)
        seconds.append(time.perf_counter() - started)
    return min(seconds) / pictures
