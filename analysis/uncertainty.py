"""Bootstrap intervals of a report, of its videos and groups, and how the page writes them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from analysis.page_text import TEXTS
from analysis.statistics.intervals import bootstrap_intervals
from analysis.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What `bootstrap_intervals` says."""

    of_videos: pd.DataFrame
    of_groups: pd.DataFrame | None
    """None where the user named no groups."""


def resample(
    tables: Tables,
    *,
    detections: pd.DataFrame | None,
    looked: pd.DataFrame | None,
    groups: Mapping[str, str] | None,
) -> Uncertainty:
    """Return intervals of every figure of each video, and of each group where there are groups.

    Args:
        tables: of all videos.
        detections: as `objects_per_frame` takes them; None: no figures of objects.
        looked: the same.
        groups: video -> group.
    """

    def intervals(of: Mapping[str, str] | None) -> pd.DataFrame:
        return bootstrap_intervals(tables, detections=detections, looked=looked, groups=of)

    return Uncertainty(
        of_videos=intervals(None), of_groups=None if groups is None else intervals(groups)
    )


class IntervalTexts:
    """Intervals by video (or group) and figure, as they stand under the figure in the page.

    Args:
        table: as `bootstrap_intervals` returns it; None: there are none.
    """

    def __init__(self, table: pd.DataFrame | None) -> None:
        self._ends: dict[tuple[str, str], tuple[float, float]] = {}
        if table is None:
            return
        known = table[table["low"].notna() & table["high"].notna()]
        units = known[known.columns[0]].astype(str)
        for unit, figure, low, high in zip(
            units, known["figure"], known["low"], known["high"], strict=True
        ):
            self._ends[(unit, str(figure))] = (float(low), float(high))

    def __bool__(self) -> bool:
        return bool(self._ends)

    def __call__(self, unit: str, figure: str, kind: str = "number", digits: int = 1) -> Markup:
        """Return the interval as small print, or nothing where none is claimed.

        Args:
            unit: name of the video or group.
            figure: as in `bootstrap_intervals`.
            kind: `number`, `share` or `length`.
            digits: of a number, after the point.
        """
        ends = self._ends.get((unit, figure))
        if ends is None:
            return Markup("")
        low, high = (TEXTS[kind](end, digits) for end in ends)
        if kind == "share":  # one sign is enough
            low = low.removesuffix(" %")
        return Markup('<span class="interval">{} to {}</span>').format(low, high)
