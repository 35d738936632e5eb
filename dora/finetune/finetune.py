"""Fine-tuning as an evaluation: data set, recipe and network in, best and last score out."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.table import Table

from dora.eval.computing import Computing
from dora.eval.kept_training import StateFile
from dora.eval.loading import Evaluated
from dora.eval.networks import DinoNetwork
from dora.eval.timm_networks import TimmNetwork
from dora.finetune.datasets import ClassificationData, open_dataset
from dora.finetune.network import residual_blocks
from dora.finetune.order import Order
from dora.finetune.recipe import DatasetName, Recipe, recipe_for
from dora.finetune.training import train

VERSION = 1
"""Of what is computed: with another one no state or record is taken."""


@dataclass(frozen=True, kw_only=True)
class EpochScore:
    """Where the network stood after an epoch; shares of the test pictures."""

    epoch: int
    """From 1."""
    top1: float
    top5: float


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """Scores and everything that was chosen; becomes part of the JSON record."""

    benchmark: str = "finetune"
    dataset: str
    """As the command names it."""
    column: str
    """In tables of results."""
    data: str
    layout: str
    """Which published layout was found."""
    preset: str
    """`paper` or `short`; the recipe says what was changed in it."""
    best: EpochScore
    """The first epoch with the highest top 1, chosen on the test pictures."""
    last: EpochScore
    scores: tuple[EpochScore, ...]
    losses: tuple[float, ...]
    """Mean over the steps of each epoch, of mixed pictures and smoothed labels."""
    recipe: Recipe
    step_pictures: int
    """As trained: fewer than the recipe's where there are fewer pictures."""
    steps_per_epoch: int
    peak_lr: float
    classes: int
    train_images: int
    test_images: int
    training_seconds: float
    """Over all runs, where it was stopped between."""
    notes: tuple[str, ...]

    @property
    def measured(self) -> dict[str, float]:
        """Number in the column of the data set, per cent: top 1 of the best epoch."""
        return {self.column: 100 * self.best.top1}


def evaluate_finetune(
    evaluated: Evaluated,
    dataset: DatasetName,
    folder: Path,
    *,
    recipe: Recipe,
    computing: Computing,
    readers: int | None = None,
) -> FinetuneResult:
    """Fine-tune a copy of a network on a data set and score it on the test pictures.

    With a cache, a run that was stopped goes on, and one that is done is not done again.

    Args:
        evaluated: the network; moved to the computing device, and not changed.
        dataset: which one.
        folder: where it is.
        recipe: how.
        computing: where and how.
        readers: processes that read training pictures, 0: this one does; None: as many as
            `computing` has workers.

    Raises:
        DoraError: an option out of its range, a data set that is not whole, a corrupt picture.
    """
    evaluated.network.check_side(recipe.image_px)
    data = open_dataset(dataset, folder)
    evaluated.to(computing.device)
    order = Order.of(recipe, pictures=len(data.train))
    done = train(
        evaluated.network,
        data,
        recipe=recipe,
        computing=computing,
        readers=computing.workers if readers is None else readers,
        state=state_of(evaluated, data, recipe=recipe, computing=computing),
    )
    scores = tuple(
        EpochScore(epoch=epoch, top1=top1, top5=top5)
        for epoch, top1, top5 in done.scored
        if recipe.scored_after(epoch)  # an earlier run may have scored more often
    )
    return FinetuneResult(
        dataset=dataset,
        column=data.published.column,
        data=str(folder),
        layout=data.layout,
        preset=recipe.preset,
        best=max(scores, key=lambda score: score.top1),
        last=scores[-1],
        scores=scores,
        losses=tuple(done.losses),
        recipe=recipe,
        step_pictures=order.step_pictures,
        steps_per_epoch=order.steps,
        peak_lr=recipe.peak_lr(order.step_pictures),
        classes=data.classes,
        train_images=len(data.train),
        test_images=len(data.test),
        training_seconds=round(done.seconds, 2),
        notes=(
            *_notes(data, dataset=dataset, recipe=recipe, order=order),
            *_notes_on_network(evaluated, recipe=recipe),
        ),
    )


def state_of(
    evaluated: Evaluated, data: ClassificationData, *, recipe: Recipe, computing: Computing
) -> StateFile | None:
    """Return where the state of a fine-tuning is kept, if there is one yet; None: nowhere.

    It belongs to all that the trained network depends on; how often it is scored changes nothing.
    """
    if computing.cache is None:
        return None
    about = {
        "version": VERSION,
        "network": evaluated.sha256,
        "recipe": asdict(replace(recipe, score_every=1)),
        "batch": batch_that_counts(evaluated, computing),
        "precision": computing.precision,
        "classes": data.classes,
        "train": data.train.digest(data.folder),
        "test": data.test.digest(data.folder),
    }
    return StateFile.of(about, cache=computing.cache, name="finetune", training="fine-tuning")


def batch_that_counts(evaluated: Evaluated, computing: Computing) -> int | None:
    """Return the pictures of a pass where what is trained depends on them; None: it does not.

    What is left out of a network of timm is drawn for each pass, of one of ours for each turn.
    """
    return None if isinstance(evaluated.network, DinoNetwork) else computing.batch


def finetune_table(result: FinetuneResult, *, label: str) -> Table:
    """Return the best and the last score in per cent."""
    recipe = result.recipe
    table = Table(
        title=f"fine-tuned on {result.column}, {result.preset} recipe, {recipe.epochs} epochs: "
        f"{label}, {result.classes} classes, {result.train_images} training and "
        f"{result.test_images} test pictures"
    )
    for title in ("", "epoch", "top 1, %", "top 5, %"):
        table.add_column(title, justify="right" if title else "left")
    for name, score in (("best epoch", result.best), ("last epoch", result.last)):
        table.add_row(name, str(score.epoch), f"{100 * score.top1:.1f}", f"{100 * score.top5:.1f}")
    return table


def _notes(
    data: ClassificationData, *, dataset: DatasetName, recipe: Recipe, order: Order
) -> tuple[str, ...]:
    notes = ["the number is that of the best epoch on the test pictures, as it is quoted"]
    if recipe.preset == "short":
        notes.append("the short recipe is not the paper's")
    published = asdict(recipe_for(dataset, recipe.preset))
    notes += [
        f"{name} is {value}, and {published[name]} in the {recipe.preset} recipe"
        for name, value in asdict(recipe).items()
        if name not in ("seed", "score_every") and value != published[name]
    ]
    if order.step_pictures < recipe.step_pictures:
        notes.append(
            f"a step takes {order.step_pictures} pictures, not {recipe.step_pictures}: "
            f"an epoch has {order.turns}"
        )
    peak = recipe.peak_lr(order.step_pictures)
    if peak < recipe.min_lr:
        notes.append(
            f"the learning rate of {peak:g} for {order.step_pictures} pictures a step is below "
            f"{recipe.min_lr:g}, where the cosine ends: after the warm-up it rises"
        )
    shortfall = data.shortfall()
    return tuple(notes if shortfall is None else [*notes, shortfall])


def _notes_on_network(evaluated: Evaluated, *, recipe: Recipe) -> tuple[str, ...]:
    network = evaluated.network
    if (
        isinstance(network, TimmNetwork)
        and recipe.drop_path > 0
        and not residual_blocks(network.model)
    ):
        return (
            f"{network.traits.architecture} has no blocks to leave out: "
            "it is trained without stochastic depth",
        )
    return ()
