"""The HTML page of a report: one file that needs no other and no network.

Without scripts it shows everything but the values under the pointer. Its policy
(Content-Security-Policy) lets nothing be loaded and no other script run, whatever a name contains.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.contact_sheet import ContactSheet
from analysis.counting import Counts
from analysis.cut_comparison import CutComparison
from analysis.embedding import embed_jpeg
from analysis.page_text import (
    NOT_MEASURED,
    known_text,
    length_text,
    number_text,
    rate_text,
    share_text,
)
from analysis.statistics.bootstrap import LEAST_BLOCKS, BootstrapOptions
from analysis.statistics.cut_agreement import WITHIN_FRAMES
from analysis.statistics.duplicates import BITS
from analysis.statistics.lightness import LAGS_S, LightnessOptions, change_column
from analysis.timelines import Timelines
from analysis.uncertainty import IntervalTexts, Uncertainty
from wtours.shards import DatasetRecord

SOFTWARE = ("wtours", "pandas", "pyarrow", "matplotlib", "numpy", "pillow")
SOURCES = {
    "shards": "those of the shards, smaller than the videos and with blurred faces where blurring "
    "was on, so that fewer objects are found than in the videos themselves",
    "videos": "those of the videos, at their full size and with nothing blurred; the smaller "
    "pictures of the shards only show here what was found",
}
"""What the page says of the pictures that were looked at."""
PAGE_BYTES = 9_500_000
"""What a page is meant to stay under."""
FIGURES_BYTES = 3_000_000
"""Of the page; further figures of ten videos each stand beside it as files."""
TEXT_BYTES = 300_000
"""What is left for tables, words and the contact sheet."""
MAX_TURNS = 8
"""Of a video that are named one by one."""
_COORDINATES = re.compile(r'(?<= d=")[^"]*')
_DIGITS = re.compile(r"(\.\d)\d+")
_PLAIN = " !$&'()*+,-./:;=?@[]_~|"
"""Characters that stand for themselves in an address within a page."""


SECTIONS = ("figure2", "lightness", "shots", "minutes", "objects", "accumulation")
"""Kinds of figures that stand in the page; photographs stand over the curves of each video."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PageFigure:
    """A figure as it stands in the page."""

    kind: str
    name: str
    alternative: str
    svg: bytes

    @cached_property
    def address(self) -> str:
        """The whole figure as an address, so that the page needs no other file.

        Coordinates are cut to a tenth of a point, which cannot be seen and is half the size.
        """
        short = _COORDINATES.sub(lambda path: _DIGITS.sub(r"\1", path[0]), self.svg.decode())
        return f"data:image/svg+xml,{quote(' '.join(short.split()), safe=_PLAIN)}"


@dataclass(frozen=True, kw_only=True)
class PageGroups:
    """What the page tells of groups."""

    members: Mapping[str, str]
    """Of each video, its group."""
    table: pd.DataFrame
    """A row a group: `summarise_groups`, `shots`, `cuts_per_hour`, and where objects were counted
    `summarise_objects`."""


@dataclass(frozen=True, kw_only=True)
class PageObjects:
    """What the page tells of objects."""

    counts: Counts
    sheet: ContactSheet


def render_page(
    summary: pd.DataFrame,
    records: Sequence[DatasetRecord],
    *,
    figures: Sequence[PageFigure],
    timelines: Timelines,
    objects: PageObjects | None = None,
    groups: PageGroups | None = None,
    turns: pd.DataFrame,
    uncertainty: Uncertainty | None = None,
    cuts: CutComparison | None = None,
    words: Sequence[str] = (),
    files: Sequence[str],
    options: LightnessOptions,
) -> str:
    """Return the page.

    Args:
        summary: as `Report.summary`.
        records: of the shard sets, in the same order.
        figures: in order; a figure stands in the section of its kind.
        timelines: of the videos.
        objects: None where nobody looked for objects.
        groups: None where the user named none.
        turns: of all videos, as `turns_of_videos`.
        uncertainty: intervals of the figures; None: none are told.
        cuts: how cut detectors compare; None where nobody compared them.
        words: sentences on what was left out.
        files: paths of tables and figures, relative to the page.
        options: what the lightness was told with.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "share": share_text, "length": length_text}
    environment.filters |= {"rate": rate_text, "jpeg": embed_jpeg, "known": known_text}
    # What is in the page is what its policy allows: the hash is of the script's very bytes.
    source, _, _ = jinja2.PackageLoader("analysis").get_source(environment, "timelines.js")
    videos = summary.to_dict("records")
    return environment.get_template("report.html").render(
        videos=videos,
        total_s=float(summary["duration_s"].sum()),
        figures=_by_kind(shown_figures(figures)),
        beside=_by_kind([each for each in figures if each not in shown_figures(figures)]),
        timelines=timelines,
        objects=None if objects is None else _told(objects, with_groups=groups is not None),
        groups=None if groups is None else groups.table.to_dict("records"),
        members=[] if groups is None else _members(groups.members),
        turns=_turns(turns),
        of_video=IntervalTexts(None if uncertainty is None else uncertainty.of_videos),
        of_group=IntervalTexts(None if uncertainty is None else uncertainty.of_groups),
        bootstrap=BootstrapOptions(),
        least_minutes=LEAST_BLOCKS,
        cuts=None if cuts is None or cuts.detectors.empty else _compared(cuts),
        duplicate_bits=BITS,
        words=words,
        frames=_json(timelines),
        script=Markup(source),
        script_hash=base64.b64encode(hashlib.sha256(source.encode()).digest()).decode(),
        files=files,
        options=options,
        changes=[(length_text(lag_s), change_column(lag_s)) for lag_s in LAGS_S],
        credits=[video for record in records for video in record.videos],
        notes=[(v.name, note) for r in records for v in r.videos for note in v.notes],
        unblurred=_names(records, "blur"),
        uncut=_names(records, "cuts"),
        settings=_grouped(records),
        software={name: version(name) for name in SOFTWARE},
    )


def _json(timelines: Timelines) -> Markup:
    """Return what the script reads; "<" is written so that no name can end the element."""
    content = {"names": timelines.names, "videos": [each.data for each in timelines.videos]}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _members(groups: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each group with the names of its videos."""
    return [
        (group, ", ".join(video for video, its in groups.items() if its == group))
        for group in dict.fromkeys(groups.values())
    ]


def _turns(turns: pd.DataFrame) -> list[tuple[str, list[Any], int]]:
    """Return each video that turns, its first turns, and how many more there are."""
    return [
        (str(video), rows.head(MAX_TURNS).to_dict("records"), max(0, len(rows) - MAX_TURNS))
        for video, rows in turns.groupby("video", observed=True, sort=False)
    ]


def _compared(cuts: CutComparison) -> dict[str, Any]:
    """Return what the page says of cut detectors: numbers by video, agreement, scores."""
    of_videos: dict[str, dict[str, Any]] = {}
    for row in cuts.detectors.to_dict("records"):
        of_videos.setdefault(row["video"], {})[row["detector"]] = row
    return {
        "names": list(dict.fromkeys(cuts.detectors["detector"])),
        "videos": of_videos,
        "agreement": _rows(cuts.agreement),
        "scores": [] if cuts.scores is None else _rows(cuts.scores),
        "within": WITHIN_FRAMES,
    }


def _rows(table: pd.DataFrame) -> list[Any]:
    """Return rows for a template; that of all videos is told by its name."""
    together = table["video"].isna()
    named = table.assign(video=table["video"].where(~together, "all videos"), together=together)
    return named.to_dict("records")


def _told(objects: PageObjects, *, with_groups: bool) -> dict[str, Any]:
    """Return what the section of objects says."""
    counts, record = objects.counts, objects.counts.objects.record
    of_videos = counts.summary.to_dict("records")
    rows = [{**row, "name": row["video"], "together": False} for row in of_videos]
    if with_groups:
        of_groups = counts.summary_of_groups.to_dict("records")
        rows = [{**row, "name": row["group"], "together": True} for row in of_groups] + rows
    detector = str(record.get("detector", "a detector"))
    return {
        "rows": rows,
        "title": "Group or video" if with_groups else "Video",
        "threshold": f"{counts.threshold:g}",
        "looked": len(counts.objects.looked),
        "detector": str(record.get("title", detector)),
        "detic": "detic" in detector.lower(),
        "source": SOURCES.get(str(record.get("source")), "of a source that is not recorded"),
        "sheet": objects.sheet,
        "record": dict(_flat(record)),
    }


def shown_figures(figures: Sequence[PageFigure]) -> list[PageFigure]:
    """Return the figures that the page has room for: the first of each kind, then in order."""
    firsts = {figure.kind: figure for figure in reversed(figures) if figure.kind in SECTIONS}
    shown = list(firsts.values())
    used = sum(len(figure.address) for figure in shown)
    for figure in figures:
        if figure.kind not in SECTIONS or figure in shown:
            continue
        used += len(figure.address)
        if used > FIGURES_BYTES:
            break
        shown.append(figure)
    return [figure for figure in figures if figure in shown]


def room_bytes(figures: Sequence[PageFigure]) -> int:
    """Return what a page with these figures has room for beside them."""
    return PAGE_BYTES - TEXT_BYTES - sum(len(each.address) for each in shown_figures(figures))


def _by_kind(figures: Sequence[PageFigure]) -> dict[str, list[PageFigure]]:
    return {kind: [each for each in figures if each.kind == kind] for kind in SECTIONS}


def _names(records: Sequence[DatasetRecord], setting: str) -> list[str]:
    """Return the videos of the sets in which a setting is off."""
    off = [record for record in records if record.settings.get(setting) is None]
    return [video.name for record in off for video in record.videos]


def _grouped(records: Sequence[DatasetRecord]) -> list[dict[str, Any]]:
    """Return settings and software of the sets, those that are alike once, with their videos."""
    groups: list[dict[str, Any]] = []
    for record in records:
        settings = dict(_flat(record.settings))
        names = [video.name for video in record.videos]
        alike = [g for g in groups if (g["settings"], g["software"]) == (settings, record.software)]
        if alike:
            alike[0]["videos"] += names
        else:
            groups.append({"settings": settings, "software": record.software, "videos": names})
    return groups


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            # blur and cuts are null where they were off (FORMAT.md); what is in them is only unset.
            unset = NOT_MEASURED if prefix else "off"
            yield f"{prefix}{name}", unset if value is None else str(value)
