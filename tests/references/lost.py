"""LOST by plain loops over patches."""

import numpy as np


def discover(
    keys: np.ndarray, grid: tuple[int, int], *, k_patches: int
) -> tuple[tuple[int, int], set[tuple[int, int]]]:
    """Return the seed and the patches of the object, each (row, column)."""
    alike = keys @ keys.T
    count = len(keys)
    degree = [sum(alike[p, q] > 0 for q in range(count) if q != p) for p in range(count)]
    lowest = sorted(range(count), key=lambda p: degree[p])[:k_patches]
    seed = lowest[0]
    joined = [p for p in lowest if alike[seed, p] > 0]
    inside = {p for p in range(count) if sum(alike[p, q] for q in joined) > 0}
    found, border = set(), {divmod(seed, grid[1])}
    while border:
        y, x = border.pop()
        found.add((y, x))
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            within = 0 <= v < grid[0] and 0 <= u < grid[1]
            if within and v * grid[1] + u in inside and (v, u) not in found:
                border.add((v, u))
    return divmod(seed, grid[1]), found
