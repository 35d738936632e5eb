"""The tiny network of the golden cases, as a checkpoint and as a detector."""

from pathlib import Path

import pytest
import torch

from analysis.detectors.detic.loading import load_detic
from analysis.detectors.detic.model import DeticDetector
from analysis.detectors.detic.picture import PictureSize
from tests.references import detic_recipe


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet of 1.2 million weights, without a classifier."""
    path = tmp_path_factory.mktemp("detic") / "tiny.pth"
    torch.save({"model": detic_recipe.state_of(detic_recipe.TINY, seed=0)}, path)
    return path


@pytest.fixture
def tiny(tiny_checkpoint: Path) -> DeticDetector:
    """The network with 37 classes, as most golden cases use it."""
    return load_detic(
        tiny_checkpoint,
        vocabulary=detic_recipe.vocabulary(64, seed=0),
        threshold=0.5,
        size=PictureSize(short_px=192, long_px=320),
    )
