"""k-NN by plain loops: one validation picture after the other, Python floats."""

import math
from collections.abc import Sequence

import numpy as np


def ranked_classes(
    train: np.ndarray, labels: Sequence[int], query: np.ndarray, *, k: int, temperature: float
) -> list[int]:
    """Return the classes that got a vote, most votes first."""
    similarities = [sum(a * b for a, b in zip(row, query, strict=True)) for row in train.tolist()]
    nearest = sorted(range(len(train)), key=lambda i: -similarities[i])[:k]
    votes: dict[int, float] = {}
    for i in nearest:
        votes[labels[i]] = votes.get(labels[i], 0.0) + math.exp(similarities[i] / temperature)
    return sorted(votes, key=lambda label: (-votes[label], label))


def score(
    train: np.ndarray,
    train_labels: Sequence[int],
    val: np.ndarray,
    val_labels: Sequence[int],
    *,
    k: int,
    temperature: float,
) -> tuple[float, float]:
    """Return the shares of validation pictures right at top 1 and at top 5."""
    top1 = top5 = 0
    for query, label in zip(val, val_labels, strict=True):
        ranked = ranked_classes(train, train_labels, query, k=k, temperature=temperature)
        top1 += label in ranked[:1]
        top5 += label in ranked[:5]
    return top1 / len(val), top5 / len(val)
