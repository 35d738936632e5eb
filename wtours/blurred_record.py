"""The files beside a video whose faces were covered: what it was made of, and its boxes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wtours.covering import Covering
from wtours.encoder_pipe import encoder_version
from wtours.errors import WtoursError
from wtours.provenance import tool_versions
from wtours.whole_file import file_sha256, put_in_place, write_whole

RECORD_VERSION = 1


def make_record(
    work: Covering, part: Path, target: Path, *, sha256: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what stands in the record of a video.

    Args:
        work: that made it.
        part: where it lies now.
        target: its final name.
        sha256: of the video that it was made of.
        settings: how it was made.
    """
    video, facts = work.video, work.video.facts
    return {
        "record_version": RECORD_VERSION,
        "name": video.name,
        "source": {
            "file": facts.path.name,
            "sha256": sha256,
            "size_bytes": facts.size_bytes,
            "attribution": video.attribution,
            "provenance": video.provenance,
        },
        "settings": plain(settings),
        "video": {
            "file": target.name,
            "sha256": file_sha256(part),
            "size_bytes": part.stat().st_size,
            "frames": len(work.pts),
            "width": facts.width,
            "height": facts.height,
            "time_base": str(facts.time_base),
        },
        "boxes": len(work.boxes),
        "frames_with_boxes": len({frame for frame, _ in work.boxes}),
        "notes": list(work.notes),
        "tools": tool_versions() | {"ffmpeg": encoder_version()},
    }


def put_all_in_place(part: Path, target: Path, boxes: pa.Table, record: dict[str, Any]) -> None:
    """Give all three files their names, the video last: where it is, the others are too."""
    target.unlink(missing_ok=True)
    table = target.with_suffix(".boxes.parquet")
    table_part = table.with_name(f".{table.name}.part")
    try:
        pq.write_table(boxes, table_part, compression="zstd")
        put_in_place(table_part, table)
    finally:
        table_part.unlink(missing_ok=True)
    write_whole(_record_path(target), json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    put_in_place(part, target)


def _record_path(target: Path) -> Path:
    return target.with_suffix(".blur.json")


def record_of(target: Path) -> dict[str, Any] | None:
    """Return the record of a video, or None where there is none of this version.

    Raises:
        WtoursError: what lies in its place is no JSON.
    """
    try:
        record = json.loads(_record_path(target).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise refused(_record_path(target), "is no JSON") from fault
    known = isinstance(record, dict) and record.get("record_version") == RECORD_VERSION
    return record if known else None


def refused(path: Path, finding: str) -> WtoursError:
    """Return the error for a video that is another one than is asked for."""
    return WtoursError(
        f"{path} exists already and {finding}",
        remedy="give another --out, or --replace to make it anew",
    )


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they come back out of JSON."""
    return dict(json.loads(json.dumps(values)))
