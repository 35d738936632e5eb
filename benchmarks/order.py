"""How well each order of clips mixes, what it costs to make, and how often it fetches each tar.

    python -m benchmarks.order [--videos 10] [--hours 1.6] [--rate 30] [--runs 3]

On the index of a made-up shard set; nothing is read. A cache evicts what was used longest ago.
"""

import argparse
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import spread
from benchmarks.record import options_of, write_record
from dora.config import ClipConfig
from dora.data.blocks import Blocks, block_permutation
from dora.data.clips import ClipTable, SetIndex, find_clips
from dora.data.draws import permutation, uniform_draws
from dora.data.spread import nearest_distances_s, neighbour_distances_s, shares_within

BATCH_CLIPS = 128
BOUNDS_S = (1, 10, 60, 600)
"""Distances below which the share of clips is counted."""
WINDOWS_CLIPS = (1_000, 10_000)
"""Clips in memory from which a plain sequential reader draws."""
OPEN_TARS = (16, 32, 64, 128)
BLOCK_TARS = (1, 2, 4, 8)

Result = TypeVar("Result")
Shuffle = Callable[[ClipTable, int], NDArray[np.int64]]
"""From clips and the number of a pass to the order of the clips."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Read the options, make an index, go through a pass of each order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--hours", type=float, default=1.6, help="of each video")
    parser.add_argument("--rate", type=int, default=30, help="kept frames a second")
    parser.add_argument("--tar-s", type=int, default=60, help="seconds of video in a tar")
    options = options_of(parser, runs=3, tokens=tokens)
    index = made_up_index(
        videos=options.videos,
        seconds=round(options.hours * 3600),
        rate=options.rate,
        tar_s=options.tar_s,
    )
    write_record("order", compare(index, runs=options.runs), folder=options.out)


def made_up_index(*, videos: int, seconds: int, rate: int, tar_s: int) -> SetIndex:
    """Return the index of videos without a cut."""
    ticks = np.tile(np.arange(seconds * rate), videos)
    of_video = np.repeat(np.arange(videos, dtype=np.int32), seconds * rate)
    tars_a_video = -(-seconds // tar_s)
    return SetIndex(
        name="walks",
        videos=of_video,
        ticks=ticks,
        segments=np.zeros(len(ticks), dtype=np.int32),
        tars=(of_video * tars_a_video + ticks // (rate * tar_s)).astype(np.int32),
        kept_rates=(Fraction(rate),) * videos,
        video_names=tuple(f"walk-{number}" for number in range(videos)),
    )


def compare(index: SetIndex, *, runs: int) -> list[dict[str, Any]]:
    """Return a row for finding the clips and one for each order."""
    timed = [_timed(lambda: find_clips([index], ClipConfig())) for _ in range(runs)]
    clips = timed[0][0]
    found: dict[str, Any] = {
        "name": "find_clips",
        "index_rows": len(index.ticks),
        "clips": len(clips),
        "s": spread([passed_s for _, passed_s in timed]),
    }
    return [found] + [
        _row(name, shuffle, blocks, index, clips, runs=runs)
        for name, (shuffle, blocks) in _shuffles().items()
    ]


def _shuffles() -> dict[str, tuple[Shuffle, Blocks | None]]:
    shuffles: dict[str, tuple[Shuffle, Blocks | None]] = {
        "global": (lambda clips, n: permutation(0, number=n, size=len(clips)), None)
    }
    settings = {(64, block): None for block in BLOCK_TARS} | {(tars, 8): None for tars in OPEN_TARS}
    for open_tars, block_tars in settings:
        blocks = Blocks(block_tars=block_tars, open_tars=open_tars)
        shuffles[f"blocks of {block_tars}, {open_tars} open"] = (
            lambda clips, n, blocks=blocks: block_permutation(  # type: ignore[misc]
                clips.runs(), blocks, seed=0, number=n
            ),
            blocks,
        )
    for window in WINDOWS_CLIPS:
        shuffles[f"sequential, {window:,} clips in memory"] = (
            lambda clips, n, window=window: sequential(clips, n, window=window),  # type: ignore[misc]
            None,
        )
    return shuffles


def sequential(clips: ClipTable, number: int, *, window: int) -> NDArray[np.int64]:
    """Return an order that keeps a window of the clips in memory, and draws from it."""
    ahead = uniform_draws(0, purpose=0, place=number, rows=1, columns=len(clips))[0] * window
    return np.argsort(np.arange(len(clips)) + ahead, kind="stable")


def _row(
    name: str,
    shuffle: Shuffle,
    blocks: Blocks | None,
    index: SetIndex,
    clips: ClipTable,
    *,
    runs: int,
) -> dict[str, Any]:
    timed = [_timed(lambda: shuffle(clips, 0)) for _ in range(runs)]
    order = timed[0][0]
    first_rows = start_rows(clips, order)
    videos = index.videos[first_rows].astype(np.int64)
    times_s = index.ticks[first_rows] / float(index.kept_rates[0])
    nearest_s = nearest_distances_s(videos, times_s, batch_clips=BATCH_CLIPS)
    neighbours_s = neighbour_distances_s(videos, times_s, batch_clips=BATCH_CLIPS)
    row: dict[str, Any] = {
        "name": name,
        "s": spread([passed_s for _, passed_s in timed]),
        "batch_clips": BATCH_CLIPS,
        "bounds_s": BOUNDS_S,
        "neighbours_within": _rounded(shares_within(neighbours_s, BOUNDS_S)),
        "nearest_within": _rounded(shares_within(nearest_s, BOUNDS_S)),
        "nearest_median_s": float(f"{np.median(nearest_s):.3g}"),
    }
    if blocks is not None:
        last_rows = first_rows + (clips.frames - 1) * int(clips.row_strides[0])
        tars = np.stack([index.tars[first_rows], index.tars[last_rows]], axis=1)
        caches = (blocks.open_tars, blocks.cached_tars, 2 * blocks.cached_tars)
        row["cache_tars"] = caches
        row["fetched_times"] = [round(fetches_per_tar(tars, cache_tars=n), 3) for n in caches]
    return row


def start_rows(clips: ClipTable, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each clip's first frame."""
    entry = np.searchsorted(clips.ends, numbers, side="right")
    counts = np.diff(clips.ends, prepend=0)
    return clips.first_rows[entry] + numbers - (clips.ends - counts)[entry]


def fetches_per_tar(tars: NDArray[np.int32], *, cache_tars: int) -> float:
    """Return how often each tar is fetched in a pass, on average.

    Args:
        tars: (clips, 2) of the first and the last frame of every clip, in the order of the pass.
        cache_tars: tars that the cache holds.
    """
    cache: OrderedDict[int, None] = OrderedDict()
    fetched = 0
    for first in range(0, len(tars), BATCH_CLIPS):
        for tar in np.unique(tars[first : first + BATCH_CLIPS]).tolist():
            fetched += tar not in cache
            cache[tar] = None
            cache.move_to_end(tar)
        while len(cache) > cache_tars:
            cache.popitem(last=False)
    return fetched / len(np.unique(tars))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    made = work()
    return made, time.perf_counter() - started


def _rounded(shares: list[float]) -> list[float]:
    return [float(f"{share:.3g}") for share in shares]


if __name__ == "__main__":
    main()
