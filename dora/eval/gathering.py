"""Items shared out over processes, and what became of them brought together again."""

from collections.abc import Sequence
from typing import TypeVar

from torch import distributed

from dora.train.distributed import others_answer, rank, world_size

Item = TypeVar("Item")


def own_share(items: Sequence[Item]) -> Sequence[Item]:
    """Return this process's part: every so many-th item, from its rank on."""
    return items[rank() :: world_size()]


def join_shares(done: Sequence[Item]) -> list[Item]:
    """Return what all processes made of their shares, in the order of the items.

    Args:
        done: one for each item of `own_share`.

    Raises:
        DoraError: another process is gone.
    """
    if world_size() == 1:
        return list(done)
    shares: list[list[Item]] = [[] for _ in range(world_size())]
    with others_answer():
        distributed.all_gather_object(shares, list(done))
    return interleave(shares)


def interleave(shares: Sequence[Sequence[Item]]) -> list[Item]:
    """Return the items of all shares in their order before they were shared out."""
    total = sum(len(share) for share in shares)
    return [shares[number % len(shares)][number // len(shares)] for number in range(total)]
