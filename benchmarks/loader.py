"""Clips per second and core of the loader, beside other ways to the same clips.

    python -m benchmarks.loader [--video WALK.mp4] [--work data/benchmarks] [--workers 2] [--runs 3]
    python -m benchmarks.loader --only loader bare  # and no other ways: a minute

On a 4K60 video with a keyframe every five seconds, which is made where none is given, and on its
pictures at 30 a second, which are kept in --work for the next run. A clip is eight frames a second
apart, cut to its first crops: what goes to a GPU. First it is shown that every way gives the same
clips. Then they take turns; rates are of processor time, all processes of a way together. PyAV
comes with wtours, decord and torchcodec do not: what is not installed is left out.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clip_sources import (
    WINDOW_CLIPS,
    Source,
    bare_decodes,
    decord_reader,
    from_video,
    independent_clips,
    pyav_reader,
    sequential_clips,
    torchcodec_reader,
    window_order,
)
from benchmarks.clip_walk import BATCH_CLIPS, KEPT_FPS, Made, Walk, order_of, prepare
from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from dora.data.clips import ClipTable
from dora.data.loader import ClipLoader
from dora.data.reading import ClipReader, one_thread
from dora.data.spread import neighbour_distances_s
from dora.data.stream import ClipOrder
from dora.data.workers import start_server

KEPT = Path("data") / "benchmarks"
FIRST_BATCH_CLIPS = 16
"""As on each of the paper's eight GPUs."""
APART = 100_000
"""Positions between the first clips of two runs."""
ENDLESS = 10**9
FLOOR = "bare decodes"
ONE_WORKER = "loader, 1 worker"
LEVELS = 25
"""Largest mean difference from a clip of the video itself, 0 to 255: 4K frames are noisy."""
GPU = torch.device("cuda")
"""Where first crops would go; nothing is sent there."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way, and what is asked of the loader beside it."""

    source: Source
    before: int = 1
    """Clips made before the clock starts."""
    together: int = 1
    """Clips that are made at a time."""
    asked: float | None = None
    """The loader's rate over this one's, at least."""
    absent: str = ""
    """Why it is left out."""


Opened = Callable[[Walk], Row]
"""Opens a way on the clips that it is to make."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, find or make video and pictures, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="of one shot; not given: it is made")
    parser.add_argument("--work", type=Path, default=KEPT, help="folder of video and pictures")
    parser.add_argument("--preset", default="released")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="at the most")
    parser.add_argument("--run-s", type=float, default=4.0, help="seconds of each run, at least")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="ways whose names hold one of these"
    )
    options = options_of(parser, runs=3, tokens=tokens)
    offered = {**our_ways(workers=options.workers), **other_ways()}
    for word in options.only:
        if not any(word in name for name in offered):
            parser.error(f"--only {word}: no way has that in its name; {'; '.join(offered)}")
    chosen = chosen_ways(offered, options.only)
    start_server()
    with one_thread():
        walk = prepare(options.video, options.work, preset=options.preset)
        ways = {name: opened(walk) for name, opened in chosen.items()}
        rows = compare(walk, ways, workers=options.workers, run_s=options.run_s, runs=options.runs)
        rows.append(first_batch(walk, workers=options.workers, runs=options.runs))
        if not options.only:
            rows.append(mixing(walk))
    write_record("loader", rows, folder=options.out)


def chosen_ways(ways: dict[str, Opened], only: Sequence[str]) -> dict[str, Opened]:
    """Return the ways whose names hold one of some words, and the one all are compared with."""
    return {
        name: opened
        for name, opened in ways.items()
        if not only or name == ONE_WORKER or any(word in name for word in only)
    }


def compare(
    walk: Walk, ways: dict[str, Row], *, workers: int, run_s: float, runs: int
) -> list[dict[str, Any]]:
    """Return a row for each way, and one of what more workers give."""
    absent = {name: row.absent for name, row in ways.items() if row.absent}
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
        del ways[name]
    require_same_clips(walk, ways)
    clock_hz, core_hz = measure(ways, run_s=run_s, runs=runs)
    ours_hz = core_hz[ONE_WORKER]
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "clips_hz": spread(clock_hz[name]),
            "clips_per_core_s": spread(core_hz[name]),
            "loader_beside_it": spread(
                [ours / theirs for ours, theirs in zip(ours_hz, core_hz[name], strict=True)]
            ),
            "asked": row.asked,
        }
        for name, row in ways.items()
    ]
    more = f"loader, {workers} workers"
    if more in ways:
        faster = [a / b for a, b in zip(clock_hz[more], clock_hz[ONE_WORKER], strict=True)]
        rows.append({"name": "scaling", "workers": workers, "beside_one_worker": spread(faster)})
    return rows + [{"name": name, "absent": reason} for name, reason in absent.items()]


def our_ways(*, workers: int) -> dict[str, Opened]:
    """Return the loader in this process and with workers, and the floor."""

    def floor(walk: Walk, *, fresh: bool) -> Row:
        return Row(source=bare_decodes(walk, fresh=fresh), asked=0.8)

    def ours(walk: Walk, *, workers: int) -> Row:
        before = 3 * BATCH_CLIPS * workers or BATCH_CLIPS
        return Row(source=loaded(walk, workers=workers), before=before, together=BATCH_CLIPS)

    return {
        FLOOR: partial(floor, fresh=True),
        f"{FLOOR} into the same memory": partial(floor, fresh=False),
        "loader, in process": partial(ours, workers=0),
        **{
            f"loader, {n} worker{'s' * (n > 1)}": partial(ours, workers=n)
            for n in sorted({1, max(1, workers)})
        },
    }


def other_ways() -> dict[str, Opened]:
    """Return what a user would do without this loader; nothing is made before the clock starts."""
    return {
        "PyAV, opened and sought for each clip": partial(_of_video, reader=pyav_reader, asked=50),
        "decord, opened for each clip": partial(_of_video, reader=decord_reader, asked=50),
        "torchcodec, kept open": partial(_of_video, reader=torchcodec_reader, asked=None),
        "webdataset, independent clips": lambda walk: Row(
            source=independent_clips(walk), before=0, asked=4
        ),
        "webdataset, sequential window": lambda walk: Row(source=sequential_clips(walk)),
    }


def _of_video(walk: Walk, *, reader: Callable[[Path], Any], asked: float | None) -> Row:
    """Return the way that reads the video; it is left out if its library cannot."""
    try:
        source = from_video(walk, reader(walk.video))
    except (ImportError, OSError, RuntimeError) as fault:
        reason = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        return Row(source=loaded(walk, workers=0), absent=reason)
    return Row(source=source, before=0, asked=asked)


def loaded(walk: Walk, *, workers: int) -> Source:
    """Return the loader, with the copy to the batch's memory that a GPU would take it from."""

    def source(start: int) -> Iterator[Made]:
        loader = open_loader(walk, workers=workers, start_step=start // BATCH_CLIPS)
        numbers = walk.ordered(start)
        # As page-locked memory, which torch keeps for the next batch.
        px = walk.augment.first_px
        batch = torch.empty((BATCH_CLIPS, walk.clips.frames, px, px, 3), dtype=torch.uint8)
        for clips in loader.handed_over():
            # With channels last, as `make_views` sends them: one stretch of memory to the next.
            torch.stack([clip.first.permute(0, 2, 3, 1) for clip in clips], out=batch)
            for clip, first in zip(clips, batch.permute(0, 1, 4, 2, 3), strict=True):
                number, position = next(numbers)
                assert clip.position == position
                yield Made(number=number, position=position, first=first)

    return source


def open_loader(
    walk: Walk, *, workers: int, start_step: int = 0, order: ClipOrder | None = None
) -> ClipLoader:
    """Return a loader as for a GPU."""
    return ClipLoader(
        (walk.shard_set,),
        walk.clips,
        order or walk.order,
        walk.augment,
        workers=workers,
        start_step=start_step,
        stop_step=ENDLESS,
        device=GPU,
    )


def require_same_clips(walk: Walk, ways: dict[str, Row]) -> None:
    """Stop unless each way's first clips are those that are read for their numbers and positions.

    One more than two batches of a way that makes batches, whose memory is then used again, else
    three. Ways that read the pictures give the very same; those that read the video, nearly.
    """
    reader = ClipReader(walk.augment, seed=walk.order.seed)
    for name, row in ways.items():
        from_pictures = name.startswith(("loader", "webdataset"))
        for made in islice(row.source(0), 2 * row.together + 1):
            if made.first is None:
                break
            expected = reader.read(walk.place(made.number, made.position)).first
            difference = (made.first.int() - expected.int()).abs().float().mean()
            assert difference <= (0 if from_pictures else LEVELS), f"{name}: {difference} levels"


def measure(
    ways: dict[str, Row], *, run_s: float, runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return clips per second of the clock and per second of processors, in each run.

    The ways take turns, each opened anew, at the same clips.
    """
    clock_hz: dict[str, list[float]] = {name: [] for name in ways}
    core_hz: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs):
        for name, row in ways.items():
            clips = row.source(run * APART)
            for _ in islice(clips, row.before):
                pass
            start_s, busy_s, made = time.perf_counter(), processors_s(), 0
            while (passed_s := time.perf_counter() - start_s) < run_s or not made:
                made += len(list(islice(clips, row.together)))
            clock_hz[name].append(made / passed_s)
            core_hz[name].append(made / (processors_s() - busy_s))
            told = (
                f"{name}: {made} clips in {passed_s:.1f} s, {core_hz[name][-1]:.3g} a core second"
            )
            print(f"run {run + 1} of {runs}, {told}", file=sys.stderr)
    return clock_hz, core_hz


def processors_s() -> float:
    """Return the processor time of this process and of the workers that it has now."""
    ticks = 0
    for worker in multiprocessing.active_children():
        # What follows the name in brackets (proc_pid_stat(5)): fields 3 and on; 14 and 15 wanted.
        stat = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def first_batch(walk: Walk, *, workers: int, runs: int) -> dict[str, Any]:
    """Return the row of how long the first batch takes; modules have been imported before."""
    order = order_of(walk.clips, batch_clips=FIRST_BATCH_CLIPS)
    passed_s = []
    for _ in range(runs):
        start_s = time.perf_counter()
        next(open_loader(walk, workers=workers, order=order).handed_over())
        passed_s.append(time.perf_counter() - start_s)
    return {
        "name": "first batch",
        "batch_clips": FIRST_BATCH_CLIPS,
        "workers": workers,
        "s": spread(passed_s),
        "asked": 2.0,
    }


def mixing(walk: Walk) -> dict[str, Any]:
    """Return the row of how far apart neighbours are in batches of the window, and of ours."""
    ours = [number for number, _ in islice(walk.ordered(0), len(walk.clips))]
    orders = {"loader": ours, "sequential window": window_order(walk)}
    return {
        "name": "seconds of video between neighbours in a batch, middle",
        "batch_clips": WINDOW_CLIPS,
        "clips": len(walk.clips),
        **{name: neighbours_s(numbers, walk.clips) for name, numbers in orders.items()},
    }


def neighbours_s(numbers: list[int], clips: ClipTable) -> float:
    """Return the median distance of clips that follow each other."""
    times_s = np.asarray(numbers) / KEPT_FPS
    batch = min(WINDOW_CLIPS, len(clips))
    distances = neighbour_distances_s(
        np.zeros(len(numbers), dtype=np.int64), times_s, batch_clips=batch
    )
    return float(f"{np.median(distances):.3g}")


if __name__ == "__main__":
    main()
