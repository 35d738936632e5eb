"""Where a video came from and what it was measured to be: `<name>.json` beside `<name>.<ext>`.

Four voices are kept apart: what the manifest states, what the platform said when the video was
fetched, what was measured in the file, and which tools did it.
"""

import json
import platform
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from wtours.errors import WtoursError
from wtours.integrity import Verification, VideoFacts
from wtours.licence import Licence
from wtours.manifest import Source, Stated, Video
from wtours.whole_file import write_whole

RECORD_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The record of one fetched video, as its JSON file holds it."""

    record_version: int
    name: str
    city: str | None
    source: dict[str, Any] | None
    """kind, url, and id where the source has one; None: `wtours verify` found the file as it is."""
    fetched_utc: str | None
    """ISO 8601, to the second; None where it was not fetched."""
    licence: dict[str, Any]
    """The fields of `wtours.licence.Licence`: seen, stated, accepted, and by whom."""
    stated: dict[str, Any]
    """What the manifest states, absent keys left out."""
    asked: dict[str, Any]
    """resolution, fps and codec that were asked for, where the source has several formats."""
    platform: dict[str, Any]
    """What the source itself said: title, channel, upload_date, format, ... or ETag; or nothing."""
    file: dict[str, Any]
    """name, size_bytes, sha256."""
    measured: dict[str, Any]
    """duration_s, frames, rate (a fraction as text), width, height, codec, notes, ..."""
    verification: dict[str, Any]
    """Of the last check: checked_utc, forced, faults, notes, stretches, keyframes, checks."""
    tools: dict[str, str]
    """Versions of what fetched and measured."""

    @property
    def faults(self) -> list[str]:
        """What the last check found that forbids its use, a sentence each."""
        return list(self.verification.get("faults", []))

    @property
    def notes(self) -> list[str]:
        """What the last check only noted, a sentence each."""
        return list(self.verification.get("notes", []))

    @property
    def forced(self) -> bool:
        """Whether its faults were accepted when it was fetched."""
        return bool(self.verification.get("forced"))


def make_provenance(
    video: Video,
    source: Source,
    *,
    licence: Licence,
    asked: dict[str, Any],
    platform_said: dict[str, Any],
    verification: Verification,
    file_name: str,
    forced: bool,
) -> Provenance:
    """Put together the record of a video that has been fetched and checked just now.

    Args:
        video: its entry in the manifest.
        source: the one that it came from.
        licence: as seen, as stated, as accepted.
        asked: resolution, fps and codec, where there was a choice.
        platform_said: what the source said of it.
        verification: of the file, which can be read.
        file_name: its final name.
        forced: whether it is kept although the check found faults.
    """
    stated = {key: value for key, value in asdict(video.stated).items() if value is not None}
    return Provenance(
        record_version=RECORD_VERSION,
        name=video.name,
        city=video.city,
        source=source_record(source),
        fetched_utc=now_utc(),
        licence=asdict(licence),
        stated=stated,
        asked=asked,
        platform=platform_said,
        file=_file(verification, file_name),
        measured=_measured(verification),
        verification=verification.record(forced=forced),
        tools=tool_versions(),
    )


def found_provenance(video: Path, verification: Verification) -> Provenance:
    """Return a first record of a video that was not fetched: its hash, and what it was found to be.

    Nothing is known of its source and its terms; later checks compare with this hash.
    """
    unknown = Licence(seen=None, shown_by_platform=False, stated=None, stated_by=None)
    return Provenance(
        record_version=RECORD_VERSION,
        name=video.stem,
        city=None,
        source=None,
        fetched_utc=None,
        licence=asdict(unknown),
        stated={},
        asked={},
        platform={},
        file=_file(verification, video.name),
        measured=_measured(verification),
        verification=verification.record(forced=False),
        tools=tool_versions(),
    )


def now_utc() -> str:
    """Return the time as records hold it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _file(verification: Verification, name: str) -> dict[str, Any]:
    return {"name": name, "size_bytes": verification.size_bytes, "sha256": verification.sha256}


def _measured(verification: Verification) -> dict[str, Any]:
    return {} if verification.facts is None else measured(verification.facts)


def source_record(source: Source) -> dict[str, Any]:
    """Return what a record says of a source; of a local file its name alone: records travel."""
    url = source.path.name if source.path is not None else source.origin
    return {"kind": source.kind, "url": url} | ({"id": source.id} if source.id else {})


def measured(facts: VideoFacts) -> dict[str, Any]:
    """Return the facts of a video in JSON's types; fractions become text such as "30000/1001"."""
    return {
        "duration_s": facts.duration_s,
        "container_duration_s": facts.container_duration_s,
        "frames": facts.packets,
        "rate": str(facts.average_rate),
        "variable_rate": facts.variable_rate,
        "width": facts.width,
        "height": facts.height,
        "rotation_deg": facts.rotation_deg,
        "codec": facts.codec,
        "container": facts.container,
        "time_base": str(facts.time_base),
        "notes": list(facts.notes),
    }


def tool_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that fetch and measure."""
    versions = {"python": platform.python_version()}
    for package in ("wtours", "av", "yt-dlp"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a copy of the sources that was not installed
            versions[package] = "not installed"
    libraries = getattr(av, "library_versions", {})
    versions["libavformat"] = ".".join(map(str, libraries.get("libavformat", ())))
    return versions


def provenance_path(video: str | Path) -> Path:
    """Return where the record of a video file stands: the same name, ending in .json."""
    return Path(video).with_suffix(".json")


def write_provenance(record: Provenance, path: Path) -> None:
    """Write a record so that it appears whole or not at all."""
    write_whole(path, json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n")


def read_provenance(video: str | Path) -> Provenance | None:
    """Return the record beside a video file, or None where there is none.

    Raises:
        WtoursError: there is one, but it is damaged or of another version.
    """
    path = provenance_path(video)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _damaged(path, f"it is not JSON ({error})") from error
    if not isinstance(values, dict) or values.get("record_version") != RECORD_VERSION:
        raise _damaged(path, f"it is no record of version {RECORD_VERSION}")
    names = {field.name for field in fields(Provenance)}
    if set(values) != names:
        raise _damaged(path, f"keys missing or unknown: {', '.join(sorted(set(values) ^ names))}")
    if fault := _ill_formed(values):
        raise _damaged(path, fault)
    return Provenance(**values)


def own_record(video: str | Path) -> Provenance | None:
    """Return the record beside a video, or None where there is none; never that of another file.

    Raises:
        WtoursError: it is the record of another video that lies beside this one, the file itself
            is a record, or it is damaged.
    """
    video = Path(video)
    path = provenance_path(video)
    if path == video:
        raise WtoursError(
            f"{video} has the name of a record, not of a video", remedy="name the video beside it"
        )
    record = read_provenance(video)
    owner = video if record is None else video.with_name(str(record.file["name"]))
    if owner != video and owner.exists():
        raise WtoursError(
            f"{path} is the record of {owner.name}, and {video.name} would need one of that name",
            remedy=f"rename {video.name}, or move it to another folder",
        )
    return record


def _ill_formed(values: dict[str, Any]) -> str:
    """Say which part of a record that was edited by hand is not as it is written here, or ''."""
    tables = ("licence", "stated", "asked", "platform", "file", "measured", "verification", "tools")
    for key in tables:
        if not isinstance(values[key], dict):
            return f"{key} is no object"
    if values["source"] is not None and not isinstance(values["source"], dict):
        return "source is no object"
    if unknown := set(values["stated"]) - set(Stated.__dataclass_fields__):
        return f"unknown keys in stated: {', '.join(sorted(unknown))}"
    if missing := {"name", "sha256"} - set(values["file"]):
        return f"keys missing in file: {', '.join(sorted(missing))}"
    return ""


def _damaged(path: Path, fault: str) -> WtoursError:
    return WtoursError(
        f"{path} is not a usable record of a fetched video: {fault}",
        remedy="move the video and this file away and fetch it again",
    )
