"""Random numbers by counter: any draw of a run can be made again without those before it.

Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) maps a key and a counter
to random bits. The key here is the run's seed and what the numbers are for, the counter the place
in the run. Only raw bits are taken from NumPy, because their stream, other than that of its
distributions, is the same in all its versions.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

ORDER = 0
"""Purpose of the draws that order clips."""
FIRST_CROP = 1
"""Purpose of the draws of a clip's first crop."""
STOCHASTIC_DEPTH = 2
"""Purpose of the draws that leave out residual paths of the student."""
TAR_ORDER = 3
"""Purpose of the draws that order tars; the place is the number of a pass."""
TURNS = 4
"""Purpose of the draws that say when a source has its turn; the place counts groups of turns."""
BLOCK_MASKS = 5
"""Purpose of the draws of random masks in global view 0; view v has 2^32 v more."""
GLOBAL_VIEWS = 16
"""Purpose of the draws of global view 0; view v has the next ones."""
LOCAL_CROPS = 1024
"""Purpose of the draws of local crop 0; crop j has the next ones."""
OBJECT_HEADS = 1 << 20
"""Purpose of the draws of attention heads in global view 0; view v has the next ones."""


def of_source(purpose: int, source: int) -> int:
    """Return the purpose of the same draws for another of several sources, which count from 0."""
    assert 0 <= purpose < 1 << 32, f"purpose {purpose}"
    return purpose | source << 32


def raw_draws(seed: int, *, purpose: int, place: int, count: int) -> NDArray[np.uint64]:
    """Return (count,) random 64-bit integers.

    Args:
        seed: the run's seed, 0 to 2^64 - 1.
        purpose: what they are for: one of the constants of this module.
        place: the clip's position in the run, or the number of a pass over the starts.
        count: how many; the first ones do not depend on it.
    """
    bits = Philox(key=seed | purpose << 64, counter=place << 192)
    return bits.random_raw(count)


def uniform_draws(
    seed: int, *, purpose: int, place: int, rows: int, columns: int
) -> NDArray[np.float64]:
    """Return (rows, columns) numbers in [0, 1); a row does not depend on how many follow it."""
    raw = raw_draws(seed, purpose=purpose, place=place, count=rows * columns)
    return _uniform(raw).reshape(rows, columns)


def uniform_draws_for(
    seed: int, *, purposes: Sequence[int], place: int, rows: int, columns: int
) -> NDArray[np.float64]:
    """Return (purposes, rows, columns), `uniform_draws` for each purpose.

    A generator costs five times what its numbers do; here one is set anew for each purpose.
    """
    bits = Philox(key=seed, counter=place << 192)
    state = bits.state
    raw = np.empty((len(purposes), rows * columns), dtype=np.uint64)
    for numbers, purpose in zip(raw, purposes, strict=True):
        state["state"]["key"][1] = purpose
        bits.state = state
        numbers[:] = bits.random_raw(rows * columns)
    return _uniform(raw).reshape(len(purposes), rows, columns)


def _uniform(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers in [0, 1) from random bits; 53 are what a float64 holds."""
    numbers: NDArray[np.float64] = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def permutation(seed: int, *, number: int, size: int, purpose: int = ORDER) -> NDArray[np.int64]:
    """Return a permutation of `size` numbers, the `number`-th of a run."""
    keys = raw_draws(seed, purpose=purpose, place=number, count=size)
    return np.argsort(keys, kind="stable")
