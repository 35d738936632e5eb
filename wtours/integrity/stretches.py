"""Where pictures are black, of one colour, or stand still. Small pictures in, stretches out.

Thresholds are in levels of 255 of pictures averaged to 64 x 36. They were measured on walks, drives
and fixed cameras, and on tails of one repeated picture: H.264 at crf 18 to 40 and at 150 kbit/s,
MPEG-4, VP9 and AV1, with and without grain before coding. Still pictures then differ by up to 3.5
in the mean and 10 in the 99th percentile, and a walk's neighbours by 10 and 60 or more. A drive in
160x120 comes as close as 7 and 30. A pair is also compared with what is usual in its own video, so
that one that moves little is not taken for still. An empty room before a fixed camera (1.3 and 5)
cannot be told from a still picture: nothing moves in it.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

StretchKind = Literal["black", "blank", "frozen"]
LOOK_SIZE = (64, 36)
"""Width and height of a small picture."""

_BLACK = 20.0
"""Nothing but a few cells may be brighter."""
_UNIFORM = 8.0
"""Brightest and darkest cells of a blank picture differ by at most this, in each colour."""
_STILL_MEAN, _STILL_P99 = 4.0, 13.0
"""Largest differences of two codings of one picture."""
_STILL_SHARE = 0.12
"""Of the difference that is usual in the video, above which no pair stands still."""
_SAME_MEAN = 1.5
"""Pictures that differ by less are the same, whatever is usual."""
_USUAL_PERCENTILE = 90
"""So that a video may stand still for most of its length and still show how much it moves."""
_LEAST_S = 1.0
"""Shorter stretches are a picture or two in passing."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of a video that shows nothing, or nothing new; known to last at least this long."""

    kind: StretchKind
    start_s: float
    """From the first picture, s."""
    end_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A small picture of a video."""

    time_s: float
    """From the first picture, s."""
    picture: NDArray[np.uint8]
    """(36, 64, 3) RGB."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Neighbouring looks, `first` to `last`, that are all of a kind."""

    kind: StretchKind
    first: int
    last: int


def find_runs(looks: list[Look]) -> list[Run]:
    """Return the runs in a list that is ordered by time; single black or blank pictures too."""
    if not looks:
        return []
    kinds = [emptiness(look.picture) for look in looks]
    still = _still_pairs(looks)
    runs: list[Run] = []
    for index, kind in enumerate(kinds):
        last = runs[-1] if runs else None
        follows = last is not None and last.last == index - 1
        if kind is not None:
            if last is not None and follows and last.kind == kind:
                runs[-1] = Run(kind=kind, first=last.first, last=index)
            else:
                runs.append(Run(kind=kind, first=index, last=index))
        elif index and kinds[index - 1] is None and still[index - 1]:
            if last is not None and follows and last.kind == "frozen":
                runs[-1] = Run(kind="frozen", first=last.first, last=index)
            else:
                runs.append(Run(kind="frozen", first=index - 1, last=index))
    return runs


def find_stretches(looks: list[Look], *, end_s: float, tail_seen: bool) -> tuple[Stretch, ...]:
    """Return stretches of a second or more, each from the first to the last look at it.

    Args:
        looks: ordered by time.
        end_s: when the last picture disappears, s.
        tail_seen: whether looks reach to the end, so that a stretch that holds the last of them
            lasts to the end.
    """
    found = []
    for run in find_runs(looks):
        to_the_end = tail_seen and run.last == len(looks) - 1
        start_s, last_s = looks[run.first].time_s, looks[run.last].time_s
        stretch = Stretch(
            kind=run.kind, start_s=start_s, end_s=max(last_s, end_s) if to_the_end else last_s
        )
        if stretch.end_s - stretch.start_s >= _LEAST_S:
            found.append(stretch)
    return tuple(found)


def emptiness(picture: NDArray[np.uint8]) -> Literal["black", "blank"] | None:
    """Say whether a small picture (36, 64, 3) is black or of one other colour."""
    cells = picture.reshape(-1, 3)
    low, high = np.percentile(cells, [1, 99], axis=0)
    if float(high.max()) <= _BLACK:
        return "black"
    return "blank" if float((high - low).max()) <= _UNIFORM else None


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[float, float]:
    """Return mean and 99th percentile of how far cells differ, in the colour that differs most."""
    cells = np.abs(one.astype(np.int16) - other).max(axis=2)
    return float(cells.mean()), float(np.percentile(cells, 99))


def _still_pairs(looks: list[Look]) -> list[bool]:
    """Return, for each pair of neighbours, whether they show the same picture."""
    differences = [difference(a.picture, b.picture) for a, b in pairwise(looks)]
    if not differences:
        return []
    usual = float(np.percentile([mean for mean, _ in differences], _USUAL_PERCENTILE))
    limit = max(_SAME_MEAN, min(_STILL_MEAN, _STILL_SHARE * usual))
    return [mean <= limit and p99 <= _STILL_P99 for mean, p99 in differences]
