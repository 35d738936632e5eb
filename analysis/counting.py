"""What is told of objects: tables of a detector's boxes, per frame, class, video and group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.detections import Objects
from analysis.statistics.objects import (
    accumulation,
    class_frequencies,
    objects_per_frame,
    summarise_objects,
)
from wtours import WtoursError


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Objects, counted."""

    objects: Objects
    threshold: float
    """Least score of a box that counts."""
    per_frame: pd.DataFrame
    """As `objects_per_frame`: one row a tick that was looked at."""
    classes: pd.DataFrame
    """As `class_frequencies`, of each video."""
    classes_of_groups: pd.DataFrame
    """As `class_frequencies`, of each group; first column `group`."""
    growth: pd.DataFrame
    """As `accumulation`, of each group; first column `group`."""
    summary: pd.DataFrame
    """As `summarise_objects`, of each video."""
    summary_of_groups: pd.DataFrame
    """As `summarise_objects`, of each group; first column `group`."""


def count_objects(objects: Objects, groups: Mapping[str, str], *, threshold: float) -> Counts:
    """Return all counts of a detector's boxes.

    Args:
        objects: as `find_objects` returns them.
        groups: of each video, the group it belongs to.
        threshold: least score of a box that counts.

    Raises:
        WtoursError: the threshold is no score.
    """
    check_threshold(threshold)
    tables = (objects.detections, objects.looked)
    return Counts(
        objects=objects,
        threshold=threshold,
        per_frame=objects_per_frame(*tables, threshold=threshold),
        classes=class_frequencies(*tables, threshold=threshold),
        classes_of_groups=class_frequencies(*tables, threshold=threshold, groups=groups),
        growth=accumulation(*tables, threshold=threshold, groups=groups),
        summary=summarise_objects(*tables),
        summary_of_groups=summarise_objects(*tables, groups=groups),
    )


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is no score.

    Raises:
        WtoursError: it is not from 0 to 1.
    """
    if not 0 <= threshold <= 1:
        raise WtoursError(
            f"boxes are counted from a score of {threshold}",
            remedy="give a number from 0 to 1, such as 0.5",
        )


def looked_size(
    record: Mapping[str, Any], video: str, *, otherwise: tuple[int, int]
) -> tuple[int, int]:
    """Return width and height of the pictures that a detector looked at, in pixels.

    Args:
        record: of `Objects`; where it states nothing of a video, `otherwise` holds.
        video: its name.
        otherwise: width and height of the pictures in the shards.
    """
    width, height = record.get("picture_px", {}).get(video, otherwise)
    return int(width), int(height)


def group_videos(videos: Sequence[str], groups: Mapping[str, str] | None) -> dict[str, str]:
    """Return the group of each video: as given and in that order, or each alone where few are.

    Args:
        videos: names.
        groups: group by video; without it, up to `EACH_ALONE` videos are groups of one, and more
            are one group.

    Raises:
        WtoursError: a video is in no group.
    """
    if groups is None:
        alone = len(videos) <= EACH_ALONE
        return {video: video if alone else f"all {len(videos)} videos" for video in videos}
    lost = [video for video in videos if video not in groups]
    if lost:
        raise WtoursError(
            f"{', '.join(lost)}: in no group, while others are",
            remedy='name a group for each, such as --group "Walks=data/shards/walk*"',
        )
    return {video: group for video, group in groups.items() if video in set(videos)}


EACH_ALONE = 6
"""Videos without groups that are still told apart in one figure."""
