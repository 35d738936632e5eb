"""Slots of shared memory: as many as are needed, whatever the batch and the number of workers."""

from collections import deque
from itertools import count, islice, product

import pytest

from dora.data.ahead import held_clips, message_clips, most_clips, slot_count, wanted_clips


def is_overwritten(*, batch_clips: int, workers: int, prefetch: int, slots: int) -> bool:
    """Whether a clip is put where one lies that is still needed, by DataLoader's rule.

    Each worker is given as many messages as fit in `prefetch`, and one more for each that is
    taken, in order. A clip that is given is put in its slot at once: nothing can be sooner. The
    loader first waits for a message of each worker; a batch is in use until the next is asked for.
    """
    together = message_clips(batch_clips=batch_clips, workers=workers, prefetch=prefetch)
    numbers, used, given = count(), set[int](), deque[list[int]]()

    def is_free() -> bool:
        """Give one more message."""
        message = [number % slots for number in islice(numbers, together)]
        free = used.isdisjoint(message)
        used.update(message)
        given.append(message)
        return free

    ready: deque[int] = deque()
    for _ in range(workers * (prefetch // together)):
        if not is_free():
            return True
    for _ in range(workers):
        ready.extend(given.popleft())
        if not is_free():
            return True
    for _ in range(3 + 3 * slots // batch_clips):
        batch: list[int] = []
        while len(batch) < batch_clips:
            if not ready:
                ready.extend(given.popleft())
                if not is_free():
                    return True
            batch.append(ready.popleft())
        used.difference_update(batch)
    return False


def test_no_clip_is_overwritten_in_use() -> None:
    """With all that is wanted ready, and with less, where memory is short.

    Of some sizes one slot fewer would be too few.
    """
    tight = 0
    for batch_clips, workers in product(range(1, 25), range(1, 9)):
        wanted = wanted_clips(batch_clips=batch_clips, workers=workers)
        for prefetch in {1, 2, 3, 5, wanted}:
            if prefetch > wanted:
                continue
            sizes = {"batch_clips": batch_clips, "workers": workers, "prefetch": prefetch}
            slots = slot_count(**sizes)
            assert not is_overwritten(**sizes, slots=slots), sizes
            tight += is_overwritten(**sizes, slots=slots - 1)
    assert tight > 50


@pytest.mark.parametrize(
    ("batch_clips", "workers", "wanted", "held"), [(8, 2, 8, 11), (6, 1, 12, 9), (1, 4, 2, 4)]
)
def test_counts_by_hand(batch_clips: int, workers: int, wanted: int, held: int) -> None:
    """Two batches among the workers, 2 at least; a batch and up to 3, or a message of each."""
    assert wanted_clips(batch_clips=batch_clips, workers=workers) == wanted
    assert held_clips(batch_clips=batch_clips, workers=workers) == held
    assert most_clips(batch_clips=batch_clips, workers=workers) == workers * wanted + held
    assert most_clips(batch_clips=batch_clips, workers=0) == batch_clips
