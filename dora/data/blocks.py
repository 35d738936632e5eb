"""An order of clips that needs few tars at a time, each about once: the shuffle `blocks`.

Blocks of consecutive tars come in random order, and the tars of a block one after another. Each
tar stands at a place of the pass, in clips, and its clips are thrown at random over a window
around it, as long as the clips of `open_tars` tars. So a tar is open while the pass goes through
its window, tars open and close one by one, and neighbours in a batch come from all the open ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dora.data.clips import ClipRuns
from dora.data.draws import ORDER, TAR_ORDER, of_source, permutation, raw_draws, uniform_draws


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """How many tars stay together, and how many are open at once."""

    block_tars: int
    """Consecutive tars that are visited one after another.

    A clip may reach into the next tar, which then is needed with both: at the end of a block it is
    fetched for these clips alone, so that a pass fetches about 1 + 1 / block_tars times each tar.
    """
    open_tars: int
    """Tars whose clips are mixed, on average; at the ends of a pass down to half as many."""

    def __post_init__(self) -> None:
        assert self.block_tars >= 1
        assert self.open_tars >= 1

    @property
    def cached_tars(self) -> int:
        """Return how many tars a cache is to hold.

        Those at the ends of blocks that clips reach into count too, and some that are no longer
        needed and not yet the ones that were used longest ago. With ten fewer a cache that evicts
        these fetches each tar dozens of times (benchmarks/order.py).
        """
        return self.open_tars + self.open_tars // self.block_tars + self.open_tars // 16 + 2

    def share(self, share: float) -> "Blocks":
        """Return the same for a source that has a share of the clips, and thus of the tars."""
        return Blocks(block_tars=self.block_tars, open_tars=max(1, round(share * self.open_tars)))


def block_permutation(
    clips: ClipRuns, blocks: Blocks, *, seed: int, number: int, source: int = 0
) -> NDArray[np.int64]:
    """Return the order of the clips in a pass, by their places among `clips`.

    Args:
        clips: the clips of a source.
        blocks: how many tars at once.
        seed: the run's seed.
        number: of the pass.
        source: number of the source.
    """
    size = len(clips)
    tar_of_run, tar_clips = _tars(clips)
    if blocks.open_tars >= len(tar_clips):
        return permutation(seed, number=number, size=size, purpose=of_source(ORDER, source))
    purpose = of_source(TAR_ORDER, source)
    visited = _visits(len(tar_clips), blocks, seed=seed, number=number, purpose=purpose)
    middles = np.empty(len(tar_clips))
    middles[visited] = np.cumsum(tar_clips[visited]) - tar_clips[visited] / 2
    window = size / len(tar_clips) * blocks.open_tars
    places = uniform_draws(
        seed, purpose=of_source(ORDER, source), place=number, rows=1, columns=size
    )[0]
    places -= 0.5
    places *= window
    places += np.repeat(middles[tar_of_run], clips.counts)
    return np.argsort(_folded(places, size), kind="stable")


def _tars(clips: ClipRuns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tar of each run, counted from 0 in the order of the runs, and each tar's clips."""
    _, first, tar_of_run = np.unique(clips.tars, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    tar_of_run = rank[tar_of_run]
    sizes = np.zeros(len(first), dtype=np.int64)
    np.add.at(sizes, tar_of_run, clips.counts)
    return tar_of_run, sizes


def _visits(
    tars: int, blocks: Blocks, *, seed: int, number: int, purpose: int
) -> NDArray[np.int64]:
    """Return the tars in the order of a pass.

    Where blocks begin is drawn for each pass, so that a tar is not always first or last of its own.
    """
    count = tars // blocks.block_tars + 2
    shift, *keys = raw_draws(seed, purpose=purpose, place=number, count=1 + count)
    block = (np.arange(tars) + int(shift % np.uint64(blocks.block_tars))) // blocks.block_tars
    return np.argsort(np.asarray(keys)[block], kind="stable")


def _folded(places: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the places with those before the pass and after it folded back into it.

    Windows cover the line evenly, and what a fold takes from outside it adds inside: so all places
    of a pass stay equally dense, and none is empty.
    """
    np.abs(places, out=places)
    np.subtract(size, places, out=places)
    np.abs(places, out=places)
    return np.subtract(size, places, out=places)
