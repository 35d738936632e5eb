"""Pictures that come one after the other are counted, and looked at in batches as they come."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.detection_streams import StreamUnit
from analysis.detections import look_at
from tests.analysis.test_detections import Brightness
from tests.video_making import flat
from wtours import WtoursError


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
        picture_bytes=64 * 48 * 3,
        read=lambda: iter([flat(90)] * count),
    )
    source = {"source": "videos", "picture_px": {"walk": (64, 48)}}
    with pytest.raises(WtoursError, match=r"stretch 0 gives (more|fewer) pictures than the 5"):
        look_at([unit], Brightness(), tmp_path, source=source, batch=2)
