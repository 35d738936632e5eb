"""Objects over time: how many, and of how many classes. Pure functions on tables of detections.

What was looked at (`looked`: video, tick, time_s) is a table of its own: a tick without a box is a
tick with 0 objects, and a tick that nobody looked at is no tick at all. A box counts where its
score is at or over the threshold and its tick was looked at. Definitions: docs/analysis.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wtours import WtoursError

THRESHOLDS = (0.3, 0.5, 0.7)
"""Scores from which boxes count in the summary."""
SECONDS_PER_MINUTE = 60.0

Codes = NDArray[np.int64]
Series: TypeAlias = "pd.Series[Any]"


def objects_per_frame(
    detections: pd.DataFrame,
    looked: pd.DataFrame,
    *,
    threshold: float,
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a row for every tick that was looked at, in the order of `looked`.

    Columns: `video`, `tick`, `time_s`; `classes` (int32), how many different classes the picture
    shows; `instances` (int32), how many objects. With groups, the first column is `group`.

    Args:
        detections: `video`, `tick`, `class_id`, `name`, `score` of every box, in any order.
        looked: `video`, `tick`, `time_s` of every tick that was looked at, each once.
        threshold: least score, over 0 and up to 1.
        groups: video -> group; videos of no group are left out.

    Raises:
        WtoursError: the threshold is none.
    """
    found = _Found(detections, looked, threshold=threshold, groups=groups)
    shown, _ = found.tick_classes()
    ticks = len(found.looked)
    counted = found.looked[["video", "tick", "time_s"]].assign(
        classes=np.bincount(shown, minlength=ticks).astype(np.int32),
        instances=np.bincount(found.place, minlength=ticks).astype(np.int32),
    )
    if groups is not None:
        counted.insert(0, "group", found.labels(found.unit))
    return counted


def class_frequencies(
    detections: pd.DataFrame,
    looked: pd.DataFrame,
    *,
    threshold: float,
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a row for every class that was found in a video (or group), by rank.

    Columns: `video` (or `group`); `name`, `class_id`; `instances`, how many boxes; `frames`, in how
    many ticks; `share_of_frames`, of the ticks that were looked at; `rank`, from 1, by instances,
    of equally many by frames, then by class_id.

    Args and Raises: as of `objects_per_frame`.
    """
    found = _Found(detections, looked, threshold=threshold, groups=groups)
    shown, shown_class = found.tick_classes()
    key = found.unit[found.place] * found.classes + found.class_id
    keys, instances = np.unique(key, return_counts=True)
    _, frames = np.unique(found.unit[shown] * found.classes + shown_class, return_counts=True)
    unit, class_id = np.divmod(keys, found.classes)
    order = np.lexsort((class_id, -frames, -instances, unit))
    unit, class_id, instances, frames = (
        each[order] for each in (unit, class_id, instances, frames)
    )
    first_of_unit = np.searchsorted(unit, unit)
    return pd.DataFrame(
        {
            found.title: found.labels(unit),
            "name": pd.Categorical([found.names[number] for number in class_id.tolist()]),
            "class_id": class_id.astype(np.int32),
            "instances": instances.astype(np.int64),
            "frames": frames.astype(np.int64),
            "share_of_frames": frames / found.looked_at[unit],
            "rank": (np.arange(len(unit)) - first_of_unit + 1).astype(np.int32),
        }
    )


def accumulation(
    detections: pd.DataFrame,
    looked: pd.DataFrame,
    *,
    threshold: float,
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return how many classes had been seen after each minute of a video (or group).

    A class is new in the minute of its first box. Minute m is [60 m, 60 m + 60) s, from 0 to the
    last that was looked at. The videos of a group are joined in the order of `looked`'s categories:
    each starts where the one before ended, one usual step after its last tick.

    Columns: `video` (or `group`); `minute`; `looked`, ticks looked at in it (0: nothing is known of
    this minute); `new`, classes first seen in it; `total`, classes seen until its end.

    Args and Raises: as of `objects_per_frame`.
    """
    found = _Found(detections, looked, threshold=threshold, groups=groups)
    minute = found.minutes()
    last = np.full(len(found.units), -1, dtype=np.int64)
    np.maximum.at(last, found.unit, minute)
    start = np.concatenate(([0], np.cumsum(last + 1)))
    row = start[found.unit] + minute
    first = np.full(len(found.units) * found.classes, start[-1], dtype=np.int64)
    key = found.unit[found.place] * found.classes + found.class_id
    np.minimum.at(first, key, row[found.place])
    new = np.bincount(first[first < start[-1]], minlength=start[-1])
    unit = np.repeat(np.arange(len(found.units)), last + 1)
    total = np.cumsum(new) - np.concatenate(([0], np.cumsum(new)))[start[unit]]
    return pd.DataFrame(
        {
            found.title: found.labels(unit),
            "minute": np.arange(len(unit)) - start[unit],
            "looked": np.bincount(row, minlength=start[-1]),
            "new": new,
            "total": total,
        }
    )


def summarise_objects(
    detections: pd.DataFrame,
    looked: pd.DataFrame,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a row for every video (or group): classes and instances at each threshold.

    Columns: `video` (or `group`); `looked`, ticks looked at; then of each threshold, 0.3 as `30`:
    `classes_30`, how many different classes the whole video shows; `per_frame_30`, mean number of
    different classes in a picture; `instances_30`, mean number of objects in a picture. Pictures
    without objects count as 0. All are missing where nothing was looked at.

    Args and Raises: as of `objects_per_frame`; a threshold under the one that the detector kept
    boxes from gives the figures of that one.
    """
    found = [
        _Found(detections, looked, threshold=threshold, groups=groups) for threshold in thresholds
    ]
    # What was looked at, and so everything but the boxes, is the same at every threshold.
    looked_at = _Found(detections, looked, threshold=1, groups=groups)
    names = pd.Categorical(list(looked_at.units), categories=list(looked_at.units))
    return pd.DataFrame(
        {
            looked_at.title: names,
            "looked": looked_at.looked_at,
            **{f"classes_{threshold_suffix(each.threshold)}": each.all_classes() for each in found},
            **{
                f"per_frame_{threshold_suffix(each.threshold)}": each.mean(each.tick_classes()[0])
                for each in found
            },
            **{
                f"instances_{threshold_suffix(each.threshold)}": each.mean(each.place)
                for each in found
            },
        }
    )


def threshold_suffix(threshold: float) -> str:
    """Return what ends the columns of a threshold.

    >>> threshold_suffix(0.3), threshold_suffix(0.05), threshold_suffix(0.125)
    ('30', '5', '12.5')
    """
    return f"{100 * threshold:.6g}"


def join_offsets_s(looked: pd.DataFrame, groups: Mapping[str, str]) -> dict[str, float]:
    """Return when each video of a group starts, where its videos are joined one after the other.

    A video lasts to its last tick and one usual step (the median between its ticks) more.

    Args:
        looked: `video`, `tick`, `time_s`.
        groups: video -> group.
    """
    ends_s: dict[str, float] = {}
    offsets_s: dict[str, float] = {}
    times_s = dict(iter(looked.groupby("video", observed=True)["time_s"]))
    for video in _categories(looked["video"]):
        if video not in groups:
            continue
        offsets_s[video] = ends_s.get(groups[video], 0.0)
        if video in times_s:
            time_s = np.sort(times_s[video].to_numpy())
            step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
            ends_s[groups[video]] = offsets_s[video] + float(time_s[-1]) + step_s
    return offsets_s


class _Found:
    """The boxes that count, each with the row of `looked` that it was found in."""

    def __init__(
        self,
        detections: pd.DataFrame,
        looked: pd.DataFrame,
        *,
        threshold: float,
        groups: Mapping[str, str] | None,
    ) -> None:
        if not 0 < threshold <= 1:
            raise WtoursError(
                f"objects are to count from a score of {threshold}",
                remedy="give a number over 0 and up to 1, such as 0.5",
            )
        videos = _categories(looked["video"])
        self.threshold = threshold
        self.groups = groups
        self.title = "video" if groups is None else "group"
        names = videos if groups is None else [groups[name] for name in videos if name in groups]
        self.units = tuple(dict.fromkeys(names))
        unit_of = {name: number for number, name in enumerate(self.units)}
        labels = videos if groups is None else [groups.get(name, "") for name in videos]
        # The last is that of rows whose video has no category: their code is -1.
        units = np.asarray([unit_of.get(name, -1) for name in labels] + [-1])
        unit = units[_codes(looked["video"], videos)]
        self.looked = looked[unit >= 0].reset_index(drop=True)
        self.unit: Codes = unit[unit >= 0].astype(np.int64)
        self.looked_at: Codes = np.bincount(self.unit, minlength=len(self.units))

        kept = detections[detections["score"].to_numpy() >= np.float32(threshold)]
        place = _places(kept, self.looked, videos)
        kept, self.place = kept[place >= 0], place[place >= 0]
        self.class_id: Codes = kept["class_id"].to_numpy().astype(np.int64)
        self.classes = int(self.class_id.max(initial=0)) + 1
        named = kept.drop_duplicates("class_id")
        self.names = dict(zip(named["class_id"].tolist(), named["name"].astype(str), strict=True))

    def labels(self, unit: Codes) -> Series:
        """Return the names of videos (or groups) by their numbers."""
        named = pd.Categorical(list(self.units), categories=list(self.units))
        return pd.Series(named).take(unit).reset_index(drop=True)

    def tick_classes(self) -> tuple[Codes, Codes]:
        """Return each (row of `looked`, class) that was found, once."""
        pairs = np.unique(self.place * self.classes + self.class_id)
        row, class_id = np.divmod(pairs, self.classes)
        return row, class_id

    def all_classes(self) -> Any:
        """Return how many classes each unit shows, missing where nothing was looked at."""
        pairs = np.unique(self.unit[self.place] * self.classes + self.class_id)
        number = np.bincount(pairs // self.classes, minlength=len(self.units))
        return pd.Series(number, dtype="Int64").where(self.looked_at > 0).array

    def mean(self, rows: Codes) -> NDArray[np.float64]:
        """Return how many of these rows of `looked` each unit has, over the ticks looked at."""
        ticks = np.where(self.looked_at > 0, self.looked_at, np.nan)
        return np.asarray(np.bincount(self.unit[rows], minlength=len(self.units)) / ticks)

    def minutes(self) -> Codes:
        """Return the minute of each row of `looked`, in a group's joined time."""
        time_s = self.looked["time_s"].to_numpy(dtype=np.float64)
        if self.groups is not None:
            offsets_s = join_offsets_s(self.looked, self.groups)
            time_s = time_s + self.looked["video"].astype(str).map(offsets_s).to_numpy()
        # Sums of times are off by the last bit; a tick on the minute belongs to the new one.
        return np.floor(time_s / SECONDS_PER_MINUTE + 1e-9).astype(np.int64)


def _places(kept: pd.DataFrame, looked: pd.DataFrame, videos: Sequence[str]) -> Codes:
    """Return for each box the row of `looked` with its video and tick, or -1."""
    if looked.empty or kept.empty:
        return np.full(len(kept), -1, dtype=np.int64)
    ticks = looked["tick"].to_numpy()
    wanted = kept["tick"].to_numpy()
    low = int(min(ticks.min(), wanted.min()))
    span = int(max(ticks.max(), wanted.max())) - low + 1
    keys = _codes(looked["video"], videos) * span + (ticks - low)
    order = np.argsort(keys, kind="stable")
    assert bool((np.diff(keys[order]) > 0).all()), "a tick is looked at once"
    of_box = _codes(kept["video"], videos) * span + (wanted - low)
    near = np.minimum(np.searchsorted(keys, of_box, sorter=order), len(keys) - 1)
    row = order[near]
    return np.asarray(np.where(keys[row] == of_box, row, -1), dtype=np.int64)


def _categories(column: Series) -> list[str]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [str(name) for name in column.cat.categories]
    return [str(name) for name in column.unique()]


def _codes(column: Series, videos: Sequence[str]) -> Codes:
    """Return the place of each row's video in `videos`, or -1."""
    return pd.Categorical(column, categories=list(videos)).codes.astype(np.int64)
