import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._inductor import config as inductor_config

from analysis.detectors.detector import Detections, ObjectDetector
from analysis.detectors.detic.loading import load_detic
from analysis.detectors.detic.model import DeticDetector, Precision
from analysis.detectors.detic.picture import PictureSize
from tests.references import detic_recipe
from tests.references.detic_plain import overlap
from wtours import WtoursError

SIZE = PictureSize(short_px=192, long_px=320)


def pictures(count: int) -> list[NDArray[np.uint8]]:
    first = detic_recipe.picture(180, 250)
    return [np.ascontiguousarray(np.roll(first, 40 * i, axis=1)) for i in range(count)]


def matched(first: Detections, second: Detections, *, score: float, iou: float) -> float:
    """Share of the surer boxes of the first that the second has with the same class."""
    sure = np.flatnonzero(first.scores > score)
    assert len(sure)
    found = [
        any(
            first.classes[i] == second.classes[j]
            and overlap(first.boxes[i].astype(float), second.boxes[j].astype(float)) > iou
            for j in range(len(second))
        )
        for i in sure
    ]
    return float(np.mean(found))


def test_it_is_an_object_detector(tiny: DeticDetector) -> None:
    detector: ObjectDetector = tiny
    (found,) = detector.detect(pictures(1))
    assert len(found) > 0
    assert set(found.classes) <= set(range(len(detector.names)))
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [250, 180, 250, 180]).all()
    assert found.scores.min() > 0.5


def test_a_batch_finds_what_its_pictures_give_one_by_one(tiny: DeticDetector) -> None:
    together = tiny.detect(pictures(3))
    for picture, batched in zip(pictures(3), together, strict=True):
        (alone,) = tiny.detect([picture])
        assert batched.classes.tolist() == alone.classes.tolist()
        np.testing.assert_allclose(batched.boxes, alone.boxes, atol=0.02)
        np.testing.assert_allclose(batched.scores, alone.scores, atol=1e-5)


def test_a_higher_threshold_needs_no_second_run(tiny_checkpoint: Path) -> None:
    """Boxes above 0.8 of a run at 0.3 are those of a run at 0.8."""
    classes = detic_recipe.vocabulary(64, seed=0)
    low, high = (
        load_detic(tiny_checkpoint, vocabulary=classes, threshold=threshold, size=SIZE).detect(
            pictures(1)
        )[0]
        for threshold in (0.3, 0.8)
    )
    sure = low.scores > 0.8
    assert len(low) > len(high) > 0
    assert np.array_equal(low.boxes[sure], high.boxes)
    assert np.array_equal(low.classes[sure], high.classes)


def test_a_checkpoint_of_22047_classes_names_what_it_finds(tmp_path: Path) -> None:
    """Three copies of the classifier, 22,048 columns, as in the official files."""
    matrix = torch.nn.functional.normalize(
        torch.randn(64, 22_048, generator=torch.Generator().manual_seed(0)), dim=0
    )
    matrix[:, -1] = 0
    state = detic_recipe.state_of(detic_recipe.TINY, seed=0)
    for stage in range(3):
        state[f"roi_heads.box_predictor.{stage}.cls_score.zs_weight"] = matrix
    torch.save({"model": state}, tmp_path / "all.pth")
    detector = load_detic(tmp_path / "all.pth", size=SIZE)
    (found,) = detector.detect(pictures(1))
    assert len(detector.names) == 22_047
    assert len(found) > 0
    assert found.classes.max() > 1203  # far classes are found too, and have names
    assert detector.names[22_046] == "knothole"


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 9), (32, 32)])
@pytest.mark.parametrize("value", [0, 255])
def test_any_picture_goes_through(shape: tuple[int, int], value: int, tiny: DeticDetector) -> None:
    image = np.full((*shape, 3), value, dtype=np.uint8)
    (found,) = tiny.detect([image])
    assert np.isfinite(found.boxes).all()


def test_a_network_of_nonsense_finds_nothing(tiny: DeticDetector) -> None:
    """Values that are not finite are dropped, wherever they arise."""
    for key in ("roi_heads.box_predictor.2.bbox_pred.2.bias", "backbone.fpn_lateral5.bias"):
        with torch.no_grad():
            tiny.model.state_dict()[key].fill_(float("nan"))
        ((found, masks),) = tiny.detect_with_masks(pictures(1))
        assert len(found) == len(masks) == 0
        assert found.boxes.shape == (0, 4)


def test_only_a_batch_with_objects_in_one_picture(tiny: DeticDetector) -> None:
    """A rule that leaves no proposal in one picture leaves those of the other in place."""
    image, black = pictures(1)[0], np.zeros((180, 250, 3), dtype=np.uint8)
    first, second = tiny.detect([black, image])
    (alone,) = tiny.detect([image])
    assert second.classes.tolist() == alone.classes.tolist()
    assert len(first) != len(second)


def test_of_no_pictures_nothing_is_found(tiny: DeticDetector) -> None:
    assert tiny.detect([]) == []
    with pytest.raises(WtoursError, match="no pictures"):
        tiny.prepare([])


def test_pictures_of_several_sizes_are_refused(tiny: DeticDetector) -> None:
    with pytest.raises(WtoursError, match="picture 1 is 40x30"):
        tiny.detect([pictures(1)[0], np.zeros((30, 40, 3), dtype=np.uint8)])


def test_records_tell_what_made_the_boxes(tiny: DeticDetector, tiny_checkpoint: Path) -> None:
    described = tiny.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["detector"] == "detic"
    assert len(described["weights_sha256"]) == 64
    assert described["settings"]["threshold"] == 0.5
    assert described["settings"]["short_px"] == 192
    other = load_detic(tiny_checkpoint, vocabulary=detic_recipe.vocabulary(64, seed=1))
    assert other.describe()["weights_sha256"] == described["weights_sha256"]
    other_words = other.describe()["settings"]["vocabulary_sha256"]
    assert other_words != described["settings"]["vocabulary_sha256"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_finds_nearly_the_same(
    dtype: Precision, tiny: DeticDetector, tiny_checkpoint: Path
) -> None:
    half = load_detic(
        tiny_checkpoint,
        vocabulary=detic_recipe.vocabulary(64, seed=0),
        threshold=0.3,
        size=SIZE,
        dtype=dtype,
    )
    (exact,), (rough,) = tiny.detect(pictures(1)), half.detect(pictures(1))
    assert matched(exact, rough, score=0.7, iou=0.7) > 0.9


@pytest.mark.slow
def test_a_compiled_backbone_gives_the_same(tiny: DeticDetector, tiny_checkpoint: Path) -> None:
    compiled = load_detic(
        tiny_checkpoint,
        vocabulary=detic_recipe.vocabulary(64, seed=0),
        threshold=0.5,
        size=SIZE,
        compile=True,
    )
    (exact,), (found,) = tiny.detect(pictures(1)), compiled.detect(pictures(1))
    assert found.classes.tolist() == exact.classes.tolist()
    np.testing.assert_allclose(found.boxes, exact.boxes, atol=0.02)


@pytest.mark.slow
def test_without_a_compiler_it_is_said_before_any_picture(tiny_checkpoint: Path) -> None:
    torch._dynamo.reset()  # what other tests have compiled needs no compiler
    with (
        inductor_config.patch({"cpp.cxx": (None, "no-such-compiler++")}),
        pytest.raises(WtoursError, match=r"cannot compile networks here .*compiler") as fault,
    ):
        load_detic(
            tiny_checkpoint, vocabulary=detic_recipe.vocabulary(64, seed=0), size=SIZE, compile=True
        )
    assert "leave --compile out" in fault.value.remedy


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_gpu_finds_the_same(dtype: Precision, tiny: DeticDetector, tiny_checkpoint: Path) -> None:
    on_gpu = load_detic(
        tiny_checkpoint,
        vocabulary=detic_recipe.vocabulary(64, seed=0),
        threshold=0.3,
        size=SIZE,
        device="cuda:0",
        dtype=dtype,
    )
    (exact,), (found,) = tiny.detect(pictures(1)), on_gpu.detect(pictures(1))
    assert matched(exact, found, score=0.7, iou=0.7) > 0.9
