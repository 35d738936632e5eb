"""ATTRIBUTION.md of a folder of fetched videos, written from the records beside them."""

import json
from dataclasses import asdict
from pathlib import Path

from wtours.provenance import read_provenance
from wtours.publishing.credit import Credit, attribution_line, attribution_page, credit_of
from wtours.shard_inputs import VIDEO_SUFFIXES
from wtours.shards.schema import ATTRIBUTION_FILE
from wtours.whole_file import write_whole

__all__ = ["ATTRIBUTION_FILE", "attribution_line", "write_attribution"]

_AS_FETCHED = "none; the picture track as its source gives it"


def write_attribution(folder: Path) -> Path | None:
    """Write `folder/ATTRIBUTION.md` from the records of the videos that were fetched to it.

    It appears whole or not at all, and is the same for the same records.

    Args:
        folder: as `wtours fetch` fills it, with `<name>.json` beside `<name>.<ext>`.

    Returns:
        Its path; None, and nothing is written, where no record says where a video came from.

    Raises:
        WtoursError: a record is damaged or of another version; it is named.
    """
    fetched = {name: credit for name, credit in _credits(folder) if credit is not None}
    if not fetched:
        return None
    page = folder / ATTRIBUTION_FILE
    write_whole(page, attribution_page(fetched, changed=_AS_FETCHED))
    return page


def _credits(folder: Path) -> list[tuple[str, Credit | None]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.is_file() and not path.name.startswith(".") and _is_record(path):
            record = read_provenance(path)
            if record is not None:  # it was there a moment ago
                found.append((path.stem, credit_of(asdict(record))))
    return found


def _is_record(path: Path) -> bool:
    """Whether a JSON file is a record: it stands beside its video, or says so itself.

    Others, such as the truth of a rendered walk, are none of ours.
    """
    if any(path.with_suffix(suffix).is_file() for suffix in VIDEO_SUFFIXES):
        return True
    if "." in path.stem:
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no UTF-8
        return False
    return isinstance(values, dict) and "record_version" in values
