from pathlib import Path

import numpy as np
import pytest
import torch

from tests.wtours.detectors.tiny_models import (
    BlueMean,
    BrightSpot,
    Failing,
    NoNumbers,
    OneTensor,
    WrongShapes,
    write_model,
)
from wtours.detectors.torchscript import TorchScriptDetector
from wtours.errors import WtoursError
from wtours.shards import Box


def spot(x: int = 20, y: int = 10) -> np.ndarray:
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[y : y + 12, x : x + 16] = 255
    return picture


def test_boxes_come_sure_first_without_doubles_and_inside_of_the_picture(tmp_path: Path) -> None:
    model = write_model(tmp_path / "spot.jit", BrightSpot())
    detector = TorchScriptDetector(model, kind="plate", threshold=0.2)
    (found,) = detector.detect([spot()])
    sure = Box(x0=20, y0=10, x1=36, y1=22, score=pytest.approx(0.9), kind="plate")
    low = Box(x0=0, y0=0, x1=4, y1=3, score=pytest.approx(0.3), kind="plate")
    assert found == (sure, low)
    detector = TorchScriptDetector(model, kind="plate", threshold=0.5)
    assert detector.detect([spot()]) == [(sure,)]


def test_pictures_are_handed_over_blue_first(tmp_path: Path) -> None:
    model = write_model(tmp_path / "blue.jit", BlueMean())
    detector = TorchScriptDetector(model, kind="face", threshold=0.1)
    blue, red = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    blue[..., 2], red[..., 0] = 255, 255
    assert [len(boxes) for boxes in detector.detect([blue, red])] == [1, 0]


def test_boxes_do_not_depend_on_batches_threads_or_what_came_before(tmp_path: Path) -> None:
    model = write_model(tmp_path / "spot.jit", BrightSpot())
    pictures = [spot(3 * n, n) for n in range(6)] + [np.zeros((30, 20, 3), dtype=np.uint8)]
    detector = TorchScriptDetector(model, kind="face", threshold=0.2)
    at_once = detector.detect(pictures)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = [
            TorchScriptDetector(model, kind="face", threshold=0.2).detect([one])[0]
            for one in pictures
        ]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert at_once == alone == detector.detect(pictures)
    assert at_once[-1] == ()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (OneTensor(), "does not return boxes"),
        (WrongShapes(), r"boxes of shape \(2, 5\)"),
        (NoNumbers(), "no numbers"),
        (Failing(), "fails with"),
    ],
)
def test_models_with_another_interface_are_refused(
    model: torch.nn.Module, said: str, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "odd.jit", model)
    detector = TorchScriptDetector(path, kind="face", threshold=0.2)
    with pytest.raises(WtoursError, match=rf"odd\.jit.*{said}.*EgoBlur"):
        detector.detect([spot()])


@pytest.mark.parametrize("content", [b"", b"PK", b"not a model" * 100])
def test_files_that_are_no_model_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "face.jit"
    path.write_bytes(content)
    with pytest.raises(WtoursError, match=r"face\.jit is no TorchScript model"):
        TorchScriptDetector(path, kind="face", threshold=0.2)
