"""Fetches the videos of a manifest: one codec for all, several at once, every failure told."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

from wtours.errors import WtoursError
from wtours.fetch.at_once import at_once
from wtours.fetch.landing import DISK_FULL, Landing, disk_full, make_folder
from wtours.fetch.one_video import fetch_video, settled_before
from wtours.fetch.report import Fetched
from wtours.fetch.settings import FetchProgress, FetchSettings
from wtours.fetch.sources import Sources
from wtours.manifest import Manifest, Video, read_manifest
from wtours.publishing.attribution import write_attribution

_DEFAULTS = FetchSettings()


def fetch_videos(
    names: Iterable[str],
    *,
    manifest: Manifest | Path,
    out: Path,
    settings: FetchSettings = _DEFAULTS,
    progress: FetchProgress | None = None,
    finished: Callable[[Fetched], None] | None = None,
    failed: Callable[[str, WtoursError], None] | None = None,
) -> list[Fetched]:
    """Bring the named videos of a manifest into the folder `out`, all of them where none is named.

    A video that fails does not keep the others from being fetched; failures are raised at the end.
    `out/ATTRIBUTION.md` is written anew from the records of all videos that are there.

    Args:
        names: which videos.
        manifest: it, or its path.
        out: folder for `<name>.<ext>` and `<name>.json`; made if missing.
        settings: formats, sources, retries, limits.
        progress: told now and then how far a step is; with several jobs, from several threads.
        finished: told of each video as it is done.
        failed: told of each that fails, and why; the error at the end then only counts them.

    Returns:
        The videos in the manifest's order.

    Raises:
        WtoursError: a name is unknown, or at least one video could not be fetched.
    """
    listed = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    videos = listed.select(names)
    make_folder(out)
    sources = Sources(_shared(settings, len(videos)))
    sources.settle(
        _missing(videos, out),
        there=settled_before(videos, out),
        asking=None if progress is None else lambda name: progress(name, "asking", 0, None),
    )

    def work(video: Video, stop: Event) -> Fetched:
        return fetch_video(video, out=out, sources=sources, progress=_stoppable(progress, stop))

    done: dict[str, Fetched] = {}
    faults: dict[str, WtoursError] = {}
    try:
        with closing(at_once(videos, work, jobs=settings.jobs)) as results:
            for video, result in results:
                if isinstance(result, Fetched):
                    done[video.name] = result
                    if finished is not None:
                        finished(result)
                else:
                    faults[video.name] = _as_fault(result, out)
                    if failed is not None:
                        failed(video.name, faults[video.name])
    finally:  # also after Ctrl-C: what is there is attributed
        if done:
            write_attribution(out)
    if faults:
        raise _failure(faults, len(videos), told=failed is not None)
    return [done[video.name] for video in videos]


def _missing(videos: Sequence[Video], out: Path) -> list[Video]:
    return [video for video in videos if not Landing(folder=out, name=video.name).finals()]


def _shared(settings: FetchSettings, videos: int) -> FetchSettings:
    """The settings of one download, of as many as run at once: each has its share of the limit."""
    if settings.rate_limit_bytes_s is None:
        return settings
    at_a_time = min(settings.jobs, videos)
    return replace(settings, rate_limit_bytes_s=settings.rate_limit_bytes_s / at_a_time)


def _stoppable(progress: FetchProgress | None, stop: Event) -> FetchProgress:
    def told(name: str, step: str, done: int, total: int | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # the main thread was interrupted; so is this one
        if progress is not None:
            progress(name, step, done, total)

    return told


def _as_fault(fault: BaseException, out: Path) -> WtoursError:
    if isinstance(fault, WtoursError):
        return fault
    if not isinstance(fault, OSError):
        raise fault
    # A folder that may not be written to, a disk that fails.
    where = Path(fault.filename) if isinstance(fault.filename, str) else out
    if fault.errno in DISK_FULL:
        return disk_full(where, None)
    return WtoursError(
        f"{where}: {fault.strerror or fault}",
        remedy="mend that, or name another folder with --out",
    )


def _failure(faults: dict[str, WtoursError], videos: int, *, told: bool) -> WtoursError:
    if videos == 1 and not told:
        return next(iter(faults.values()))
    reasons = (
        ", ".join(faults)
        if told
        else "; ".join(
            f"{name}: {fault.message} ({fault.remedy})" for name, fault in faults.items()
        )
    )
    return WtoursError(
        f"{len(faults)} of {videos} videos could not be fetched: {reasons}",
        remedy="mend what can be mended and run the same command again: the others stay",
    )
