"""Clips per second of the loader, beside the released code's chain on one picture at a time.

    python -m benchmarks.loader [--shards data/shards] [--workers 1] [--run-s 3] [--runs 3]

First it is shown that both give the same views, then each is timed. Without shards, some are made
of smooth noise, which decodes faster than a walk does.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from dora.config import RunConfig
from dora.data.clip_draws import draw_clip
from dora.data.clips import ClipTable
from dora.data.description import find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.placing import place_rows
from dora.data.reading import one_thread, read_frames
from dora.data.stream import ClipOrder
from dora.presets import named_preset
from tests.references.plain_views import plain_first, plain_views
from tests.shard_making import make_shard_set
from wtours.shards import ShardSet, open_shards

ENDLESS = 10**9
READ_AHEAD = 2
"""Clips that a worker may have ready: with batches of one clip, the loader's least."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, open or make shards, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--preset", default="released")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--run-s", type=float, default=3.0, help="seconds of each run")
    parser.add_argument("--side", type=int, default=512, help="of the pictures that are made, px")
    options = options_of(parser, runs=3, tokens=tokens)
    with tempfile.TemporaryDirectory() as scratch, one_thread():
        folder = options.shards
        if folder is None:
            folder = make_shard_set(Path(scratch) / "walk", frames=40, side=options.side)
        rows = compare(open_shards(folder), named_preset(options.preset), options)
    write_record("loader", rows, folder=options.out)


def compare(
    shards: tuple[ShardSet, ...], run: RunConfig, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return a row for each way of reading clips."""
    clips = find_shard_clips(shards, run.clip)
    order = ClipOrder(starts=len(clips), seed=0, batch_clips=1, clips_per_epoch="all")

    def loaded(workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        loader = ClipLoader(shards, clips, order, run.augment, workers=workers, stop_step=ENDLESS)
        return ((views.global_views[:, 0], views.local_crops[:, 0]) for views in loader)

    def plain() -> Iterator[tuple[Tensor, Tensor]]:
        return plain_clips(shards, clips, order, run)

    assert_same_views(loaded(0), plain())
    picture = read_frames(place_rows(shards[0], [0])).shape[1:3]
    sources: dict[str, tuple[int, Source]] = {
        "plain": (1, plain),
        "loader, in process": (1, lambda: loaded(0)),
        f"loader, {options.workers} workers": (options.workers, lambda: loaded(options.workers)),
        "decoding alone": (1, lambda: decoded(shards, clips, order)),
    }
    first_s, rates_hz = measure(sources, run_s=options.run_s, runs=options.runs)
    return [
        {
            "name": name,
            "preset": run.preset,
            "picture_px": list(picture),
            "frames": run.clip.frames,
            "clips_hz": spread(rates_hz[name]),
            "clips_hz_per_process": float(f"{median(rates_hz[name]) / processes:.3g}"),
            "beside_plain": spread(
                [a / b for a, b in zip(rates_hz[name], rates_hz["plain"], strict=True)]
            ),
            "first_clip_s": round(first_s[name], 2),
        }
        for name, (processes, _) in sources.items()
    ]


def plain_clips(
    shards: tuple[ShardSet, ...], clips: ClipTable, order: ClipOrder, run: RunConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same clips with torchvision's and Pillow's operations, one picture at a time."""
    for position, (set_number, rows) in enumerate(clip_rows(clips, order)):
        frames = read_frames(place_rows(shards[set_number], rows.tolist()))
        draws = draw_clip(
            run.augment,
            seed=order.seed,
            position=position,
            frames=len(frames),
            height=frames.shape[1],
            width=frames.shape[2],
        )
        yield plain_views(plain_first(frames, run.augment, draws), run.augment, draws)


def decoded(
    shards: tuple[ShardSet, ...], clips: ClipTable, order: ClipOrder
) -> Iterator[np.ndarray]:
    """Yield the frames of the same clips: reading, checksum and decoding, the floor."""
    for set_number, rows in clip_rows(clips, order):
        yield read_frames(place_rows(shards[set_number], rows.tolist()))


def clip_rows(clips: ClipTable, order: ClipOrder) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the set and the rows of every clip of the run, in order."""
    for step in range(ENDLESS):
        for number in order.clips_of_step(step)[0]:
            yield clips.rows(int(number))


def assert_same_views(
    ours: Iterator[tuple[Tensor, Tensor]], theirs: Iterator[tuple[Tensor, Tensor]]
) -> None:
    """Stop if the first three clips differ by more than a level or two of hue here and there.

    Where pictures are so large that they are decoded smaller, they differ more; the mean is small.
    """
    for one, other in islice(zip(ours, theirs, strict=False), 3):
        for mine, plain in zip(one, other, strict=True):
            levels = (mine - plain).abs() * 0.225 * 255
            assert levels.mean() < 3, "other views than the plain chain's"


Source = Callable[[], Iterator[object]]


def measure(
    sources: dict[str, tuple[int, Source]], *, run_s: float, runs: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return the seconds to each source's first clip, and its clips per second in each run.

    The sources take turns, each opened anew: workers that read ahead would slow the others.
    """
    first_s: dict[str, float] = {}
    rates_hz: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(runs):
        for name, (_, open_source) in sources.items():
            first_s[name], rate_hz = rate_of(open_source(), run_s=run_s)
            rates_hz[name].append(rate_hz)
    return first_s, rates_hz


def rate_of(source: Iterator[object], *, run_s: float) -> tuple[float, float]:
    """Return the seconds to the first clip, and the clips per second after the first few.

    What workers had read ahead when the clock starts is taken off first.
    """
    start = time.perf_counter()
    next(source)
    first_s = time.perf_counter() - start
    for _ in islice(source, READ_AHEAD):
        pass
    start, count = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - start) < run_s:
        next(source)
        count += 1
    return first_s, count / passed_s


if __name__ == "__main__":
    main()
