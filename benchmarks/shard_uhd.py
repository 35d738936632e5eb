"""Sharding 4K60 beside ffmpeg, a plain decode and the published recipe; workers; memory; length.

    python -m benchmarks.shard_uhd [--codec h264 ...] [--videos FOLDER] [--runs 3] [--out FOLDER]
    python -m benchmarks.shard_uhd --only recipe workers length

The videos are made where they are missing (`benchmarks.uhd`). Every row is a ratio of times that
were taken in turn in the same run, smallest, middle and largest. Calls of this package are made in
this process, so that importing it is not in their times; ffmpeg is called as a program. All use all
cores, unless a row says otherwise.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from benchmarks.measure import alternate, spread
from benchmarks.record import options_of, write_record
from benchmarks.shard import SETTINGS, ffmpeg_pictures, require_same_pictures
from benchmarks.uhd import ENCODERS, make_uhd
from benchmarks.verify import KEPT, looped_walk
from wtours.integrity import check_video
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.stages.blur import BlurSettings, fit_short_side
from wtours.video import open_video

NO_FACES = replace(SETTINGS, blur=None)
NOTHING_ELSE = replace(SETTINGS, blur=None, cuts=None)
AT_30 = replace(NOTHING_ELSE, fps=Fraction(30))
DURATION_S = 30.0
WORKERS_S = 60.0
"""Longer, so that starting a process, two to three seconds, is not what is measured."""
RECIPE_S = 2.0
LENGTHS_MIN = (1, 5, 20)
PARTS = ("codecs", "memory", "recipe", "workers", "length")


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, make the videos, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--videos", type=Path, default=KEPT)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = options_of(parser, runs=3, tokens=tokens)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if "codecs" in options.only:
            for codec in options.codec:
                video = make_uhd(options.videos, codec, duration_s=DURATION_S)
                rows += of_codec(codec, video, scratch, runs=options.runs)
        if "memory" in options.only:
            for codec in options.codec:
                video = make_uhd(options.videos, codec, duration_s=DURATION_S)
                peak = {"name": f"{codec}: memory of a worker", "peak_mb": peak_mb(video)}
                rows.append(peak)
        if "recipe" in options.only:
            rows += of_recipe(options.videos, scratch)
        if "workers" in options.only:
            rows += of_workers(options.videos, scratch, runs=options.runs)
        if "length" in options.only:
            rows += of_length(scratch, runs=options.runs)
    write_record("shard_uhd", rows, folder=options.out)


def of_codec(codec: str, video: Path, scratch: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return the rows of one video: sharding beside ffmpeg and beside a plain decode."""
    facts = check_video(video)
    require_same_pictures(facts, scratch)
    ways: dict[str, Callable[[], object]] = {
        "ffmpeg, 1 fps": lambda: ffmpeg_pictures(facts, scratch / "ffmpeg"),
        "1 fps": lambda: shard(video, scratch, NOTHING_ELSE),
        "ffmpeg, decode": lambda: ffmpeg("-i", str(video), "-f", "null", "-"),
        "1 fps, cuts": lambda: shard(video, scratch, NO_FACES),
        "1 fps, cuts, faces": lambda: shard(video, scratch, SETTINGS),
        "ffmpeg, 30 fps": lambda: ffmpeg_pictures(facts, scratch / "ffmpeg", fps=30),
        "30 fps": lambda: shard(video, scratch, AT_30),
    }
    passed_s = alternate(ways, runs=runs)
    pictures = len(ffmpeg_pictures(facts, scratch / "ffmpeg"))
    forward_s, loading_s = bare_forward(video)
    faces_s = [
        all_s - cuts_s
        for all_s, cuts_s in zip(
            passed_s["1 fps, cuts, faces"], passed_s["1 fps, cuts"], strict=True
        )
    ]

    def row(name: str, beside: str) -> dict[str, Any]:
        pairs = zip(passed_s[name], passed_s[beside], strict=True)
        return {
            "name": f"{codec}: {name}",
            "seconds": spread(passed_s[name]),
            "beside": beside,
            "of_its_time": spread([one / other for one, other in pairs]),
            "video_s": round(facts.duration_s, 2),
            "encoder": ENCODERS[codec][1],
        }

    return [
        row("1 fps", "ffmpeg, 1 fps"),
        row("1 fps, cuts", "ffmpeg, decode"),
        row("30 fps", "ffmpeg, 30 fps"),
        {
            "name": f"{codec}: faces",
            "seconds": spread(faces_s),
            "beside": "kept frames x the detector's bare forward, one thread",
            "forward_s": round(forward_s, 4),
            "loading_s": round(loading_s, 3),
            "of_its_time": spread([one / (pictures * forward_s) for one in faces_s]),
        },
    ]


def of_recipe(videos: Path, scratch: Path) -> list[dict[str, Any]]:
    """Return how much slower the published recipe is: each program over two seconds of 4K."""
    whole = make_uhd(videos, "h264", duration_s=DURATION_S)
    short = scratch / "short.mp4"
    ffmpeg("-i", str(whole), "-t", str(RECIPE_S), "-c", "copy", str(short))
    programs = Path(sys.executable).parent
    covered = scratch / "covered.mp4"
    facts = check_video(short)
    steps: dict[str, Callable[[], object]] = {
        "deface": lambda: call(programs / "deface", short, "-o", covered),
        "scenedetect": lambda: call(
            programs / "scenedetect",
            "-q",
            "-o",
            scratch,
            "-i",
            covered,
            "detect-content",
            "list-scenes",
        ),
        "ffmpeg": lambda: ffmpeg_pictures(facts, scratch / "ffmpeg"),
    }
    theirs_s = {name: seconds[0] for name, seconds in alternate(steps, runs=1).items()}
    (ours_s,) = alternate({"ours": lambda: shard(whole, scratch, SETTINGS)}, runs=1)["ours"]
    ours_a_frame, frames = ours_s / check_video(whole).packets, facts.packets
    return [
        {
            "name": "the published recipe: deface, PySceneDetect, ffmpeg",
            "frames": frames,
            "seconds_a_frame": {name: round(s / frames, 4) for name, s in theirs_s.items()},
            "ours_seconds_a_frame": round(ours_a_frame, 5),
            "times_slower": round(sum(theirs_s.values()) / frames / ours_a_frame, 1),
        }
    ]


def of_workers(videos: Path, scratch: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return how much faster two workers of one thread are than one, of two stretches."""
    video = make_uhd(videos, "h264", duration_s=WORKERS_S)
    rows = []
    for name, settings in (("cuts, faces", SETTINGS), ("cuts", NO_FACES)):
        settings = replace(settings, tar_s=WORKERS_S / 2)
        passed_s = alternate(
            {
                "one": lambda settings=settings: apart(video, scratch, settings, 1),  # type: ignore[misc]
                "two": lambda settings=settings: shard(video, scratch, settings, workers=2),  # type: ignore[misc]
            },
            runs=runs,
        )
        pairs = list(zip(passed_s["one"], passed_s["two"], strict=True))
        rows.append(
            {
                "name": f"two workers of one thread, 1 fps, {name}",
                "video_s": WORKERS_S,
                "seconds": {name: spread(seconds) for name, seconds in passed_s.items()},
                "times_faster": spread([one / two for one, two in pairs]),
            }
        )
    return rows


def of_length(scratch: Path, *, runs: int) -> list[dict[str, Any]]:
    """Return the seconds of work an hour of video costs, for videos of several lengths."""
    ways = {
        f"{minutes} min": lambda minutes=minutes: shard(  # type: ignore[misc]
            looped_walk(minutes, height=720), scratch, NO_FACES
        )
        for minutes in LENGTHS_MIN
    }
    for minutes in LENGTHS_MIN:
        looped_walk(minutes, height=720)
    ways[f"{LENGTHS_MIN[0]} min"]()  # what a process loads at its first call is no cost of a minute
    passed_s = alternate(ways, runs=runs)
    hours = {
        f"{minutes} min": check_video(looped_walk(minutes, height=720)).duration_s / 3600
        for minutes in LENGTHS_MIN
    }
    return [
        {
            "name": f"720p, cuts, {name}",
            "seconds_an_hour": spread([s / hours[name] for s in seconds]),
        }
        for name, seconds in passed_s.items()
    ]


def shard(video: Path, scratch: Path, settings: ShardSettings, *, workers: int = 1) -> None:
    """Write a shard set anew."""
    shard_videos([video], out=scratch / "sets", settings=settings, workers=workers, replace=True)


def bare_forward(video: Path) -> tuple[float, float]:
    """Return the seconds of one look of the detector on a kept frame, and those of loading it."""
    start_s = time.perf_counter()
    (detector,) = BlurSettings().open_detectors()
    with open_video(video) as reader:
        frame = next(iter(reader))
        seen = frame.scaled(*fit_short_side(frame.width, frame.height, 720))
    detector.detect([seen])
    first_s = time.perf_counter() - start_s
    times = alternate({"forward": lambda: detector.detect([seen])}, runs=9)["forward"]
    return sorted(times)[4], first_s


def peak_mb(video: Path) -> int:
    """Return the most memory that sharding a video with everything has needed, in 10^6 bytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool, tempfile.TemporaryDirectory() as out:
        return pool.apply(_peak_mb, (video, Path(out)))


def _peak_mb(video: Path, out: Path) -> int:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])  # as a worker among others
    shard(video, out, replace(SETTINGS, fps=Fraction(5)))
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def apart(video: Path, scratch: Path, settings: ShardSettings, cores: int) -> None:
    """Write a shard set by one worker that has some of the cores, in a process of its own."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        shard(video, scratch, settings)
    finally:
        os.sched_setaffinity(0, allowed)


def ffmpeg(*options: str) -> None:
    """Call the program that imageio-ffmpeg ships."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-y", "-nostdin", *options], check=True)


def call(*command: object) -> None:
    """Call a program, and drop what it says."""
    tokens = [str(token) for token in command]
    subprocess.run(tokens, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
