"""Which figures a report holds: from tables and shard sets to figures with their captions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.counting import Counts
from analysis.figures.figure2 import PANELS, draw_alone, draw_figure2
from analysis.figures.lightness import LightnessPanel, draw_lightness
from analysis.figures.minutes import MinutesPanel, draw_minutes
from analysis.figures.objects import ObjectsPanel, draw_objects
from analysis.figures.pictures import PictureStrip, draw_pictures, pictures_in_strip
from analysis.figures.series import Series, VideoCurves
from analysis.figures.shots import ShotLane, draw_shots
from analysis.figures.style import MAX_PANELS, MAX_SERIES, Ending
from analysis.page_lanes import object_curve
from analysis.statistics.lightness import (
    LightnessOptions,
    envelope,
    suited_window_s,
    turns_of_videos,
)
from analysis.statistics.table1 import per_minute
from analysis.tables import Tables
from analysis.thumbnails import read_thumbnail, spread_rows
from wtours.shards import ShardSet, VideoRecord

CURVE_POINTS = 600
"""Rows of a curve in a figure: more than can be told apart in a panel."""
THUMBNAIL_PX = 160


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One figure of a report."""

    kind: str
    """`pictures`, `lightness`, `shots`, `minutes`, `objects`, `figure2` or `accumulation`."""
    name: str
    """Of its files, without ending: the kind, and a number where there are several."""
    alternative: str
    """What it shows, for those who do not see it."""
    figure: Figure
    endings: Sequence[Ending] = ("png", "svg")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One video, its panel, and what the other figures need of it."""

    shard_set: ShardSet
    record: VideoRecord
    panel: LightnessPanel
    starts_s: Sequence[float] | None
    rows: Sequence[int | None]
    """Of the set's index: the pictures of its strip."""
    minutes: MinutesPanel
    objects: ObjectsPanel | None
    """None where no objects were counted."""


def draw_gallery(
    tables: Tables,
    videos: Mapping[str, tuple[ShardSet, VideoRecord]],
    options: LightnessOptions,
    *,
    counts: Counts | None = None,
    groups: Mapping[str, str] | None = None,
) -> Iterator[Exhibit]:
    """Yield the figures of a report, ten videos in each; with `groups` Figure 2 before them.

    Args:
        tables: of the shard sets.
        videos: each with its shard set and record.
        options: how lightness is told.
        counts: objects, counted; None where nobody looked for them.
        groups: of each video, its group; without them there is no Figure 2.

    Raises:
        ShardError: a picture is not what was written.
    """
    shown = [_find(tables, *video, options, counts) for video in videos.values()]
    if groups is not None:
        yield from _figure2(shown, groups, counts)
    sheets = [shown[first : first + MAX_PANELS] for first in range(0, len(shown), MAX_PANELS)]
    painters: dict[str, Callable[[Sequence[Shown]], tuple[Figure, str]]] = {
        "pictures": _pictures,
        "lightness": lambda sheet: _lightness(sheet, options),
        "shots": _shots,
        "minutes": _minutes,
    }
    if counts is not None:
        painters["objects"] = _objects
    for number, sheet in enumerate(sheets, start=1):
        for kind, paint in painters.items():
            figure, what = paint(sheet)
            names = ", ".join(each.record.name for each in sheet)
            yield Exhibit(
                kind=kind,
                name=kind if len(sheets) == 1 else f"{kind}_{number}",
                alternative=f"{what} Videos: {names}.",
                figure=figure,
                endings=("png", "svg", "pdf") if kind == "objects" else ("png", "svg"),
            )


def count_exhibits(videos: int, *, objects: bool, groups: bool) -> int:
    """Return how many figures `draw_gallery` yields."""
    of_groups = 1 + len(PANELS) + objects if groups else 0
    return of_groups + (4 + objects) * -(-videos // MAX_PANELS)


def _find(
    tables: Tables,
    shard_set: ShardSet,
    record: VideoRecord,
    options: LightnessOptions,
    counts: Counts | None,
) -> Shown:
    pictures = tables.pictures[tables.pictures["video"] == record.name]
    shots = tables.shots[tables.shots["video"] == record.name]
    # A video whose cuts were sought has at least one shot.
    starts_s = shots["start_s"].tolist() if len(shots) else None
    window_s = suited_window_s(record.duration_s, options)
    panel = LightnessPanel(
        video=record.name,
        duration_s=record.duration_s,
        curve=envelope(pictures, window_s=window_s, points=CURVE_POINTS),
        cuts_s=None if starts_s is None else starts_s[1:],
        window_s=window_s,
        turns=turns_of_videos(
            pictures, tables.videos[tables.videos["video"] == record.name], options
        ),
    )
    count = pictures_in_strip(record.picture_width / record.picture_height)
    rows = spread_rows(pictures, duration_s=record.duration_s, count=count)
    objects = None
    if counts is not None:
        counted = counts.per_frame[counts.per_frame["video"] == record.name]
        curve = object_curve(counted, record, options, points=CURVE_POINTS)
        objects = ObjectsPanel(video=record.name, duration_s=record.duration_s, curve=curve)
    return Shown(
        shard_set=shard_set,
        record=record,
        panel=panel,
        starts_s=starts_s,
        rows=rows,
        minutes=MinutesPanel(
            video=record.name, duration_s=record.duration_s, minutes=per_minute(pictures)
        ),
        objects=objects,
    )


def _figure2(
    shown: Sequence[Shown], groups: Mapping[str, str], counts: Counts | None
) -> Iterator[Exhibit]:
    series = [_series(name, shown, groups, counts) for name in dict.fromkeys(groups.values())]
    drawn = series[:MAX_SERIES]
    names = ", ".join(group.name for group in drawn)
    left = len(series) - len(drawn)
    names += f"; {left} more groups stand in the tables alone" if left else ""
    endings: Sequence[Ending] = ("png", "svg", "pdf")
    yield Exhibit(
        kind="figure2",
        name="figure2",
        alternative="Lightness over time, objects per frame over time, class frequencies by rank, "
        f"and cuts per hour, side by side for {names}.",
        figure=draw_figure2(drawn),
        endings=endings,
    )
    titles = {panel: title for panel, (title, _) in PANELS.items()}
    if counts is not None:
        titles["accumulation"] = "Unique classes seen so far"
    for panel, title in titles.items():
        yield Exhibit(
            kind="accumulation" if panel == "accumulation" else "figure2_panel",
            name=panel if panel == "accumulation" else f"figure2_{panel}",
            alternative=f"{title}, side by side for {names}.",
            figure=draw_alone(panel, drawn),
            endings=endings,
        )


def _series(
    name: str, shown: Sequence[Shown], groups: Mapping[str, str], counts: Counts | None
) -> Series:
    members = [each for each in shown if groups[each.record.name] == name]
    frequencies = growth = None
    if counts is not None:
        classes = counts.classes_of_groups
        summary = counts.summary_of_groups
        looked = int(summary.loc[summary["group"] == name, "looked"].sum())
        if looked:
            instances = classes.loc[classes["group"] == name].sort_values("rank")["instances"]
            frequencies = instances.to_numpy(dtype="float64") / looked * 1000
            growth = counts.growth[counts.growth["group"] == name]
    return Series(
        name=name,
        videos=[
            VideoCurves(
                duration_s=each.record.duration_s,
                lightness=each.panel.curve,
                objects=None if each.objects is None else each.objects.curve,
                shots=None if each.starts_s is None else len(each.starts_s),
            )
            for each in members
        ],
        frequencies=frequencies,
        growth=growth,
    )


def _pictures(sheet: Sequence[Shown]) -> tuple[Figure, str]:
    strips = [
        PictureStrip(
            video=found.record.name,
            duration_s=found.record.duration_s,
            thumbnails=[
                None
                if row is None
                else read_thumbnail(found.shard_set, row, height_px=THUMBNAIL_PX)
                for row in found.rows
            ],
            curve=found.panel.curve,
        )
        for found in sheet
    ]
    return draw_pictures(strips), "Pictures of each video over time, with their lightness below."


def _lightness(sheet: Sequence[Shown], options: LightnessOptions) -> tuple[Figure, str]:
    figure = draw_lightness(
        [found.panel for found in sheet],
        bright_from=options.bright_from,
        dark_below=options.dark_below,
    )
    return figure, "Lightness of each video over time, with its moving median, turns and cuts."


def _objects(sheet: Sequence[Shown]) -> tuple[Figure, str]:
    figure = draw_objects([found.objects for found in sheet if found.objects is not None])
    return figure, "Instances and unique classes per frame of each video over time."


def _shots(sheet: Sequence[Shown]) -> tuple[Figure, str]:
    lanes = [
        ShotLane(
            video=found.record.name,
            duration_s=found.record.duration_s,
            starts_s=found.starts_s,
        )
        for found in sheet
    ]
    return draw_shots(lanes), "Shots of each video over time, and their number."


def _minutes(sheet: Sequence[Shown]) -> tuple[Figure, str]:
    figure = draw_minutes([found.minutes for found in sheet])
    return figure, "Sharpness and motion of each minute of each video."
