"""The evaluations that a suite knows: how each is run, and which columns it fills."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from dora.eval import davis, discovery, knn, linear
from dora.eval.computing import Computing
from dora.eval.davis import evaluate_davis
from dora.eval.discovery import evaluate_discovery
from dora.eval.knn import evaluate_knn
from dora.eval.linear import evaluate_linear
from dora.eval.linear_settings import PAPER_EPOCHS, LinearSettings
from dora.eval.loading import Evaluated
from dora.eval.records import Result
from dora.finetune import finetune
from dora.finetune.datasets import published
from dora.finetune.estimate import Estimate, estimate_finetune
from dora.finetune.finetune import batch_that_counts, evaluate_finetune
from dora.finetune.recipe import DatasetName, Preset, Recipe, recipe_for

AS_PUBLISHED = "as published"
FINETUNE = "finetune"
SHORT_EPOCHS = 30
"""Epochs of a short linear probe, on features of centre crops."""


@dataclass(frozen=True, kw_only=True)
class SuitePart:
    """One evaluation as the suite runs it: with the paper's settings, or short ones."""

    name: str
    """As in `dora eval NAME`; of fine-tuning, `finetune-` and the data set."""
    columns: tuple[str, ...]
    """Those of the table that it fills: the paper's, or a data set's."""
    run: Callable[[Evaluated, Path, Computing], Result]
    way: str = AS_PUBLISHED
    """Tells records of other settings apart; the table names it."""
    caption: str | None = None
    """Of its columns on the page; None: the paper's tables tell, and the way."""
    version: int = 1
    """Of what is computed: with another one no record is taken."""
    batch_that_counts: Callable[[Evaluated, Computing], int | None] | None = None
    """Pictures of a pass, where the number depends on them: tells records apart, too."""
    estimate: Callable[[Evaluated, Path, Computing], Estimate | None] | None = None
    """What it will take, where that is a matter of hours or days; it returns None for one that was
    begun, and is gone on with."""


def suite_parts(*, short: bool, preset: Preset = "short") -> tuple[SuitePart, ...]:
    """Return all evaluations that the suite knows, in the order of the table.

    Args:
        short: take a short way where the paper's takes long; the table says so.
        preset: of the fine-tuning.
    """
    run_linear = partial(_run_linear, epochs=SHORT_EPOCHS if short else PAPER_EPOCHS, short=short)
    way = f"{SHORT_EPOCHS} epochs, centre crops" if short else AS_PUBLISHED
    return (
        SuitePart(name="linear", columns=("LP",), run=run_linear, way=way, version=linear.VERSION),
        SuitePart(name="knn", columns=("k-NN",), run=_run_knn, version=knn.VERSION),
        SuitePart(
            name="discovery",
            columns=("Jaccard", "CorLoc"),
            run=_run_discovery,
            version=discovery.VERSION,
        ),
        SuitePart(
            name="davis",
            columns=("DAVIS J", "DAVIS F"),
            run=_run_davis,
            version=davis.VERSION,
        ),
        *(finetune_part(dataset, preset=preset) for dataset in get_args(DatasetName)),
    )


def finetune_part(dataset: DatasetName, *, preset: Preset) -> SuitePart:
    """Return the fine-tuning on a data set."""
    recipe = recipe_for(dataset, preset)
    way = f"{preset} recipe, {recipe.epochs} epochs"
    return SuitePart(
        name=f"{FINETUNE}-{dataset}",
        columns=(published(dataset).column,),
        run=partial(_run_finetune, dataset=dataset, recipe=recipe),
        way=way,
        caption=f"fine-tuned, top 1; {way}",
        version=finetune.VERSION,
        batch_that_counts=batch_that_counts,
        estimate=partial(_estimate_finetune, dataset=dataset, recipe=recipe),
    )


def _run_linear(
    evaluated: Evaluated, folder: Path, computing: Computing, *, epochs: int, short: bool
) -> Result:
    traits = evaluated.network.traits
    settings = LinearSettings(
        epochs=epochs,
        frozen_crops=short,
        blocks=(min(4, traits.depth),),
        image_px=traits.image_px,
    )
    return evaluate_linear(evaluated, folder, settings=settings, computing=computing)


def _run_knn(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_knn(evaluated, folder, computing=computing)


def _run_discovery(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_discovery(evaluated, folder, computing=computing)


def _run_davis(evaluated: Evaluated, folder: Path, computing: Computing) -> Result:
    return evaluate_davis(evaluated, folder, computing=computing)


def _run_finetune(
    evaluated: Evaluated,
    folder: Path,
    computing: Computing,
    *,
    dataset: DatasetName,
    recipe: Recipe,
) -> Result:
    native = replace(recipe, image_px=evaluated.network.traits.image_px)
    return evaluate_finetune(evaluated, dataset, folder, recipe=native, computing=computing)


def _estimate_finetune(
    evaluated: Evaluated,
    folder: Path,
    computing: Computing,
    *,
    dataset: DatasetName,
    recipe: Recipe,
) -> Estimate | None:
    native = replace(recipe, image_px=evaluated.network.traits.image_px)
    return estimate_finetune(evaluated, dataset, folder, recipe=native, computing=computing)
