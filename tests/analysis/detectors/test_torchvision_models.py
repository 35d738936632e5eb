"""torchvision's detectors, with random weights, beside torchvision called directly."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from analysis.detectors.detector import Detections
from analysis.detectors.opening import open_detector
from wtours import WtoursError

MODEL = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = torchvision.models.get_model(
        MODEL, weights=None, weights_backbone=None, num_classes=91
    )
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


def test_boxes_are_those_that_torchvision_gives(weights: Path) -> None:
    detector = open_detector(f"torchvision:{MODEL}", weights=weights, threshold=0.005, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found, again = detector.detect([image, image])
    network = torchvision.models.get_model(
        MODEL, weights=None, weights_backbone=None, num_classes=91, score_thresh=0.005
    )
    network.load_state_dict(torch.load(weights, weights_only=True))
    with torch.inference_mode():
        (plain,) = network.eval()([torch.from_numpy(image).permute(2, 0, 1) / 255])
    assert 0 < len(found) <= len(plain["scores"])
    assert np.array_equal(found.boxes, again.boxes)
    for box, score, name in zip(found.boxes, found.scores, found.classes, strict=True):
        near = (plain["boxes"] - torch.from_numpy(box)).abs().amax(dim=1) < 1e-3
        same = near & (plain["labels"] == int(name)) & ((plain["scores"] - score).abs() < 1e-6)
        assert same.any()


def test_names_are_those_of_the_published_weights_and_can_be_told_apart(weights: Path) -> None:
    detector = open_detector(f"torchvision:{MODEL}", weights=weights, device="cpu")
    assert len(set(detector.names)) == 91
    assert detector.names[1] == "person"
    assert detector.names[90] == "toothbrush"


def test_a_detector_that_torchvision_does_not_have() -> None:
    with pytest.raises(WtoursError, match="no detector 'resnet50'") as fault:
        open_detector("torchvision:resnet50")
    assert "fasterrcnn_resnet50_fpn_v2" in fault.value.remedy


def test_weights_of_another_model(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    state["more"] = torch.zeros(1)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WtoursError, match=r"another model.*1 keys are .*\(more\)"):
        open_detector(f"torchvision:{MODEL}", weights=tmp_path / "other.pth", device="cpu")
    names = tmp_path / "names.txt"
    names.write_text("nothing\ncat\ndog\n")
    with pytest.raises(WtoursError, match="of other classes"):
        open_detector(f"torchvision:{MODEL}", weights=weights, names=names, device="cpu")


def shares_boxes(one: Detections, other: Detections, *, within_px: float, score: float) -> float:
    """Share of the boxes of one that the other has, of the same class, nearly there."""
    same = [
        bool(
            (
                (other.classes == name)
                & (np.abs(other.boxes - box).max(axis=1) < within_px)
                & (np.abs(other.scores - value) < score)
            ).any()
        )
        for box, value, name in zip(one.boxes, one.scores, one.classes, strict=True)
    ]
    assert same
    return float(np.mean(same))


def test_bfloat16_on_a_cpu_gives_nearly_the_same(weights: Path) -> None:
    """Random weights leave scores close to each other, so that a few change places."""
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    exact, rough = (
        open_detector(
            f"torchvision:{MODEL}", weights=weights, threshold=0.005, device="cpu", dtype=dtype
        ).detect([image])[0]
        for dtype in ("float32", "bfloat16")
    )
    assert shares_boxes(exact, rough, within_px=2.0, score=0.01) > 0.8


@pytest.mark.slow
def test_a_compiled_network_gives_the_same(weights: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    exact, found = (
        open_detector(
            f"torchvision:{MODEL}", weights=weights, threshold=0.005, device="cpu", compile=compiled
        ).detect([image])[0]
        for compiled in (False, True)
    )
    assert shares_boxes(exact, found, within_px=0.01, score=1e-5) > 0.99
