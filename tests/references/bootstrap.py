"""The block bootstrap by copying: every draw is a list in which minutes stand as often as drawn."""

from collections.abc import Callable, Sequence

import numpy as np


def by_copying(
    drawn: np.ndarray, block: Sequence[int], figure: Callable[[list[int]], float]
) -> list[float]:
    """Return `figure` of the rows (by number) of each draw, a row as often as its minute."""
    values = []
    for counts in drawn.tolist():
        rows = [row for row, minute in enumerate(block) for _ in range(counts[minute])]
        values.append(figure(rows))
    return values
