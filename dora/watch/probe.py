"""Online k-NN: how well the teacher's features tell the classes of a labelled folder apart."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dora.config import ModelConfig
from dora.eval.computing import Computing
from dora.eval.image_folder import ClassFolders
from dora.eval.knn import evaluate_knn
from dora.eval.loading import evaluated, random_backbone
from dora.eval.networks import DinoNetwork
from dora.train.looks import Seen

KS = (10, 20)
"""DINO's best numbers of neighbours; scores are named knn/10 and knn/20, shares of 1."""
MOST_THREADS = 4


class Probe:
    """Scores a copy of the teacher's backbone, so that nothing in training is touched.

    Args:
        folder: with train/CLASS and val/CLASS.
        every_epochs: between two scores.
        model: sizes of the backbone.
        device: where to compute, in float32.

    Raises:
        DoraError: the folder is laid out otherwise.
    """

    name = "knn"
    from_start = True
    """The score of the untrained network is what those of the trained one are compared with."""

    def __init__(
        self, folder: Path, *, every_epochs: int, model: ModelConfig, device: torch.device
    ) -> None:
        ClassFolders.open(folder)
        self.every_epochs = every_epochs
        self._folder = folder
        self._backbone = random_backbone(model, seed=0)
        threads = min(MOST_THREADS, os.cpu_count() or 1)
        self._computing = Computing(device=device, workers=threads)

    def look(self, teacher: Mapping[str, Tensor]) -> Seen:
        """Return the shares of validation pictures whose class was found; processes share the work.

        Raises:
            DoraError: a picture is damaged.
        """
        self._backbone.load_state_dict(teacher)
        network = evaluated(DinoNetwork(self._backbone), "the teacher")
        result = evaluate_knn(network, self._folder, ks=KS, computing=self._computing)
        return Seen(figures={f"knn/{score.k}": score.top1 for score in result.scores})
