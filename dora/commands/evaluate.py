"""`dora eval knn`, `dora eval linear`: what a backbone is worth, by the paper's protocols."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dora.commands.evaluation_options import AS_USUAL, Asked


def knn(
    *,
    weights: str,
    data: Path,
    k: Annotated[list[int], Parameter(consume_multiple=True)] = [10, 20, 100, 200],  # noqa: B006
    temperature: float = 0.07,
    image_px: int | None = None,
    batch: int = 128,
    asked: Annotated[Asked, Parameter(name="*")] = AS_USUAL,
) -> None:
    """Classify pictures by a vote of their nearest neighbours among frozen features.

    Several processes: `torchrun --nproc-per-node 8 -m dora eval knn ...`.

    Args:
        weights: a checkpoint of any form; random:PRESET for an untrained network; timm:NAME,
            timm:NAME@FILE or timm:NAME@random.
        data: a folder with train/CLASS and val/CLASS.
        k: numbers of neighbours.
        temperature: of the votes.
        image_px: side of the pictures; the network's own if not given.
        batch: pictures at a time.
        asked: how to compute, what to keep.
    """
    from dora.eval.knn import evaluate_knn
    from dora.eval.records import knn_table

    with asked.session(weights, batch=batch) as session:
        result = evaluate_knn(
            session.evaluated,
            data,
            ks=tuple(k),
            temperature=temperature,
            image_px=image_px,
            computing=session.computing,
        )
        table = knn_table({session.evaluated.label: result})
        session.report(result, out=asked.out, table=table, features=result.features)


def linear(
    *,
    weights: str,
    data: Path,
    epochs: int = 100,
    step_pictures: int = 1024,
    lr: Annotated[list[float], Parameter(consume_multiple=True)] = [],  # noqa: B006
    blocks: Annotated[list[int], Parameter(consume_multiple=True)] = [4],  # noqa: B006
    patch_mean: Literal["without", "with", "both"] = "without",
    frozen_crops: bool = False,
    image_px: int | None = None,
    seed: int = 0,
    batch: int = 128,
    asked: Annotated[Asked, Parameter(name="*")] = AS_USUAL,
) -> None:
    """Classify pictures by linear layers on frozen features: a grid of learning rates at once.

    A run that was stopped goes on when the command is given again. Several processes:
    `torchrun --nproc-per-node 8 -m dora eval linear ...`.

    Args:
        weights: a checkpoint of any form; random:PRESET for an untrained network; timm:NAME,
            timm:NAME@FILE or timm:NAME@random.
        data: a folder with train/CLASS and val/CLASS.
        epochs: passes over the training pictures.
        step_pictures: pictures of a step, over all processes.
        lr: learning rates for 256 pictures a step; 0.001 to 0.5 if not given.
        blocks: features are [CLS] of so many last blocks; several numbers are compared.
        patch_mean: without, with, or both: the mean of the last block's patches beside [CLS].
        frozen_crops: train on centre crops, computed once, without augmentation: a short run.
        image_px: side of the pictures; the network's own if not given.
        seed: of heads, order and crops.
        batch: pictures of one forward pass.
        asked: how to compute, what to keep.
    """
    from dora.eval.linear import evaluate_linear
    from dora.eval.linear_settings import BASE_LRS, LinearSettings
    from dora.eval.records import linear_table

    with asked.session(weights, batch=batch) as session:
        native_px = session.evaluated.network.traits.image_px
        settings = LinearSettings(
            epochs=epochs,
            step_pictures=step_pictures,
            base_lrs=tuple(lr) or BASE_LRS,
            blocks=tuple(blocks),
            patch_means={"without": (False,), "with": (True,), "both": (False, True)}[patch_mean],
            frozen_crops=frozen_crops,
            image_px=native_px if image_px is None else image_px,
            seed=seed,
        )
        result = evaluate_linear(
            session.evaluated, data, settings=settings, computing=session.computing
        )
        table = linear_table(result, label=session.evaluated.label)
        session.report(result, out=asked.out, table=table, features=result.features)
