"""Videos are looked at in full size, in stretches, with the ticks that shards have."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.detection_streams import StreamUnit
from analysis.detection_units import Pixels
from analysis.detections import Objects, find_objects, look_at
from tests.analysis.test_detections import Brightness, BrightnessAtOnce
from tests.video_making import flat, write_video
from wtours import WtoursError
from wtours.frame_pass import sample
from wtours.shard import shard_videos
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stretches import Stretch, cut_into_stretches
from wtours.video import VideoReader
from wtours.whole_file import file_sha256


def units_of_video(video: ShardInput, *, fps: Fraction, length_s: float) -> list[StreamUnit]:
    """Return the stretches of a video as units, as a command does it that knows wtours."""
    timeline, time_base = video.timeline, video.facts.time_base
    sampling = sample(timeline.pts, time_base=time_base, fps=fps)
    sha256 = file_sha256(video.facts.path)
    units = []
    for stretch in cut_into_stretches(timeline, time_base=time_base, length_s=length_s):
        mine = (sampling.frames >= stretch.first) & (sampling.frames < stretch.end)
        frames, picture = np.unique(sampling.frames[mine], return_inverse=True)
        if not mine.any():
            continue
        pts = timeline.pts[frames]
        units.append(
            StreamUnit(
                key=f"{sha256}-{fps.numerator}-{fps.denominator}-{stretch.start_pts}-{stretch.end}",
                label=f"{video.facts.path.name}, stretch {stretch.number}",
                ticks=pd.DataFrame(
                    {
                        "video": video.name,
                        "tick": sampling.ticks[mine],
                        "time_s": (pts * float(time_base))[picture],
                        "picture": picture.astype(np.int32),
                    }
                ),
                pictures=len(frames),
                read=_Frames(video, stretch, frozenset(pts.tolist())),
            )
        )
    return units


class _Frames:
    def __init__(self, video: ShardInput, stretch: Stretch, wanted: frozenset[int]) -> None:
        self.video, self.stretch, self.wanted = video, stretch, wanted

    def __call__(self) -> Iterator[Pixels]:
        with VideoReader(self.video.facts) as reader:
            for frame in reader.read(self.stretch, wanted=self.wanted):
                yield frame.image


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds that grow brighter, a keyframe a second."""
    path = tmp_path_factory.mktemp("videos") / "walk.mp4"
    write_video(path, [flat(60 + 2 * i) for i in range(60)], rate=10, options={"g": "10"})
    return path


def look(video: Path, out: Path, detector: Brightness, *, batch: int = 3) -> Objects:
    (given,) = find_inputs([video])
    units = units_of_video(given, fps=Fraction(3), length_s=2.0)
    assert len(units) == 3
    size = given.facts.width, given.facts.height
    source = {"source": "videos", "picture_px": {given.name: size}}
    return look_at(units, detector, out, source=source, batch=batch)


def test_detections_have_the_ticks_and_times_of_a_shard_set(video: Path, tmp_path: Path) -> None:
    settings = ShardSettings(fps=Fraction(3), blur=None, cuts=None, short_side_px=48)
    shard_videos([video], out=tmp_path / "shards", settings=settings)
    of_shards = find_objects(open_shards(tmp_path / "shards"), Brightness(), tmp_path / "a")
    of_video = look(video, tmp_path / "b", Brightness())
    assert of_video.looked["tick"].tolist() == of_shards.looked["tick"].tolist()
    np.testing.assert_allclose(of_video.looked["time_s"], of_shards.looked["time_s"])
    assert len(of_video.detections) == len(of_shards.detections) > 5
    assert of_video.record["source"] == "videos"


def test_pictures_come_in_order_to_a_detector_that_looks_at_several_batches(
    video: Path, tmp_path: Path
) -> None:
    plain = look(video, tmp_path / "plain", Brightness())
    found = look(video, tmp_path / "out", BrightnessAtOnce(), batch=1)
    assert found.detections.equals(plain.detections)


def test_a_broken_run_goes_on_in_the_middle_of_a_video(video: Path, tmp_path: Path) -> None:
    whole = look(video, tmp_path / "whole", Brightness())
    with pytest.raises(KeyboardInterrupt):
        look(video, tmp_path / "out", Brightness(fail_after=8))
    detector = Brightness()
    assert look(video, tmp_path / "out", detector).detections.equals(whole.detections)
    assert 0 < detector.looked <= len(whole.looked) - 6


@pytest.mark.parametrize("count", [0, 4, 6])
def test_another_number_of_pictures_is_told(tmp_path: Path, count: int) -> None:
    unit = StreamUnit(
        key="key",
        label="walk.mp4, stretch 0",
        ticks=pd.DataFrame(
            {
                "video": "walk",
                "tick": range(5),
                "time_s": np.arange(5.0),
                "picture": np.arange(5, dtype=np.int32),
            }
        ),
        pictures=5,
        read=lambda: iter([flat(90)] * count),
    )
    source = {"source": "videos", "picture_px": {"walk": (64, 48)}}
    with pytest.raises(WtoursError, match=r"stretch 0 gives (more|fewer) pictures than the 5"):
        look_at([unit], Brightness(), tmp_path, source=source, batch=2)
