"""Near-duplicates: pictures that show again what an earlier one of their video has shown.

Pure functions on perceptual hashes (64 bits, FORMAT.md). Definitions: docs/analysis.md.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtours import WtoursError

Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

BITS = 6
"""Hashes that differ in so many bits of 64, or fewer, are of nearly the same picture.

Measured on real videos at one picture a second: of a standing camera half of all neighbours differ
in at most 2 bits; of walks and drives 19 of 20 in 6 or more, half in 14 or more; of a million pairs
from different videos none in fewer than 10.
"""
_AT_ONCE = 1 << 20
"""Pairs that are compared at once: 8 MB a column."""


def near_duplicates(
    pictures: pd.DataFrame, *, bits: int = BITS, within_s: float | None = None
) -> "pd.Series[Any]":
    """Return for each picture whether an earlier one of its video is nearly the same.

    Nearly the same are two pictures whose hashes differ in at most `bits` of 64 bits. Of a still
    scene all pictures but the first count, so 1 - share is how much of a video is new. Ticks that
    share one picture are one picture: a row that repeats the time of the one before is never a
    near-duplicate, nor a row to compare with.

    Args:
        pictures: `video`, `time_s`, `phash`, sorted by video and time.
        bits: 0 (equal hashes) to 31.
        within_s: compare with the pictures of so many seconds before only; None: with all.

    Returns:
        (n,) boolean, missing for a row that repeats a picture.

    Raises:
        WtoursError: `bits` or `within_s` is out of range.
    """
    if not 0 <= bits < 32:
        raise WtoursError(
            f"near-duplicates are to differ in {bits} bits at the most",
            remedy="give a number from 0 to 31, such as 6",
        )
    if within_s is not None and not within_s > 0:
        raise WtoursError(
            f"near-duplicates are to be sought within {within_s} s",
            remedy="give a number over 0, or leave it out to compare with every earlier picture",
        )
    # Rows are found by their place, so that an index with repeated labels does no harm.
    found = pd.Series(pd.NA, index=range(len(pictures)), dtype="boolean")
    placed = pictures[["video", "time_s", "phash"]].reset_index(drop=True)
    for _, rows in placed.groupby("video", observed=True):
        own = rows[rows["time_s"].diff().ne(0)]
        hashes = own["phash"].to_numpy(dtype=np.uint64)
        time_s = own["time_s"].to_numpy(dtype=np.float64)
        found.loc[own.index] = (
            _like_any_before(hashes, bits=bits)
            if within_s is None
            else _like_one_within(hashes, time_s, bits=bits, within_s=within_s)
        )
    return found.set_axis(pictures.index)


def duplicate_share(duplicates: "pd.Series[Any]") -> float:
    """Return which share of the pictures are near-duplicates; NaN of no pictures."""
    known = duplicates.dropna()
    return float(known.mean()) if len(known) else float("nan")


def differing_bits(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """Return in how many bits hashes differ, pair by pair."""
    parts = (one ^ other)[:, None].view(np.uint16)
    return np.asarray(_ONES[parts].sum(axis=1, dtype=np.int64))


_ONES = np.asarray([bin(number).count("1") for number in range(1 << 16)], dtype=np.uint8)


def _like_any_before(hashes: Hashes, *, bits: int) -> Flags:
    """Return whether any earlier hash differs in at most `bits` bits.

    Hashes that differ in b bits agree wholly in one of b + 1 groups of bits (the pigeonhole
    principle; multi-index hashing, Norouzi et al. 2012). So each hash is compared with those
    alone that agree with it in a group: of 59,000 unlike pictures, with one pair in hundreds.
    """
    _, firsts = np.unique(hashes, return_index=True)
    like = np.ones(len(hashes), dtype=np.bool_)
    # An equal hash before: a duplicate. The others are the first of their kind.
    like[firsts] = False
    if bits == 0:
        return like
    order = np.sort(firsts)
    open_ = hashes[order]
    near = np.zeros(len(open_), dtype=np.bool_)
    edges = np.linspace(0, 64, bits + 2).astype(np.uint64)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        _mark(open_, (open_ >> low) & mask, near, bits=bits)
    like[order] = near
    return like


def _mark(hashes: Hashes, keys: Hashes, near: Flags, *, bits: int) -> None:
    """Set `near` where an earlier hash of the same key differs in at most `bits` bits."""
    by_key = np.argsort(keys, kind="stable")
    group = keys[by_key]
    start = np.searchsorted(group, group)  # where each one's key begins
    before = np.arange(len(hashes)) - start  # how many of its key are earlier
    step = 1
    # The d-th neighbour before each, for d = 1, 2, ...; those that are settled drop out.
    places = np.flatnonzero((before >= step) & ~near[by_key])
    while len(places):
        for part in np.array_split(places, -(-len(places) // _AT_ONCE)):
            later, earlier = by_key[part], by_key[part - step]
            near[later] |= differing_bits(hashes[later], hashes[earlier]) <= bits
        step += 1
        places = places[(before[places] >= step) & ~near[by_key[places]]]


def _like_one_within(
    hashes: Hashes, time_s: NDArray[np.float64], *, bits: int, within_s: float
) -> Flags:
    """Return whether a hash of at most `within_s` before differs in at most `bits` bits."""
    near = np.zeros(len(hashes), dtype=np.bool_)
    first = np.searchsorted(time_s, time_s - within_s - 1e-9)
    places = np.flatnonzero(np.arange(len(hashes)) - first >= 1)
    step = 1
    while len(places):
        near[places] |= differing_bits(hashes[places], hashes[places - step]) <= bits
        step += 1
        places = places[(places - first[places] >= step) & ~near[places]]
    return near
