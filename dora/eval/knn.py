"""Classes of pictures by a vote of their nearest neighbours among frozen features (k-NN).

The protocol is DINO's (arXiv:2104.14294, section 4.1): cosine similarity s of [CLS] features, each
of the k nearest training pictures votes for its class with exp(s / 0.07).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from dora.errors import DoraError
from dora.eval.computing import Computing
from dora.eval.features import FeatureFacts, FeatureKind, extract_features
from dora.eval.image_folder import PAPER_PX, ClassFolders
from dora.eval.loading import Evaluated
from dora.eval.pictures import resize_px
from dora.eval.scoring import rank_own
from dora.eval.sharing import sum_over_ranks
from dora.train.distributed import rank, world_size

VERSION = 2
"""Of what is computed: with another one no record of a suite is taken."""
KS = (10, 20, 100, 200)
PAPER_K = 20
"""The k that the paper reports (B.3)."""
TEMPERATURE = 0.07
_QUERIES = 1024
"""Validation pictures whose neighbours are sought at a time."""
_TRAIN_ROWS = 2**15
"""Training pictures that they are compared with at a time: 128 MiB of similarities."""


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
    """Scores and everything that was chosen; becomes part of the JSON record."""

    benchmark: str = "knn"
    data: str
    scores: tuple[KnnScore, ...]
    classes: int
    train_images: int
    val_images: int
    temperature: float
    image_px: int
    resize_px: int
    features: tuple[FeatureFacts, ...]
    """Of the training and of the validation pictures."""
    notes: tuple[str, ...]
    """Sentences on what differs from what was asked."""

    @property
    def measured(self) -> dict[str, float]:
        """Numbers in the paper's columns, per cent: k of 20, or the nearest one that was scored."""
        nearest = nearest_k([score.k for score in self.scores])
        return {"k-NN": next(100 * score.top1 for score in self.scores if score.k == nearest)}


def evaluate_knn(
    evaluated: Evaluated,
    folder: Path,
    *,
    ks: Sequence[int] = KS,
    temperature: float = TEMPERATURE,
    image_px: int | None = None,
    computing: Computing,
) -> KnnResult:
    """Score a frozen network on a folder with `train/CLASS` and `val/CLASS`.

    Args:
        evaluated: the network; moved to the computing device.
        folder: the labelled pictures.
        ks: numbers of neighbours to score.
        temperature: of the votes exp(s / temperature).
        image_px: side of the pictures; None: the network's native side.
        computing: where and how.

    Raises:
        DoraError: an option out of its range, a folder laid out otherwise, or a corrupt picture.
    """
    native_px = evaluated.network.traits.image_px
    kind = FeatureKind(image_px=native_px if image_px is None else image_px)
    _check_votes(ks, temperature)
    kind.check(evaluated.network)
    folders = ClassFolders.open(folder)
    evaluated.to(computing.device)
    train, val = (
        extract_features(
            evaluated,
            part.paths,
            kind=kind,
            computing=computing,
            root=folder,
            title=f"features of {name}/",
        )
        for name, part in (("train", folders.train), ("val", folders.val))
    )
    scores = score_knn(
        train.chunks,
        torch.tensor(folders.train.labels),
        val.chunks,
        torch.tensor(folders.val.labels),
        classes=len(folders.classes),
        ks=ks,
        temperature=temperature,
        device=computing.device,
    )
    return KnnResult(
        data=str(folder),
        scores=scores,
        classes=len(folders.classes),
        train_images=len(train),
        val_images=len(val),
        temperature=temperature,
        image_px=kind.image_px,
        resize_px=resize_px(kind.image_px),
        features=(train.facts, val.facts),
        notes=(
            *folders.notes(),
            *_notes_on_settings(temperature=temperature, image_px=kind.image_px),
            *_notes(scores, train_images=len(train)),
        ),
    )


def nearest_k(ks: Sequence[int]) -> int:
    """Return which number of neighbours stands beside the paper's: 20, or the nearest to it."""
    return min(ks, key=lambda k: (abs(k - PAPER_K), k))


def score_knn(
    train: Sequence[Tensor],
    train_labels: Tensor,
    val: Sequence[Tensor],
    val_labels: Tensor,
    *,
    classes: int,
    ks: Sequence[int] = KS,
    temperature: float = TEMPERATURE,
    device: torch.device | None = None,
) -> tuple[KnnScore, ...]:
    """Return the scores of features, for each k; their lengths do not count.

    Equal votes go to the class with the lower number. What is on the device at a time does not grow
    with either number of pictures. Processes share the validation pictures.

    Args:
        train: pieces (n, D) of the N features of training pictures.
        train_labels: (N,) int64 numbers of their classes.
        val: pieces (m, D) of the M features to classify.
        val_labels: (M,) int64.
        classes: number of classes.
        ks: numbers of neighbours; those above N count as N.
        temperature: of the votes.
        device: where to compare; None: where the features are.
    """
    used = [min(k, len(train_labels)) for k in ks]
    device = device or val[0].device
    hits = torch.zeros(len(ks), 2, dtype=torch.int64, device=device)
    elections = train_labels.to(device)
    for turn, (start, queries) in enumerate(_pieces(val, rows=_QUERIES)):
        if turn % world_size() != rank():
            continue
        labels = val_labels[start : start + len(queries)].to(device)
        similarities, nearest = _find_nearest(queries.to(device), train, count=max(used))
        # Relative to the nearest one's vote: the same winners, and no exponential overflows.
        votes = torch.exp((similarities - similarities[:, :1]) / temperature)
        elected = elections[nearest]
        for row, k in enumerate(used):
            sums = votes.new_zeros(len(queries), classes)
            sums.scatter_add_(1, elected[:, :k], votes[:, :k])
            place, votes_for_own = rank_own(sums, labels)
            voted = votes_for_own > 0
            hits[row, 0] += (voted & (place < 1)).sum()
            hits[row, 1] += (voted & (place < 5)).sum()
    shares = (sum_over_ranks(hits).double() / len(val_labels)).tolist()
    return tuple(
        KnnScore(k=k, k_used=k_used, top1=top1, top5=top5)
        for k, k_used, (top1, top5) in zip(ks, used, shares, strict=True)
    )


def _find_nearest(queries: Tensor, train: Sequence[Tensor], *, count: int) -> tuple[Tensor, Tensor]:
    """Return cosine similarities and numbers of the nearest training pictures, (M, count) each."""
    queries = functional.normalize(queries, dim=1)
    best = queries.new_empty(len(queries), 0)
    numbers = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start, rows in _pieces(train, rows=_TRAIN_ROWS):
        similarities = queries @ functional.normalize(rows.to(queries.device), dim=1).T
        here, places = similarities.topk(min(count, len(rows)), dim=1)
        best, kept = torch.cat([best, here], dim=1).sort(dim=1, descending=True, stable=True)
        numbers = torch.cat([numbers, places + start], dim=1).gather(1, kept)
        best, numbers = best[:, :count], numbers[:, :count]
    return best, numbers


def _pieces(chunks: Sequence[Tensor], *, rows: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the first row's number and neighbouring rows, joined to pieces of about `rows`."""
    start, held = 0, list[Tensor]()
    for chunk in chunks:
        for part in torch.split(chunk, rows):
            if held and sum(map(len, held)) + len(part) > rows:
                yield start, torch.cat(held)
                start, held = start + sum(map(len, held)), []
            held.append(part)
    if held:
        yield start, torch.cat(held)


def _notes_on_settings(*, temperature: float, image_px: int) -> list[str]:
    chosen = (
        ("the temperature of the votes", temperature, TEMPERATURE),
        ("the pictures' side in px", image_px, PAPER_PX),
    )
    return [
        f"{what} is {value}, and {paper} in the paper's protocol"
        for what, value, paper in chosen
        if value != paper
    ]


def _notes(scores: Sequence[KnnScore], *, train_images: int) -> list[str]:
    notes = [
        f"k = {score.k} is more than the {train_images} training pictures, which all vote"
        for score in scores
        if score.k_used < score.k
    ]
    nearest = nearest_k([score.k for score in scores])
    if nearest != PAPER_K:
        notes.append(
            f"k = {PAPER_K}, the paper's, was not asked for: "
            f"what stands beside its number is k = {nearest}"
        )
    return notes


def _check_votes(ks: Sequence[int], temperature: float) -> None:
    if not ks or min(ks) < 1:
        raise DoraError(f"k is {list(ks)}", remedy="name one or more numbers of neighbours from 1")
    if not temperature > 0:
        raise DoraError(f"the temperature of the votes is {temperature}", remedy="use 0.07")
