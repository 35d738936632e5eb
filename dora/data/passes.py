"""One source of clips gone through again and again, each time in another order."""

import numpy as np
from numpy.typing import NDArray

from dora.data.blocks import Blocks, block_permutation
from dora.data.clips import ClipRuns
from dora.data.draws import ORDER, of_source, permutation

KEPT_PASSES = 2
"""A batch may lie across the end of a pass."""


class Passes:
    """The clips of a source, pass after pass: a pure function of the place in them.

    Memory: 4 bytes a clip and pass, of which two are kept; 28 more while one is made.

    Args:
        clips: the clips.
        seed: the run's seed.
        source: number of the source, from 0.
        length: clips that a pass takes, from the first of its order on.
        blocks: how many tars at once; None: the clips of a pass are mixed among all tars.
    """

    def __init__(
        self, clips: ClipRuns, *, seed: int, source: int, length: int, blocks: Blocks | None
    ) -> None:
        assert 0 < length <= len(clips)
        self.clips = clips
        self.seed = seed
        self.source = source
        self.length = length
        self.blocks = blocks
        self._orders: dict[int, NDArray[np.int32]] = {}

    @property
    def kept_bytes(self) -> int:
        """Return the memory of the passes that are kept."""
        return KEPT_PASSES * 4 * len(self.clips)

    def numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the (n,) numbers of the clips at (n,) places, counted over all passes."""
        passes, insides = np.divmod(places, self.length)
        local = np.empty_like(places)
        for number in np.unique(passes):
            chosen = passes == number
            local[chosen] = self._order(int(number))[insides[chosen]]
        return self.clips.numbers(local)

    def _order(self, number: int) -> NDArray[np.int32]:
        if number not in self._orders:
            # The one beside it that was last asked for: forwards, that before; else, that after.
            beside = [n for n in self._orders if abs(n - number) == 1][1 - KEPT_PASSES :]
            kept = {n: self._orders[n] for n in beside}
            self._orders = kept | {number: self._shuffle(number).astype(np.int32)}
        return self._orders[number]

    def _shuffle(self, number: int) -> NDArray[np.int64]:
        if self.blocks is not None:
            return block_permutation(
                self.clips, self.blocks, seed=self.seed, number=number, source=self.source
            )
        purpose = of_source(ORDER, self.source)
        return permutation(self.seed, number=number, size=len(self.clips), purpose=purpose)
