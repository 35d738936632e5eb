"""Pictures that come one after the other are counted, and looked at in batches as they come."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.detection_streams import StreamUnit
from analysis.detection_units import Pixels
from analysis.detections import look_at
from tests.analysis.brightness import Brightness, BrightnessAtOnce
from tests.video_making import flat
from wtours import WtoursError


def unit_of(pictures: list[Pixels], *, expected: int) -> StreamUnit:
    """One stretch of a walk, of so many pictures, a tick each."""
    return StreamUnit(
        key="key",
        label="walk.mp4, stretch 0",
        ticks=pd.DataFrame(
            {
                "video": "walk",
                "tick": range(expected),
                "time_s": np.arange(float(expected)),
                "picture": np.arange(expected, dtype=np.int32),
            }
        ),
        pictures=expected,
        picture_bytes=3 * 48 * 64,
        read=lambda: iter(pictures),
    )


SOURCE = {"source": "videos", "picture_px": {"walk": (64, 48)}}


def test_pictures_come_in_order_to_a_detector_that_looks_at_several_batches(
    tmp_path: Path,
) -> None:
    unit = unit_of([flat(60 + 9 * i) for i in range(12)], expected=12)
    plain = look_at([unit], Brightness(), tmp_path / "plain", source=SOURCE, batch=3)
    found = look_at([unit], BrightnessAtOnce(), tmp_path / "out", source=SOURCE, batch=1)
    assert len(plain.detections) > 5
    assert found.detections.equals(plain.detections)


@pytest.mark.parametrize("count", [0, 4, 6])
def test_another_number_of_pictures_is_told(tmp_path: Path, count: int) -> None:
    unit = unit_of([flat(90)] * count, expected=5)
    with pytest.raises(WtoursError, match=r"stretch 0 gives (more|fewer) pictures than the 5"):
        look_at([unit], Brightness(), tmp_path, source=SOURCE, batch=2)
