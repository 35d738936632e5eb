"""Videos of different length made comparable: cut, or joined, to a common duration.

Longer videos show more classes and more cuts for no other reason than that they are longer, so the
paper compares its walks with others of one duration. Pure functions on tables; docs/analysis.md.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.statistics.shots import shots_between
from analysis.tables import Tables
from wtours import WtoursError

Part = Literal["first", "random"]
_NO_TIME_S = 1e-6
"""What sums of seconds are off by, and far less than a picture lasts."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is kept of a video: [start_s, start_s + duration_s) from its `first_tick` on."""

    start_s: float
    first_tick: int
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class MatchedDuration:
    """Tables of which every video, or every group as a whole, has the same duration."""

    tables: Tables
    """As before, with times and ticks that count from each stretch's start."""
    detections: pd.DataFrame | None
    looked: pd.DataFrame | None
    stretches: Mapping[str, Stretch]
    """video -> what was kept; a video that is not here is left out."""
    duration_s: float
    words: tuple[str, ...]
    """What was done, a sentence for each video or group."""


def match_duration(
    tables: Tables,
    *,
    detections: pd.DataFrame | None = None,
    looked: pd.DataFrame | None = None,
    groups: Mapping[str, str] | None = None,
    duration_s: float | None = None,
    part: Part = "first",
    seed: int = 0,
) -> MatchedDuration:
    """Cut every video to a common duration, or join the videos of every group to it.

    Without groups, every video is cut. With groups, each group is its videos one after the other
    until the duration is reached, and the last of them is cut: statistics by group then compare
    stretches of video of the same length, however short each video is. Videos keep their names, so
    pictures are still found by `row`.

    Of a video that is cut, ticks and times count from the start of what is kept; its shots are cut
    off there, and `frames` is scaled with the duration. Tick n stands for n / rate, which for a set
    that keeps every frame of a variable rate is right on the average only.

    Args:
        tables: of all videos.
        detections: as `objects_per_frame` takes them, or None.
        looked: the same.
        groups: video -> group; videos of no group are left out.
        duration_s: the common duration; if not given, that of the shortest video or group.
        part: `first`: from the start, and a group's videos in order. `random`: a stretch, and an
            order of the group's videos, drawn from `seed` and the name alone, so that what else is
            compared changes nothing.
        seed: 0 or more.

    Raises:
        WtoursError: there is no video, the duration is not over 0, longer than a video or group, or
            under one tick.
    """
    names = tables.videos["video"].astype(str)
    lengths_s = dict(zip(names, tables.videos["duration_s"].tolist(), strict=True))
    rates_hz = dict(zip(lengths_s, tables.videos["kept_rate_hz"].tolist(), strict=True))
    units = _units(lengths_s, groups)
    common_s = _common_duration(lengths_s, units, duration_s)
    stretches: dict[str, Stretch] = {}
    words = []
    for name, videos in units.items():
        taken = _take(name, videos, lengths_s, rates_hz, common_s, part=part, seed=seed)
        stretches |= taken
        words.append(_words(name, videos, taken, lengths_s, joined=groups is not None))
    return MatchedDuration(
        tables=_cut_tables(tables, stretches),
        detections=None if detections is None else _cut_ticks(detections, stretches, rates_hz),
        looked=None if looked is None else _cut_ticks(looked, stretches, rates_hz),
        stretches=stretches,
        duration_s=common_s,
        words=tuple(words),
    )


def _units(
    lengths_s: Mapping[str, float], groups: Mapping[str, str] | None
) -> dict[str, list[str]]:
    units: dict[str, list[str]] = {}
    for video in lengths_s:
        if groups is None:
            units[video] = [video]
        elif video in groups:
            units.setdefault(groups[video], []).append(video)
    if not units:
        raise WtoursError(
            "there is no video whose duration could be matched",
            remedy="name shard sets with --shards or --group",
        )
    return units


def _common_duration(
    lengths_s: Mapping[str, float], units: Mapping[str, list[str]], wanted_s: float | None
) -> float:
    totals_s = {name: sum(lengths_s[video] for video in each) for name, each in units.items()}
    shortest = min(totals_s, key=lambda name: totals_s[name])
    common_s = totals_s[shortest] if wanted_s is None else wanted_s
    if not common_s > 0:
        raise WtoursError(
            f"videos are to be cut to {common_s:g} s"
            + (f", the duration of {shortest}" if wanted_s is None else ""),
            remedy="give a number of seconds over 0, or leave that video out",
        )
    if common_s > totals_s[shortest]:
        raise WtoursError(
            f"{shortest} lasts {totals_s[shortest]:.1f} s and cannot give {common_s:g} s",
            remedy=f"ask for {totals_s[shortest]:.1f} s or less, or leave {shortest} out",
        )
    return common_s


def _take(
    name: str,
    videos: list[str],
    lengths_s: Mapping[str, float],
    rates_hz: Mapping[str, float],
    common_s: float,
    *,
    part: Part,
    seed: int,
) -> dict[str, Stretch]:
    """Return the stretches of one unit, which last `common_s` together."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    order = list(videos)
    if part == "random":
        order = [videos[place] for place in generator.permutation(len(videos))]
    left_s, taken = common_s, {}
    for video in order:
        if left_s < _NO_TIME_S:
            break
        kept_s = min(left_s, lengths_s[video])
        spare_s = lengths_s[video] - kept_s
        first = int(generator.uniform(0, spare_s) * rates_hz[video]) if part == "random" else 0
        start_s = first / rates_hz[video]
        taken[video] = Stretch(start_s=start_s, first_tick=first, duration_s=kept_s)
        left_s -= kept_s
    return taken


def _words(
    name: str,
    videos: list[str],
    taken: Mapping[str, Stretch],
    lengths_s: Mapping[str, float],
    *,
    joined: bool,
) -> str:
    parts = [
        f"{video} from {stretch.start_s:.1f} to {stretch.start_s + stretch.duration_s:.1f} s"
        for video, stretch in taken.items()
        if stretch.duration_s < lengths_s[video]
    ]
    total_s = sum(stretch.duration_s for stretch in taken.values())
    cut = f"; cut: {', '.join(parts)}" if parts else ""
    if joined:
        return f"{name}: {len(taken)} of {len(videos)} videos joined to {total_s:.1f} s{cut}"
    return f"{parts[0]} of {lengths_s[name]:.1f} s" if parts else f"{name}: whole, {total_s:.1f} s"


def _cut_tables(tables: Tables, stretches: Mapping[str, Stretch]) -> Tables:
    names = tables.videos["video"].astype(str)
    rates_hz = dict(zip(names, tables.videos["kept_rate_hz"].tolist(), strict=True))
    pictures = _cut_ticks(tables.pictures, stretches, rates_hz)
    shots = _cut_shots(tables.shots, stretches)
    return Tables(
        pictures=pictures,
        shots=shots,
        videos=_cut_videos(tables.videos, stretches, pictures=pictures, shots=shots),
    )


def _cut_ticks(
    table: pd.DataFrame, stretches: Mapping[str, Stretch], rates_hz: Mapping[str, float]
) -> pd.DataFrame:
    """Keep the rows of the stretches' ticks, and count time from their starts."""
    names = table["video"].astype(str)
    first = names.map({video: each.first_tick for video, each in stretches.items()})
    start_s = names.map({video: each.start_s for video, each in stretches.items()})
    # Tick n stands for n / rate: those before the end, whatever rounding did to their product.
    ticks = {
        video: ceil(each.duration_s * rates_hz[video] - _NO_TIME_S)
        for video, each in stretches.items()
    }
    tick = table["tick"] - first
    kept = first.notna() & (tick >= 0) & (tick < names.map(ticks))
    cut = table[kept]
    # A tick's picture may lie up to half a tick before it (FORMAT.md), but not before the start.
    time_s = (cut["time_s"] - start_s[kept]).clip(lower=0)
    counted = cut.assign(tick=tick[kept].astype("int64"), time_s=time_s)
    return _without_others(counted, stretches)


def _cut_shots(shots: pd.DataFrame, stretches: Mapping[str, Stretch]) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for video, rows in shots.groupby("video", observed=True):
        stretch = stretches.get(str(video))
        if stretch is not None:
            cuts_s = rows["start_s"].to_numpy()[1:] - stretch.start_s
            part = shots_between(cuts_s, duration_s=stretch.duration_s)
            parts.append(part.assign(video=video))
    joined = pd.concat(parts, ignore_index=True) if parts else shots.iloc[:0]
    return _without_others(joined[list(shots.columns)].astype(dict(shots.dtypes)), stretches)


def _without_others(table: pd.DataFrame, stretches: Mapping[str, Stretch]) -> pd.DataFrame:
    """Take the videos that are left out from the categories, too."""
    if not isinstance(table["video"].dtype, pd.CategoricalDtype):
        return table.reset_index(drop=True)
    kept = [name for name in table["video"].cat.categories if name in stretches]
    return table.assign(video=table["video"].cat.set_categories(kept)).reset_index(drop=True)


def _cut_videos(
    videos: pd.DataFrame,
    stretches: Mapping[str, Stretch],
    *,
    pictures: pd.DataFrame,
    shots: pd.DataFrame,
) -> pd.DataFrame:
    kept = _without_others(videos[videos["video"].astype(str).isin(list(stretches))], stretches)
    names = kept["video"].astype(str)
    lengths_s = names.map({video: each.duration_s for video, each in stretches.items()})
    # As `read_tables` counts: neighbouring ticks of one time share a picture.
    again = pictures["video"].eq(pictures["video"].shift()) & pictures["time_s"].diff().eq(0)
    own = pictures[~again]

    def of_each(counted: "pd.Series[Any]") -> "pd.Series[Any]":
        by_name = {str(video): int(number) for video, number in counted.items()}
        return names.map(by_name).fillna(0).astype("int64")

    cuts = of_each(shots.groupby("video", observed=True).size()) - 1
    blurred = of_each(own.groupby("video", observed=True)["boxes"].sum())
    return kept.assign(
        frames=(kept["frames"] * lengths_s / kept["duration_s"]).round().astype("int64"),
        duration_s=lengths_s,
        ticks=of_each(pictures.groupby("video", observed=True).size()),
        pictures=of_each(own.groupby("video", observed=True).size()),
        cuts=cuts.astype("Int64").where(kept["cuts"].notna()),
        blurred_boxes=blurred.astype("Int64").where(kept["blurred_boxes"].notna()),
    )
