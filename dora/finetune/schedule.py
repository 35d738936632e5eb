"""The learning rate of a fine-tuning, by step."""

import math

import numpy as np
from numpy.typing import NDArray

from dora.finetune.recipe import Recipe
from dora.train.schedule import cosine


def learning_rates(
    recipe: Recipe, *, steps_per_epoch: int, step_pictures: int
) -> NDArray[np.float64]:
    """Return the learning rate of every step of the run, (epochs x steps_per_epoch,).

    It is that of the classifier; blocks have their shares of it.

    Args:
        recipe: its schedule.
        steps_per_epoch: optimiser steps.
        step_pictures: of a step, by which the learning rate is scaled.
    """
    peak = recipe.peak_lr(step_pictures)
    if recipe.schedule == "step":
        return cosine(
            peak,
            recipe.min_lr,
            steps=recipe.epochs * steps_per_epoch,
            warmup_steps=round(recipe.warmup_epochs * steps_per_epoch),
        )
    by_epoch = [_of_epoch(recipe, epoch, peak=peak) for epoch in range(recipe.epochs)]
    return np.repeat(by_epoch, steps_per_epoch)


def _of_epoch(recipe: Recipe, epoch: int, *, peak: float) -> float:
    """Return the learning rate of an epoch, counted from 0: timm's cosine, one epoch late.

    DeiT's main.py sets it after an epoch to what that epoch should have had, so that the first
    two epochs have that of the beginning; published numbers were made that way.
    """
    at = max(0, epoch - 1)
    if at < recipe.warmup_epochs:
        return recipe.warmup_lr + at * (peak - recipe.warmup_lr) / recipe.warmup_epochs
    turned = 0.5 * (1 + math.cos(math.pi * at / recipe.epochs))
    return recipe.min_lr + (peak - recipe.min_lr) * turned
