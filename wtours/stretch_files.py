"""What is left of a finished stretch until its set is whole: a record beside its tar.

The tar is on the disk before its record appears, whole or not at all; a stretch without a record is
done anew.
"""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtours.frame_pass import StretchRecord
from wtours.shards import Box, Lightness, Picture, Stored
from wtours.shards.schema import TarRecord
from wtours.whole_file import put_in_place, write_durably


@dataclass(frozen=True, kw_only=True)
class FinishedStretch:
    """A stretch whose tar is whole."""

    record: StretchRecord
    tar: TarRecord | None
    """None where no picture of it was kept."""


def stretch_path(folder: Path, number: int) -> Path:
    """Return where the record of a stretch stands."""
    return folder / f"stretch-{number:06d}.npz"


def save_stretch(finished: FinishedStretch, folder: Path, number: int) -> None:
    """Write a record; its tar is on the disk already."""
    record, arrays = finished.record, dict[str, Any]()
    arrays |= {"pts": record.pts, "motion": record.motion}
    for name, value in (
        ("scores", record.scores),
        ("small", record.small),
        ("thumbnails", record.thumbnails),
    ):
        if value is not None:
            arrays[name] = np.stack(value) if isinstance(value, tuple) else value
    texts = {
        "stored": [_stored_to_json(stored) for stored in record.stored],
        "notes": list(record.notes),
        "tar": None if finished.tar is None else asdict(finished.tar),
    }
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path = stretch_path(folder, number)
    part = path.with_suffix(".part")
    write_durably(part, stream.getvalue())
    put_in_place(part, path)


def load_stretch(folder: Path, number: int) -> FinishedStretch:
    """Read the record of a finished stretch."""
    with np.load(stretch_path(folder, number), allow_pickle=False) as arrays:
        texts = json.loads(arrays["texts"].tobytes())
        record = StretchRecord(
            pts=arrays["pts"],
            scores=arrays.get("scores"),
            small=(arrays["small"][0], arrays["small"][1]) if "small" in arrays else None,
            stored=[_stored_from_json(values) for values in texts["stored"]],
            motion=arrays["motion"],
            thumbnails=(arrays["thumbnails"][0], arrays["thumbnails"][1])
            if "thumbnails" in arrays
            else None,
            notes=tuple(texts["notes"]),
        )
    tar = None if texts["tar"] is None else TarRecord(**texts["tar"])
    return FinishedStretch(record=record, tar=tar)


def _stored_to_json(stored: Stored) -> dict[str, Any]:
    values = asdict(stored)
    del values["picture"]["jpeg"]  # it is in the tar
    return values


def _stored_from_json(values: dict[str, Any]) -> Stored:
    picture = values.pop("picture")
    return Stored(
        picture=Picture(
            **picture
            | {
                "jpeg": b"",
                "lightness": Lightness(**picture["lightness"]),
                "boxes": tuple(Box(**box) for box in picture["boxes"]),
            }
        ),
        **values,
    )
