"""Entropic assignment of patches to prototypes by Sinkhorn-Knopp (Eq. 4), in the log domain.

The released code exponentiates first. Once the similarities of a prototype lie 5 below a clip's
largest, at epsilon 0.05, its row underflows in float32, the clip turns into NaN, and through the
shared threshold the masks of the whole batch into zeros. Where that code is accurate, this equals
it to 3e-7; elsewhere it is what exact arithmetic gives.
"""

import math

import torch
from torch import Tensor


def assign(logits_BNK: Tensor, *, epsilon: float, iterations: int) -> Tensor:
    """Return how much each patch belongs to each prototype, (B, N, K) float32.

    For each patch the K weights sum to 1; for each prototype the N weights sum to about N/K. It is
    N times the plan of Eq. 4, whose total mass is 1.

    Args:
        logits_BNK: similarities, not yet divided by epsilon; -inf forbids a pair.
        epsilon: the entropic regulariser.
        iterations: of a step that gives prototypes equal mass, then one for patches.
    """
    patches, prototypes = logits_BNK.shape[1:]
    # float64 costs nothing at this size, and logits in the thousands need its digits
    log_plan = logits_BNK.double() / epsilon
    for _ in range(iterations):
        log_plan = log_plan - log_plan.logsumexp(dim=1, keepdim=True) - math.log(prototypes)
        log_plan = log_plan - log_plan.logsumexp(dim=2, keepdim=True) - math.log(patches)
    return (log_plan + math.log(patches)).exp().to(torch.float32)
