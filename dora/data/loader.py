"""Batches of views from shard sets: worker processes, exact order, pinned batches, the device.

The main process knows the clips and their order and tells workers, clip by clip, which rows to
read; a worker knows no order and has no state, so that the number of workers changes nothing.
Clips travel as 8 bits through shared memory, are put together in page-locked memory if there is a
GPU, and become normalised float32 on the device.
"""

import io
import math
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dora.config import AugmentConfig
from dora.data.augment import ClipViews, augment_clip, draw_clip
from dora.data.clips import ClipTable
from dora.data.colours import normalise
from dora.data.stream import ClipOrder, share_of_rank
from dora.data.views import Views
from dora.errors import DoraError
from wtours.shards import ShardError, ShardSet

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class ClipPlace:
    """Where one clip is and what number it has: all that a worker is told."""

    position: int
    set_number: int
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A user's error in a worker, on its way to the main process."""

    kind: type[Exception]
    message: str
    remedy: str

    def error(self) -> Exception:
        """Return the error as it was raised."""
        if issubclass(self.kind, DoraError | ShardError):
            return self.kind(self.message, remedy=self.remedy)
        return DoraError(self.message, remedy=self.remedy)


class ClipReader(Dataset[ClipViews | Fault]):
    """Reads and augments one clip: a pure function of its place and the run's seed.

    Args:
        shards: the shard sets, in the order of the clip table.
        augment: how views are made.
        seed: the run's seed.
    """

    def __init__(self, shards: Sequence[ShardSet], augment: AugmentConfig, *, seed: int) -> None:
        self.shards = tuple(shards)
        self.augment = augment
        self.seed = seed

    def __getitem__(self, place: ClipPlace) -> ClipViews | Fault:
        try:
            with _one_thread():
                return self.read(place)
        except (DoraError, ShardError) as fault:
            # Raised here, it would reach the user as a text with a worker's traceback.
            return Fault(kind=type(fault), message=fault.message, remedy=fault.remedy)

    def read(self, place: ClipPlace) -> ClipViews:
        """Return the views of one clip.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture cannot be decoded, or is too small for the first crop.
        """
        shard_set = self.shards[place.set_number]
        frames = read_frames(shard_set, place.rows)
        draws = draw_clip(
            self.augment,
            seed=self.seed,
            position=place.position,
            frames=len(frames),
            height=frames.shape[1],
            width=frames.shape[2],
        )
        return augment_clip(frames, self.augment, draws, position=place.position)


def read_frames(shard_set: ShardSet, rows: Sequence[int]) -> NDArray[np.uint8]:
    """Return the pictures of some rows of one video's index, (T, H, W, 3) uint8.

    Pillow decodes, because it has libjpeg-turbo (1.8 ms for 910x512; OpenCV and torchvision, whose
    decoder is deprecated, 1.3 ms) and is no video library.

    Raises:
        ShardError: a picture was altered.
        DoraError: a picture cannot be decoded, or has another size than those before it.
    """
    frames: list[NDArray[np.uint8]] = []
    for row in rows:
        jpeg = shard_set.read_jpeg(row)
        try:
            picture = JpegImageFile(io.BytesIO(jpeg))
            pixels = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError) as fault:
            raise _bad_picture(shard_set, row, f"cannot be decoded ({fault})") from fault
        if frames and pixels.shape != frames[0].shape:
            raise _bad_picture(shard_set, row, "has another size than its neighbours")
        frames.append(pixels)
    return np.stack(frames)


def _bad_picture(shard_set: ShardSet, row: int, fault: str) -> DoraError:
    return DoraError(
        f"{shard_set.folder}: the picture of row {row} {fault}",
        remedy="make the set again with `wtours shard --replace`",
    )


class _Places:
    """Places of the clips of a rank, step after step; read by the loader's main process."""

    def __init__(self, loader: "ClipLoader") -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[ClipPlace]:
        loader = self.loader
        for step in range(loader.start_step, loader.stop_step):
            numbers, positions = (
                share_of_rank(values, rank=loader.rank, world=loader.world)
                for values in loader.order.clips_of_step(step)
            )
            for number, position in zip(numbers, positions, strict=True):
                set_number, rows = loader.clips.rows(int(number))
                yield ClipPlace(
                    position=int(position), set_number=set_number, rows=tuple(rows.tolist())
                )


class ClipLoader:
    """Iterates over a rank's batches, from a step of the run to another.

    Workers are started from a fork server. A plain fork copies a process that has threads (of
    torch, pyarrow, TensorBoard, CUDA) in whatever state their locks are; a fork server is a process
    that has imported modules and nothing else, so that a fork of it is safe, cheap, and shares
    its memory. As with every way but the plain fork, a program that uses this class keeps its own
    doing under `if __name__ == "__main__"`.

    Memory: each worker keeps at most `prefetch` clips of `clip_bytes` ready, in shared memory, and
    20 bytes for each row of the index.

    Args:
        shards: the shard sets that `clips` was made from, in its order.
        clips: all clips.
        order: which clips each step takes.
        augment: how views are made.
        workers: processes that read; 0 reads in this one.
        rank: number of this process among those that train.
        world: how many processes train.
        start_step: the step of the run that the first batch belongs to.
        stop_step: the step before which to stop.
        device: where the batches go.

    Raises:
        DoraError: the batch cannot be split over the processes, or shared memory is too small.
    """

    def __init__(
        self,
        shards: Sequence[ShardSet],
        clips: ClipTable,
        order: ClipOrder,
        augment: AugmentConfig,
        *,
        workers: int,
        rank: int = 0,
        world: int = 1,
        start_step: int = 0,
        stop_step: int,
        device: torch.device | None = None,
    ) -> None:
        self.clips = clips
        self.order = order
        self.rank = rank
        self.world = world
        self.start_step = start_step
        self.stop_step = stop_step
        self.device = device or torch.device("cpu")
        first = np.arange(order.batch_clips)
        self.batch_clips = len(share_of_rank(first, rank=rank, world=world))
        self.clip_bytes = clip_bytes(augment, frames=clips.frames)
        self.reader = ClipReader(shards, augment, seed=order.seed)
        self.workers = workers
        self.prefetch = self._prefetch() if workers else None

    def __len__(self) -> int:
        return max(0, self.stop_step - self.start_step)

    def __iter__(self) -> Iterator[Views]:
        """Yield one `Views` a step.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture does not fit, or a worker was ended from outside.
        """
        clips = self._read_clips()
        for _ in range(len(self)):
            yield self._collate([next(clips) for _ in range(self.batch_clips)])

    def _read_clips(self) -> Iterator[ClipViews]:
        try:
            for result in self._results():
                if isinstance(result, Fault):
                    raise result.error()
                yield result
        except RuntimeError as fault:
            if "DataLoader worker" not in str(fault):
                raise
            raise DoraError(
                "a process that reads clips was ended from outside",
                remedy="it may have been out of memory: lower data.workers, and start again",
            ) from fault

    def _results(self) -> Iterator[ClipViews | Fault]:
        if self.workers:
            self._load_places()
        with warnings.catch_warnings():
            # More workers than cores is the user's choice.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader: DataLoader[ClipViews | Fault] = DataLoader(
                self.reader,
                batch_size=None,
                sampler=_Places(self),
                num_workers=self.workers,
                collate_fn=_unchanged,
                prefetch_factor=self.prefetch,
                multiprocessing_context=_worker_context() if self.workers else None,
                worker_init_fn=_start_worker,
            )
            with _interrupts_held():
                results = iter(loader)
                # Workers answer in turn: now each has, and has all that it was to inherit.
                started = list(islice(results, self.workers))
        yield from started
        yield from results

    def _load_places(self) -> None:
        """Read a picture of every set, so that workers get the table of places and not its file.

        Each would else read the index by itself, for which pyarrow imports pandas: 1.5 s.
        """
        for number, shard_set in enumerate(self.reader.shards):
            first = self.clips.first_rows[self.clips.sets == number]
            if len(first):
                shard_set.read_jpeg(int(first[0]))

    def _collate(self, clips: list[ClipViews]) -> Views:
        positions = torch.tensor([clip.position for clip in clips])
        return Views(
            global_views=self._send([clip.global_views for clip in clips]),
            local_crops=self._send([clip.local_crops for clip in clips]),
            positions=positions.to(self.device),
        )

    def _send(self, crops: list[Tensor]) -> Tensor:
        """Return B times (V, T, 3, S, S) uint8 as (V, B, T, 3, S, S) float32 on the device."""
        views, *rest = crops[0].shape
        batch = torch.empty(
            (views, len(crops), *rest), dtype=torch.uint8, pin_memory=self.device.type == "cuda"
        )
        torch.stack(crops, dim=1, out=batch)
        return normalise(batch.to(self.device, non_blocking=True))

    def _prefetch(self) -> int:
        """Return how many clips each worker may have ready: two batches among them, if they fit."""
        wanted = max(2, math.ceil(2 * self.batch_clips / self.workers))
        if not SHARED_MEMORY.is_dir():
            return wanted
        space = os.statvfs(SHARED_MEMORY)
        # Half of what is free, for other processes need some, and the batch at hand is there too.
        free_bytes = space.f_bavail * space.f_frsize // (2 * self.world)
        fitting = (free_bytes // self.clip_bytes - self.batch_clips) // self.workers
        if fitting < 1:
            raise DoraError(
                f"{SHARED_MEMORY} has room for {free_bytes // 2**20} MiB of clips, and "
                f"{self.workers} workers need "
                f"{(self.workers + self.batch_clips) * self.clip_bytes // 2**20} MiB",
                remedy="set data.workers to 0, or start the container with more (--shm-size 8g)",
            )
        return min(wanted, fitting)


def clip_bytes(augment: AugmentConfig, *, frames: int) -> int:
    """Return the bytes of the views of one clip as they travel."""
    views = sum(view.px**2 for view in augment.global_views)
    return 3 * frames * (views + augment.local_crops * augment.local_view.px**2)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread, as in a worker: its steps here are too small to be worth more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _unchanged(result: Any) -> Any:
    return result


def _worker_context() -> str:
    """Return how workers start: the fork server, told what to import; Windows has only spawn.

    A worker also imports the program's main module. The server does so for all if it is a script;
    of `python -m package.module` it imports the package, for runpy warns of an imported module.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    main = getattr(sys.modules["__main__"], "__spec__", None)
    forkserver.set_forkserver_preload([__name__, (main and main.parent) or "__main__"])
    return "forkserver"


def _start_worker(_number: int) -> None:
    """Leave Ctrl-C to the main process, whose end ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start (seconds), which would else print their tracebacks.

    They inherit the mask of this thread; were this process to end sooner, it would take away what
    a worker is about to inherit. The signal may reach another thread, whose mask is its own, hence
    the handler; it is raised again when they have started.
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():
        yield
        return
    # Started now, because it would lift the mask if it were started under it.
    resource_tracker.ensure_running()
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)
