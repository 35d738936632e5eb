"""Clips through shared memory: what is put in a slot is taken out of it, by whatever process."""

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dora.data.hand_over import NumberedPlaces, Slots, room_bytes
from dora.data.places import ClipPlace
from dora.data.workers import worker_context


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Some tensors and some words."""

    name: str
    tensors: tuple[Tensor, ...]
    sizes: tuple[int, ...] = ()


def pixels(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def assert_same(found: Clip, expected: Clip) -> None:
    assert (found.name, found.sizes) == (expected.name, expected.sizes)
    for one, other in zip(found.tensors, expected.tensors, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


CLIPS = {
    "plain": Clip(name="plain", tensors=(pixels(2, 3, 5, 7), pixels(4, 3)), sizes=(1, 2)),
    "channels last": Clip(name="last", tensors=(pixels(2, 5, 7, 3).permute(0, 3, 1, 2),)),
    "a part of a larger one": Clip(name="part", tensors=(pixels(9, 9)[2:5, ::2],)),
    "empty": Clip(name="none", tensors=(pixels(0, 3), pixels(3)), sizes=()),
    "no tensor": Clip(name="words", tensors=()),
    "the same twice": Clip(name="twice", tensors=(pixels(8), pixels(8))),
}


@pytest.mark.parametrize("name", CLIPS)
def test_what_is_put_in_a_slot_is_taken_out_of_it(name: str) -> None:
    """In another order than it was put, and without a tensor beside the slot."""
    slots = Slots(3, size_bytes=1000)
    parcels = [slots.put(slot, CLIPS[name]) for slot in range(3)]
    for slot in (1, 2, 0):
        assert parcels[slot][1] == []
        assert_same(slots.take(slot, parcels[slot]), CLIPS[name])


def test_pixels_do_not_go_through_the_queue() -> None:
    """And what is taken is the memory of the slot itself, in the order of axes that it had."""
    slots = Slots(2, size_bytes=300_000)
    whole = Clip(name="large", tensors=(pixels(8, 100, 100, 3).permute(0, 3, 1, 2),))
    parcel = slots.put(1, whole)
    assert len(pickle.dumps(parcel)) < 1000
    (taken,) = slots.take(1, parcel).tensors
    assert taken.stride() == whole.tensors[0].stride()
    (again,) = slots.take(1, parcel).tensors
    assert taken.data_ptr() == again.data_ptr()


def test_what_has_no_room_or_other_numbers_goes_apart() -> None:
    """Also the rest of a clip of which a part fitted."""
    slots = Slots(2, size_bytes=200)
    mixed = Clip(
        name="mixed", tensors=(pixels(100), torch.arange(5.0), pixels(150, seed=1), pixels(60))
    )
    parcel = slots.put(0, mixed)
    assert [tensor.numel() for tensor in parcel[1]] == [5, 150]
    other = Clip(name="other", tensors=(pixels(200, seed=2),))
    second = slots.put(1, other)
    assert second[1] == []
    assert_same(slots.take(0, parcel), mixed)
    assert_same(slots.take(1, second), other)


def test_what_lies_in_its_slot_already_is_not_copied() -> None:
    """Written through any view of the memory; what else the clip has comes after it."""
    slots = Slots(3, size_bytes=600)
    first = slots.memory(1)[:300].view(10, 10, 3).permute(2, 0, 1)
    first.copy_(pixels(3, 10, 10))
    parcel = slots.put(1, Clip(name="there", tensors=(first, pixels(200, seed=1))))
    assert parcel[1] == []
    found = slots.take(1, parcel)
    assert found.tensors[0].data_ptr() == first.data_ptr()
    assert_same(found, Clip(name="there", tensors=(pixels(3, 10, 10), pixels(200, seed=1))))
    with pytest.raises(AssertionError, match="under one that was copied"):
        slots.put(1, Clip(name="other order", tensors=(pixels(200, seed=1), first)))
    with pytest.raises(AssertionError):
        slots.put(0, Clip(name="another's slot", tensors=(first,)))


def test_neighbours_in_full_slots_leave_each_other_alone() -> None:
    """Sizes that end at any byte of a line."""
    for size in range(1, 140, 13):
        slots = Slots(3, size_bytes=size)
        clips = [Clip(name=str(n), tensors=(pixels(size, seed=n),)) for n in range(3)]
        parcels = [slots.put(slot, clips[slot]) for slot in (0, 2, 1)]
        for slot, parcel in zip((0, 2, 1), parcels, strict=True):
            assert parcel[1] == []
            assert_same(slots.take(slot, parcel), clips[slot])


@pytest.mark.parametrize(
    ("together", "messages"),
    [(1, [[1] * 4, [1] * 4, [1] * 2]), (2, [[2, 2], [2, 2], [2]]), (3, [[3, 1], [3, 1], [2]])],
)
def test_places_take_the_slots_in_turn_over_all_iterations(
    together: int, messages: list[list[int]]
) -> None:
    """An iteration that ends early, as those of a small cache do, is followed by the next slot."""

    class Halting:
        def __init__(self) -> None:
            self.left = [ClipPlace(position=n, set_number=0, rows=(), frames=()) for n in range(10)]

        def __iter__(self) -> Iterator[ClipPlace]:
            for _ in range(min(4, len(self.left))):
                yield self.left.pop(0)

    numbered = NumberedPlaces(Halting(), slots=3, together=together)
    found = [list(numbered) for _ in range(3)]
    assert [[len(message) for message in part] for part in found] == messages
    given = [each for part in found for message in part for each in message]
    assert [(slot, place.position) for slot, place in given] == [(n % 3, n) for n in range(10)]


def fill(slots: list[Slots], seen: "multiprocessing.Queue[object]") -> None:
    """What another process does."""
    for number, each in enumerate(slots):
        seen.put(each.put(1, Clip(name="there", tensors=(pixels(64, seed=number),))))


def test_another_process_shares_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a descriptor that it inherits; also where memory must come from a file."""
    slots = [Slots(2, size_bytes=64)]
    monkeypatch.delattr(os, "memfd_create", raising=False)
    slots.append(Slots(2, size_bytes=64))
    context = multiprocessing.get_context(worker_context())
    seen: multiprocessing.Queue[Any] = context.Queue()
    process = context.Process(target=fill, args=(slots, seen))
    process.start()
    for number, each in enumerate(slots):
        found = each.take(1, seen.get(timeout=120))
        assert_same(found, Clip(name="there", tensors=(pixels(64, seed=number),)))
    process.join(timeout=120)
    assert process.exitcode == 0


@pytest.mark.parametrize("named", [False, True])
def test_the_memory_has_no_name_and_ends_with_its_last_tensor(
    named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process leaves nothing behind: no file is listed while the memory is in use."""
    if named:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    folder = Path("/dev/shm")
    before = set(folder.iterdir()) if folder.is_dir() else set()
    slots = Slots(2, size_bytes=4096)
    taken = slots.take(0, slots.put(0, CLIPS["plain"]))
    new = (set(folder.iterdir()) if folder.is_dir() else set()) - before
    assert not any(path.is_file() and path.stat().st_size == 8192 for path in new)
    del slots
    assert_same(taken, CLIPS["plain"])


def test_room_is_asked_for_where_memory_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "memfd_create"):
        assert room_bytes() is None
        monkeypatch.delattr(os, "memfd_create")
    room = room_bytes()
    assert room is None or room > 0
