"""Classes of pictures by a vote of their nearest neighbours among frozen features (k-NN).

The protocol is DINO's (arXiv:2104.14294, section 4.1): cosine similarity s of [CLS] features, each
of the k nearest training pictures votes for its class with exp(s / 0.07).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor

from dora.errors import DoraError
from dora.eval.features import extract_features, resize_px
from dora.eval.image_folder import ClassFolders
from dora.model.vit import Backbone

KS = (10, 20, 100, 200)
TEMPERATURE = 0.07
_SIMILARITIES = 2**25
"""Similarities held at a time: 128 MiB, and about thrice that while the nearest are sought."""


@dataclass(frozen=True, kw_only=True)
class KnnScore:
    """Shares of validation pictures whose class was found, for one number of neighbours."""

    k: int
    """Neighbours asked for."""
    k_used: int
    """Neighbours that there are: at most all training pictures."""
    top1: float
    top5: float
    """Correct class among the five with the most votes; one without a vote does not count."""


@dataclass(frozen=True, kw_only=True)
class KnnResult:
    """Scores and everything that was chosen; becomes the JSON record."""

    benchmark: str = "knn"
    data: str
    scores: tuple[KnnScore, ...]
    classes: int
    train_images: int
    val_images: int
    temperature: float
    image_px: int
    resize_px: int
    width: int
    """Width of the features (D)."""
    patch_px: int
    batch: int
    device: str
    seconds: float
    notes: tuple[str, ...]
    """Sentences on what differs from what was asked."""


def evaluate_knn(
    backbone: Backbone,
    folder: Path,
    *,
    ks: Sequence[int] = KS,
    temperature: float = TEMPERATURE,
    image_px: int | None = None,
    batch: int = 128,
    device: torch.device | None = None,
    workers: int = 4,
    progress: Progress | None = None,
) -> KnnResult:
    """Score a frozen backbone on a folder with `train/CLASS` and `val/CLASS`.

    Args:
        backbone: the network; moved to `device`.
        folder: the labelled pictures.
        ks: numbers of neighbours to score.
        temperature: of the votes exp(s / temperature).
        image_px: side of the pictures; None: the backbone's native side.
        batch: pictures of one forward pass.
        device: where to compute; None: the CPU.
        workers: threads that read pictures.
        progress: where to show how far it is.

    Raises:
        DoraError: an option out of its range, a folder laid out otherwise, or a corrupt picture.
    """
    image_px = backbone.config.image_px if image_px is None else image_px
    device = device or torch.device("cpu")
    _check_options(
        ks,
        temperature,
        batch=batch,
        workers=workers,
        image_px=image_px,
        patch_px=backbone.config.patch_px,
    )
    started = time.monotonic()
    folders = ClassFolders.open(folder)
    backbone = backbone.to(device).eval()
    features = {
        name: extract_features(
            backbone,
            part.paths,
            image_px=image_px,
            batch=batch,
            device=device,
            workers=workers,
            progress=progress,
            title=f"features of {name}/",
        )
        for name, part in (("train", folders.train), ("val", folders.val))
    }
    scores = score_knn(
        features["train"],
        torch.tensor(folders.train.labels, device=device),
        features["val"],
        torch.tensor(folders.val.labels, device=device),
        classes=len(folders.classes),
        ks=ks,
        temperature=temperature,
    )
    train_images = len(folders.train.paths)
    return KnnResult(
        data=str(folder),
        scores=scores,
        classes=len(folders.classes),
        train_images=train_images,
        val_images=len(folders.val.paths),
        temperature=temperature,
        image_px=image_px,
        resize_px=resize_px(image_px),
        width=backbone.config.width,
        patch_px=backbone.config.patch_px,
        batch=batch,
        device=str(device),
        seconds=round(time.monotonic() - started, 2),
        notes=tuple(
            f"k = {score.k} is more than the {train_images} training pictures, which all vote"
            for score in scores
            if score.k_used < score.k
        ),
    )


def score_knn(
    train_ND: Tensor,
    train_labels: Tensor,
    val_MD: Tensor,
    val_labels: Tensor,
    *,
    classes: int,
    ks: Sequence[int] = KS,
    temperature: float = TEMPERATURE,
) -> tuple[KnnScore, ...]:
    """Return the scores of features of length 1, for each k.

    Equal votes go to the class with the lower number. Memory does not grow with the number of
    validation pictures.

    Args:
        train_ND: (N, D) features of the training pictures.
        train_labels: (N,) int64 numbers of their classes.
        val_MD: (M, D) features to classify.
        val_labels: (M,) int64.
        classes: number of classes.
        ks: numbers of neighbours; those above N count as N.
        temperature: of the votes.
    """
    used = [min(k, len(train_ND)) for k in ks]
    hits = torch.zeros(len(ks), 2, dtype=torch.int64, device=val_MD.device)
    chunk = max(1, _SIMILARITIES // len(train_ND))
    for start in range(0, len(val_MD), chunk):
        queries, labels = val_MD[start : start + chunk], val_labels[start : start + chunk]
        similarities, nearest = (queries @ train_ND.T).topk(max(used), dim=1)
        # Relative to the nearest one's vote: the same winners, and no exponential overflows.
        votes = torch.exp((similarities - similarities[:, :1]) / temperature)
        elected = train_labels[nearest]
        for row, k in enumerate(used):
            sums = votes.new_zeros(len(queries), classes)
            sums.scatter_add_(1, elected[:, :k], votes[:, :k])
            rank, voted = _rank(sums, labels)
            hits[row, 0] += (voted & (rank < 1)).sum()
            hits[row, 1] += (voted & (rank < 5)).sum()
    shares = (hits.double() / len(val_MD)).tolist()
    return tuple(
        KnnScore(k=k, k_used=k_used, top1=top1, top5=top5)
        for k, k_used, (top1, top5) in zip(ks, used, shares, strict=True)
    )


def _rank(sums: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place of each picture's own class, from 0, and whether anyone voted for it."""
    own = sums.gather(1, labels[:, None])
    before = torch.arange(sums.shape[1], device=sums.device) < labels[:, None]
    place = (sums > own).sum(dim=1) + ((sums == own) & before).sum(dim=1)
    return place, own[:, 0] > 0


def _check_options(
    ks: Sequence[int],
    temperature: float,
    *,
    batch: int,
    workers: int,
    image_px: int,
    patch_px: int,
) -> None:
    if not ks or min(ks) < 1:
        raise DoraError(f"k is {list(ks)}", remedy="name one or more numbers of neighbours from 1")
    if not temperature > 0:
        raise DoraError(f"the temperature of the votes is {temperature}", remedy="use 0.07")
    if batch < 1 or workers < 1:
        raise DoraError(
            f"batches of {batch} pictures, read by {workers} threads",
            remedy="use 1 or more of each",
        )
    if image_px < 1 or image_px % patch_px:
        raise DoraError(
            f"pictures of {image_px} px do not divide into patches of {patch_px} px",
            remedy=f"use a multiple of {patch_px}",
        )
