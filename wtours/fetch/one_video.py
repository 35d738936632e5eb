"""One video, from whichever of its sources: licence, bytes, check, record and final name.

The order on the disk is: partial file, whole and checked; record `<name>.json`; final name. Killed
at any moment, the next run finds a part to go on with or a finished video, and never a half one.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wtours.errors import WtoursError
from wtours.fetch.formats import CODECS
from wtours.fetch.landing import Arrival, DiskFullError, Landing
from wtours.fetch.offer import Offer
from wtours.fetch.report import Fetched
from wtours.fetch.settings import Codec, FetchProgress, FetchSettings, StepProgress
from wtours.fetch.sources import Sources
from wtours.integrity import Expected, Verification, compare_said, verify_video
from wtours.licence import Licence, LicenceError, require_usable
from wtours.manifest import Source, Video
from wtours.provenance import (
    Provenance,
    make_provenance,
    read_provenance,
    source_record,
    write_provenance,
)
from wtours.whole_file import file_sha256, put_in_place


def fetch_video(
    video: Video, *, out: Path, sources: Sources, progress: FetchProgress | None = None
) -> Fetched:
    """Bring one video into the existing folder `out`, trying its sources in order.

    Raises:
        WtoursError: no source has it, its licence is none that may be used, what came is not what
            it should be, or another run fetches it.
    """
    landing = Landing(folder=out, name=video.name)
    with landing.held():
        there = already_there(video, landing, progress)
        if there is not None:
            landing.clear()
            return there
        failures: list[WtoursError] = []
        for source in sources.of(video):
            try:
                fetched = _fetch_from(source, video, landing, sources=sources, progress=progress)
            except DiskFullError:
                raise
            except LicenceError as error:
                failures.append(error)
                break  # a copy elsewhere does not change what its platform shows
            except WtoursError as error:
                failures.append(error)
            else:
                passed_over = tuple(f"passed over: {failure}" for failure in failures)
                return replace(fetched, notes=(*passed_over, *fetched.notes))
        raise _failure(video, failures)


def _fetch_from(
    source: Source,
    video: Video,
    landing: Landing,
    *,
    sources: Sources,
    progress: FetchProgress | None,
) -> Fetched:
    settings = sources.settings
    _step(progress, video.name, "asking")(0, None)
    offer = sources.ask(source, video, remotely=False)
    licence = licence_of(video, offer, settings)
    require_as_stated(video, offer, settings)
    step = "rendering" if source.kind == "rendered" else "fetching"
    arrival = sources.bring(offer, landing, progress=_step(progress, video.name, step))
    path = landing.final(arrival.extension)
    verification = verify_video(
        arrival.part,
        expected(video, offer, settings, said=arrival.said),
        shown_as=path.name,
        progress=_step(progress, video.name, "verifying"),
    )
    _require_good(source, landing, arrival, verification, force=settings.force)
    record = make_provenance(
        video,
        source,
        licence=licence,
        asked=_asked(offer, settings) | _settled(offer, sources),
        platform_said=arrival.said,
        verification=verification,
        file_name=path.name,
        forced=bool(verification.faults),
    )
    _put_down(landing, arrival, record)
    return Fetched(
        name=video.name,
        path=path,
        record_path=landing.record,
        record=record,
        status="fetched",
        notes=(*offer.notes, *_forced_notes(record), *verification.notes),
    )


def licence_of(video: Video, offer: Offer, settings: FetchSettings) -> Licence:
    """Return the licence of what is offered; raise WtoursError where it must not be used."""
    licence = Licence(
        seen=offer.licence,
        shown_by_platform=offer.shows_licence,
        stated=video.stated.licence,
        stated_by=video.stated.licence_source,
    )
    if offer.source.kind == "rendered":  # this package's own work
        return licence
    return require_usable(licence, settings.accept_licences, video=video.name)


def require_as_stated(video: Video, offer: Offer, settings: FetchSettings) -> None:
    """Refuse what the platform itself describes as another video, before it is downloaded.

    Raises:
        WtoursError: length, rate or size are not those that the manifest states.
    """
    faults = statement_faults(video, offer, settings)
    if faults and not settings.force:
        raise WtoursError(
            f"{offer.source.origin} is not {video.name} as the manifest states it: "
            + "; ".join(faults),
            remedy="correct [video.stated] or the source in the manifest, or take it: --force",
        )


def statement_faults(video: Video, offer: Offer, settings: FetchSettings) -> list[str]:
    """Return in what an offer contradicts the manifest, a sentence each."""
    checks = compare_said(expected(video, offer, settings, said=offer.said))
    return [check.finding for check in checks if check.verdict == "fault"]


def expected(
    video: Video, offer: Offer, settings: FetchSettings, *, said: dict[str, object]
) -> Expected:
    """Return what a video should be, by the manifest, the platform, and what was asked for."""
    asked = _asked(offer, settings)
    return Expected(
        stated=video.stated,
        said=said,
        resolution=asked.get("resolution"),
        fps=asked.get("fps"),
        sha256=offer.source.sha256,
        sha256_from="that of the manifest",
    )


def _asked(offer: Offer, settings: FetchSettings) -> dict[str, Any]:
    """What was asked for of a source that has several formats; only YouTube has."""
    if offer.source.kind != "youtube":
        return {}
    return {"resolution": settings.resolution, "fps": settings.fps, "codec": settings.codec}


def _settled(offer: Offer, sources: Sources) -> dict[str, Any]:
    """The codec of the run, so that the next one for this folder keeps to it."""
    codec = sources.settled_codec
    return {"settled": codec} if offer.source.kind == "youtube" and codec else {}


def settled_before(videos: Iterable[Video], out: Path) -> list[Codec]:
    """Return the codecs that earlier runs settled on for videos that are there."""
    found: list[Codec] = []
    for video in videos:
        files = Landing(folder=out, name=video.name).finals()
        record = read_provenance(files[0]) if files else None
        codec = None if record is None else record.asked.get("settled")
        found += [one for one in CODECS if one == codec]
    return found


def _require_good(
    source: Source, landing: Landing, arrival: Arrival, verification: Verification, *, force: bool
) -> None:
    faults = "; ".join(verification.faults)
    if verification.damaged or (faults and verification.facts is None):
        landing.clear()  # fetching goes wrong anew, or right; going on with this cannot
        raise WtoursError(
            f"{source.origin} gave no usable video: {faults}",
            remedy="nothing of it was kept; fetch again, or add another source to the manifest",
        )
    if faults and not force:
        raise WtoursError(
            f"{source.origin} gave a video that must not be used: {faults}",
            remedy=f"it stays as {arrival.part.name}; --force takes it as it is, and records that",
        )


def _put_down(landing: Landing, arrival: Arrival, record: Provenance) -> None:
    write_provenance(record, landing.record)
    for companion in arrival.companions:
        put_in_place(companion, landing.folder / companion.name)
    put_in_place(arrival.part, landing.final(arrival.extension))
    landing.clear()


def already_there(
    video: Video, landing: Landing, progress: FetchProgress | None = None
) -> Fetched | None:
    """Return the video if it was fetched before and is unchanged; None if it is to be fetched.

    Raises:
        WtoursError: a file of that name is there that was not fetched, was changed since, or whose
            last check found faults.
    """
    there = recorded_there(video, landing)
    if there is None:
        return None
    path, record = there
    sha256 = file_sha256(path, progress=_step(progress, video.name, "verifying"))
    if sha256 != record.file["sha256"]:
        raise WtoursError(
            f"{path} was changed since it was fetched: its SHA-256 is {sha256}, "
            f"recorded is {record.file['sha256']}",
            remedy="move it and its .json elsewhere, and fetch again",
        )
    return Fetched(
        name=video.name,
        path=path,
        record_path=landing.record,
        record=record,
        status="already there",
        notes=(
            *_other_origin(video, record),
            *_forced_notes(record),
            *record.notes,
        ),
    )


def recorded_there(video: Video, landing: Landing) -> tuple[Path, Provenance] | None:
    """Return the video and its record if it was fetched before, by the record alone.

    Raises:
        WtoursError: a file of that name is there that was not fetched, or that its last check or
            the manifest forbids.
    """
    files = landing.finals()
    if not files:
        return None
    record = read_provenance(files[0])
    if record is None or record.source is None:
        raise WtoursError(
            f"{files[0]} has no record {landing.record.name} of where it comes from",
            remedy='move it elsewhere and fetch again, or list it as a source of kind "file"',
        )
    path = landing.folder / str(record.file["name"])
    if path not in files:
        raise WtoursError(
            f"{landing.record} is the record of {path.name}, but {files[0].name} is there",
            remedy=f"move {files[0].name} elsewhere and fetch again",
        )
    _require_wanted(video, record, path)
    return path, record


def _require_wanted(video: Video, record: Provenance, path: Path) -> None:
    """Refuse a file that its last check condemned, or that the manifest means no longer."""
    if record.faults and not record.forced:
        raise WtoursError(
            f"{path} must not be used: {'; '.join(record.faults)}",
            remedy="move it and its .json elsewhere, and fetch again",
        )
    for source in video.sources:
        wanted = source.sha256
        if source_record(source) == record.source and wanted not in (None, record.file["sha256"]):
            raise WtoursError(
                f"{path}: its SHA-256 is {record.file['sha256']}, the manifest asks for {wanted}",
                remedy="move it and its .json elsewhere, and fetch again, or correct the manifest",
            )


def _other_origin(video: Video, record: Provenance) -> list[str]:
    if record.source is None or record.source in [source_record(one) for one in video.sources]:
        return []
    return [f"fetched from {record.source['url']}, which the manifest does not list (any more)"]


def _forced_notes(record: Provenance) -> list[str]:
    return [f"forced, although {fault}" for fault in record.faults] if record.forced else []


def _step(progress: FetchProgress | None, name: str, step: str) -> StepProgress:
    return (lambda done, total: None) if progress is None else partial(progress, name, step)


def _failure(video: Video, failures: list[WtoursError]) -> WtoursError:
    if len(failures) == 1:
        return failures[0]
    return WtoursError(
        f"{video.name}: none of its {len(failures)} sources works: "
        + "; ".join(f"({n}) {failure.message}" for n, failure in enumerate(failures, start=1)),
        remedy="; ".join(f"({n}) {failure.remedy}" for n, failure in enumerate(failures, start=1)),
    )
