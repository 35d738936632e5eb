"""What fetching would do: sizes, formats, terms and places, asked for without fetching anything."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wtours.errors import WtoursError
from wtours.fetch.landing import Landing, make_folder
from wtours.fetch.offer import Offer
from wtours.fetch.one_video import (
    licence_of,
    recorded_there,
    settled_before,
    statement_faults,
)
from wtours.fetch.settings import FetchSettings
from wtours.fetch.sources import Sources
from wtours.licence import Licence, LicenceError
from wtours.manifest import Manifest, Source, Video, read_manifest
from wtours.provenance import now_utc, source_record
from wtours.whole_file import write_whole

_DEFAULTS = FetchSettings()
METADATA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What fetching one video would do."""

    name: str
    status: Literal["to fetch", "to resume", "already there", "not to be had"]
    target: Path
    """The file that it would become; with an ending of `.*` where only the source knows it."""
    have_bytes: int
    """Of the file that is there, or of a part that would be gone on with."""
    offer: Offer | None
    """Of the first source that answers and may be used."""
    licence: Licence | None
    faults: tuple[str, ...]
    """Why each source before that one, or every one, would not do."""
    notes: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int | None:
        """Of the whole file; None where nobody said."""
        if self.status == "already there":
            return self.have_bytes
        return None if self.offer is None else self.offer.size_bytes

    @property
    def missing_bytes(self) -> int:
        """What is still to come, as far as sizes are known."""
        return max(0, (self.size_bytes or 0) - self.have_bytes)


def plan_fetch(
    names: Iterable[str],
    *,
    manifest: Manifest | Path,
    out: Path,
    settings: FetchSettings = _DEFAULTS,
    asking: Callable[[str], None] | None = None,
) -> list[Planned]:
    """Ask the sources of videos what `fetch_videos` would find; nothing is written.

    Args:
        names: which videos; all of the manifest where none is named.
        manifest: it, or its path.
        out: where the videos would go.
        settings: as for `fetch_videos`; each question is tried twice at most.
        asking: told whose turn it is.

    Raises:
        WtoursError: a name or the manifest is wrong. Sources that fail stand in `faults`.
    """
    listed = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    videos = listed.select(names)
    sources = Sources(replace(settings, retries=min(1, settings.retries)))
    missing = [video for video in videos if not _landing(video, out).finals()]
    sources.settle(missing, there=settled_before(videos, out), asking=asking)
    plans = []
    for video in videos:
        if asking is not None:
            asking(video.name)
        plans.append(_plan(video, _landing(video, out), sources))
    return plans


def write_metadata(plan: Planned, video: Video, out: Path) -> Path:
    """Write what a source says of a video to `<name>.metadata.json`; return its path."""
    assert plan.offer is not None, "only what was offered can be written down"
    values: dict[str, Any] = {
        "metadata_version": METADATA_VERSION,
        "name": video.name,
        "city": video.city,
        "source": source_record(plan.offer.source),
        "asked_utc": now_utc(),
        "licence": None if plan.licence is None else asdict(plan.licence),
        "stated": {k: v for k, v in asdict(video.stated).items() if v is not None},
        "platform": plan.offer.said,
        "size_bytes": plan.offer.size_bytes,
        "faults": list(plan.faults),
        "notes": list(plan.notes),
    }
    make_folder(out)
    path = out / f"{video.name}.metadata.json"
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    return path


def format_text(offer: Offer | None) -> str:
    """Return a format in a few words: `3840x2160, 60 fps, vp9, format 315`."""
    if offer is None:
        return ""
    said = offer.said.get("format", {})
    size = f"{said['width']}x{said['height']}" if said.get("width") and said.get("height") else ""
    parts = (
        size,
        f"{said['fps']:g} fps" if said.get("fps") else "",
        str(said.get("vcodec") or offer.extension or ""),
        f"format {said['format_id']}" if said.get("format_id") else "",
    )
    return ", ".join(part for part in parts if part)


def _landing(video: Video, out: Path) -> Landing:
    return Landing(folder=out, name=video.name)


def _plan(video: Video, landing: Landing, sources: Sources) -> Planned:
    try:
        there = recorded_there(video, landing)
    except WtoursError as error:
        return _not_to_be_had(video, landing, [str(error)])
    if there is not None:
        path, _ = there
        return Planned(
            name=video.name,
            status="already there",
            target=path,
            have_bytes=path.stat().st_size,
            offer=None,
            licence=None,
            faults=(),
        )
    faults: list[str] = []
    for source in _sources_of(video, sources, faults):
        try:
            offer = sources.ask(source, video)
            licence = licence_of(video, offer, sources.settings)
        except LicenceError as error:
            return _not_to_be_had(video, landing, [*faults, str(error)])
        except WtoursError as error:
            faults.append(str(error))
            continue
        differences = statement_faults(video, offer, sources.settings)
        if differences and not sources.settings.force:
            faults.append(f"{source.origin}: {'; '.join(differences)}; --force takes it as it is")
            continue
        return _possible(video, landing, offer, licence, faults, differences)
    return _not_to_be_had(video, landing, faults)


def _not_to_be_had(video: Video, landing: Landing, faults: list[str]) -> Planned:
    return Planned(
        name=video.name,
        status="not to be had",
        target=landing.final("*"),
        have_bytes=0,
        offer=None,
        licence=None,
        faults=tuple(faults),
    )


def _sources_of(video: Video, sources: Sources, faults: list[str]) -> tuple[Source, ...]:
    try:
        return sources.of(video)
    except WtoursError as error:
        faults.append(str(error))
        return ()


def _possible(
    video: Video,
    landing: Landing,
    offer: Offer,
    licence: Licence,
    faults: list[str],
    differences: list[str],
) -> Planned:
    extension = offer.extension or "*"
    have_bytes = 0 if offer.part_of is None else landing.part_bytes(extension, offer.part_of)
    return Planned(
        name=video.name,
        status="to resume" if have_bytes else "to fetch",
        target=landing.final(extension),
        have_bytes=have_bytes,
        offer=offer,
        licence=licence,
        faults=tuple(faults),
        notes=(*offer.notes, *(f"forced, although {one}" for one in differences)),
    )
