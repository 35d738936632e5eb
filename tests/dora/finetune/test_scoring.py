"""Test pictures that a network in training gets right."""

from pathlib import Path

import pytest
import torch

from dora.eval.networks import DinoNetwork
from dora.finetune.datasets import open_dataset
from dora.finetune.network import trainable
from dora.finetune.scoring import score
from tests.dora.eval.tiny_networks import tiny_network
from tests.dora.finetune.tiny_datasets import write_cifar10
from tests.dora.finetune.tuning import COMPUTING, TINY_RECIPE

pytestmark = pytest.mark.usefixtures("one_thread")


def test_score_counts_what_a_plain_loop_counts(tmp_path: Path) -> None:
    data = open_dataset("cifar10", write_cifar10(tmp_path))
    frozen = tiny_network().network
    assert isinstance(frozen, DinoNetwork)
    network = trainable(frozen, classes=7, recipe=TINY_RECIPE).train()
    top1, top5 = score(network, data.train, frozen=frozen, recipe=TINY_RECIPE, computing=COMPUTING)
    assert network.training
    right = [0, 0]
    network.eval()
    for source, label in zip(data.train.sources, data.train.labels, strict=True):
        pixels = torch.from_numpy(source).permute(2, 0, 1)[None]
        pixels = (
            torch.nn.functional.interpolate(pixels.float(), size=36, mode="bicubic", antialias=True)
            .round()
            .clamp(0, 255)[..., 2:34, 2:34]
        )
        logits = network(frozen.normalise(pixels))[0]
        order = logits.argsort(descending=True).tolist()
        right[0] += order[0] == label
        right[1] += label in order[:5]
    assert (top1, top5) == (right[0] / 10, right[1] / 10)
    assert 0 < top5 < 1 or top1 != top5
