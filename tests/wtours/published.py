"""Shard sets and records of fetched videos as they would be published, without any video."""

import json
from pathlib import Path
from typing import Any

from tests.shard_making import make_shard_set
from wtours.provenance import RECORD_VERSION
from wtours.publishing.credit import attribution_line

YOUTUBES = "Creative Commons Attribution license (reuse allowed)"
SEEN = {
    "seen": YOUTUBES,
    "shown_by_platform": True,
    "stated": "CC-BY",
    "stated_by": "the paper",
    "accepted": None,
}
STATED = SEEN | {"seen": None, "shown_by_platform": False, "stated": "CC BY 4.0"}
BLUR = {"detector": "centerface", "threshold": 0.2, "style": "blur", "margin": 1.3}


def record_of(name: str, **changed: Any) -> dict[str, Any]:
    """Return the record of a video from YouTube, with some of its keys changed."""
    return {
        "record_version": RECORD_VERSION,
        "name": name,
        "city": name.title(),
        "source": {
            "kind": "youtube",
            "url": f"https://www.youtube.com/watch?v=-{name:_<10.10}",
            "id": f"-{name:_<10.10}",
        },
        "fetched_utc": "2026-11-02T10:20:30Z",
        "licence": SEEN,
        "stated": {"licence": "CC-BY"},
        "asked": {"resolution": 2160, "fps": 60, "codec": "auto"},
        "platform": {
            "title": f"A walk in {name.title()} [4K]",
            "channel": "Walks & Ways",
            "channel_url": "https://www.youtube.com/channel/UC0123456789",
            "upload_date": "20180321",
        },
        "file": {"name": f"{name}.webm", "size_bytes": 5, "sha256": "ab" * 32},
        "measured": {},
        "verification": {},
        "tools": {},
    } | changed


def write_record(folder: Path, name: str, **changed: Any) -> Path:
    """Write a record where `wtours fetch` would."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record_of(name, **changed)), encoding="utf-8")
    return path


def make_published_set(
    folder: Path, *, record: dict[str, Any] | None, blur: bool = True, seed: int = 0
) -> Path:
    """Write a shard set of 38 ticks, one cut and one hole whose record says where it comes from."""
    make_shard_set(folder, frames=40, cut_frames=(11,), absent_frames=(20, 21), seed=seed)
    path = folder / "dataset.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    cuts = {"detector": "content", "threshold": 27.0}
    values["settings"] |= {"cuts": cuts, "blur": BLUR if blur else None}
    values["videos"][0] |= {"provenance": record, "attribution": attribution_line(record)}
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder
