"""`wtours fetch | shard | verify | analyze | demo | doctor`: arguments, one call, one result."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from wtours.errors import WtoursError
from wtours.progress import duration_text, progress_bars, size_text

if TYPE_CHECKING:
    from wtours.fetch import Fetched
    from wtours.shard_settings import ShardSettings

VIDEOS, SHARDS = Path("data/videos"), Path("data/shards")

app = App(
    name="wtours",
    version=version("wtours"),
    help="Turn first-person videos into training data that can be trusted.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `main` says what was stopped
    help_epilogue="Every command takes --debug, which shows the traceback of an error.",
)
app.register_install_completion_command()


@app.command
def fetch(
    names: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    /,
    *,
    manifest: str = "walking_tours",
    out: Path = VIDEOS,
    resolution: int = 2160,
    retries: int = 5,
    dry_run: bool = False,
) -> None:
    """Fetch videos of a manifest, check them, and record where they come from.

    Args:
        names: names of videos; all of the manifest if none is given.
        manifest: a TOML file, or `walking_tours` or `sample`.
        out: folder for NAME.mp4 and NAME.json.
        resolution: lines of the tallest format taken from YouTube.
        retries: attempts in a row that may bring nothing before a source is given up.
        dry_run: say what would be fetched, from where and to where.
    """
    from wtours.fetch import FetchSettings, describe, fetch_videos, plan_fetch
    from wtours.manifest import packaged_manifest

    path = Path(manifest) if manifest.endswith(".toml") else packaged_manifest(manifest)
    settings = FetchSettings(resolution=resolution, retries=retries)
    if dry_run:
        for plan in plan_fetch(names, manifest=path, out=out):
            print(describe(plan))
        return
    with progress_bars() as advance:
        fetch_videos(
            names,
            manifest=path,
            out=out,
            settings=settings,
            progress=lambda name, step, done, total: advance(f"{step} {name}", done, total, ""),
            finished=_print_fetched,
        )


def _print_fetched(video: "Fetched") -> None:
    from wtours.fetch import describe

    print(describe(video))
    for note in video.notes:
        print(f"note: {video.name}: {note}", file=sys.stderr)


@app.command
def shard(
    videos: Annotated[list[Path], Parameter(consume_multiple=True)] = [VIDEOS],  # noqa: B006
    /,
    *,
    out: Path = SHARDS,
    fps: str = "1",
    short_side: int = 512,
    jpeg_quality: int = 90,
    blur: Annotated[bool, Parameter(negative="--no-blur")] = True,
    blur_threshold: float = 0.2,
    cuts: Literal["content", "adaptive", "none"] = "content",
    replace: bool = False,
    dry_run: bool = False,
) -> None:
    """Pack kept frames of videos into WebDataset shards, faces blurred, cuts found.

    Args:
        videos: videos, or folders of them.
        out: folder for one shard set a video.
        fps: frames kept per second of video, such as 1, 30 or 30000/1001, or `native`.
        short_side: shorter side of the stored pictures in pixels; smaller videos are not enlarged.
        jpeg_quality: 1 to 95.
        blur: make faces unrecognisable before anything is written.
        blur_threshold: least score of a face, 0 to 1; lower covers more.
        cuts: PySceneDetect's detector of cuts.
        replace: make sets anew that were made with other settings.
        dry_run: say how many frames, bytes and minutes to expect.
    """
    from wtours.shard import shard_videos
    from wtours.shard_settings import ShardSettings, parse_fps
    from wtours.stages.blur import BlurSettings
    from wtours.stages.cuts import CutSettings

    settings = ShardSettings(
        fps=parse_fps(fps),
        short_side_px=short_side,
        jpeg_quality=jpeg_quality,
        blur=BlurSettings(threshold=blur_threshold) if blur else None,
        cuts=None if cuts == "none" else CutSettings(detector=cuts),
    )
    if dry_run:
        _print_estimate(videos, settings, out=out)
        return
    with progress_bars() as advance:
        written = shard_videos(
            videos,
            out=out,
            settings=settings,
            replace=replace,
            progress=lambda name, done_s, total_s, speed: advance(
                f"sharding {name}", done_s, total_s, f"{speed:.1f} x real time"
            ),
        )
    for one in written.sets:
        done = f"{one.folder}: {one.pictures} pictures in {one.tars} tars"
        if one.skipped:
            print(f"{done}, there already")
        else:
            print(f"{done}, {one.cuts} cuts, {size_text(one.size_bytes)}")
        for note in (note for video in one.record.videos for note in video.notes):
            print(f"note: {one.folder.name}: {note}", file=sys.stderr)


def _print_estimate(videos: Sequence[Path], settings: "ShardSettings", *, out: Path) -> None:
    from wtours.shard_estimate import estimate

    expected = estimate(videos, settings=settings)
    table = Table("video", "frames", "pictures", "size", "time")
    for one in expected.videos:
        table.add_row(
            one.name,
            f"{one.frames:,}",
            f"{one.pictures:,}",
            size_text(one.size_bytes),
            duration_text(one.work_s),
        )
    Console().print(table)
    print(
        f"{out} would hold {expected.pictures:,} pictures, about {size_text(expected.size_bytes)}, "
        f"in about {duration_text(expected.work_s)}"
    )


@app.command
def verify(shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS], /) -> None:  # noqa: B006
    """Compare every file of shard sets with its recorded SHA-256.

    Args:
        shards: shard sets, or folders of them.
    """
    from wtours.shard import verify_shards
    from wtours.shards import open_shards

    faults = verify_shards(shards)
    if faults:
        raise WtoursError(
            "; ".join(faults), remedy="copy the set again, or make it with `wtours shard --replace`"
        )
    for shard_set in open_shards(*shards):
        print(f"{shard_set.folder}: {len(shard_set.record.tars)} tars and both tables are whole")


@app.command
def analyze(
    *,
    shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    out: Path = Path("data/analysis"),
) -> None:
    """Write lightness over time and shots as tables, figures and one page.

    Args:
        shards: shard sets, or folders of them.
        out: folder for index.html, tables/ and figures/.
    """
    from analysis.report import write_report
    from wtours.shards import open_shards

    with progress_bars() as advance:
        report = write_report(
            open_shards(*shards),
            out,
            progress=lambda step, share: advance("analysing", share, 1.0, step),
        )
    print(report.page)


@app.command
def demo(*, out: Path = Path("data/demo")) -> None:
    """Do everything once on a small rendered walk, in about five minutes.

    Args:
        out: folder for all that it makes.
    """
    from wtours.demo import run_demo

    run_demo(out)


@app.command
def doctor(*, folder: Path = Path("data")) -> None:
    """Look at what this machine has and lacks, and say what to type about it.

    Args:
        folder: where videos and shards are to go.
    """
    from wtours.doctor import diagnose

    findings = diagnose(folder)
    table = Table("", "found", "what to do", box=None)
    for finding in findings:
        mark = "ok" if finding.ok else "[bold]mend[/bold]"
        table.add_row(f"{mark} {finding.name}", finding.text, finding.remedy or "")
    Console().print(table)
    broken = [finding.name for finding in findings if not finding.ok]
    if broken:
        raise WtoursError(
            f"to be mended: {', '.join(broken)}", remedy="type what stands beside each"
        )


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 2 for a user's mistake and 1 for what is not theirs."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    debug = "--debug" in given
    try:
        app([token for token in given if token != "--debug"], result_action="return_value")
        if sys.stdout is not None:
            sys.stdout.flush()  # so that a reader who left is noticed here
    except BrokenPipeError:
        # As of `wtours ... | head`. What Python still holds would fail again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as fault:
        if debug:
            traceback.print_exc()
        text, status = _explain(fault)
        print(f"wtours: {text}", file=sys.stderr)
        sys.exit(status)
    sys.exit(0)


def _explain(fault: BaseException) -> tuple[str, int]:
    if isinstance(fault, KeyboardInterrupt):
        return "stopped, nothing half-written is left; give the same command again", 2
    if isinstance(fault, WtoursError):
        return str(fault), 2
    if isinstance(fault, OSError):
        place = fault.filename or "the disk"
        if fault.errno == errno.ENOSPC:
            return f"{place}: no room left; make some, then give the same command again", 2
        if isinstance(fault, PermissionError):
            return f"{place}: {fault.strerror}; check who may read and write it", 2
        return f"{place}: {fault.strerror or fault}; see what holds it, then try again", 1
    fact = f"{type(fault).__name__}: {fault}"
    return f"a fault of this program ({fact}); please report what --debug shows of it", 1
