"""Where a picture's own class stands among all classes."""

import torch
from torch import Tensor


def rank_own(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place of each picture's own class, from 0, and the score of that class.

    Equal scores go to the class with the lower number.

    Args:
        scores: (..., M, C), the higher the likelier.
        labels: (M,) int64 numbers of the classes.
    """
    numbers = labels[:, None].expand(*scores.shape[:-1], 1)
    own = scores.gather(-1, numbers)
    before = torch.arange(scores.shape[-1], device=scores.device) < labels[:, None]
    place = (scores > own).sum(dim=-1) + ((scores == own) & before).sum(dim=-1)
    return place, own[..., 0]
