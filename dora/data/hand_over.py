"""How clips come from the processes that read: pixels through memory that all of them share.

That memory is made once, before workers start, and has a slot for each clip that can be on its way
or in the batch at hand. The main process numbers clips when it gives out their places, so that a
slot is used again only when the clip that lay in it has become part of a batch: no lock, no message
back, and nothing that a killed worker could leave held. What is not pixels goes through the queue.

The memory has no name in any folder and ends with the last process that uses it, however that ends.
"""

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from multiprocessing import reduction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from dora.data.places import ClipPlace
from dora.data.reading import Fault
from dora.data.ways import Way

SHARED_MEMORY = Path("/dev/shm")
ALIGNED_BYTES = 64
"""Tensors begin at multiples of a line of the processor's cache."""
Parcel = tuple[bytes, list[Tensor]]
"""A clip without its pixels, and tensors for which its slot had no room."""


def room_bytes() -> int | None:
    """Return how much memory can be shared; None where only all memory limits it."""
    if hasattr(os, "memfd_create") or not SHARED_MEMORY.is_dir():
        return None
    space = os.statvfs(SHARED_MEMORY)
    return space.f_bavail * space.f_frsize


class Slots:
    """Shared memory in equal parts; it travels to processes that are being started.

    Pages are taken when a slot is first written.

    Args:
        slots: how many.
        size_bytes: of each, at least.
    """

    def __init__(self, slots: int, *, size_bytes: int) -> None:
        assert slots >= 1
        self.slots = slots
        self.size_bytes = _aligned(max(size_bytes, 1))
        self._descriptor = _open_memory()
        os.ftruncate(self._descriptor, self.slots * self.size_bytes)
        self._memory = self._map()

    def memory(self, slot: int) -> Tensor:
        """Return the memory of a slot, (bytes,) uint8."""
        return self._memory[slot]

    def put(self, slot: int, clip: object) -> Parcel:
        """Return a clip whose 8-bit tensors now lie in a slot, as far as they fit in it.

        Those that lie there already stay where they are; they come before all others.
        """
        stream = io.BytesIO()
        packer = _Packer(stream, self._memory[slot])
        packer.dump(clip)
        return stream.getvalue(), packer.apart

    def take(self, slot: int, parcel: Parcel) -> Any:
        """Return the clip that was put in a slot; its tensors are the slot's memory, not copies."""
        packed, apart = parcel
        return _Unpacker(io.BytesIO(packed), self._memory[slot], apart).load()

    def __getstate__(self) -> dict[str, Any]:
        shared = reduction.DupFd(self._descriptor)
        return {"slots": self.slots, "size_bytes": self.size_bytes, "shared": shared}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.slots, self.size_bytes = state["slots"], state["size_bytes"]
        self._descriptor = state["shared"].detach()
        self._memory = self._map()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def _map(self) -> Tensor:
        """Return (slots, bytes) uint8; the memory stays as long as a tensor of it."""
        shared = mmap.mmap(self._descriptor, self.slots * self.size_bytes)
        memory: Tensor = torch.frombuffer(shared, dtype=torch.uint8)
        return memory.view(self.slots, self.size_bytes)


class SlotReader(Dataset[list[tuple[int, Parcel | Fault]]]):
    """What a worker does: reads some clips and puts each in its slot.

    Args:
        way: how clips come to the device.
        slots: where they are put.
    """

    def __init__(self, way: Way[Any], slots: Slots) -> None:
        self.way, self.slots = way, slots

    def __getitem__(
        self, places: Sequence[tuple[int, ClipPlace]]
    ) -> list[tuple[int, Parcel | Fault]]:
        return [(slot, self._read(slot, place)) for slot, place in places]

    def _read(self, slot: int, place: ClipPlace) -> Parcel | Fault:
        clip = self.way.read_or_fault(place, memory=self.slots.memory(slot))
        return clip if isinstance(clip, Fault) else self.slots.put(slot, clip)


class NumberedPlaces:
    """Places with the slots of their clips, which go round, also over several iterations.

    They go to a worker some at a time: a message and its answer cost as much for one as for four.

    Args:
        places: of clips, in order; iterated over again, it goes on.
        slots: how many there are.
        together: how many places make a message; the last of an iteration may be shorter.
    """

    def __init__(self, places: Iterable[ClipPlace], slots: int, *, together: int) -> None:
        assert 1 <= together <= slots
        self._places, self._slots, self._together = places, slots, together
        self._numbers = count()

    def __iter__(self) -> Iterator[list[tuple[int, ClipPlace]]]:
        places = iter(self._places)
        while message := [
            (next(self._numbers) % self._slots, place) for place in islice(places, self._together)
        ]:
            yield message


class _Packer(pickle.Pickler):
    """Pickles all but tensors, which it leaves in a slot, copies to it, or hands over apart."""

    def __init__(self, stream: io.BytesIO, slot: Tensor) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self.apart: list[Tensor] = []
        self._slot, self._used_bytes = slot, 0

    def persistent_id(self, value: object) -> tuple[Any, ...] | None:
        if not isinstance(value, Tensor):
            return None
        if value.untyped_storage().data_ptr() == self._slot.untyped_storage().data_ptr():
            return self._left_there(value)
        if value.dtype != torch.uint8 or value.numel() > len(self._slot) - self._used_bytes:
            self.apart.append(value)
            return (len(self.apart) - 1,)
        start, whole = self._used_bytes, value if _is_dense(value) else value.contiguous()
        shape, strides = tuple(whole.shape), whole.stride()
        _within(self._slot, start, shape, strides).copy_(whole)
        self._used_bytes = _aligned(start + value.numel())
        return start, shape, strides

    def _left_there(self, value: Tensor) -> tuple[Any, ...]:
        """Return the name of a tensor that lies in the slot."""
        start = int(value.storage_offset()) - int(self._slot.storage_offset())
        end = start + _reach(value) + 1
        assert self._used_bytes <= start, "it would lie under one that was copied"
        assert end <= len(self._slot), "it lies in another slot"
        self._used_bytes = _aligned(end)
        return start, tuple(value.shape), value.stride()


class _Unpacker(pickle.Unpickler):
    """The reverse of `_Packer`."""

    def __init__(self, stream: io.BytesIO, slot: Tensor, apart: list[Tensor]) -> None:
        super().__init__(stream)
        self._slot, self._apart = slot, apart

    def persistent_load(self, name: tuple[Any, ...]) -> Tensor:
        if len(name) == 1:
            number: int = name[0]
            return self._apart[number]
        start, shape, strides = name
        return _within(self._slot, start, shape, strides)


def _within(slot: Tensor, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """Return the part of a slot that begins at a byte, in a shape."""
    part: Tensor = slot.as_strided(shape, strides, slot.storage_offset() + start)
    return part


def _is_dense(tensor: Tensor) -> bool:
    """Whether its elements fill one stretch of memory, in whatever order of axes."""
    return tensor.numel() == _reach(tensor) + 1


def _reach(tensor: Tensor) -> int:
    """Return how many elements lie between the first and the last in memory."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return sum((int(count) - 1) * int(step) for count, step in steps)


def _open_memory() -> int:
    """Return a descriptor of memory that no folder lists."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("clips")
    with tempfile.TemporaryFile(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as file:
        return os.dup(file.fileno())


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNED_BYTES) * ALIGNED_BYTES
