"""Where a video came from goes into its set, with a page to publish."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wtours.walk_in_venice import PLAIN
from wtours.errors import WtoursError
from wtours.provenance import RECORD_VERSION
from wtours.shard import shard_videos, verify_shards
from wtours.shards import open_shards
from wtours.whole_file import file_sha256


def provenance(name: str, sha256: str) -> dict[str, Any]:
    return {
        "record_version": RECORD_VERSION,
        "name": name,
        "city": "Venice",
        "source": {"kind": "http", "url": "https://example.org/walk.mp4"},
        "fetched_utc": "2025-01-01T00:00:00Z",
        "licence": {
            "seen": None,
            "shown_by_platform": False,
            "stated": "CC-BY-4.0",
            "stated_by": "the manifest",
            "accepted": None,
        },
        "stated": {},
        "asked": {},
        "platform": {"title": "A walk", "channel": "Walks"},
        "file": {"name": f"{name}.mp4", "size_bytes": 1, "sha256": sha256},
        "measured": {},
        "verification": {},
        "tools": {},
    }


def test_provenance_goes_into_the_record_with_a_line_to_publish(
    video: Path, tmp_path: Path
) -> None:
    sha256 = file_sha256(video)
    beside = video.with_suffix(".json")
    beside.write_text(json.dumps(provenance("walk", sha256)))
    shard_videos([video], out=tmp_path / "shards", settings=PLAIN)
    (shard_set,) = open_shards(tmp_path / "shards")
    record = shard_set.videos[0]
    assert record.provenance is not None
    assert record.provenance["city"] == "Venice"
    assert record.attribution == (
        '"A walk" by Walks, https://example.org/walk.mp4, licence: CC-BY-4.0 (as stated by the '
        "manifest), https://creativecommons.org/licenses/by/4.0/; changed: single pictures, scaled."
    )
    page = (shard_set.folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "- Title: A walk\n- Creator: Walks\n" in page
    assert "2 pictures a second kept" in page
    assert "faces left as they are" in page
    beside.write_text(json.dumps(provenance("walk", "0" * 64)))
    with pytest.raises(WtoursError, match="altered since it was fetched"):
        shard_videos([video], out=tmp_path / "others", settings=PLAIN)


def test_the_page_of_attribution_is_part_of_a_whole_set(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    page = out / "walk_in_venice" / "ATTRIBUTION.md"
    assert "not recorded" in page.read_text(encoding="utf-8")
    page.write_text("by nobody")
    (fault,) = verify_shards([out])
    assert str(page) in fault
    page.unlink()
    assert verify_shards([out]) == [f"{page} is missing"]


def test_a_set_from_before_there_was_a_page_of_attribution_is_whole(
    video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    shard_videos([video], out=out, settings=PLAIN)
    (out / "walk_in_venice" / "ATTRIBUTION.md").unlink()
    record = out / "walk_in_venice" / "dataset.json"
    values = json.loads(record.read_text())
    del values["documents"]
    record.write_text(json.dumps(values))
    assert verify_shards([out]) == []
    assert open_shards(out)[0].table().num_rows == 7
