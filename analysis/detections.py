"""The table of detections: what a detector finds in shard sets, kept so that it never looks twice.

A row a box from the detector's own low threshold on, so that statistics at any higher threshold
need no detector. Beside it stands what was looked at: a moment without a box counts as 0 objects,
one that nobody looked at does not count.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.detection_files import DETECTOR_FILE, DetectionFiles, UnitDetections, digest_of
from analysis.detection_run import Progress, run_detector
from analysis.detection_units import Unit, units_of
from analysis.detection_videos import units_of_videos
from analysis.detectors.detector import ObjectDetector
from analysis.detectors.title import title_of
from analysis.source_videos import Sources
from wtours import WtoursError
from wtours.shards import ShardSet

FOLDER = "detections"

DETECTION_COLUMNS: Mapping[str, str] = {
    "video": "category",
    "tick": "int64",
    "time_s": "float64",
    "class_id": "int32",
    "name": "category",
    "score": "float32",
    "x0": "float32",
    "y0": "float32",
    "x1": "float32",
    "y1": "float32",
}
"""One row a box, in pixels of the picture that was looked at, whose size is in the record; sorted
by video, tick, and score from the surest on."""

LOOKED_COLUMNS: Mapping[str, str] = {"video": "category", "tick": "int64", "time_s": "float64"}
"""One row a tick that was looked at, sorted by video and tick."""


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What was found, and in what."""

    detections: pd.DataFrame
    """DETECTION_COLUMNS; `name` has the names that occur, in the order of their classes."""
    looked: pd.DataFrame
    """LOOKED_COLUMNS"""
    record: Mapping[str, Any]
    """`detector`, `weights_sha256` and `settings` of the detector, `title` for people, `classes`
    that it knows, `digest`, `source` of the pictures ("shards" or "videos"), `picture_px` (width,
    height) of each video's."""


def find_objects(
    shards: Sequence[ShardSet],
    detector: ObjectDetector,
    folder: Path,
    *,
    progress: Progress | None = None,
    batch: int = 8,
) -> Objects:
    """Find the objects in every picture of shard sets, going on where an earlier run stopped.

    Under torchrun, or when several processes are given one folder, they divide the tars among
    themselves; each returns when all is done.

    Args:
        shards: sets as `open_shards` returns them.
        detector: what looks.
        folder: what is found in each tar is kept in its `detections/`.
        progress: told of the speed in pictures a second after each batch.
        batch: pictures at a time.

    Raises:
        WtoursError: there are no pictures, one is damaged, or the folder cannot be written.
    """
    return look_at(
        units_of(shards),
        detector,
        folder,
        progress=progress,
        batch=batch,
        source=_source_of(shards),
    )


def find_objects_in_videos(
    shards: Sequence[ShardSet],
    detector: ObjectDetector,
    folder: Path,
    *,
    sources: Sources,
    progress: Progress | None = None,
    batch: int = 8,
) -> Objects:
    """Find the objects that `find_objects` finds, in the videos themselves: in their full size.

    What is looked at are the very frames of the sets' pictures, so that ticks are the same and
    tables join. A stretch of the frame pass, whose pictures share a tar, is finished and kept as a
    whole. A video is sought, and checked, only where not all of its stretches are kept.

    Args:
        shards: sets as `open_shards` returns them.
        detector: what looks.
        folder: what is found in each stretch is kept in its `detections/`.
        sources: finds the videos (`wtours.SourceVideos`).
        progress: told of the speed in pictures a second after each batch.
        batch: pictures at a time; fewer where they are large (`detection_streams`).

    Raises:
        WtoursError: there are no pictures, a video is missing, another one or damaged, or the
            folder cannot be written.
    """
    units = units_of_videos(shards, sources)
    files = DetectionFiles(
        folder / FOLDER,
        digest_of(detector.describe(), detector.names),
        classes=len(detector.names),
    )
    lost = [u.video for u in units if files.read(u.key, pictures=u.pictures) is None]
    sources.find(list(dict.fromkeys(lost)))
    size = {v.name: (v.width, v.height) for each in shards for v in each.videos}
    source = {"source": "videos", "picture_px": size}
    return look_at(units, detector, folder, source=source, progress=progress, batch=batch)


def kept_objects(shards: Sequence[ShardSet], folder: Path) -> tuple[Objects, ...]:
    """Return what detectors found in all of these sets before; one for each detector.

    Args:
        shards: sets as `open_shards` returns them.
        folder: as it was given to `find_objects`.

    Raises:
        ShardError: a set is damaged.
    """
    units, found = units_of(shards), []
    for path in sorted((folder / FOLDER).glob(f"*/{DETECTOR_FILE}")):
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            description, names = stored["detector"], stored["names"]
            digest = digest_of(description, names)
        except (ValueError, KeyError, TypeError):
            continue  # damaged: a run with that detector writes it anew
        files = DetectionFiles(folder / FOLDER, digest, classes=len(names))
        kept = [files.read(unit.key, pictures=unit.pictures) for unit in units]
        whole = [one for one in kept if one is not None]
        if units and path.parent.name == digest and len(whole) == len(units):
            record = _record_of(description, names) | _source_of(shards)
            found.append(join(units, whole, names, record=record))
    return tuple(found)


def look_at(
    units: Sequence[Unit],
    detector: ObjectDetector,
    folder: Path,
    *,
    source: Mapping[str, Any],
    progress: Progress | None = None,
    batch: int = 8,
) -> Objects:
    """Find the objects in pictures of any source, as `find_objects` does in those of shards.

    Args:
        units: what to look at.
        detector: what looks.
        folder: what is found in each unit is kept in its `detections/`.
        source: what the record says of the pictures; `picture_px` in the order of the videos.
        progress: told of the speed in pictures a second after each batch.
        batch: pictures at a time.

    Raises:
        WtoursError: as `find_objects`.
    """
    if not units:
        raise WtoursError(
            "there is no picture to look at: no shard set was given, or the sets hold none",
            remedy="make shards with `wtours shard VIDEO`, then name their folder",
        )
    if batch < 1:
        raise WtoursError(f"batch is {batch}", remedy="give 1 or more pictures at a time")
    description, names = detector.describe(), detector.names
    digest = digest_of(description, names)
    files = DetectionFiles(folder / FOLDER, digest, classes=len(names))
    files.write_detector(description, names)
    found = run_detector(units, detector, files, progress=progress, batch=batch)
    record = _record_of(description, names) | dict(source)
    return join(units, found, names, record=record)


def _record_of(description: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return what `Objects.record` says of the detector."""
    return {
        **description,
        "title": title_of(description),
        "classes": len(names),
        "digest": digest_of(description, names),
    }


def join(
    units: Sequence[Unit],
    found: Sequence[UnitDetections],
    names: Sequence[str],
    *,
    record: Mapping[str, Any],
) -> Objects:
    """Return the tables of what was found in units; ticks that share a picture share its boxes.

    Raises:
        WtoursError: two classes that were found have one name.
    """
    looked = pd.concat(
        [
            unit.ticks.assign(video=unit.ticks["video"].astype(str), unit=number)
            for number, unit in enumerate(units)
        ],
        ignore_index=True,
    )
    boxes = pd.concat(
        [
            pd.DataFrame(
                {
                    "unit": number,
                    "picture": one.picture,
                    "class_id": one.class_id,
                    "score": one.score,
                    **{name: one.boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
                }
            )
            for number, one in enumerate(found)
        ],
        ignore_index=True,
    )
    videos = list(record["picture_px"])
    looked["video"] = pd.Categorical(looked["video"], categories=videos)
    looked = looked.sort_values(["video", "tick"], kind="stable", ignore_index=True)
    detections = looked.merge(boxes, on=["unit", "picture"], how="inner", sort=False)
    detections = detections.sort_values(
        ["video", "tick", "score"], ascending=[True, True, False], kind="stable", ignore_index=True
    )
    classes = detections["class_id"].to_numpy(dtype=np.int64)
    present = _names_of(np.unique(classes).tolist(), names)
    detections["name"] = pd.Categorical([names[number] for number in classes], categories=present)
    return Objects(
        detections=_typed(detections, DETECTION_COLUMNS),
        looked=_typed(looked, LOOKED_COLUMNS),
        record=dict(record),
    )


def _names_of(classes: Sequence[int], names: Sequence[str]) -> list[str]:
    """Return the names of classes, each of which has one of its own."""
    owners: dict[str, int] = {}
    for number in classes:
        if names[number] in owners:
            raise WtoursError(
                f"classes {owners[names[number]]} and {number} were both found, and both are "
                f"called {names[number]!r}, so that they cannot be counted apart",
                remedy="give each class its own name in the file of --names",
            )
        owners[names[number]] = number
    return list(owners)


def _source_of(shards: Sequence[ShardSet]) -> dict[str, Any]:
    return {
        "source": "shards",
        "picture_px": {
            video.name: (video.picture_width, video.picture_height)
            for shard_set in shards
            for video in shard_set.videos
        },
    }


def _typed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Give a table exactly these columns and types; categories stay as they are."""
    types = {name: kind for name, kind in columns.items() if kind != "category"}
    return table[list(columns)].astype(types)
