"""Tables and figures of shard sets as files, and one HTML page that holds them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from analysis.contact_sheet import make_contact_sheet
from analysis.counting import Counts, count_objects, group_videos
from analysis.cut_comparison import CutComparison
from analysis.detections import Objects
from analysis.gallery import count_exhibits, draw_gallery
from analysis.output import ReportFolder
from analysis.page import PageGroups, PageObjects, render_page, room_bytes
from analysis.statistics.lightness import LightnessOptions, summarise_lightness, turns_of_videos
from analysis.statistics.shots import summarise_shots
from analysis.statistics.table1 import per_minute, summarise_groups
from analysis.tables import Tables, read_tables
from analysis.timelines import make_timelines
from analysis.uncertainty import Uncertainty
from analysis.whole_file import write_whole
from wtours import WtoursError
from wtours.shards import ShardSet, VideoRecord

Progress = Callable[[str, float], None]
"""Called with what is being done now, and the share of all, 0 to 1, that is done."""

PAGE = "index.html"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    page: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    summary: pd.DataFrame
    """One row a video: the columns of `Tables.videos`, `summarise_lightness`, `summarise_shots`,
    `sharpness`, `motion` and `near_duplicates` of `summarise_groups`, and where
    objects were counted those of `summarise_objects`."""


def write_report(
    shards: Sequence[ShardSet],
    out: Path,
    *,
    lightness: LightnessOptions | None = None,
    objects: Objects | None = None,
    groups: Mapping[str, str] | None = None,
    threshold: float = 0.5,
    tables: Tables | None = None,
    words: Sequence[str] = (),
    domains: Mapping[str, str] | None = None,
    uncertainty: Uncertainty | None = None,
    cuts: CutComparison | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write tables, figures and the page of shard sets into a folder.

    Nothing outside `out` is touched, and every file appears whole, the page last. The same shards
    and objects give the same bytes.

    Args:
        shards: sets as `open_shards` returns them.
        out: folder for `index.html`, `tables/` and `figures/`; made if it is not there. Files of
            an earlier report are replaced.
        lightness: window and thresholds; the defaults of `LightnessOptions` if not given.
        objects: what `find_objects` found in the same sets; without it, objects are not told.
        groups: of every video, the name of the group it stands in; with them or with objects, the
            report holds Figure 2.
        threshold: least score of a box that counts in figures and page.
        tables: what is told of the sets, if not all of it: such as those of `match_duration`.
        words: sentences for the page that say what was left out.
        domains: of groups, what they show.
        uncertainty: intervals of the figures; None: none are told.
        cuts: how cut detectors compare; None: nothing is told of it.
        progress: called between steps.

    Raises:
        WtoursError: there are no videos, a set is damaged, a video is in no group, the threshold is
            no score, or `out` cannot be written.
    """
    options = lightness or LightnessOptions()
    tell = progress or (lambda what, done: None)
    if not any(shard_set.videos for shard_set in shards):
        raise WtoursError(
            "there is no video to analyse: no shard set was given, or the sets hold none",
            remedy="make shards with `wtours shard VIDEO`, then name their folder with --shards",
        )
    tell("reading tables", 0.0)
    tables = tables or read_tables(shards)
    videos = _told_videos(shards, tables)
    grouped = None
    if objects is not None or groups is not None:
        grouped = group_videos(list(videos), groups)
    counts = None
    if objects is not None and grouped is not None:
        tell("counting objects", 0.05)
        counts = count_objects(objects, grouped, threshold=threshold)
    summary = _summarise(tables, options, counts)
    of_groups = (
        None if groups is None else _summarise_groups(tables, counts, grouped or {}, domains)
    )

    tell("writing tables", 0.1)
    folder = ReportFolder(out)
    turns = turns_of_videos(tables.pictures, tables.videos, options)
    _write_tables(folder, tables, summary, turns, counts)
    if of_groups is not None:
        folder.write_table("groups", of_groups)
    _write_compared(folder, uncertainty, cuts)
    tell("drawing figures", 0.3)
    shown = []
    number = count_exhibits(len(videos), objects=counts is not None, groups=grouped is not None)
    for exhibit in draw_gallery(tables, videos, options, counts=counts, groups=grouped):
        shown.append(folder.write_exhibit(exhibit))
        tell("drawing figures", 0.3 + 0.5 * len(shown) / number)
    page = render_page(
        summary,
        [shard_set.record for shard_set in shards],
        figures=shown,
        timelines=make_timelines(tables, videos, options, counts, room_bytes=room_bytes(shown)),
        objects=None
        if counts is None
        else PageObjects(counts=counts, sheet=make_contact_sheet(counts, tables, videos)),
        groups=None if of_groups is None else PageGroups(members=grouped or {}, table=of_groups),
        turns=turns,
        uncertainty=uncertainty,
        cuts=cuts,
        words=words,
        files=folder.files,
        options=options,
    )
    write_whole(out / PAGE, page.encode())
    tell("done", 1.0)
    return Report(
        page=out / PAGE,
        tables=tuple(folder.tables),
        figures=tuple(folder.figures),
        summary=summary,
    )


def _summarise(tables: Tables, options: LightnessOptions, counts: Counts | None) -> pd.DataFrame:
    of_lightness = summarise_lightness(tables.pictures, tables.videos, options)
    of_shots = summarise_shots(tables.shots, tables.videos)
    # `cuts` of the videos counts rows; those of the shots divide the video. The latter are told.
    of_videos = tables.videos.drop(columns="cuts")
    summary = of_videos.merge(of_lightness, on="video").merge(of_shots, on="video")
    # Each video as a group of its own.
    alone = summarise_groups(tables, {name: name for name in tables.videos["video"].astype(str)})
    for name in ("sharpness", "motion", "near_duplicates"):
        summary[name] = alone[name].to_numpy()
    if counts is None:
        return summary
    # A video that nobody looked at has no row there.
    kind = summary["video"].dtype
    return summary.merge(counts.summary.astype({"video": kind}), on="video", how="left")


def _told_videos(
    shards: Sequence[ShardSet], tables: Tables
) -> dict[str, tuple[ShardSet, VideoRecord]]:
    """Return set and record of each video of the tables, with the duration that these state."""
    kept_s = dict(zip(tables.videos["video"].astype(str), tables.videos["duration_s"], strict=True))
    return {
        record.name: (shard_set, replace(record, duration_s=float(kept_s[record.name])))
        for shard_set in shards
        for record in shard_set.videos
        if record.name in kept_s
    }


def _summarise_groups(
    tables: Tables,
    counts: Counts | None,
    groups: Mapping[str, str],
    domains: Mapping[str, str] | None,
) -> pd.DataFrame:
    """Return `summarise_groups`, with shots, and where they were counted with objects."""
    table = summarise_groups(tables, groups, domains=domains)
    group_of = tables.videos["video"].astype(str).map(dict(groups))
    shots = tables.shots.groupby("video", observed=False).size().reindex(tables.videos["video"])
    sought = (shots > 0).to_numpy()
    told = pd.DataFrame(
        {"group": group_of, "shots": shots.to_numpy(), "duration_s": tables.videos["duration_s"]}
    )[sought].groupby("group")
    # One shot more than cuts in every video, so that groups of many videos are not of many cuts.
    cuts_per_hour = (told["shots"].sum() - told.size()) / told["duration_s"].sum() * 3600
    table["shots"] = table["group"].map(told["shots"].sum()).astype("Int64")
    table["cuts_per_hour"] = table["group"].map(cuts_per_hour).astype("float64")
    if counts is None:
        return table
    of_objects = counts.summary_of_groups.astype({"group": "string"})
    return table.merge(of_objects, on="group", how="left")


def _write_tables(
    folder: ReportFolder,
    tables: Tables,
    summary: pd.DataFrame,
    turns: pd.DataFrame,
    counts: Counts | None,
) -> None:
    folder.write_table("pictures", tables.pictures)
    folder.write_table("minutes", per_minute(tables.pictures))
    folder.write_table("turns", turns)
    folder.write_table("shots", tables.shots)
    folder.write_table("videos", summary)
    if counts is not None:
        folder.write_table("detections", counts.objects.detections)
        folder.write_table("objects", counts.per_frame)
        folder.write_table("classes", counts.classes)
        folder.write_table("accumulation", counts.growth)


def _write_compared(
    folder: ReportFolder, uncertainty: Uncertainty | None, cuts: CutComparison | None
) -> None:
    if uncertainty is not None:
        folder.write_table("intervals", uncertainty.of_videos)
        if uncertainty.of_groups is not None:
            folder.write_table("group_intervals", uncertainty.of_groups)
    if cuts is not None:
        folder.write_table("cut_detectors", cuts.detectors)
        folder.write_table("agreement", cuts.agreement)
        if cuts.scores is not None:
            folder.write_table("cut_scores", cuts.scores)
