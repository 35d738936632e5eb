"""Linear probing: classes of pictures by linear layers on frozen features.

The protocol is that of DINO's eval_linear.py, which the authors of DoRA use: [CLS] of the last four
blocks of a ViT-S, random crops and flips through the frozen network in every epoch, SGD with a
cosine schedule over 100 epochs. Learning rates are given for 256 pictures a step and scaled with
their number. A grid of them is trained in one pass over the data, as iBOT's evaluation does.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from dora.eval.computing import Computing
from dora.eval.feature_store import hash_files
from dora.eval.features import FeatureFacts, Features, extract_features, feature_settings
from dora.eval.image_folder import PAPER_PX, ClassFolders
from dora.eval.linear_data import ProbeData
from dora.eval.linear_heads import HeadBank
from dora.eval.linear_settings import AUTHORS_LR, PAPER_EPOCHS, LinearSettings
from dora.eval.linear_training import Curves, train_heads
from dora.eval.loading import Evaluated
from dora.eval.pictures import resize_px

VERSION = 2
"""Of what is computed: with another one no state and no record of a suite is taken."""


@dataclass(frozen=True, kw_only=True)
class HeadScore:
    """What one head of the grid came to; shares of the validation pictures."""

    blocks: int
    patch_mean: bool
    base_lr: float
    lr: float
    """At the beginning of the schedule."""
    best_top1: float
    best_epoch: int
    """From 1; the first one with `best_top1`."""
    last_top1: float
    last_top5: float
    top1_by_epoch: tuple[float, ...]
    loss_by_epoch: tuple[float | None, ...]
    """Mean over the training pictures; None once it is no number."""


@dataclass(frozen=True, kw_only=True)
class LinearResult:
    """Scores and everything that was chosen; becomes part of the JSON record."""

    benchmark: str = "linear"
    data: str
    chosen: HeadScore
    """The head with the best epoch of all, chosen on the validation pictures."""
    heads: tuple[HeadScore, ...]
    settings: LinearSettings
    classes: int
    train_images: int
    val_images: int
    steps_per_epoch: int
    resize_px: int
    training_seconds: float
    """Over all runs, where it was stopped between."""
    features: tuple[FeatureFacts, ...]
    notes: tuple[str, ...]

    @property
    def measured(self) -> dict[str, float]:
        """Numbers in the paper's columns, per cent: the best head at its best epoch."""
        return {"LP": 100 * self.chosen.best_top1}


def evaluate_linear(
    evaluated: Evaluated, folder: Path, *, settings: LinearSettings, computing: Computing
) -> LinearResult:
    """Score a frozen network by linear layers on a folder with `train/CLASS` and `val/CLASS`.

    With a cache, a run that was stopped goes on, and one that is done is not done again.

    Args:
        evaluated: the network; moved to the computing device.
        folder: the labelled pictures.
        settings: how the heads are trained.
        computing: where and how.

    Raises:
        DoraError: an option out of its range, a folder laid out otherwise, or a corrupt picture.
    """
    settings.kind.check(evaluated.network)
    for blocks in settings.blocks:
        evaluated.network.check_blocks(blocks)
    folders = ClassFolders.open(folder)
    evaluated.to(computing.device)
    parts = {"val": folders.val}
    if settings.frozen_crops:
        parts["train"] = folders.train
    found: dict[str, Features] = {
        name: extract_features(
            evaluated,
            part.paths,
            kind=settings.kind,
            computing=computing,
            root=folder,
            title=f"features of {name}/",
        )
        for name, part in parts.items()
    }
    data = ProbeData(
        train=folders.train,
        val=folders.val,
        train_features=found.get("train"),
        val_features=found["val"],
        classes=len(folders.classes),
    )
    about = _about(evaluated, folders, settings=settings, computing=computing)
    curves = train_heads(
        evaluated.network,
        _begin(settings, data, width=evaluated.network.traits.width, device=computing.device),
        data,
        settings=settings,
        computing=computing,
        about=about,
    )
    heads = _score(settings, curves)
    return LinearResult(
        data=str(folder),
        chosen=max(heads, key=lambda head: head.best_top1),
        heads=heads,
        settings=settings,
        classes=data.classes,
        train_images=len(data.train.paths),
        val_images=len(data.val.paths),
        steps_per_epoch=data.steps(settings.step_pictures),
        resize_px=resize_px(settings.image_px),
        training_seconds=round(curves.seconds, 2),
        features=tuple(features.facts for features in found.values()),
        notes=(
            *folders.notes(),
            *_notes(settings, heads, train_images=len(data.train.paths)),
        ),
    )


def _begin(
    settings: LinearSettings, data: ProbeData, *, width: int, device: torch.device
) -> list[HeadBank]:
    return [
        HeadBank(
            settings.columns(blocks, mean, width=width),
            lrs=[lr * settings.lr_scale for lr in settings.base_lrs],
            classes=data.classes,
            seed=settings.seed,
            device=device,
        )
        for blocks, mean in settings.banks()
    ]


def _about(
    evaluated: Evaluated, folders: ClassFolders, *, settings: LinearSettings, computing: Computing
) -> dict[str, object]:
    """Return all that the trained heads depend on."""
    return {
        "version": VERSION,
        "features": feature_settings(evaluated, kind=settings.kind, computing=computing),
        "settings": asdict(settings),
        "classes": list(folders.classes),
        "train": hash_files(folders.train.paths, root=folders.folder),
        "val": hash_files(folders.val.paths, root=folders.folder),
    }


def _score(settings: LinearSettings, curves: Curves) -> tuple[HeadScore, ...]:
    """Return the scores in the order of the banks, and within them of the learning rates."""
    kinds = [(*bank, lr) for bank in settings.banks() for lr in settings.base_lrs]
    scores = []
    for row, (blocks, mean, base_lr) in enumerate(kinds):
        # A head whose loss is no number may be right by accident; it does not count.
        finite = [math.isfinite(epoch[row]) for epoch in curves.losses]
        top1, top5 = (
            [
                epoch[row][top] if good else 0.0
                for epoch, good in zip(curves.hits, finite, strict=True)
            ]
            for top in (0, 1)
        )
        best = max(top1)
        scores.append(
            HeadScore(
                blocks=blocks,
                patch_mean=mean,
                base_lr=base_lr,
                lr=base_lr * settings.lr_scale,
                best_top1=best,
                best_epoch=1 + top1.index(best),
                last_top1=top1[-1],
                last_top5=top5[-1],
                top1_by_epoch=tuple(top1),
                loss_by_epoch=tuple(
                    epoch[row] if good else None
                    for epoch, good in zip(curves.losses, finite, strict=True)
                ),
            )
        )
    return tuple(scores)


def _notes(
    settings: LinearSettings, heads: Sequence[HeadScore], *, train_images: int
) -> tuple[str, ...]:
    notes = [
        f"LP is the best of {len(heads)} heads and {settings.epochs} epochs, chosen on the "
        "validation pictures, as it is quoted"
    ]
    notes += [
        f"at the authors' learning rate of {AUTHORS_LR} for 256 pictures, {_features(head)}: "
        f"best {100 * head.best_top1:.1f} % (epoch {head.best_epoch}), "
        f"last {100 * head.last_top1:.1f} %"
        for head in heads
        if head.base_lr == AUTHORS_LR
    ]
    if settings.frozen_crops:
        notes.append("trained on centre crops without augmentation: not the paper's protocol")
    if settings.epochs != PAPER_EPOCHS:
        notes.append(f"{settings.epochs} epochs, not the paper's {PAPER_EPOCHS}")
    if settings.image_px != PAPER_PX:
        notes.append(f"pictures of {settings.image_px} px, not the paper's {PAPER_PX}")
    if (settings.blocks, settings.patch_means) != ((4,), (False,)):
        notes.append("the authors' command reads [CLS] of 4 blocks, without the mean of patches")
    notes.append(
        f"a step was to have {settings.step_pictures} pictures: the paper's text has 1024, the "
        "authors' command 2048"
    )
    if settings.step_pictures > train_images:
        notes.append(
            f"a step takes {settings.step_pictures} pictures, and there are only {train_images}"
        )
    notes += [
        f"the head with learning rate {head.base_lr} ({_features(head)}) has diverged"
        for head in heads
        if head.loss_by_epoch[-1] is None
    ]
    return tuple(notes)


def _features(head: HeadScore) -> str:
    mean = " and the mean of patches" if head.patch_mean else ""
    return f"[CLS] of {head.blocks} block{'s' if head.blocks > 1 else ''}{mean}"
