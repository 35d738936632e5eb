"""Which packets a decoder has to be given for the frames that are wanted, and no others.

Pure arithmetic on what `packet_headers` tells of each packet. A frame needs the packets from the
last clean start before it up to its own, but neither those that nobody references nor those of
higher sub-layers. Where a codec tells which pictures each one refers to (AV1 does), the whole graph
could be followed instead; that would be another way to make a `Choice`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wtours.packet_headers import PacketUse
from wtours.shards.segments import Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which packets are decoded."""

    needed: Flags
    """(n,) whether a packet is given to the decoder."""
    fresh: Flags
    """(n,) whether the decoder gives what it holds and forgets all before this packet, because
    packets before it were left out that would be missed otherwise."""


def choose(uses: Sequence[PacketUse], pts: Ints, wanted: Flags) -> Choice:
    """Return the packets that the wanted ones need.

    Args:
        uses: (n,) of packets in file order; the first is where decoding begins.
        pts: (n,) their time stamps.
        wanted: (n,) whose frames are wanted.
    """
    starts = [0, *(at for at, use in enumerate(uses) if use.clean_start and at > 0)]
    levels = np.asarray([use.level for use in uses], dtype=np.int64)
    referenced = np.asarray([use.referenced for use in uses], dtype=np.bool_)
    needed = wanted.copy()
    bridged = np.zeros(len(uses), dtype=np.bool_)
    for at in np.flatnonzero(wanted).tolist():
        start = _start_of(at, starts, pts)
        span = slice(start, at)
        below = levels[span] < levels[at]
        needed[span] |= below | ((levels[span] == levels[at]) & referenced[span])
        bridged[start + 1 : at + 1] = True
    return Choice(needed=needed, fresh=_fresh(uses, needed, bridged))


def _start_of(at: int, starts: Sequence[int], pts: Ints) -> int:
    """Return the last clean start at or before a packet that is not shown after it."""
    for start in reversed(starts[: int(np.searchsorted(starts, at, side="right"))]):
        if pts[start] <= pts[at]:
            return start
    return 0


def _fresh(uses: Sequence[PacketUse], needed: Flags, bridged: Flags) -> Flags:
    """Return at which needed clean starts the decoder would miss packets that were left out."""
    fresh = np.zeros(len(uses), dtype=np.bool_)
    begun = missed = False
    for at, use in enumerate(uses):
        if needed[at]:
            if use.clean_start and missed and begun and not bridged[at]:
                fresh[at], missed = True, False
            begun = True
        elif use.referenced:
            missed = True
    return fresh
