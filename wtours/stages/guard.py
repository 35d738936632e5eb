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
from typing import Generic, TypeVar

from wtours.shards import Box

Held = TypeVar("Held")

GUARD = "-guard"
"""Ends the kind of a box that was found in a neighbouring picture: `face-guard`."""
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
        places = [(box, 0.0) for box in here.boxes]
        guards = list[Box]()
        for other in others:
            distance_s = float(abs(other.pts - here.pts) * self.time_base)
            partners = pair(
                other.boxes,
                [box for box, _ in places],
                unseen_s=[distance_s - seen_s for _, seen_s in places],
            )
            for box, partner in zip(other.boxes, partners, strict=True):
                if partner is not None:
                    places[partner] = (box, distance_s)
                    continue
                guards.append(grown(box, distance_s=distance_s, size=self.size))
                places.append((box, distance_s))
        return guards


def grown(box: Box, *, distance_s: float, size: tuple[int, int]) -> Box:
    """Return the guard that a box gives to a picture some time away, inside of the picture."""
    by = GROWTH_PER_S * distance_s * _longer_side(box)
    return replace(
        box,
        x0=max(0.0, box.x0 - by),
        y0=max(0.0, box.y0 - by),
        x1=min(float(size[0]), box.x1 + by),
        y1=min(float(size[1]), box.y1 + by),
        kind=box.kind + GUARD,
    )


def pair(
    boxes: Sequence[Box], places: Sequence[Box], *, unseen_s: Sequence[float]
) -> list[int | None]:
    """Return for each box the number of the place where it was last, or None if it is new.

    A box may be what was at a place if they are of one kind and of sizes that differ by a factor of
    2 at the most, and if the middle of the place lies in the box, grown as a guard is. The pairs
    whose middles are nearest come first; each box and each place is in one at the most.

    Args:
        boxes: of a picture.
        places: boxes of pictures before.
        unseen_s: for each place, the time since.
    """
    pairs = sorted(
        (_apart(box, place), b, p)
        for b, box in enumerate(boxes)
        for p, place in enumerate(places)
        if _may_be_one(box, place, unseen_s[p])
    )
    partners: list[int | None] = [None] * len(boxes)
    for _, b, p in pairs:
        if partners[b] is None and p not in partners:
            partners[b] = p
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


def _apart(one: Box, other: Box) -> float:
    """Return the distance of two boxes' middles."""
    across = (one.x0 + one.x1 - other.x0 - other.x1) / 2
    down = (one.y0 + one.y1 - other.y0 - other.y1) / 2
    return float((across**2 + down**2) ** 0.5)


def _may_be_one(box: Box, place: Box, unseen_s: float) -> bool:
    across, down = (place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2
    small, large = sorted((_longer_side(box), _longer_side(place)))
    by = GROWTH_PER_S * unseen_s * _longer_side(box)
    inside = box.x0 - by <= across <= box.x1 + by and box.y0 - by <= down <= box.y1 + by
    return box.kind == place.kind and inside and large <= _MOST_GROWN * small


def _longer_side(box: Box) -> float:
    return max(box.x1 - box.x0, box.y1 - box.y0)
