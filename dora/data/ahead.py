"""How many clips the processes that read may have ready, and how much memory they take: counts.

All counts are of one training process, whose workers share its batch.
"""

import math

MESSAGE_CLIPS = 4
"""Clips that a worker is told of at once, at the most: more would be more to wait for first."""


def wanted_clips(*, batch_clips: int, workers: int) -> int:
    """Return how many clips each worker should have ready: two batches among them."""
    return max(2, math.ceil(2 * batch_clips / workers))


def message_clips(*, batch_clips: int, workers: int, prefetch: int) -> int:
    """Return how many clips a worker is told of at once; another such message is on its way.

    Args:
        batch_clips: of one batch.
        workers: at least 1.
        prefetch: clips that each worker may have ready, at least 1.
    """
    wanted = wanted_clips(batch_clips=batch_clips, workers=workers)
    return min(MESSAGE_CLIPS, wanted // 2, prefetch)


def held_clips(*, batch_clips: int, workers: int) -> int:
    """Return how many clips beside those that workers may have ready are in memory.

    Those of the batch at hand and the rest of the message with its last one; at the start the first
    messages of all workers, which are waited for together.
    """
    together = message_clips(batch_clips=batch_clips, workers=workers, prefetch=MESSAGE_CLIPS)
    return max(batch_clips, workers * together) + together - 1


def slot_count(*, batch_clips: int, workers: int, prefetch: int) -> int:
    """Return how many clips have room in memory at once, so that none is overwritten in use.

    Args:
        batch_clips: of one batch.
        workers: at least 1.
        prefetch: clips that each worker may have ready, at least 1.
    """
    return prefetch * workers + held_clips(batch_clips=batch_clips, workers=workers)


def most_clips(*, batch_clips: int, workers: int) -> int:
    """Return how many clips are in memory at the most; without workers those of the batch."""
    if not workers:
        return batch_clips
    wanted = wanted_clips(batch_clips=batch_clips, workers=workers)
    return slot_count(batch_clips=batch_clips, workers=workers, prefetch=wanted)
