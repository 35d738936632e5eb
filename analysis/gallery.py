"""Which figures a report holds: from tables and shard sets to figures with their captions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.figures.lightness import LightnessPanel, draw_lightness
from analysis.figures.pictures import PictureStrip, draw_pictures, pictures_in_strip
from analysis.figures.shots import ShotLane, draw_shots
from analysis.figures.style import MAX_PANELS
from analysis.statistics.lightness import LightnessOptions, envelope, suited_window_s
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
    """`pictures`, `lightness` or `shots`: its section of the page."""
    name: str
    """Of its files, without ending: the kind, and a number where there are several."""
    alternative: str
    """What it shows, for those who do not see it."""
    figure: Figure


def draw_gallery(
    tables: Tables, shards: Sequence[ShardSet], options: LightnessOptions
) -> Iterator[Exhibit]:
    """Yield the figures of a report, ten videos in each.

    Raises:
        ShardError: a picture is not what was written.
    """
    videos = [(shard_set, record) for shard_set in shards for record in shard_set.videos]
    groups = [videos[first : first + MAX_PANELS] for first in range(0, len(videos), MAX_PANELS)]
    painters: dict[str, Callable[[Sequence[_Found]], tuple[Figure, str]]] = {
        "pictures": _pictures,
        "lightness": lambda group: _lightness(group, options),
        "shots": _shots,
    }
    for number, group in enumerate(groups, start=1):
        found = [_find(tables, shard_set, record, options) for shard_set, record in group]
        for kind, paint in painters.items():
            figure, what = paint(found)
            names = ", ".join(each.record.name for each in found)
            yield Exhibit(
                kind=kind,
                name=kind if len(groups) == 1 else f"{kind}_{number}",
                alternative=f"{what} Videos: {names}.",
                figure=figure,
            )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One video, its panel, and what the other figures need of it."""

    shard_set: ShardSet
    record: VideoRecord
    panel: LightnessPanel
    starts_s: Sequence[float] | None
    rows: Sequence[int | None]
    """Of the set's index: the pictures of its strip."""


def _find(
    tables: Tables, shard_set: ShardSet, record: VideoRecord, options: LightnessOptions
) -> _Found:
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
    )
    count = pictures_in_strip(record.picture_width / record.picture_height)
    rows = spread_rows(pictures, duration_s=record.duration_s, count=count)
    return _Found(shard_set=shard_set, record=record, panel=panel, starts_s=starts_s, rows=rows)


def _pictures(group: Sequence[_Found]) -> tuple[Figure, str]:
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
        for found in group
    ]
    return draw_pictures(strips), "Pictures of each video over time, with their lightness below."


def _lightness(group: Sequence[_Found], options: LightnessOptions) -> tuple[Figure, str]:
    figure = draw_lightness(
        [found.panel for found in group],
        bright_from=options.bright_from,
        dark_below=options.dark_below,
    )
    return figure, "Lightness of each video over time, with its moving median and cuts."


def _shots(group: Sequence[_Found]) -> tuple[Figure, str]:
    lanes = [
        ShotLane(
            video=found.record.name,
            duration_s=found.record.duration_s,
            starts_s=found.starts_s,
        )
        for found in group
    ]
    return draw_shots(lanes), "Shots of each video over time, and their number."
