"""What cut detectors say of the same videos: how many cuts, how far they agree, who is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.statistics.cut_agreement import (
    add_totals,
    cuts_by_detector,
    detector_agreement,
    score_cuts,
)
from wtours import WtoursError

Cuts = Mapping[str, Mapping[str, Sequence[int]]]
"""Detector -> video -> frames of its cuts, as `frames_by_detector` returns them."""


@dataclass(frozen=True, kw_only=True)
class CutComparison:
    """Detectors beside each other, and beside the truth where it is known."""

    detectors: pd.DataFrame
    """A row a video and detector: `cuts_by_detector`."""
    agreement: pd.DataFrame
    """A row a video and two detectors, and one of all videos: `add_totals`."""
    scores: pd.DataFrame | None
    """A row a detector and video with a truth, and one of all (`video` missing): `detector`, then
    the columns of `score_cuts`; None where no truth was given."""


def compare_cuts(
    cuts: Cuts,
    durations_s: Mapping[str, float],
    *,
    truth: Mapping[str, Sequence[int]] | None = None,
) -> CutComparison:
    """Compare cut detectors on whole videos.

    Args:
        cuts: of each detector and video.
        durations_s: of every video, in the order in which they are told.
        truth: video -> frames of its true cuts, if they are known of some.

    Raises:
        WtoursError: a video with true cuts is not among the videos, or keeps no scores.
    """
    return CutComparison(
        detectors=cuts_by_detector(cuts, durations_s),
        agreement=add_totals(detector_agreement(cuts)),
        scores=None if truth is None else _score(cuts, durations_s, truth),
    )


def _score(
    cuts: Cuts, durations_s: Mapping[str, float], truth: Mapping[str, Sequence[int]]
) -> pd.DataFrame:
    strange = [video for video in truth if video not in durations_s]
    if strange:
        raise WtoursError(
            f"there are true cuts of {strange[0] or 'a video without name'}, which is not among"
            f" the videos: {', '.join(durations_s)}",
            remedy="write the videos' names as the shards have them, or name its shards too",
        )
    # A detector that has looked at none of them (such as one that needs the video) has no score.
    seen = {name: found for name, found in cuts.items() if set(found) & set(truth)}
    silent = [video for video in truth if not any(video in found for found in seen.values())]
    if silent:
        raise WtoursError(
            f"there are true cuts of {silent[0]}, but its shards keep no scores of cuts",
            remedy="make its shards again, with cut detection: `wtours shard --replace`",
        )
    parts = []
    for name, found in seen.items():
        known = {video: frames for video, frames in truth.items() if video in found}
        table = score_cuts(found, known).assign(detector=name)
        together = table.index == len(table) - 1
        table["video"] = table["video"].mask(together)
        parts.append(table if len(known) > 1 else table[~together])
    table = pd.concat(parts, ignore_index=True)
    return table[["detector", *(name for name in table.columns if name != "detector")]]
