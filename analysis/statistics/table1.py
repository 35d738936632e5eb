"""Table 1 of the paper and what it leaves out: what a group of videos is, measured.

Pure functions on tables; definitions: docs/analysis.md.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.statistics.duplicates import duplicate_share, near_duplicates
from analysis.tables import Tables

SECONDS_PER_MINUTE = 60.0
_ALIKE = 1.1
"""Rates and sizes that differ by less than a tenth are the same: 29.97 and 30 a second."""


def steady_motion(pictures: pd.DataFrame) -> "pd.Series[Any]":
    """Return the motion of each tick, missing where a segment begins.

    There the picture before belongs to another shot, or lies behind a gap; the difference tells of
    the cut and not of motion.

    Args:
        pictures: `video`, `segment`, `motion`, sorted by video and tick.
    """
    begins = pictures["segment"].diff().ne(0) | pictures["video"].ne(pictures["video"].shift())
    return pictures["motion"].astype("float64").mask(begins)


def per_minute(pictures: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each minute of each video that has a picture.

    Columns: `video`; `minute`, [60 m, 60 m + 60) s; `ticks`; `lightness`, mean of the pictures'
    means; `sharpness`, median, so that a blurred second does not count for more than it is;
    `motion`, mean, cuts left out.

    Args:
        pictures: as `Tables.pictures`.
    """
    minute = (pictures["time_s"] // SECONDS_PER_MINUTE).astype("int64")
    table = pictures.assign(minute=minute, steady=steady_motion(pictures))
    return (
        table.groupby(["video", "minute"], observed=True)
        .agg(
            ticks=("tick", "size"),
            lightness=("lightness_mean", "mean"),
            sharpness=("sharpness", "median"),
            motion=("steady", "mean"),
        )
        .astype({"lightness": "float64", "sharpness": "float64", "motion": "float64"})
        .reset_index()
    )


def summarise_groups(
    tables: Tables, groups: Mapping[str, str], *, domains: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return a row for each group, in the order in which `groups` names them.

    Columns: `group`; `domain`, what the user says it is, or missing; `videos`, how many;
    `duration_mean_s`, `duration_total_s`, measured from the time stamps; `resolution`, of the
    videos (`1920 x 1080`, or `640 x 480 to 1920 x 1080` by their area); `rate_low_hz`,
    `rate_high_hz`; `frames` of the videos, `pictures` that were kept of them; `sharpness`, median
    over ticks; `motion`, mean over ticks (`steady_motion`); `near_duplicates`, share of pictures
    (`near_duplicates`).

    Sharpness depends on the size of the stored pictures and motion on the kept rate. Where a group
    mixes sizes (by their shorter side) or rates that differ by a tenth or more, the figure would
    tell of the mixture, and is missing.

    Args:
        tables: of all videos.
        groups: video -> group; a video of no group is left out.
        domains: group -> what it shows, such as `walks through cities`.
    """
    duplicates = near_duplicates(tables.pictures)
    motion = steady_motion(tables.pictures)
    of_picture = tables.pictures["video"].astype(str).map(dict(groups))
    of_video = tables.videos["video"].astype(str).map(dict(groups))
    present = set(of_video.dropna())
    rows = []
    for group in [name for name in dict.fromkeys(groups.values()) if name in present]:
        videos, mine = tables.videos[of_video == group], of_picture == group
        short_px = videos[["picture_width", "picture_height"]].min(axis=1)
        rows.append(
            {
                "group": group,
                "domain": (domains or {}).get(group),
                "videos": len(videos),
                "duration_mean_s": videos["duration_s"].mean(),
                "duration_total_s": videos["duration_s"].sum(),
                "resolution": resolution_text(videos),
                "rate_low_hz": videos["rate_hz"].min(),
                "rate_high_hz": videos["rate_hz"].max(),
                "frames": int(videos["frames"].sum()),
                "pictures": int(videos["pictures"].sum()),
                "sharpness": _where(
                    alike(short_px), tables.pictures.loc[mine, "sharpness"].median()
                ),
                "motion": _where(alike(videos["kept_rate_hz"]), motion[mine].mean()),
                "near_duplicates": duplicate_share(duplicates[mine]),
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"group": "string", "domain": "string"})


_COLUMNS = [
    "group",
    "domain",
    "videos",
    "duration_mean_s",
    "duration_total_s",
    "resolution",
    "rate_low_hz",
    "rate_high_hz",
    "frames",
    "pictures",
    "sharpness",
    "motion",
    "near_duplicates",
]


def alike(values: "pd.Series[Any]") -> bool:
    """Return whether the largest is less than a tenth over the smallest."""
    return bool(values.max() < _ALIKE * values.min())


def resolution_text(videos: pd.DataFrame) -> str:
    """Return the sizes of videos for people: one, or the smallest and the largest by area."""
    sizes = sorted(
        {(int(w), int(h)) for w, h in zip(videos["width"], videos["height"], strict=True)},
        key=lambda size: (size[0] * size[1], size),
    )
    texts = [f"{width} x {height}" for width, height in sizes]
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"


def _where(known: bool, value: float) -> float:
    return float(value) if known else float("nan")
