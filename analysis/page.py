"""The HTML page of a report: one file that needs no other, no network and no script."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import jinja2
import pandas as pd

from analysis.figures.style import duration_text
from analysis.statistics.lightness import LAGS_S, LightnessOptions, change_column
from wtours.shards import DatasetRecord

SOFTWARE = ("wtours", "pandas", "pyarrow", "matplotlib", "numpy", "pillow")
NOT_MEASURED = "–"


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A figure as it stands in the page."""

    kind: str
    alternative: str
    mime: str
    content: bytes

    @property
    def address(self) -> str:
        """The whole figure as an address, so that the page needs no other file."""
        return f"data:{self.mime};base64,{base64.b64encode(self.content).decode()}"


def render_page(
    summary: pd.DataFrame,
    records: Sequence[DatasetRecord],
    *,
    figures: Sequence[PageFigure],
    files: Sequence[str],
    options: LightnessOptions,
) -> str:
    """Return the page.

    Args:
        summary: as `Report.summary`.
        records: of the shard sets, in the same order.
        figures: in order; a figure stands in the section of its kind.
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
    environment.filters["rate"] = rate_text
    videos = summary.to_dict("records")
    return environment.get_template("report.html").render(
        videos=videos,
        total_s=float(summary["duration_s"].sum()),
        figures={kind: [f for f in figures if f.kind == kind] for kind in _kinds(figures)},
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


def number_text(value: Any, digits: int = 1) -> str:
    """Return a number with thousands apart, or a dash where it is missing.

    >>> number_text(1234.56), number_text(float("nan")), number_text(7, 0)
    ('1,234.6', '–', '7')
    """
    return NOT_MEASURED if pd.isna(value) else f"{value:,.{digits}f}"


def share_text(value: Any) -> str:
    """Return a share of 1 as per cent."""
    return NOT_MEASURED if pd.isna(value) else f"{100 * value:.0f} %"


def length_text(value: Any) -> str:
    """Return seconds as people write them."""
    return NOT_MEASURED if pd.isna(value) else duration_text(float(value))


def rate_text(value: float) -> str:
    """Return a rate in pictures per second without needless zeros.

    >>> rate_text(30000 / 1001), rate_text(1.0)
    ('29.97', '1')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _kinds(figures: Sequence[PageFigure]) -> list[str]:
    return list(dict.fromkeys(figure.kind for figure in figures))


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
