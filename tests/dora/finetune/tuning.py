"""A fine-tuning that takes no time, for tests of all its parts."""

from dataclasses import replace
from pathlib import Path

from dora.eval.computing import Computing
from dora.finetune.finetune import FinetuneResult, evaluate_finetune
from dora.finetune.recipe import Recipe, short_recipe
from tests.dora.eval.tiny_networks import tiny_network

TINY_RECIPE = replace(
    short_recipe(),
    epochs=2,
    warmup_epochs=1,
    step_pictures=6,
    mixed_pictures=4,
    lr=0.05,
    image_px=32,
)
COMPUTING = Computing(batch=4, workers=1)


def tune(
    folder: Path,
    recipe: Recipe = TINY_RECIPE,
    computing: Computing = COMPUTING,
    *,
    readers: int = 0,
) -> FinetuneResult:
    return evaluate_finetune(
        tiny_network(), "cifar10", folder, recipe=recipe, computing=computing, readers=readers
    )


def came_to(result: FinetuneResult) -> tuple[object, ...]:
    return result.scores, result.losses
