"""Many linear classifiers trained at once on the same features: a grid of learning rates.

Each head is what DINO's eval_linear.py trains: one linear layer, weights from N(0, 0.01), bias 0,
cross-entropy, SGD with momentum 0.9 and no weight decay. The heads of a bank read the same columns
and are one matrix product; the gradient of a linear layer is written out, because it is two lines:
softmax minus one-hot, times the features.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dora.eval.scoring import rank_own

MOMENTUM = 0.9
INITIAL_DEVIATION = 0.01


class HeadBank:
    """G heads on the same W columns of the features, alike but for their learning rates."""

    def __init__(
        self,
        columns: slice,
        *,
        lrs: Sequence[float],
        classes: int,
        seed: int,
        device: torch.device,
    ) -> None:
        """Begin with equal heads.

        Args:
            columns: those that the heads read, with both ends.
            lrs: (G,) learning rates at the beginning of the schedule.
            classes: number of classes (C).
            seed: of the weights.
            device: where the heads are.
        """
        width = columns.stop - columns.start
        generator = torch.Generator().manual_seed(seed)
        first = torch.randn(1, classes, width, generator=generator) * INITIAL_DEVIATION
        self.columns = columns
        self.lrs = torch.tensor(lrs, device=device)
        self.weight = first.repeat(len(lrs), 1, 1).to(device)
        self.bias = torch.zeros(len(lrs), classes, device=device)
        self.weight_momentum = torch.zeros_like(self.weight)
        self.bias_momentum = torch.zeros_like(self.bias)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of features with all columns, (M, F), as (G, M, C)."""
        heads, classes, width = self.weight.shape
        flat = features[:, self.columns] @ self.weight.view(heads * classes, width).T
        return (flat.view(-1, heads, classes) + self.bias).transpose(0, 1)

    def step(self, features: Tensor, labels: Tensor, *, lr_factor: float) -> Tensor:
        """Take one step of SGD; return the loss of each head before it, (G,).

        Args:
            features: (M, F) float32 with all columns.
            labels: (M,) int64.
            lr_factor: of the schedule, in [0, 1].
        """
        logits_GMC = self.logits(features)
        log_shares_GMC = torch.log_softmax(logits_GMC, dim=-1)
        targets_MC = functional.one_hot(labels, logits_GMC.shape[-1]).to(logits_GMC.dtype)
        losses_G = -log_shares_GMC[:, targets_MC.bool()].mean(dim=1)
        slope_GMC = (log_shares_GMC.exp() - targets_MC) / len(labels)
        slope_GCM = slope_GMC.transpose(1, 2)
        rates = self.lrs * lr_factor
        self.weight_momentum.mul_(MOMENTUM).add_(slope_GCM @ features[:, self.columns])
        self.bias_momentum.mul_(MOMENTUM).add_(slope_GMC.sum(dim=1))
        self.weight -= rates[:, None, None] * self.weight_momentum
        self.bias -= rates[:, None] * self.bias_momentum
        return losses_G

    def count_hits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return how many pictures are right at top 1 and at top 5, (G, 2) int64.

        A head whose numbers have become infinite is right nowhere.
        """
        place_GM, own_GM = rank_own(self.logits(features), labels)
        finite_GM = own_GM.isfinite()
        return torch.stack([(finite_GM & (place_GM < top)).sum(dim=1) for top in (1, 5)], dim=1)

    def state(self) -> dict[str, Tensor]:
        """Return all that a step changes."""
        return {name: getattr(self, name) for name in STATE}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name in STATE:
            getattr(self, name).copy_(state[name])


STATE = ("weight", "bias", "weight_momentum", "bias_momentum")
"""What a step changes."""
