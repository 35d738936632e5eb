"""From [CLS] attention of a clip's first frame to K object prototypes (section 4 of the paper)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dora.data.draws import OBJECT_HEADS, uniform_draws


def draw_heads(
    seed: int,
    positions: Sequence[int],
    *,
    view: int,
    heads: int,
    objects: int,
    shared_from: int | None,
) -> Tensor:
    """Return the attention heads from which objects are discovered, (B, K) int64 on the CPU.

    The heads of a clip are distinct and drawn with equal chances. They depend on the seed and on a
    position in the run alone: the clip's own, or one that all of them share.

    Args:
        seed: the run's seed.
        positions: (B,) numbers of the clips in the run.
        view: number of the global view; each has draws of its own.
        heads: H of the last block.
        objects: K, at most H.
        shared_from: None draws anew for each clip (paper); a position draws once, for it, and all
            clips take that (released code).
    """
    assert 1 <= objects <= heads, f"{objects} objects from {heads} heads"
    draws_BH = np.concatenate(
        [
            uniform_draws(seed, purpose=OBJECT_HEADS + view, place=place, rows=1, columns=heads)
            for place in (positions if shared_from is None else [shared_from])
        ]
    )
    order_BH = torch.from_numpy(np.argsort(draws_BH, axis=1, kind="stable"))
    return order_BH[:, :objects].expand(len(positions), objects)


def discover(attention_BHN: Tensor, queries_BND: Tensor, heads_BK: Tensor) -> Tensor:
    """Return the object prototypes P, attention-weighted sums of queries, (B, K, D) (Eq. 2).

    Args:
        attention_BHN: [CLS] row of the first frame, over the patches; not renormalised.
        queries_BND: patch queries of the first frame, heads concatenated.
        heads_BK: the heads drawn, int64.
    """
    patches = attention_BHN.shape[-1]
    rows_BKN = attention_BHN.gather(1, heads_BK[:, :, None].expand(-1, -1, patches))
    return rows_BKN @ queries_BND


def normalise_tokens(patches_BND: Tensor) -> Tensor:
    """Return tokens of unit length, as the released code uses them in Eqs. 4 and 5.

    A token of zeros stays one; the released code divides by zero.
    """
    return functional.normalize(patches_BND, dim=-1)


def similarities(patches_BND: Tensor, prototypes_BKD: Tensor) -> Tensor:
    """Return P Z', the logits of the transport problem of Eq. 4, as (B, N, K)."""
    return patches_BND @ prototypes_BKD.transpose(1, 2)


def refine(plan_BNK: Tensor, patches_BND: Tensor) -> Tensor:
    """Return the refined prototypes M* Z, (B, K, D) (Eq. 5)."""
    return plan_BNK.transpose(1, 2) @ patches_BND
