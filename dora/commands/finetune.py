"""`dora eval finetune`: a backbone and a classifier trained together, by iBOT's recipes."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dora.commands.evaluation_options import TRAINED_AS_USUAL, AskedOfTraining


def finetune(
    *,
    weights: str,
    dataset: Literal["cifar10", "cifar100", "flowers102", "cars", "inat18", "inat19", "imagenet"],
    data: Path,
    preset: Literal["paper", "short"] = "paper",
    epochs: int | None = None,
    step_pictures: int | None = None,
    mixed_pictures: int | None = None,
    lr: float | None = None,
    layer_decay: float | None = None,
    image_px: int | None = None,
    score_every: int = 1,
    seed: int = 0,
    batch: int = 128,
    asked: Annotated[AskedOfTraining, Parameter(name="*")] = TRAINED_AS_USUAL,
) -> None:
    """Fine-tune a backbone for classification and score it after every epoch.

    A run that was stopped goes on when the command is given again. Several processes:
    `torchrun --nproc-per-node 8 -m dora eval finetune ...`.

    Args:
        weights: a checkpoint of any form; random:PRESET for an untrained network; timm:NAME,
            timm:NAME@FILE or timm:NAME@random.
        dataset: the data set.
        data: the folder that it was unpacked to.
        preset: paper for iBOT's recipe of this data set, which takes days; short for 20 epochs,
            which is not the paper's.
        epochs: instead of the recipe's; the warm-up changes in proportion.
        step_pictures: pictures of a step, over all processes, instead of the recipe's.
        mixed_pictures: pictures that share a draw of mixup or cutmix, and that one process
            computes, instead of the recipe's.
        lr: learning rate instead of the recipe's, for 512 pictures a step; that of imagenet's
            paper recipe holds for steps of any size.
        layer_decay: rate of a block as a share of the next one's, instead of the recipe's.
        image_px: side of the pictures; the network's own if not given.
        score_every: epochs from one scoring to the next; the last one is always scored.
        seed: of classifier, order and everything that is drawn.
        batch: pictures of one forward and backward pass; gradients are added up over a step.
        asked: how to compute, what to keep.
    """
    from dora.finetune.finetune import evaluate_finetune, finetune_table
    from dora.finetune.recipe import recipe_for, shortened

    recipe = recipe_for(dataset, preset)
    if epochs is not None:
        recipe = shortened(recipe, epochs)
    with asked.session(weights, batch=batch) as session:
        native_px = session.evaluated.network.traits.image_px
        recipe = replace(
            recipe,
            step_pictures=recipe.step_pictures if step_pictures is None else step_pictures,
            mixed_pictures=recipe.mixed_pictures if mixed_pictures is None else mixed_pictures,
            lr=recipe.lr if lr is None else lr,
            layer_decay=recipe.layer_decay if layer_decay is None else layer_decay,
            image_px=native_px if image_px is None else image_px,
            score_every=score_every,
            seed=seed,
        )
        result = evaluate_finetune(
            session.evaluated, dataset, data, recipe=recipe, computing=session.computing
        )
        table = finetune_table(result, label=session.evaluated.label)
        session.report(result, out=asked.out, table=table)
