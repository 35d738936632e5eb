"""Tables and figures of shard sets as files, and one HTML page that holds them all."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.figures.style import MAX_PANELS, encode
from analysis.gallery import Exhibit, draw_gallery
from analysis.page import PageFigure, render_page
from analysis.statistics.lightness import LightnessOptions, summarise_lightness
from analysis.statistics.shots import summarise_shots
from analysis.tables import read_tables, to_csv, to_parquet
from wtours import WtoursError
from wtours.shards import ShardSet

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
    """One row a video: the columns of `Tables.videos`, `summarise_lightness`, `summarise_shots`."""


def write_report(
    shards: Sequence[ShardSet],
    out: Path,
    *,
    lightness: LightnessOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write tables, figures and the page of shard sets into a folder.

    Nothing outside `out` is touched, and every file appears whole, the page last. The same shards
    give the same bytes.

    Args:
        shards: sets as `open_shards` returns them.
        out: folder for `index.html`, `tables/` and `figures/`; made if it is not there. Files of
            an earlier report are replaced.
        lightness: window and thresholds; the defaults of `LightnessOptions` if not given.
        progress: called between steps.

    Raises:
        WtoursError: there are no videos, a set is damaged, or `out` cannot be written.
    """
    options = lightness or LightnessOptions()
    tell = progress or (lambda what, done: None)
    number = sum(len(shard_set.videos) for shard_set in shards)
    if number == 0:
        raise WtoursError(
            "there is no video to analyse: no shard set was given, or the sets hold none",
            remedy="make shards with `wtours shard VIDEO`, then name their folder with --shards",
        )
    tell("reading tables", 0.0)
    tables = read_tables(shards)
    of_lightness = summarise_lightness(tables.pictures, tables.videos, options)
    of_shots = summarise_shots(tables.shots, tables.videos)
    # `cuts` of the videos counts rows; those of the shots divide the video. The latter are told.
    of_videos = tables.videos.drop(columns="cuts")
    summary = of_videos.merge(of_lightness, on="video").merge(of_shots, on="video")

    tell("writing tables", 0.1)
    files = {
        "pictures": tables.pictures,
        "shots": tables.shots,
        "videos": summary,
    }
    written = [
        _write_whole(out / "tables" / f"{name}.{ending}", encoded(table))
        for name, table in files.items()
        for ending, encoded in (("parquet", to_parquet), ("csv", to_csv))
    ]
    tell("drawing figures", 0.3)
    figures: list[Path] = []
    shown: list[PageFigure] = []
    for exhibit in draw_gallery(tables, shards, options):
        paths, page_figure = _write_figure(exhibit, out / "figures")
        figures += paths
        shown.append(page_figure)
        tell("drawing figures", 0.3 + 0.6 * len(shown) / (3 * -(-number // MAX_PANELS)))
    page = render_page(
        summary,
        [shard_set.record for shard_set in shards],
        figures=shown,
        files=[path.relative_to(out).as_posix() for path in (*written, *figures)],
        options=options,
    )
    _write_whole(out / PAGE, page.encode())
    tell("done", 1.0)
    return Report(page=out / PAGE, tables=tuple(written), figures=tuple(figures), summary=summary)


def _write_figure(exhibit: Exhibit, folder: Path) -> tuple[list[Path], PageFigure]:
    svg = encode(exhibit.figure, "svg")
    paths = [
        _write_whole(folder / f"{exhibit.name}.png", encode(exhibit.figure, "png")),
        _write_whole(folder / f"{exhibit.name}.svg", svg),
    ]
    # Photographs stand in the page as JPEG, a tenth of what they take as PNG within SVG.
    photographs = exhibit.kind == "pictures"
    page_figure = PageFigure(
        kind=exhibit.kind,
        alternative=exhibit.alternative,
        mime="image/jpeg" if photographs else "image/svg+xml",
        content=encode(exhibit.figure, "jpg") if photographs else svg,
    )
    return paths, page_figure


def _write_whole(path: Path, content: bytes) -> Path:
    """Write a file beside its name and rename it when it is whole.

    Raises:
        WtoursError: the folder cannot be made or written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as fault:
        raise WtoursError(
            f"{path} cannot be written ({fault.strerror})",
            remedy="make room or choose another folder with --out",
        ) from fault
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path
