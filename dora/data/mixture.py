"""Mixing sources of clips by weight: which source each position takes, and which of its clips.

A source with the share s of all clips has its turns, k = 0, 1, ..., at the times (k + u_k) / s with
u_k drawn from [0, 1); positions are the turns of all sources in the order of time. So the turns are
spread evenly and still follow no pattern that the split over processes could fall in step with.
Up to time t a source has had floor(s t) turns or one more, hence, of the first p positions of n
sources, s p turns up to a difference below 1 + s (n - 2): below 1 for two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import floor, fsum

import numpy as np
from numpy.typing import NDArray

from dora.data.clips import ClipRuns, ClipTable
from dora.data.draws import TURNS, of_source, uniform_draws
from dora.errors import DoraError

GROUP = 4096
"""Turns of a source that are drawn at once."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Clips that are gone through together."""

    name: str
    share: float
    """Of the clips of a run, in (0, 1]."""
    clips: ClipRuns


def find_sources(mix: Sequence[tuple[str, float]], clips: ClipTable) -> tuple[Source, ...]:
    """Return the sources that weights were given for; clips that no name matches are left out.

    Args:
        mix: names of shard sets or videos, or patterns of them with * and ?, and their weights;
            empty: one source of all clips.
        clips: all clips.

    Raises:
        DoraError: a name matches nothing, or only videos without clips, or a video has two names.
    """
    if not mix:
        return (Source(name="all", share=1.0, clips=clips.runs()),)
    weights = fsum(weight for _, weight in mix)
    owners: dict[int, str] = {}
    sources = []
    for name, weight in mix:
        videos = _matching(name, clips)
        for number in videos:
            if number in owners:
                raise DoraError(
                    f"--mix gives video {clips.names[number].video} a weight by the name "
                    f"{owners[number]} and by {name}",
                    remedy="use names or patterns that share no video",
                )
            owners[number] = name
        chosen = clips.runs(np.isin(clips.videos, videos))
        if not len(chosen):
            raise DoraError(
                f"--mix names {name}, of which no stretch is long enough for a clip",
                remedy="leave it out, or take shorter clips (clip.frames, clip.stride_s)",
            )
        sources.append(Source(name=name, share=weight / weights, clips=chosen))
    return tuple(sources)


def _matching(name: str, clips: ClipTable) -> list[int]:
    """Return the numbers of the videos that a name means."""
    found = [
        number
        for number, one in enumerate(clips.names)
        if fnmatchcase(one.video, name) or fnmatchcase(one.label, name)
    ]
    if not found:
        known = sorted({word for one in clips.names for word in (one.label, one.video)})
        raise DoraError(
            f"--mix names {name}, and no shard set or video is called so",
            remedy=f"use the names at hand, or a pattern of them: {', '.join(known)}",
        )
    return found


class Turns:
    """Which source each position takes: a pure function of seed and position.

    Args:
        shares: of the sources; their sum is 1.
        seed: the run's seed.
    """

    def __init__(self, shares: Sequence[float], *, seed: int) -> None:
        assert abs(fsum(shares) - 1) < 1e-9, f"shares {shares}"
        self.shares = tuple(shares)
        self.seed = seed

    def between(self, first: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (n,) sources of the positions from `first` to before `stop`, and their turns.

        At time t between t - n and t + n turns of n sources are over; another one is to spare for
        the rounding of products.
        """
        around = len(self.shares) + 1
        before, times, sources, turns = 0, [], [], []
        for source, share in enumerate(self.shares):
            start = max(0, floor((first - around) * share))
            end = floor((stop + around) * share) + 1
            own = np.arange(start, end)
            before += start
            times.append((own + self._shifts(source, start, end)) / share)
            sources.append(np.full(len(own), source))
            turns.append(own)
        in_time = np.argsort(np.concatenate(times), kind="stable")[first - before : stop - before]
        return np.concatenate(sources)[in_time], np.concatenate(turns)[in_time]

    def _shifts(self, source: int, start: int, end: int) -> NDArray[np.float64]:
        """Return u_k of the turns from `start` to before `end`."""
        groups = range(start // GROUP, (end - 1) // GROUP + 1)
        purpose = of_source(TURNS, source)
        drawn = [
            uniform_draws(self.seed, purpose=purpose, place=group, rows=1, columns=GROUP)[0]
            for group in groups
        ]
        return np.concatenate(drawn)[start - groups[0] * GROUP : end - groups[0] * GROUP]
