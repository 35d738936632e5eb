"""Batches of views from shard sets: worker processes, exact order, pinned batches, the device.

The main process knows the clips and their order and tells workers, up to four clips at a time,
which bytes to read; a worker knows no order and has no state, so that the number of workers changes
nothing. What travels through shared memory is 8 bits. With a GPU these are first crops and what was
drawn, put together in page-locked memory; views are made there. Without one they are finished
views.
"""

import warnings
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, repeat
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from dora.config import AugmentConfig
from dora.data.ahead import held_clips, message_clips, slot_count, wanted_clips
from dora.data.bad_frames import BadFrames
from dora.data.clips import ClipTable
from dora.data.hand_over import (
    SHARED_MEMORY,
    NumberedPlaces,
    SlotReader,
    Slots,
    room_bytes,
)
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.data.picture_reading import PictureReader
from dora.data.places import ClipPlace
from dora.data.placing import clip_rows, place_clips
from dora.data.reading import ClipReader, Decoder, Fault, OnBadFrame
from dora.data.staging import StagedPlaces
from dora.data.stream import ClipOrder, share_of_rank
from dora.data.views import Views
from dora.data.ways import Way, choose_way
from dora.data.workers import interrupts_held, start_worker, worker_context
from dora.errors import DoraError


class ClipLoader:
    """Iterates over a rank's batches, from a step of the run to another.

    Workers are started from a fork server. A plain fork copies a process that has threads (of
    torch, pyarrow, TensorBoard, CUDA) in whatever state their locks are; a fork server is a process
    that has imported modules and nothing else, so that a fork of it is safe, cheap, and shares
    its memory. As with every way but the plain fork, a program that uses this class keeps its own
    doing under `if __name__ == "__main__"`.

    Memory: shared memory for at most `prefetch` clips of `clip_bytes` from each worker, for those
    of the batch at hand (or a message of each worker, where that is more) and for up to three more
    (`dora.data.ahead`), and in this process 20 bytes for each row of the indices; workers hold no
    index.

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
        on_bad_frame: whether a damaged picture is an error, or its neighbour takes its place.
        decoder: what decodes the pictures.

    Raises:
        DoraError: the batch cannot be split over the processes, shared memory is too small, or
            there is no GPU to decode.
    """

    def __init__(
        self,
        shards: Sequence[PictureSet],
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
        on_bad_frame: OnBadFrame = "error",
        decoder: Decoder = "turbo",
    ) -> None:
        self.shards = tuple(shards)
        self.clips = clips
        self.order = order
        self.rank = rank
        self.world = world
        self.start_step = start_step
        self.stop_step = stop_step
        self.device = device or torch.device("cpu")
        first = np.arange(order.batch_clips)
        self.batch_clips = len(share_of_rank(first, rank=rank, world=world))
        finished = self.device.type == "cpu"
        self.clip_bytes = clip_bytes(augment, frames=clips.frames, finished=finished)
        pictures = any(isinstance(shard_set, PictureFolder) for shard_set in self.shards)
        reader = (PictureReader if pictures else ClipReader)(
            augment, seed=order.seed, on_bad_frame=on_bad_frame
        )
        self.way: Way[Any] = choose_way(reader, augment, device=self.device, decoder=decoder)
        self.bad_frames = BadFrames([shard_set.address for shard_set in self.shards])
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
        for clips in self.handed_over():
            yield self.way.gather(clips, tell=self.bad_frames.tell)

    def handed_over(self) -> Iterator[list[Any]]:
        """Yield the clips of one batch after another, as those that read hand them over.

        The memory of their tensors is used again when the next batch is asked for.

        Raises:
            ShardError: a picture was altered.
            DoraError: a picture does not fit, or a worker was ended from outside.
        """
        with StagedPlaces(
            self._places(), self.shards, processes=self.world, told=self.rank == 0
        ) as places:
            clips = self._read_clips(places)
            for _ in range(len(self)):
                batch = list(islice(clips, self.batch_clips))
                for clip in batch:
                    self.bad_frames.tell(clip.replaced)
                yield batch

    def _places(self) -> Iterator[ClipPlace]:
        """Yield where the clips of this rank are, step after step."""
        for step in range(self.start_step, self.stop_step):
            numbers, positions = (
                share_of_rank(values, rank=self.rank, world=self.world)
                for values in self.order.clips_of_step(step)
            )
            sets, rows = clip_rows(self.clips, numbers)
            yield from place_clips(self.shards, sets, rows, positions)

    def _read_clips(self, places: StagedPlaces) -> Iterator[Any]:
        try:
            for result in self._worked(places) if self.workers else self._read_here(places):
                places.delivered()
                if isinstance(result, Fault):
                    raise result.error()
                yield result
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as fault:
            # Tensors apart come through a socket of the worker, which may be gone as well. What
            # ends the places, such as a lost network, happens in this process.
            if places.failed or not self.workers:
                raise
            if isinstance(fault, RuntimeError) and "DataLoader worker" not in str(fault):
                raise
            raise DoraError(
                "a process that reads clips was ended from outside",
                remedy="it may have been out of memory: lower data.workers, and start again",
            ) from fault

    def _read_here(self, places: StagedPlaces) -> Iterator[Any]:
        places.prepare(1)
        memory: Iterator[torch.Tensor | None] = repeat(None)
        if self.way.uses_memory:
            # Used again with each batch, for fresh memory costs a page at a time.
            memory = cycle(torch.empty((self.batch_clips, self.clip_bytes), dtype=torch.uint8))
        while not places.finished:
            for place in places:
                yield self.way.read_or_fault(place, memory=next(memory))

    def _worked(self, places: StagedPlaces) -> Iterator[Any]:
        """Yield what workers read."""
        assert self.prefetch is not None
        places.prepare(self.prefetch * self.workers)
        sizes = {"batch_clips": self.batch_clips, "workers": self.workers}
        together = message_clips(**sizes, prefetch=self.prefetch)
        slots = Slots(slot_count(**sizes, prefetch=self.prefetch), size_bytes=self.clip_bytes)
        with warnings.catch_warnings():
            # More workers than cores is the user's choice.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader: DataLoader[Any] = DataLoader(
                SlotReader(self.way, slots),
                batch_size=None,
                sampler=NumberedPlaces(places, slots.slots, together=together),
                num_workers=self.workers,
                collate_fn=_unchanged,
                prefetch_factor=self.prefetch // together,
                multiprocessing_context=worker_context(),
                worker_init_fn=start_worker,
                # Workers stay when places end for now, because the cache must first give up tars.
                persistent_workers=True,
                # Its own, for a number is drawn from it that the run's state must not lack.
                generator=torch.Generator(),
            )
            with interrupts_held():
                results = iter(loader)
                # Workers answer in turn: now each has, and has all that it was to inherit.
                started = list(islice(results, self.workers))
        for message in _chained(started, results, loader, places):
            for slot, result in message:
                yield result if isinstance(result, Fault) else slots.take(slot, result)

    def _prefetch(self) -> int:
        """Return how many clips each worker may have ready: those that are wanted, if they fit."""
        wanted = wanted_clips(batch_clips=self.batch_clips, workers=self.workers)
        room = room_bytes()
        if room is None:
            return wanted
        # Half of what is free, for other processes need some, and the batch at hand is there too.
        free_bytes = room // (2 * self.world)
        held = held_clips(batch_clips=self.batch_clips, workers=self.workers)
        fitting = (free_bytes // self.clip_bytes - held) // self.workers
        if fitting < 1:
            raise DoraError(
                f"{SHARED_MEMORY} has room for {free_bytes // 2**20} MiB of clips, and "
                f"{self.workers} workers need "
                f"{(self.workers + held) * self.clip_bytes // 2**20} MiB",
                remedy="set data.workers to 0, or start the container with more (--shm-size 8g)",
            )
        return min(wanted, fitting)


def clip_bytes(augment: AugmentConfig, *, frames: int, finished: bool) -> int:
    """Return the bytes of one clip as it travels: of first crops, or of finished views.

    JPEGs, for a GPU to decode, are counted as first crops; from pictures of 512 px they are less.
    """
    if not finished:
        return 3 * frames * augment.first_px**2
    views = sum(view.px**2 for view in augment.global_views)
    return 3 * frames * (views + augment.local_crops * augment.local_view.px**2)


def _chained(
    started: list[Any], results: Iterator[Any], loader: DataLoader[Any], places: StagedPlaces
) -> Iterator[Any]:
    """Yield the first results, those that follow, and those of further iterations."""
    yield from started
    yield from results
    while not places.finished:
        yield from loader


def _unchanged(result: Any) -> Any:
    return result
