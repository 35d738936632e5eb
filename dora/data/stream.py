"""The order of clips: a pure function of the seed and of a clip's position in the run.

Positions count clips over the whole run and over all processes. Nothing else is state, so that a
run that stops after any step goes on with the number of that step, on any number of processes and
workers.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dora.data.draws import permutation
from dora.errors import DoraError


class ClipOrder:
    """Which clips each optimiser step takes.

    With a number of clips per epoch, all starts are gone through again and again, in a new
    permutation each time (a pass), and an epoch is a number of steps; no clip is left out between
    epochs. With `all`, each epoch is one permutation of all starts (the authors' rule), and the
    clips that do not fill a last batch are dropped.

    Args:
        starts: number of clips there are.
        seed: the run's seed.
        batch_clips: clips of one optimiser step, over all processes.
        clips_per_epoch: clips that make an epoch, or `all`.

    Raises:
        DoraError: an epoch would have no step.
    """

    def __init__(
        self, *, starts: int, seed: int, batch_clips: int, clips_per_epoch: int | Literal["all"]
    ) -> None:
        whole = starts if clips_per_epoch == "all" else clips_per_epoch
        if whole < batch_clips:
            raise DoraError(
                f"an epoch of {whole} clips holds no batch of {batch_clips}",
                remedy="lower data.batch_clips, or raise data.clips_per_epoch",
            )
        self.starts = starts
        self.seed = seed
        self.batch_clips = batch_clips
        self.steps_per_epoch = whole // batch_clips
        self._pass_length = (
            self.steps_per_epoch * batch_clips if clips_per_epoch == "all" else starts
        )
        self._passes: dict[int, NDArray[np.int64]] = {}

    def clips_of_step(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (batch_clips,) numbers of the clips of a step, and their positions."""
        positions = np.arange(step * self.batch_clips, (step + 1) * self.batch_clips)
        passes, places = np.divmod(positions, self._pass_length)
        numbers = np.empty_like(positions)
        for number in np.unique(passes):
            inside = passes == number
            numbers[inside] = self._pass(int(number))[places[inside]]
        return numbers, positions

    def _pass(self, number: int) -> NDArray[np.int64]:
        if number not in self._passes:
            # Two are kept: a batch may lie across the end of a pass.
            self._passes = {n: order for n, order in self._passes.items() if n == number - 1}
            self._passes[number] = permutation(self.seed, number=number, size=self.starts)
        return self._passes[number]


def share_of_rank(values: NDArray[np.int64], *, rank: int, world: int) -> NDArray[np.int64]:
    """Return a rank's part of a global batch: elements rank, rank + world, ...

    Raises:
        DoraError: the batch cannot be split evenly.
    """
    if len(values) % world:
        raise DoraError(
            f"a batch of {len(values)} clips cannot be split evenly over {world} processes",
            remedy=f"set data.batch_clips to a multiple of {world}, or use fewer processes",
        )
    return values[rank::world]
