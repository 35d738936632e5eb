"""Clips per second of the loader, beside the released code's chain on one picture at a time.

    python -m benchmarks.loader [--shards data/shards] [--workers 1] [--run-s 5] [--runs 3]

First it is shown that both give the same views, then each is timed; one JSON record a line, with
smallest, middle and largest rate and with the machine. Without shards, some are made of smooth
noise, which decodes faster than a walk does.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import machine
from dora.config import RunConfig
from dora.data.augment import draw_clip
from dora.data.clips import ClipTable
from dora.data.description import find_shard_clips
from dora.data.loader import ClipLoader
from dora.data.reading import read_frames
from dora.data.stream import ClipOrder
from dora.presets import named_preset
from tests.references.plain_views import plain_views
from tests.shard_making import make_shard_set
from wtours.shards import ShardSet, open_shards

ENDLESS = 10**9


def main() -> None:
    """Read the options, open or make shards, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--preset", default="released")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--run-s", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.shards or make_shard_set(Path(scratch) / "walk", frames=40, side=512)
        compare(open_shards(folder), named_preset(options.preset), options)


def compare(shards: tuple[ShardSet, ...], run: RunConfig, options: argparse.Namespace) -> None:
    """Print a record for the loader and one for the plain chain."""
    clips = find_shard_clips(shards, run.clip)
    order = ClipOrder(starts=len(clips), seed=0, batch_clips=1, clips_per_epoch="all")

    def loaded(workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        loader = ClipLoader(shards, clips, order, run.augment, workers=workers, stop_step=ENDLESS)
        return ((views.global_views[:, 0], views.local_crops[:, 0]) for views in loader)

    def plain() -> Iterator[tuple[Tensor, Tensor]]:
        return plain_clips(shards, clips, order, run)

    assert_same_views(loaded(0), plain())
    picture = read_frames(shards[0], [0]).shape[1:3]
    sources: dict[str, tuple[int, Callable[[], Iterator[object]]]] = {
        "plain": (1, plain),
        "loader, in process": (1, lambda: loaded(0)),
        f"loader, {options.workers} workers": (options.workers, lambda: loaded(options.workers)),
        "decoding alone": (1, lambda: decoded(shards, clips, order)),
    }
    for name, (processes, open_source) in sources.items():
        first_s, rates_hz = measure(open_source(), run_s=options.run_s, runs=options.runs)
        record = {
            "benchmark": "loader",
            "name": name,
            "preset": run.preset,
            "picture_px": list(picture),
            "frames": run.clip.frames,
            "clips_hz": [round(f(rates_hz), 2) for f in (min, median, max)],
            "clips_hz_per_process": round(median(rates_hz) / max(1, processes), 2),
            "first_clip_s": round(first_s, 2),
        }
        print(json.dumps(record | machine()), flush=True)


def plain_clips(
    shards: tuple[ShardSet, ...], clips: ClipTable, order: ClipOrder, run: RunConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same clips with torchvision's and Pillow's operations, one picture at a time."""
    for position, (set_number, rows) in enumerate(clip_rows(clips, order)):
        frames = read_frames(shards[set_number], rows.tolist())
        draws = draw_clip(
            run.augment,
            seed=order.seed,
            position=position,
            frames=len(frames),
            height=frames.shape[1],
            width=frames.shape[2],
        )
        yield plain_views(frames, run.augment, draws)


def decoded(
    shards: tuple[ShardSet, ...], clips: ClipTable, order: ClipOrder
) -> Iterator[np.ndarray]:
    """Yield the frames of the same clips: reading, checksum and decoding, the floor."""
    for set_number, rows in clip_rows(clips, order):
        yield read_frames(shards[set_number], rows.tolist())


def clip_rows(clips: ClipTable, order: ClipOrder) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the set and the rows of every clip of the run, in order."""
    for step in range(ENDLESS):
        for number in order.clips_of_step(step)[0]:
            yield clips.rows(int(number))


def assert_same_views(
    ours: Iterator[tuple[Tensor, Tensor]], theirs: Iterator[tuple[Tensor, Tensor]]
) -> None:
    """Stop if the first three clips differ by more than a level of hue here and there."""
    for one, other in islice(zip(ours, theirs, strict=False), 3):
        for mine, plain in zip(one, other, strict=True):
            levels = (mine - plain).abs() * 0.225 * 255
            assert (levels > 1.1).float().mean() < 5e-3, "other views than the plain chain's"


def measure(source: Iterator[object], *, run_s: float, runs: int) -> tuple[float, list[float]]:
    """Return the seconds to the first clip, and clips per second of some runs after it."""
    start = time.perf_counter()
    next(source)
    first_s = time.perf_counter() - start
    rates_hz = []
    for _ in range(runs):
        start, count = time.perf_counter(), 0
        while (passed_s := time.perf_counter() - start) < run_s:
            next(source)
            count += 1
        rates_hz.append(count / passed_s)
    return first_s, rates_hz


if __name__ == "__main__":
    main()
