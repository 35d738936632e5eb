"""Draws of timm's parts, made functions of the seed and of a place.

timm's transforms and mixup draw from the global generators of `random`, NumPy and torch. Within a
block these begin with numbers of our own, and after it they are what they were before, so that
neither the number of workers nor where a run was resumed changes what is drawn.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from dora.data.draws import raw_draws

CROPS = (1 << 41) + 1
"""Purpose of the draws of a training picture: crop, flip, RandAugment, erasing."""
MIXING = (1 << 41) + 2
"""Purpose of the draws of a group: mixup or cutmix."""
TIMM_PATHS = (1 << 41) + 3
"""Purpose of the draws that leave out residual paths of timm's networks."""


@contextmanager
def drawing(seed: int, *, purpose: int, place: int) -> Iterator[None]:
    """Begin the global generators anew for the block; one thread at a time.

    Args:
        seed: of the run.
        purpose: one of the constants of this module.
        place: number of the picture's turn, or of the group, in the run.
    """
    plain, numpys, torchs = (
        int(bits) for bits in raw_draws(seed, purpose=purpose, place=place, count=3)
    )
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        random.seed(plain)
        np.random.seed(numpys % 2**32)  # noqa: NPY002
        torch.manual_seed(torchs)  # of GPUs as well, where nothing else draws
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
