"""What is left of a finished portion until its set is whole: a record beside its tar.

The tar is on the disk before its record appears, whole or not at all; a portion without a record is
done anew.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtours.frame_pass import StretchRecord
from wtours.shards import Box, Lightness, Picture, Stored
from wtours.shards.schema import LeftOut, TarRecord
from wtours.whole_file import put_in_place, write_durably


@dataclass(frozen=True, kw_only=True)
class FinishedPortion:
    """A portion whose tar is whole."""

    records: tuple[StretchRecord | LeftOut, ...]
    """Of its stretches, in order."""
    tar: TarRecord | None
    """None where no picture was kept."""
    from_unblurred: bool = False
    """Whether it was made of frames that were kept, without decoding."""
    damage: str = ""
    """Why frames that were kept could not be used; empty where they could, or were not there."""


def portion_path(folder: Path, number: int) -> Path:
    """Return where the record of a portion stands."""
    return folder / f"portion-{number:06d}.npz"


def save_portion(finished: FinishedPortion, folder: Path, number: int) -> None:
    """Write a record; its tar is on the disk already."""
    arrays: dict[str, Any] = {}
    stretches: list[dict[str, Any]] = []
    for position, record in enumerate(finished.records):
        if isinstance(record, LeftOut):
            stretches.append({"left_out": asdict(record)})
            continue
        stretches.append(
            {
                "stored": [_stored_to_json(stored) for stored in record.stored],
                "notes": list(record.notes),
            }
        )
        for name, value in _arrays(record).items():
            if value is not None:
                arrays[f"{position}.{name}"] = (
                    np.stack(value) if isinstance(value, tuple) else value
                )
    texts = {
        "stretches": stretches,
        "tar": None if finished.tar is None else asdict(finished.tar),
        "from_unblurred": finished.from_unblurred,
        "damage": finished.damage,
    }
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path = portion_path(folder, number)
    part = path.with_suffix(".part")
    write_durably(part, stream.getvalue())
    put_in_place(part, path)


def load_portion(folder: Path, number: int) -> FinishedPortion:
    """Read the record of a finished portion."""
    with np.load(portion_path(folder, number), allow_pickle=False) as arrays:
        texts = json.loads(arrays["texts"].tobytes())
        records = tuple(
            LeftOut(**stored["left_out"])
            if "left_out" in stored
            else _record(
                stored,
                {name: arrays.get(f"{position}.{name}") for name in _ARRAYS},
            )
            for position, stored in enumerate(texts["stretches"])
        )
    tar = None if texts["tar"] is None else TarRecord(**texts["tar"])
    return FinishedPortion(
        records=records,
        tar=tar,
        from_unblurred=texts["from_unblurred"],
        damage=texts["damage"],
    )


_ARRAYS = ("pts", "motion", "scores", "small", "thumbnails", "starts")
"""Fields of a record that are arrays, or pairs of equal ones."""


def _arrays(record: StretchRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _ARRAYS}


def _record(texts: Mapping[str, Any], arrays: Mapping[str, Any]) -> StretchRecord:
    small, thumbnails = arrays["small"], arrays["thumbnails"]
    return StretchRecord(
        pts=arrays["pts"],
        scores=arrays["scores"],
        small=None if small is None else (small[0], small[1]),
        stored=[_stored_from_json(values) for values in texts["stored"]],
        motion=arrays["motion"],
        thumbnails=None if thumbnails is None else (thumbnails[0], thumbnails[1]),
        notes=tuple(texts["notes"]),
        starts=arrays["starts"],
    )


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
