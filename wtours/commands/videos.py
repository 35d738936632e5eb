"""`wtours fetch`, `verify` and `doctor`: videos, from the internet to the disk."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from wtours.commands.places import SHARDS, VIDEOS
from wtours.errors import WtoursError
from wtours.progress import parse_size, progress_bars

if TYPE_CHECKING:
    from wtours.fetch import FetchSettings
    from wtours.manifest import Manifest


def fetch(
    names: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    /,
    *,
    manifest: str = "walking_tours",
    out: Path = VIDEOS,
    source: list[Literal["youtube", "figshare", "http", "file"]] = [],  # noqa: B006
    resolution: int = 2160,
    codec: Literal["auto", "av1", "vp9", "h264"] = "auto",
    fps: float = 60,
    cookies: Path | None = None,
    cookies_from_browser: str | None = None,
    rate_limit: str | None = None,
    sleep: float = 0,
    retries: int = 5,
    jobs: int = 1,
    accept_licence: list[str] = [],  # noqa: B006
    force: bool = False,
    metadata_only: bool = False,
    dry_run: bool = False,
) -> None:
    """Fetch videos of a manifest, check them, and record where they come from.

    Args:
        names: names of videos; all of the manifest if none is given.
        manifest: a TOML file, or `walking_tours` or `sample`.
        out: folder for NAME.mp4, NAME.json and ATTRIBUTION.md.
        source: kind of source to use; may be given again, in the order of preference. Without it,
            each video's sources in the manifest's order.
        resolution: lines of the tallest format taken from YouTube; the best at or below it.
        codec: codec taken from YouTube; `auto` chooses one that all videos have.
        fps: highest frame rate taken from YouTube; the best at or below it.
        cookies: file of cookies for YouTube, in Netscape's format.
        cookies_from_browser: browser to take cookies for YouTube from, NAME or NAME:PROFILE.
        rate_limit: most bytes a second, all downloads together, such as 500k or 2.5M.
        sleep: pause in seconds between questions to a platform.
        retries: attempts in a row that may bring nothing before a source is given up.
        jobs: videos fetched at once.
        accept_licence: name of a licence that will do although it is no Creative Commons one, as
            it reads (`none` where none is shown); may be given again.
        force: take what fails its check but can be read; the record says so.
        metadata_only: only write what the sources say, to NAME.metadata.json.
        dry_run: only say what would be fetched: sizes, formats, licences, where from and where to.
    """
    from wtours.fetch import FetchSettings

    settings = FetchSettings(
        resolution=resolution,
        fps=fps,
        codec=codec,
        sources=tuple(source),
        retries=retries,
        sleep_s=sleep,
        rate_limit_bytes_s=None if rate_limit is None else parse_size(rate_limit),
        cookies=cookies,
        cookies_from_browser=cookies_from_browser,
        accept_licences=tuple(accept_licence),
        force=force,
        jobs=jobs,
    )
    listed = _manifest(manifest)
    if dry_run or metadata_only:
        _plan(names, listed, settings, out=out, write=metadata_only and not dry_run)
    else:
        _fetch(names, listed, settings, out=out)


def _manifest(name: str) -> "Manifest":
    from wtours.manifest import packaged_manifest, read_manifest

    return read_manifest(Path(name) if name.endswith(".toml") else packaged_manifest(name))


def _fetch(
    names: Sequence[str], manifest: "Manifest", settings: "FetchSettings", *, out: Path
) -> None:
    from wtours.fetch import Fetched, describe, fetch_videos
    from wtours.terminal import named, note

    def finished(video: Fetched) -> None:
        print(describe(video))
        for text in video.notes:
            note(video.name, text)

    def failed(name: str, fault: WtoursError) -> None:
        print(f"failed: {named(name, str(fault))}", file=sys.stderr)

    several = len(manifest.select(names)) > 1
    with progress_bars() as advance:
        fetch_videos(
            names,
            manifest=manifest,
            out=out,
            settings=settings,
            progress=lambda name, step, done, total: advance(name, done, total, step),
            finished=finished,
            failed=failed if several else None,
        )


def _plan(
    names: Sequence[str],
    manifest: "Manifest",
    settings: "FetchSettings",
    *,
    out: Path,
    write: bool,
) -> None:
    from wtours.fetch import plan_fetch
    from wtours.fetch.plan import write_metadata
    from wtours.terminal import note, print_plans

    with Console(stderr=True).status("asking") as status:
        plans = plan_fetch(
            names,
            manifest=manifest,
            out=out,
            settings=settings,
            asking=lambda name: status.update(f"asking for {name}"),
        )
    print_plans(plans, out)
    videos = {video.name: video for video in manifest.videos}
    for plan in plans if write else ():
        if plan.offer is not None:
            print(write_metadata(plan, videos[plan.name], out))
        elif plan.status == "already there":
            note(plan.name, f"was fetched: {plan.target.with_suffix('.json')} has what was said")
    lost = [plan.name for plan in plans if plan.status == "not to be had"]
    if lost:
        raise WtoursError(
            f"{len(lost)} of {len(plans)} videos cannot be had now: {', '.join(lost)}",
            remedy="the notes above say why, and what to do about it",
        )


def verify(
    paths: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006
    /,
    *,
    manifest: str | None = None,
) -> None:
    """Check videos, and compare every file of shard sets with its recorded SHA-256.

    A video is read once and measured against its record, its manifest and what its platform said;
    the result goes into NAME.json beside it. Exits with 2 where something must not be used.

    Args:
        paths: videos, shard sets, or folders of them; without any, data/videos and data/shards.
        manifest: manifest whose statements count, by the files' names; without it, what was stated
            when a video was fetched.
    """
    from wtours.verify import tell_apart

    listed = None if manifest is None else _manifest(manifest)
    there = paths or [path for path in (VIDEOS, SHARDS) if path.exists()]
    if not there:
        raise WtoursError(
            f"neither {VIDEOS} nor {SHARDS} is there",
            remedy="name videos or shards, or run `wtours fetch` first",
        )
    videos, shards = tell_apart(there)
    bad = _verify_videos(videos, listed)
    if faults := _verify_shards(shards) if shards else []:
        remedy = "copy the set again, or make it with `wtours shard --replace`"
        bad.append(WtoursError("; ".join(faults), remedy=remedy))
    if len(bad) == 1:
        raise bad[0]
    for fault in bad:
        print(f"fault: {fault}", file=sys.stderr)
    if bad:
        raise WtoursError(f"{len(bad)} faults were found", remedy="the lines above say which")


def _verify_videos(videos: Sequence[Path], manifest: "Manifest | None") -> list[WtoursError]:
    """Print a table a video; return an error for each that must not be used."""
    from wtours.terminal import note, print_verification
    from wtours.verify import verify_file

    bad: list[WtoursError] = []
    for video in videos:
        try:
            with progress_bars() as advance:
                found = verify_file(video, manifest=manifest, progress=advance)
        except WtoursError as error:
            bad.append(error)  # the others are checked all the same
            continue
        print_verification(found.verification)
        for text in found.verification.notes:
            note(video.name, text)
        for text in found.verification.faults if found.forced else ():
            note(video.name, f"forced, although {text}")
        if not found.good:
            fault = f"{video} must not be used: {'; '.join(found.verification.faults)}"
            bad.append(WtoursError(fault, remedy="delete and fetch it again"))
        elif found.first and not found.unwritten:
            note(video.name, "had no record: its hash is trusted from now on")
        if found.unwritten:
            fault = f"what was found of {video} is not recorded: {found.unwritten}"
            bad.append(WtoursError(fault, remedy="check who may write there"))
    return bad


def _verify_shards(shards: Sequence[Path]) -> list[str]:
    """Print a line a set where all are whole; return a sentence a fault."""
    from wtours.shard import verify_shards
    from wtours.shards import open_shards
    from wtours.terminal import count_text

    faults = verify_shards(shards)
    for shard_set in open_shards(*shards) if not faults else ():
        tars = count_text(len(shard_set.record.tars), "tar")
        print(f"{shard_set.folder}: {tars} and all tables are whole")
    return faults


def doctor(
    names: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    /,
    *,
    manifest: str | None = None,
    source: list[Literal["youtube", "figshare", "http", "file"]] = [],  # noqa: B006
    resolution: int = 2160,
    codec: Literal["auto", "av1", "vp9", "h264"] = "auto",
    fps: float = 60,
    folder: Path = Path("data"),
) -> None:
    """Look at what this machine has and lacks, and say what to type about it.

    Args:
        names: videos that are to be fetched: their sizes are asked for, and compared with the room
            on the disk.
        manifest: a TOML file, or `walking_tours` (if names are given) or `sample`: all its videos.
        source: as for `fetch`, on which sizes depend.
        resolution: as for `fetch`.
        codec: as for `fetch`.
        fps: as for `fetch`.
        folder: where videos and shards are to go.
    """
    from wtours.doctor import check_sizes, diagnose
    from wtours.terminal import note, print_findings

    needed_bytes, unknown = None, list[str]()
    if names or manifest:
        from wtours.fetch import FetchSettings, plan_fetch

        plans = plan_fetch(
            names,
            manifest=_manifest(manifest or "walking_tours"),
            out=folder / "videos",
            settings=FetchSettings(
                resolution=resolution, codec=codec, fps=fps, sources=tuple(source)
            ),
        )
        needed_bytes = sum(plan.missing_bytes for plan in plans)
        for plan in plans:
            if plan.size_bytes is None:
                note(plan.name, "; ".join(plan.faults) or "nobody says how large it is")
                unknown.append(plan.name)
    findings = diagnose(folder) if not needed_bytes else diagnose(folder, needed_bytes=needed_bytes)
    if needed_bytes is not None:
        findings.append(check_sizes(needed_bytes, unknown))
    print_findings(findings)
    broken = [finding.name for finding in findings if not finding.ok]
    if broken:
        raise WtoursError(
            f"to be mended: {', '.join(broken)}", remedy="type what stands beside each"
        )
