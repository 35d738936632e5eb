import re

import cv2
import numpy as np
from skimage import data

from wtours.detectors.faces import CenterFaceDetector


def test_the_packaged_face_is_found_the_same_every_time() -> None:
    found = [CenterFaceDetector(threshold=0.2).detect([data.astronaut()])[0] for _ in range(2)]
    assert found[0] == found[1]
    assert [box.kind for box in found[0]] == ["face"]
    assert found[0][0].score > 0.9


def test_boxes_do_not_depend_on_the_number_of_threads() -> None:
    picture = cv2.resize(data.astronaut(), (960, 720))
    before = cv2.getNumThreads()
    found = []
    for threads in (1, 2, 3):
        cv2.setNumThreads(threads)
        found.append(CenterFaceDetector(threshold=0.2).detect([picture])[0])
    cv2.setNumThreads(before)
    assert found[0] == found[1] == found[2]


def test_boxes_do_not_depend_on_the_other_pictures_of_a_call() -> None:
    pictures = [data.astronaut(), np.zeros((96, 64, 3), dtype=np.uint8), data.astronaut()[:300]]
    detector = CenterFaceDetector(threshold=0.2)
    assert detector.detect(pictures) == [detector.detect([one])[0] for one in pictures]
    assert detector.detect([]) == []


def test_pictures_without_a_face_have_no_boxes() -> None:
    detector = CenterFaceDetector(threshold=0.2)
    assert detector.detect([np.full((90, 160, 3), 127, dtype=np.uint8)]) == [()]
    assert detector.detect([cv2.resize(data.brick(), (128, 96))[..., None].repeat(3, 2)]) == [()]


def test_boxes_lie_in_the_picture() -> None:
    face = data.astronaut()[60:170, 170:250]
    for box in CenterFaceDetector(threshold=0.2).detect([face])[0]:
        assert 0 <= box.x0 < box.x1 <= 80
        assert 0 <= box.y0 < box.y1 <= 110


def test_weights_are_known_by_their_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", CenterFaceDetector.weights_sha256())
