"""Bootstrap intervals of every summary figure, of videos or of groups (bootstrap.py)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import (
    BootstrapOptions,
    Floats,
    Interval,
    Ints,
    block_numbers,
    draw_blocks,
    drawn_distinct,
    drawn_quantiles,
    drawn_ratio,
    interval_of,
    interval_of_distinct,
    sums,
)
from analysis.statistics.duplicates import near_duplicates
from analysis.statistics.lightness import LAGS_S, STATES, LightnessOptions, change_column, states
from analysis.statistics.objects import THRESHOLDS, objects_per_frame, threshold_suffix
from analysis.statistics.shots import SECONDS_PER_HOUR, counted_interval
from analysis.statistics.table1 import alike, steady_motion
from analysis.tables import Tables

Figures = Iterator[tuple[str, Floats]]


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Rows of a table of one unit, the minute of each, and how often minutes are drawn."""

    rows: pd.DataFrame
    block: Ints
    counts: Ints

    @property
    def blocks(self) -> int:
        return int(self.counts.shape[1])

    def mean(self, values: Any) -> Floats:
        given = np.asarray(values, dtype=np.float64)
        known = sums(self.block, ~np.isnan(given), blocks=self.blocks)
        return drawn_ratio(self.counts, sums(self.block, given, blocks=self.blocks), known)


def bootstrap_intervals(
    tables: Tables,
    *,
    detections: pd.DataFrame | None = None,
    looked: pd.DataFrame | None = None,
    groups: Mapping[str, str] | None = None,
    lightness: LightnessOptions | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    options: BootstrapOptions | None = None,
) -> pd.DataFrame:
    """Return an interval for each summary figure of each video, or of each group.

    Columns: `video` (or `group`); `figure`, named as in `summarise_lightness`, `summarise_shots`,
    `summarise_objects` and `summarise_groups`; `estimate`, the figure itself; `low`, `high`;
    `minutes`, how many were drawn from. Where there are fewer than ten minutes, `low` and `high`
    are missing. Of a group, `estimate` is the figure of all its ticks together. Extremes
    (`minimum`, `shot_longest_s`) have no interval: no draw lies outside what was seen.

    Figures of shots are left out where cuts were not sought in a video of the unit. `cuts_per_hour`
    reaches to the wider of the draws' ends and of `counted_interval`'s, since no draw from an hour
    without cuts has one.

    Args:
        tables: of all videos.
        detections: as `objects_per_frame` takes them; None: no figures of objects.
        looked: the same.
        groups: video -> group; videos of no group are left out.
        lightness: bounds of the states.
        thresholds: scores from which objects count.
        options: draws, seed and confidence.
    """
    drawing, bounds = options or BootstrapOptions(), lightness or LightnessOptions()
    pictures = tables.pictures.assign(
        duplicate=near_duplicates(tables.pictures).astype("float64"),
        steady=steady_motion(tables.pictures),
        state=states(tables.pictures["lightness_mean"].astype("float64"), bounds).astype("string"),
    )
    of_pictures, of_shots = _by_video(pictures), _by_video(tables.shots)
    of_looked = {} if looked is None else _by_video(looked)
    of_boxes = {} if detections is None else _by_video(detections)
    title = "video" if groups is None else "group"
    rows: list[dict[str, Any]] = []

    def add(unit: str, figure: str, interval: Interval, blocks: int) -> None:
        rows.append({title: unit, "figure": figure, **vars(interval), "minutes": blocks})

    for unit, names in _units(tables.videos, groups).items():
        videos = tables.videos[tables.videos["video"].astype(str).isin(names)]
        drawn = _draw([of_pictures.get(name, pictures.iloc[:0]) for name in names], names, drawing)
        for figure, values in _of_pictures(drawn, videos):
            add(unit, figure, interval_of(values, drawing, blocks=drawn.blocks), drawn.blocks)
        if all(name in of_shots for name in names):
            for figure, interval, blocks in _of_shots(videos, of_shots, drawing):
                add(unit, figure, interval, blocks)
        if looked is not None and detections is not None:
            parts = [of_looked.get(name, looked.iloc[:0]) for name in names]
            boxes = [of_boxes.get(name, detections.iloc[:0]) for name in names]
            seen = _draw(parts, names, drawing)
            for figure, interval in _of_objects(seen, pd.concat(boxes), thresholds, drawing):
                add(unit, figure, interval, seen.blocks)
    columns = [title, "figure", "estimate", "low", "high", "minutes"]
    return pd.DataFrame(rows, columns=columns)


def _units(videos: pd.DataFrame, groups: Mapping[str, str] | None) -> dict[str, list[str]]:
    units: dict[str, list[str]] = {}
    for name in videos["video"].astype(str):
        if groups is None:
            units[name] = [name]
        elif name in groups:
            units.setdefault(groups[name], []).append(name)
    return units


def _by_video(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): rows for name, rows in table.groupby("video", observed=True)}


def _draw(parts: Sequence[pd.DataFrame], names: Sequence[str], options: BootstrapOptions) -> _Drawn:
    """Number the minutes of videos one after the other, and draw within each video."""
    blocks, counts, first = [], [], 0
    for name, rows in zip(names, parts, strict=True):
        number, present = block_numbers(
            rows["time_s"].to_numpy(dtype=np.float64), block_s=options.block_s
        )
        blocks.append(number + first)
        counts.append(draw_blocks(name, present, options))
        first += present
    return _Drawn(
        rows=pd.concat(parts), block=np.concatenate(blocks), counts=np.concatenate(counts, axis=1)
    )


def _of_pictures(drawn: _Drawn, videos: pd.DataFrame) -> Figures:
    rows = drawn.rows
    mean = rows["lightness_mean"].to_numpy(dtype=np.float64)
    low, middle, high = drawn_quantiles(drawn.counts, drawn.block, mean, [0.05, 0.5, 0.95])
    yield "mean", drawn.mean(mean)
    yield from (("p5", low), ("p50", middle), ("p95", high), ("range", high - low))
    known = rows["state"].notna().to_numpy()
    for state in STATES:
        yield state, drawn.mean(np.where(known, rows["state"].eq(state).fillna(False), np.nan))
    for lag_s in LAGS_S:
        yield change_column(lag_s), np.sqrt(drawn.mean(_squares(rows, videos, lag_s)))
    if alike(videos[["picture_width", "picture_height"]].min(axis=1)):
        sharpness = rows["sharpness"].to_numpy(dtype=np.float64)
        yield "sharpness", drawn_quantiles(drawn.counts, drawn.block, sharpness, [0.5])[0]
    if alike(videos["kept_rate_hz"]):
        yield "motion", drawn.mean(rows["steady"])
    yield "near_duplicates", drawn.mean(rows["duplicate"])


def _squares(rows: pd.DataFrame, videos: pd.DataFrame, lag_s: float) -> Floats:
    """Return (L(n + lag) - L(n))^2 of each tick n, NaN where there is none (`change_over`).

    Of a video that is too short for the scale, there is none at all.
    """
    rates_hz = dict(zip(videos["video"].astype(str), videos["kept_rate_hz"], strict=True))
    parts = []
    for name, of_video in rows.groupby("video", observed=True, sort=False):
        lag = int(lag_s * rates_hz[str(name)] + 0.5)
        level = pd.Series(
            of_video["lightness_mean"].to_numpy(dtype="float64"), index=of_video["tick"]
        )
        squares = (level.reindex(level.index + lag).to_numpy() - level.to_numpy()) ** 2
        enough = lag >= 1 and int((~np.isnan(squares)).sum()) >= lag
        parts.append(squares if enough else np.full(len(squares), np.nan))
    return np.concatenate(parts) if parts else np.zeros(0)


def _of_shots(
    videos: pd.DataFrame, of_shots: Mapping[str, pd.DataFrame], options: BootstrapOptions
) -> Iterator[tuple[str, Interval, int]]:
    counts, cuts, lengths_s = [], [], []
    for name, duration_s in zip(videos["video"].astype(str), videos["duration_s"], strict=True):
        edges_s = np.append(np.arange(0, duration_s, options.block_s), duration_s)
        times_s = of_shots[name]["start_s"].to_numpy()[1:]
        counts.append(draw_blocks(name, len(edges_s) - 1, options))
        cuts.append(np.histogram(times_s, edges_s)[0].astype(np.float64))
        lengths_s.append(np.diff(edges_s))
    drawn, cut, length_s = (
        np.concatenate(counts, axis=1),
        np.concatenate(cuts),
        np.concatenate(lengths_s),
    )
    blocks = drawn.shape[1]
    resampled = interval_of(
        drawn_ratio(drawn, cut, length_s / SECONDS_PER_HOUR), options, blocks=blocks
    )
    low, high = counted_interval([cut.sum()], confidence=options.confidence)
    hours = length_s.sum() / SECONDS_PER_HOUR
    rate = Interval(
        estimate=resampled.estimate,
        low=float(np.fmin(resampled.low, low[0] / hours)) if hours else float("nan"),
        high=float(np.fmax(resampled.high, high[0] / hours)) if hours else float("nan"),
    )
    yield "cuts_per_hour", rate, blocks
    mean_s = (drawn @ length_s) / (drawn @ cut + len(videos))
    yield "shot_mean_s", interval_of(mean_s, options, blocks=blocks), blocks


def _of_objects(
    seen: _Drawn, boxes: pd.DataFrame, thresholds: Sequence[float], options: BootstrapOptions
) -> Iterator[tuple[str, Interval]]:
    place = seen.rows[["video", "tick"]].assign(block=seen.block)
    placed = boxes[["video", "tick", "class_id", "score"]].merge(place, on=["video", "tick"])
    for threshold in thresholds:
        suffix = threshold_suffix(threshold)
        frames = objects_per_frame(boxes, seen.rows, threshold=threshold)
        kept = placed[placed["score"].to_numpy() >= np.float32(threshold)]
        kinds = kept["class_id"].to_numpy(dtype=np.int64)
        distinct = drawn_distinct(seen.counts, kept["block"].to_numpy(dtype=np.int64), kinds)
        if len(seen.rows) == 0:
            distinct[:] = np.nan
        yield f"classes_{suffix}", interval_of_distinct(distinct, options, blocks=seen.blocks)
        for column in ("classes", "instances"):
            values = seen.mean(frames[column])
            name = "per_frame" if column == "classes" else "instances"
            yield f"{name}_{suffix}", interval_of(values, options, blocks=seen.blocks)
