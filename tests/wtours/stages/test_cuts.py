import json
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenedetect import AdaptiveDetector, ContentDetector, SceneManager
from scenedetect import open_video as open_scenedetect

from tests.video_making import flat, panned, write_video
from wtours.errors import WtoursError
from wtours.stages.cuts import CutSettings, CutStage, content_score, find_cuts
from wtours.video import open_video

RATE = Fraction(30)


@cache
def score(path: Path) -> tuple[np.ndarray, np.ndarray, Fraction, Fraction]:
    stage = CutStage()
    with open_video(path) as reader:
        pts = []
        for frame in reader:
            stage.process_frame(frame)
            pts.append(frame.pts)
        return stage.finish(), np.asarray(pts), reader.time_base, reader.facts.average_rate


def cut_frames(path: Path, settings: CutSettings) -> list[int]:
    scores, pts, time_base, rate = score(path)
    found = find_cuts(scores, pts, time_base=time_base, rate=rate, settings=settings)
    return [int(np.searchsorted(pts, cut.pts)) for cut in found]


def scenedetect_frames(path: Path, detector: ContentDetector) -> list[int]:
    manager = SceneManager()
    manager.add_detector(detector)
    manager.detect_scenes(open_scenedetect(str(path)))
    return [cut.frame_num for cut in manager._get_cutting_list()]


def judged(scores: Sequence[float], **settings: object) -> list[int]:
    found = find_cuts(
        np.asarray(scores, dtype=float),
        np.arange(len(scores)) * 1000,
        time_base=1 / (RATE * 1000),
        rate=RATE,
        settings=CutSettings(**settings),  # type: ignore[arg-type]
    )
    return [cut.pts // 1000 for cut in found]


@pytest.fixture(scope="module")
def three_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cuts at 25 and 70, and a flash of one picture at 50."""
    shots = [(1, 25), (2, 45), (3, 30)]
    pictures = [panned(seed, i, size=(320, 180)) for seed, count in shots for i in range(count)]
    pictures[50] = flat(255, size=(320, 180))
    return write_video(tmp_path_factory.mktemp("cuts") / "shots.mp4", pictures)


def test_scores_are_those_of_the_content_detector() -> None:
    """Mean absolute change of hue, saturation and value, by its own method."""
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (36, 64, 3), dtype=np.uint8) for _ in range(2)]
    hsv = [cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)) for picture in pictures]
    detector = ContentDetector()
    for picture in pictures:
        expected = detector._calculate_frame_score(None, picture)
    assert content_score(*hsv) == pytest.approx(expected, rel=1e-12)


def test_cuts_stand_where_the_shots_change(three_shots: Path) -> None:
    assert {25, 70} <= set(cut_frames(three_shots, CutSettings()))
    assert {25, 70} <= set(cut_frames(three_shots, CutSettings(detector="adaptive")))


@pytest.mark.parametrize("min_shot_s", [0.0, 0.3, 0.6, 1.2])
def test_cuts_equal_scenedetects_own(three_shots: Path, min_shot_s: float) -> None:
    for name, detector in (("content", ContentDetector), ("adaptive", AdaptiveDetector)):
        settings = CutSettings(detector=name, min_shot_s=min_shot_s)  # type: ignore[arg-type]
        expected = scenedetect_frames(three_shots, detector(min_scene_len=min_shot_s))
        assert cut_frames(three_shots, settings) == expected


def test_a_cut_carries_time_score_and_detector(three_shots: Path) -> None:
    scores, pts, time_base, rate = score(three_shots)
    cut = find_cuts(scores, pts, time_base=time_base, rate=rate, settings=CutSettings())[0]
    assert cut.time_s == pytest.approx(25 / 30)
    assert cut.score == scores[25] > 27
    assert cut.detector == "content"


def test_short_shots_are_measured_in_seconds() -> None:
    scores = np.zeros(90)
    scores[[30, 40, 75]] = 60
    assert judged(scores, min_shot_s=0.3) == [30, 40, 75]
    assert 40 not in judged(scores, min_shot_s=0.6)


def test_threshold_is_an_option_and_stands_in_the_record() -> None:
    scores = np.zeros(60)
    scores[30] = 20
    assert judged(scores) == []
    assert judged(scores, threshold=20.0) == [30]
    assert CutSettings().to_record() == {
        "detector": "content",
        "threshold": 27.0,
        "min_shot_s": 0.6,
    }
    assert CutSettings(detector="adaptive").to_record()["threshold"] == 3.0


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(WtoursError, match="choose one of content, adaptive, none"):
        CutSettings(detector="magic")  # type: ignore[arg-type]


@pytest.mark.media
@pytest.mark.parametrize(
    ("golden", "settings"),
    [
        ("ContentDetector.default", CutSettings()),
        ("ContentDetector.t30", CutSettings(threshold=30.0)),
        ("AdaptiveDetector.default", CutSettings(detector="adaptive")),
        ("AdaptiveDetector.t5", CutSettings(detector="adaptive", threshold=5.0)),
    ],
)
def test_cuts_of_a_real_video_equal_the_goldens(
    media: Path, golden: str, settings: CutSettings
) -> None:
    stored = json.loads((media / "cuts_goldens" / f"testvideo.mp4.{golden}.json").read_text())
    assert cut_frames(media / "cuts_testvideo.mp4", settings) == stored["cuts"]
