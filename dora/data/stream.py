"""The order of clips: a pure function of the seed and of a clip's position in the run.

Positions count clips over the whole run and over all processes. Nothing else is state, so that a
run that stops after any step goes on with the number of that step, on any number of processes and
workers.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dora.data.blocks import Blocks
from dora.data.clips import ClipRuns
from dora.data.mixture import Source, Turns
from dora.data.passes import Passes
from dora.errors import DoraError


class ClipOrder:
    """Which clips each optimiser step takes.

    With a number of clips per epoch, all starts are gone through again and again, in a new order
    each time (a pass), and an epoch is a number of steps, whole batches all; no clip is left out
    between epochs. With `all`, each epoch is one pass through all starts (the authors' rule), and
    the clips that do not fill a last batch are dropped. So every step has a whole batch, and every
    process equally many clips. Of several sources, each goes through passes of its own.

    Args:
        starts: number of clips there are, or the sources that they are mixed from.
        seed: the run's seed.
        batch_clips: clips of one optimiser step, over all processes.
        clips_per_epoch: clips that make an epoch, or `all`, which leaves nothing to weigh.
        blocks: how many tars at once; None: a pass mixes the clips of all tars.

    Raises:
        DoraError: an epoch would have no step.
    """

    def __init__(
        self,
        *,
        starts: int | Sequence[Source],
        seed: int,
        batch_clips: int,
        clips_per_epoch: int | Literal["all"],
        blocks: Blocks | None = None,
    ) -> None:
        if isinstance(starts, int):
            starts = (Source(name="all", share=1.0, clips=ClipRuns.whole(starts)),)
        assert clips_per_epoch != "all" or len(starts) == 1, "all clips, and weights"
        self.sources = tuple(starts)
        self.starts = sum(len(source.clips) for source in starts)
        whole = self.starts if clips_per_epoch == "all" else clips_per_epoch
        if whole < batch_clips:
            raise DoraError(
                f"an epoch of {whole} clips holds no batch of {batch_clips}",
                remedy="lower data.batch_clips, or raise data.clips_per_epoch",
            )
        self.seed = seed
        self.batch_clips = batch_clips
        self.steps_per_epoch = whole // batch_clips
        self.blocks = blocks
        used = self.steps_per_epoch * batch_clips if clips_per_epoch == "all" else None
        self._passes = [
            Passes(
                source.clips,
                seed=seed,
                source=number,
                length=used or len(source.clips),
                blocks=blocks and blocks.share(source.share),
            )
            for number, source in enumerate(starts)
        ]
        self._turns = Turns([source.share for source in starts], seed=seed)

    @property
    def kept_bytes(self) -> int:
        """Return the memory that the order takes, but for what comes and goes."""
        return sum(passes.kept_bytes for passes in self._passes)

    def clips_of_step(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (batch_clips,) numbers of the clips of a step, and their positions."""
        positions = np.arange(step * self.batch_clips, (step + 1) * self.batch_clips)
        if len(self.sources) == 1:
            return self._passes[0].numbers(positions), positions
        sources, turns = self._turns.between(int(positions[0]), int(positions[-1]) + 1)
        numbers = np.empty_like(positions)
        for source, passes in enumerate(self._passes):
            chosen = sources == source
            numbers[chosen] = passes.numbers(turns[chosen])
        return numbers, positions


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
