"""How well two lists of cuts agree: detectors with each other, or with what is known to be true.

Cuts are numbers of frames (or seconds) of one video. Two match where they lie at most `within`
apart, and each takes part in one match at the most, so that ten cuts about a true one are one
success and nine errors. Pure functions; definitions: docs/analysis.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.statistics.shots import SECONDS_PER_HOUR, counted_interval
from wtours import WtoursError

WITHIN_FRAMES = 1
"""Detectors differ in which of two frames they call the first of a new shot."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """How many cuts of two lists match; of several videos, their sums."""

    found: int
    """Cuts of the list that is judged."""
    other: int
    """Cuts of the list it is compared with: the truth, or another detector's."""
    both: int
    """Matches."""

    def __post_init__(self) -> None:
        assert 0 <= self.both <= min(self.found, self.other)

    def __add__(self, more: "Matched") -> "Matched":
        return Matched(
            found=self.found + more.found,
            other=self.other + more.other,
            both=self.both + more.both,
        )

    @property
    def precision(self) -> float:
        """Share of `found` that the other list has, too; NaN where nothing was found."""
        return self.both / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of `other` that was found; NaN where there is nothing to find."""
        return self.both / self.other if self.other else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both, 2 both / (found + other): the same whichever list comes first.

        NaN where neither list has a cut: there is nothing to agree on.
        """
        cuts = self.found + self.other
        return 2 * self.both / cuts if cuts else float("nan")


def match_cuts(found: ArrayLike, other: ArrayLike, *, within: float = WITHIN_FRAMES) -> Matched:
    """Match two lists of cuts one to one, as many as can be.

    In order of time, the earliest cut of one list takes the earliest of the other that it reaches;
    on a line no other choice gives more matches.

    Args:
        found: (n,) frames or seconds, in any order; a cut that occurs twice counts once.
        other: (m,) the same.
        within: how far a match may be apart, in the same unit.

    Raises:
        WtoursError: `within` is negative or no number.
    """
    if not within >= 0:
        raise WtoursError(
            f"cuts are to match within {within} frames",
            remedy="give 0 or more, such as 1",
        )
    left = np.unique(np.asarray(found, dtype=np.float64)).tolist()
    right = np.unique(np.asarray(other, dtype=np.float64)).tolist()
    one = two = both = 0
    while one < len(left) and two < len(right):
        if abs(left[one] - right[two]) <= within:
            one, two, both = one + 1, two + 1, both + 1
        elif left[one] < right[two]:
            one += 1
        else:
            two += 1
    return Matched(found=len(left), other=len(right), both=both)


def detector_agreement(
    cuts: Mapping[str, Mapping[str, Sequence[int]]], *, within: float = WITHIN_FRAMES
) -> pd.DataFrame:
    """Return a row for each two detectors, and each video that both have looked at.

    Columns: `video`, `one`, `other` (names); `one_cuts`, `other_cuts`, `both`; `share_of_one`,
    which of `one`'s cuts `other` has too, `share_of_other`; `f1`. A share of no cuts is missing.

    Args:
        cuts: detector -> video -> frames of its cuts; a video with none has an empty list.
        within: frames that a match may be apart.
    """
    rows = []
    for one, other in combinations(cuts, 2):
        for video in cuts[one]:
            if video not in cuts[other]:
                continue
            matched = match_cuts(cuts[one][video], cuts[other][video], within=within)
            rows.append(_agreement_row(video, one, other, matched))
    columns = ["video", "one", "other", "one_cuts", "other_cuts", "both"]
    return pd.DataFrame(rows, columns=[*columns, "share_of_one", "share_of_other", "f1"])


def _agreement_row(
    video: str | None, one: str, other: str, matched: Matched
) -> dict[str, str | float | None]:
    return {
        "video": video,
        "one": one,
        "other": other,
        "one_cuts": matched.found,
        "other_cuts": matched.other,
        "both": matched.both,
        "share_of_one": matched.precision,
        "share_of_other": matched.recall,
        "f1": matched.f1,
    }


def cuts_by_detector(
    cuts: Mapping[str, Mapping[str, Sequence[int]]], durations_s: Mapping[str, float]
) -> pd.DataFrame:
    """Return a row for each video and each detector that has looked at it, in the videos' order.

    Columns: `video`, `detector`; `cuts`; `cuts_per_hour`, missing of a video without duration;
    `cuts_per_hour_low`, `cuts_per_hour_high`, what `counted_interval` leaves open.

    Args:
        cuts: detector -> video -> frames of its cuts.
        durations_s: of every video that occurs.
    """
    rows = [
        {"video": video, "detector": name, "cuts": len(found[video])}
        for video in durations_s
        for name, found in cuts.items()
        if video in found
    ]
    table = pd.DataFrame(rows, columns=["video", "detector", "cuts"]).astype({"cuts": "int64"})
    hours = table["video"].map(dict(durations_s)).astype("float64") / SECONDS_PER_HOUR
    low, high = (pd.Series(end, index=table.index) for end in counted_interval(table["cuts"]))
    return table.assign(
        cuts_per_hour=(table["cuts"] / hours).where(hours > 0),
        cuts_per_hour_low=(low / hours).where(hours > 0),
        cuts_per_hour_high=(high / hours).where(hours > 0),
    )


def add_totals(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `detector_agreement`, and for each two detectors one of all videos.

    That row stands after the others of its two detectors, its `video` is missing, and a video
    counts in it by its cuts. Of a single video there is none: it would say the same again.
    """
    parts = []
    for (one, other), rows in agreement.groupby(["one", "other"], sort=False):
        parts.append(rows)
        if len(rows) == 1:
            continue
        matched = Matched(
            found=int(rows["one_cuts"].sum()),
            other=int(rows["other_cuts"].sum()),
            both=int(rows["both"].sum()),
        )
        parts.append(pd.DataFrame([_agreement_row(None, str(one), str(other), matched)]))
    return pd.concat(parts, ignore_index=True) if parts else agreement


def score_cuts(
    found: Mapping[str, Sequence[int]],
    truth: Mapping[str, Sequence[int]],
    *,
    within: float = WITHIN_FRAMES,
) -> pd.DataFrame:
    """Return how well a detector found the true cuts: a row a video, and `all` at the end.

    Columns: `video`; `found`, `true`, `both`; `precision`, `recall`, `f1`. The last row is of the
    sums, in which a video counts by its cuts, not as one of so many.

    Args:
        found: video -> frames of the cuts that were found.
        truth: video -> frames of the true cuts; other videos are not scored.
        within: frames that a match may be apart.

    Raises:
        WtoursError: a video with a truth was not looked at.
    """
    absent = [video for video in truth if video not in found]
    if absent:
        raise WtoursError(
            f"there are true cuts of {absent[0]}, but no cuts were sought in it",
            remedy="analyse that video, too, or take it out of the true cuts",
        )
    matches = {video: match_cuts(found[video], truth[video], within=within) for video in truth}
    matches["all"] = sum(matches.values(), start=Matched(found=0, other=0, both=0))
    return pd.DataFrame(
        [
            {
                "video": video,
                "found": matched.found,
                "true": matched.other,
                "both": matched.both,
                "precision": matched.precision,
                "recall": matched.recall,
                "f1": matched.f1,
            }
            for video, matched in matches.items()
        ]
    )
