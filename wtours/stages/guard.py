"""Guards: what was found in a neighbouring picture is covered in this one too, so that a single
miss does not show.

The pictures before this one, and then those after it, are gone through from the nearest on, and
every box is followed on its way. One that cannot be followed back to this picture was missed here,
or was not there yet: it becomes a guard, once on each side, larger the longer it was not seen.
Nothing is asked about cuts, which are decided when the video is joined: a guard reaches over a cut
as it does anywhere else.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wtours.shards import Box
from wtours.shards.schema import GUARD

Numbers = NDArray[np.float64]
Kinds = NDArray[np.str_]
Held = TypeVar("Held")

GROWTH_PER_S = 2.0
"""Every side of a guard moves out by this many longer sides of the box in a second.

Measured on the sample walk, kept at 30 and 10 frames a second, with one frame's detections in five
left out at random, or those of three frames in a row: with guards of 0.25 s every face stays
covered that was not missed for longer than they reach (without them, a sixth to a quarter of all
faces shows); at half this growth too, but more of them in part only. In real recordings of a room
and a kitchen the sides of boxes move by 1 size a second at the median, and by 2.4 to 2.9 at the
90th percentile."""
_MOST_GROWN = 2.0
"""A box of more than this times the size of another is something else."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found in one picture."""

    pts: int
    """Time stamp in units of the video's time base."""
    boxes: tuple[Box, ...]

    @cached_property
    def corners(self) -> Numbers:
        """(n, 4) x0, y0, x1, y1 of the boxes."""
        found = [(box.x0, box.y0, box.x1, box.y1) for box in self.boxes]
        return np.asarray(found, dtype=np.float64).reshape(-1, 4)

    @cached_property
    def kinds(self) -> Kinds:
        """(n,) kinds of the boxes."""
        return np.asarray([box.kind for box in self.boxes], dtype=np.str_)


@dataclass(frozen=True, kw_only=True)
class GuardRule:
    """How far guards reach, and in what they grow."""

    reach_pts: int
    """Largest distance in time, in units of the time base; 0 guards nothing."""
    time_base: Fraction
    """Seconds a unit."""
    size: tuple[int, int]
    """Width and height of the pictures."""

    def guards(self, here: Seen, others: Iterable[Seen]) -> tuple[Box, ...]:
        """Return the guards of a picture.

        Args:
            here: the picture.
            others: any pictures of the video; those out of reach do not count.
        """
        near = [other for other in others if 0 < abs(other.pts - here.pts) <= self.reach_pts]
        before = sorted((one for one in near if one.pts < here.pts), key=lambda one: -one.pts)
        after = sorted((one for one in near if one.pts > here.pts), key=lambda one: one.pts)
        return (*self._side(here, before), *self._side(here, after))

    def _side(self, here: Seen, others: Sequence[Seen]) -> list[Box]:
        """Go from picture to picture, away from this one; a box that is new there is a guard."""
        places, kinds, seen_s = here.corners.copy(), here.kinds, np.zeros(len(here.boxes))
        guards = list[Box]()
        for other in others:
            if not other.boxes:
                continue
            distance_s = float(abs(other.pts - here.pts) * self.time_base)
            may = may_be_one(other, places, kinds, unseen_s=distance_s - seen_s)
            partners = pair(other.corners, places, may=may)
            followed, new = partners >= 0, partners < 0
            places[partners[followed]] = other.corners[followed]
            seen_s[partners[followed]] = distance_s
            for number in np.flatnonzero(new).tolist():
                guards.append(grown(other.boxes[number], distance_s=distance_s, size=self.size))
            places = np.concatenate([places, other.corners[new]])
            kinds = np.concatenate([kinds, other.kinds[new]])
            seen_s = np.concatenate([seen_s, np.full(int(new.sum()), distance_s)])
        return guards


def grown(box: Box, *, distance_s: float, size: tuple[int, int]) -> Box:
    """Return the guard that a box gives to a picture some time away, inside of the picture."""
    by = GROWTH_PER_S * distance_s * max(box.x1 - box.x0, box.y1 - box.y0)
    return replace(
        box,
        x0=max(0.0, box.x0 - by),
        y0=max(0.0, box.y0 - by),
        x1=min(float(size[0]), box.x1 + by),
        y1=min(float(size[1]), box.y1 + by),
        kind=box.kind + GUARD,
    )


def may_be_one(
    seen: Seen, places: Numbers, kinds: Kinds, *, unseen_s: Numbers
) -> NDArray[np.bool_]:
    """Return (n, p) whether a box may be what was at a place.

    It may if they are of one kind and of sizes that differ by a factor of 2 at the most, and if the
    middle of the place lies in the box, grown as a guard is.

    Args:
        seen: a picture with n boxes.
        places: (p, 4) boxes of pictures before.
        kinds: (p,) kinds of those.
        unseen_s: (p,) time since.
    """
    sides, place_sides = _longer_sides(seen.corners)[:, None], _longer_sides(places)[None]
    by = GROWTH_PER_S * unseen_s[None] * sides
    may = seen.kinds[:, None] == kinds[None]
    may &= np.maximum(sides, place_sides) <= _MOST_GROWN * np.minimum(sides, place_sides)
    for low, high in ((0, 2), (1, 3)):
        middle = (places[:, low] + places[:, high])[None] / 2
        may &= seen.corners[:, low, None] - by <= middle
        may &= middle <= seen.corners[:, high, None] + by
    return np.asarray(may)


def pair(corners: Numbers, places: Numbers, *, may: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each box the number of the place where it was last, or -1 if it is new.

    The pairs whose middles are nearest come first; each box and each place is in one at the most.

    Args:
        corners: (n, 4) boxes of a picture.
        places: (p, 4) boxes of pictures before.
        may: (n, p) which pairs are possible.
    """
    box, place = np.nonzero(may)
    apart = (corners[box, :2] + corners[box, 2:] - places[place, :2] - places[place, 2:]) / 2
    order = np.argsort(np.hypot(apart[:, 0], apart[:, 1]), kind="stable")
    partners = np.full(len(corners), -1, dtype=np.int64)
    taken = set[int]()
    for b, p in zip(box[order].tolist(), place[order].tolist(), strict=True):
        if partners[b] < 0 and p not in taken:
            partners[b] = p
            taken.add(p)
    return partners


class GuardWindow(Generic[Held]):
    """Holds pictures back until everything in reach after them was seen.

    Args:
        rule: of the guards.
    """

    def __init__(self, rule: GuardRule) -> None:
        self._rule = rule
        self._seen: deque[Seen] = deque()
        self._held: deque[tuple[Seen, Held]] = deque()

    def add(self, seen: Seen, held: Held | None) -> list[tuple[Held, tuple[Box, ...]]]:
        """Take the next picture; return those that are ready, each with its guards.

        Args:
            seen: what was found in it.
            held: what is to be returned with its guards; None if nothing is.
        """
        ready = self._ready(seen.pts - self._rule.reach_pts)
        self._seen.append(seen)
        if held is not None:
            self._held.append((seen, held))
        oldest = self._held[0][0].pts if self._held else seen.pts
        while self._seen[0].pts < oldest - self._rule.reach_pts:
            self._seen.popleft()
        return ready

    def finish(self) -> list[tuple[Held, tuple[Box, ...]]]:
        """Return the pictures that are left, each with its guards."""
        return self._ready(None)

    def _ready(self, before_pts: int | None) -> list[tuple[Held, tuple[Box, ...]]]:
        ready = []
        while self._held and (before_pts is None or self._held[0][0].pts < before_pts):
            seen, held = self._held.popleft()
            ready.append((held, self._rule.guards(seen, self._seen)))
        return ready


def _longer_sides(corners: NDArray[Any]) -> Numbers:
    return np.asarray((corners[:, 2:] - corners[:, :2]).max(axis=1, initial=0.0))
