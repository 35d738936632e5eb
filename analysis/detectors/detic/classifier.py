"""Zero-shot classes: likeness of a region to the text embedding of each name.

The columns of the matrix can be any vocabulary; nothing is trained for it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 50.0
"""Logit of a region that points the same way as a name."""


class RegionEmbedding(nn.Module):
    """Features of a region to the space of text embeddings."""

    def __init__(self, width: int, width_embedding: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width_embedding)

    def forward(self, features: Tensor, classifier: Tensor) -> Tensor:
        """Return probabilities (n, C) in float32, each class for itself.

        Args:
            features: (n, D) of the box head.
            classifier: (E, C) columns of length one, without a column for the background.
        """
        embedded = F.normalize(self.linear(features), dim=1)
        return torch.sigmoid(TEMPERATURE * embedded @ classifier)


def classifier_of(embeddings: Tensor) -> Tensor:
    """Return the matrix (E, C) float32 of embeddings (C, E) of any length and float type."""
    return F.normalize(embeddings.float(), dim=1).T.contiguous()
