"""Fetches videos of a manifest: from whichever source, then check, hash, record and final name.

The order on the disk is: partial file, whole and checked; record `<name>.json`; final name. Killed
at any moment, the next run finds a part to go on with or a finished video, and never a half one.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from wtours.errors import WtoursError
from wtours.fetch.http import bring_http
from wtours.fetch.landing import DISK_FULL, Arrival, DiskFullError, Landing, disk_full
from wtours.fetch.local import bring_file
from wtours.fetch.rendered import bring_rendered
from wtours.fetch.report import Fetched, differences
from wtours.fetch.settings import FetchProgress, FetchSettings, StepProgress
from wtours.fetch.youtube import bring_youtube
from wtours.integrity import check_video
from wtours.manifest import Manifest, Source, Video, read_manifest
from wtours.provenance import (
    Provenance,
    make_provenance,
    read_provenance,
    source_record,
    write_provenance,
)
from wtours.whole_file import file_sha256, put_in_place

_DEFAULTS = FetchSettings()


def fetch_videos(
    names: Iterable[str],
    *,
    manifest: Manifest | Path,
    out: Path,
    settings: FetchSettings = _DEFAULTS,
    progress: FetchProgress | None = None,
    finished: Callable[[Fetched], None] | None = None,
) -> list[Fetched]:
    """Bring the named videos of a manifest into the folder `out`, all of them where none is named.

    A video that fails does not keep the others from being fetched; failures are raised at the end.

    Args:
        names: which videos.
        manifest: it, or its path.
        out: folder for `<name>.<ext>` and `<name>.json`; made if missing.
        settings: formats, retries, time limits.
        progress: told now and then how far a step is.
        finished: told of each video as it is done.

    Raises:
        WtoursError: a name is unknown, or at least one video could not be fetched.
    """
    listed = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    videos = listed.select(names)
    _make_folder(out)
    done: list[Fetched] = []
    failed: list[tuple[Video, WtoursError]] = []
    for video in videos:
        try:
            fetched = fetch_video(video, out=out, settings=settings, progress=progress)
        except WtoursError as error:
            failed.append((video, error))
            continue
        except OSError as error:  # a folder that may not be written to, a disk that fails
            failed.append((video, _disk_fault(error, out)))
            continue
        done.append(fetched)
        if finished is not None:
            finished(fetched)
    if failed:
        raise _failure(failed, len(videos))
    return done


def fetch_video(
    video: Video,
    *,
    out: Path,
    settings: FetchSettings = _DEFAULTS,
    progress: FetchProgress | None = None,
) -> Fetched:
    """Bring one video into the existing folder `out`, trying its sources in order."""
    landing = Landing(folder=out, name=video.name)
    if (there := _already_there(video, landing, progress)) is not None:
        landing.clear()
        return there
    failures: list[WtoursError] = []
    for source in video.sources:
        try:
            return _fetch_from(source, video, landing, settings=settings, progress=progress)
        except DiskFullError:
            raise
        except WtoursError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise WtoursError(
        f"{video.name}: none of its {len(failures)} sources works: "
        + "; ".join(failure.message for failure in failures),
        remedy=failures[0].remedy,
    )


def _fetch_from(
    source: Source,
    video: Video,
    landing: Landing,
    *,
    settings: FetchSettings,
    progress: FetchProgress | None,
) -> Fetched:
    arrival = _bring(source, landing, settings=settings, progress=progress)
    try:
        facts = check_video(arrival.part)
        sha256 = file_sha256(arrival.part, progress=_step(progress, video.name, "hashing"))
        _require_hash(source, sha256)
    except WtoursError as error:
        landing.clear()  # it came whole, so going on with it would not mend it
        raise WtoursError(
            f"{source.origin} gave no usable video: {error.message}",
            remedy="nothing of it was kept; fetch again, or add another source to the manifest",
        ) from error
    path = landing.final(arrival.extension)
    record = make_provenance(
        video,
        source,
        platform_said=arrival.said,
        facts=facts,
        file_name=path.name,
        sha256=sha256,
    )
    record_path = landing.folder / f"{video.name}.json"
    write_provenance(record, record_path)
    for companion in arrival.companions:
        put_in_place(companion, landing.folder / companion.name)
    put_in_place(arrival.part, path)
    landing.clear()
    return Fetched(
        name=video.name,
        path=path,
        record_path=record_path,
        record=record,
        status="fetched",
        notes=(*facts.notes, *differences(video, record)),
    )


def _bring(
    source: Source, landing: Landing, *, settings: FetchSettings, progress: FetchProgress | None
) -> Arrival:
    told = _step(progress, landing.name, "rendering" if source.kind == "rendered" else "fetching")
    match source.kind:
        case "youtube":
            return bring_youtube(source, landing, settings=settings, progress=told)
        case "http":
            return bring_http(source, landing, settings=settings, progress=told)
        case "file":
            return bring_file(source, landing, progress=told)
        case "rendered":
            return bring_rendered(landing, progress=told)


def _step(progress: FetchProgress | None, name: str, step: str) -> StepProgress:
    return (lambda done, total: None) if progress is None else partial(progress, name, step)


def _already_there(
    video: Video, landing: Landing, progress: FetchProgress | None
) -> Fetched | None:
    """Return the video if it was fetched before and is unchanged; None if it is to be fetched."""
    record_path = landing.folder / f"{video.name}.json"
    files = landing.finals()
    if not files:
        return None
    record = read_provenance(files[0])
    if record is None:
        raise WtoursError(
            f"{files[0]} has no record {record_path.name}, so nobody knows where it comes from",
            remedy='move it elsewhere and fetch again, or list it as a source of kind "file"',
        )
    path = landing.folder / str(record.file["name"])
    if path not in files:
        raise WtoursError(
            f"{record_path} is the record of {path.name}, but {files[0].name} is there",
            remedy=f"move {files[0].name} elsewhere and fetch again",
        )
    sha256 = file_sha256(path, progress=_step(progress, video.name, "hashing"))
    if sha256 != record.file["sha256"]:
        raise WtoursError(
            f"{path} was changed since it was fetched: its SHA-256 is {sha256}, "
            f"recorded is {record.file['sha256']}",
            remedy="move it and its .json elsewhere, and fetch again",
        )
    return Fetched(
        name=video.name,
        path=path,
        record_path=record_path,
        record=record,
        status="already there",
        notes=(*_other_origin(video, record), *differences(video, record)),
    )


def _other_origin(video: Video, record: Provenance) -> list[str]:
    if record.source in [source_record(source) for source in video.sources]:
        return []
    return [f"fetched from {record.source['url']}, which the manifest does not list (any more)"]


def _require_hash(source: Source, sha256: str) -> None:
    if source.sha256 is not None and source.sha256 != sha256:
        raise WtoursError(
            f"its SHA-256 is {sha256}, the manifest asks for {source.sha256}",
            remedy="correct the manifest, or find out why the file was exchanged",
        )


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WtoursError(
            f"{out} cannot be made a folder ({error.strerror})", remedy="name another with --out"
        ) from error


def _disk_fault(error: OSError, out: Path) -> WtoursError:
    where = Path(error.filename) if isinstance(error.filename, str) else out
    if error.errno in DISK_FULL:
        return disk_full(where, None)
    return WtoursError(
        f"{where}: {error.strerror or error}",
        remedy="mend that, or name another folder with --out",
    )


def _failure(failed: list[tuple[Video, WtoursError]], videos: int) -> WtoursError:
    if len(failed) == 1:
        return failed[0][1]
    faults = "; ".join(f"{video.name}: {error.message} ({error.remedy})" for video, error in failed)
    return WtoursError(
        f"{len(failed)} of {videos} videos could not be fetched: {faults}",
        remedy="mend what can be mended and run the same command again: the others stay",
    )
