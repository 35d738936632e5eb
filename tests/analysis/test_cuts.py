"""Both of PySceneDetect's detectors run on stored scores, and find what they find in the video."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from analysis.cuts import CUT_COLUMNS, cuts_from_scores, frames_by_detector, read_cuts
from analysis.statistics.cut_agreement import detector_agreement, score_cuts
from tests.analysis.sets import make_set
from wtours import WtoursError, open_video

RATE = Fraction(30)


def scores_of(cuts: list[int], *, frames: int = 120) -> np.ndarray:
    scores = np.full(frames, 2.0)
    scores[0] = 0
    scores[cuts] = 90
    return scores


def test_both_detectors_find_clear_cuts_and_their_frames() -> None:
    pts = np.arange(120, dtype=np.int64) * 1000
    table = cuts_from_scores(scores_of([40, 80]), pts, time_base=Fraction(1, 30_000), rate=RATE)
    assert list(table.columns) == [name for name in CUT_COLUMNS if name != "video"]
    found = frames_by_detector({"film": table})
    assert found == {"content": {"film": [40, 80]}, "adaptive": {"film": [40, 80]}}
    assert table["time_s"].tolist() == pytest.approx([40 / 30, 80 / 30] * 2)


def test_no_frames_have_no_cuts() -> None:
    none = np.zeros(0)
    table = cuts_from_scores(none, none.astype(np.int64), time_base=Fraction(1, 30), rate=RATE)
    assert table.empty
    assert frames_by_detector({"film": table})["adaptive"] == {"film": []}


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(WtoursError, match="no cut detector 'guess'"):
        cuts_from_scores(
            np.zeros(2), np.arange(2), time_base=Fraction(1), rate=RATE, detectors=["guess"]
        )


def test_sets_without_scores_are_left_out(tmp_path: Path) -> None:
    assert read_cuts([make_set(tmp_path / "walk", frames=4)]) == {}


@pytest.mark.media
def test_stored_scores_give_the_cuts_that_the_detectors_gave_the_video(media: Path) -> None:
    from wtours.stages.cuts import CutStage

    stage, pts = CutStage(), []
    with open_video(media / "cuts_testvideo.mp4") as video:
        for frame in video:
            stage.process_frame(frame)
            pts.append(frame.pts)
        time_base, rate = video.time_base, video.facts.average_rate
    table = cuts_from_scores(
        stage.finish(), np.asarray(pts, dtype=np.int64), time_base=time_base, rate=rate
    )
    found = frames_by_detector({"film": table})
    golden = {
        name: json.loads((media / f"cuts_goldens/testvideo.mp4.{file}.default.json").read_text())[
            "cuts"
        ]
        for name, file in (("content", "ContentDetector"), ("adaptive", "AdaptiveDetector"))
    }
    for name, frames in golden.items():
        scored = score_cuts(found[name], {"film": frames}).iloc[-1]
        assert (scored["precision"], scored["recall"], scored["f1"]) == (1, 1, 1)
    (row,) = detector_agreement(found).to_dict("records")
    assert (row["one_cuts"], row["other_cuts"], row["both"]) == (3, 4, 3)
