import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.video_making import write_video
from tests.wtours.detectors.tiny_models import BrightSpot, write_model
from tests.wtours.stages.test_cover import detail
from wtours.errors import WtoursError
from wtours.stages.blur import BlurSettings, BlurStage, fit_short_side
from wtours.stages.cover import BlurStyle, cover_boxes
from wtours.video import open_video


def test_sizes_fit_the_shorter_side_and_never_grow() -> None:
    assert fit_short_side(3840, 2160, 512) == (910, 512)
    assert fit_short_side(1376, 1840, 512) == (512, 685)
    assert fit_short_side(320, 240, 512) == (320, 240)


def test_a_real_face_is_found_at_its_place_and_covered(tmp_path: Path) -> None:
    """A packaged photograph; the box lies in the stored picture, half the size of the frame."""
    path = write_video(tmp_path / "face.mkv", [data.astronaut()])
    settings = BlurSettings()
    detectors = settings.open_detectors()
    with open_video(path) as reader:
        frame = next(iter(reader))
        stored = frame.scaled(256, 256)
        stage = BlurStage(settings, detectors, picture_size=(256, 256))
        boxes = stage.find(frame)
        covered = stage.cover(stored, boxes)
    face = boxes[0]
    assert face.score > 0.8
    assert (face.x0, face.y0, face.x1, face.y1) == pytest.approx((91, 29, 135, 89), abs=8)
    assert detail(covered, face) < 1.5 < 5 < detail(stored, face)
    assert not any(box.score > 0.5 for box in detectors[0].detect([covered])[0])


def test_faces_and_plates_are_found_in_one_picture_each_with_its_kind(tmp_path: Path) -> None:
    """The tiny model's plate is a bright spot; it is half as large in the stored picture."""
    picture = data.astronaut().clip(0, 180)
    picture[400:440, 300:360] = 255
    path = write_video(tmp_path / "face.mkv", [picture])
    settings = BlurSettings(plate_model=write_model(tmp_path / "plate.jit", BrightSpot()))
    with open_video(path) as reader:
        frame = next(iter(reader))
        stage = BlurStage(settings, settings.open_detectors(), picture_size=(256, 256))
        boxes = stage.find(frame)
        covered = stage.cover(frame.scaled(256, 256), boxes)
    assert {box.kind for box in boxes} == {"face", "plate"}
    plate = max((box for box in boxes if box.kind == "plate"), key=lambda box: box.score)
    assert (plate.x0, plate.y0, plate.x1, plate.y1) == pytest.approx((150, 200, 180, 220), abs=1.5)
    assert covered[200:220, 150:180].max() < 250


@pytest.mark.parametrize("style", ["gauss", "mosaic", "solid"])
def test_no_style_leaves_a_face_that_a_detector_sees(style: BlurStyle) -> None:
    (detector,) = BlurSettings(threshold=0.5).open_detectors()
    image = data.astronaut()
    (faces,) = detector.detect([image])
    assert faces
    assert detector.detect([cover_boxes(image, faces, margin=1.3, style=style)]) == [()]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("threshold", 0.0, "threshold"),
        ("threshold", 2.0, "threshold"),
        ("margin", 0.9, "margin"),
        ("margin", float("nan"), "margin"),
        ("style", "pixels", "style"),
        ("detection_px", 0, "0 px"),
        ("guard_s", -1, "-1 s"),
        ("guard_s", float("nan"), "nan s"),
        ("face_model", Path("no/face.jit"), "no model no/face.jit"),
        ("plate_model", Path("tests"), "no model tests"),
    ],
)
def test_bad_settings_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(WtoursError, match=said):
        BlurSettings(**{field: value})  # type: ignore[arg-type]


def test_models_are_named_by_their_hash_and_not_by_their_place(tmp_path: Path) -> None:
    records = []
    for name in ("a.jit", "b.jit"):
        (tmp_path / name).write_bytes(b"weights")
        records.append(BlurSettings(plate_model=tmp_path / name).to_record())
    digest = sha256(b"weights").hexdigest()
    assert records[0] == records[1]
    assert records[0]["plates"] == {"detector": "torchscript", "weights_sha256": digest}
    assert records[0]["detector"] == "centerface"
    record = BlurSettings(face_model=tmp_path / "a.jit").to_record()
    assert (record["detector"], record["weights_sha256"]) == ("torchscript", digest)
    assert record["plates"] is None
    (tmp_path / "a.jit").write_bytes(b"other weights")
    assert BlurSettings(face_model=tmp_path / "a.jit").to_record() != record


@pytest.mark.media
def test_both_faces_of_the_kitchen_are_covered_in_every_picture(media: Path) -> None:
    settings = BlurSettings()
    with open_video(media / "kitchen_faces_2560.mp4") as reader:
        stage = BlurStage(settings, settings.open_detectors(), picture_size=(683, 512))
        for frame in reader:
            boxes = stage.find(frame)
            covered = stage.cover(frame.scaled(683, 512), boxes)
            sure = [box for box in boxes if box.score > 0.5]
            assert len(sure) == 2, f"picture {frame.index} has {len(sure)} faces"
            coded = io.BytesIO()
            Image.fromarray(covered).save(coded, "JPEG", quality=90)
            pixels = np.asarray(Image.open(coded))
            assert max(detail(pixels, box) for box in sure) < 1.5
