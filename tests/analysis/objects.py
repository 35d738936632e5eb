"""Small tables of detections, made by hand, as `find_objects` returns them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.detections import DETECTION_COLUMNS, Objects
from wtours.shards import ShardSet

CLASSES = ("person", "car", "</script><b>odd", "cup")
Box = tuple[int, int, float, tuple[float, float, float, float]]
"""Tick, class, score, and edges in pixels."""


def make_objects(
    shards: Sequence[ShardSet],
    found: Mapping[str, Sequence[Box]],
    *,
    unseen: Mapping[str, Sequence[int]] = {},
) -> Objects:
    """Return tables of these boxes; all ticks of all videos were looked at but the `unseen`."""
    videos = [video.name for each in shards for video in each.videos]
    looked = pd.concat(
        [each.table(["video", "tick", "time_s"]).to_pandas() for each in shards], ignore_index=True
    )
    looked["video"] = pd.Categorical(looked["video"].astype(str), categories=videos)
    gone = [
        tick in unseen.get(str(video), ())
        for video, tick in zip(looked["video"], looked["tick"], strict=True)
    ]
    looked = looked[[not each for each in gone]].reset_index(drop=True)
    times_s = looked.set_index(["video", "tick"])["time_s"]
    rows = [
        (video, tick, times_s[(video, tick)], number, CLASSES[number], score, *edges)
        for video, boxes in found.items()
        for tick, number, score, edges in boxes
    ]
    table = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS))
    table["video"] = pd.Categorical(table["video"], categories=videos)
    present = [name for name in CLASSES if name in set(table["name"])]
    table["name"] = pd.Categorical(table["name"], categories=present)
    types = {name: kind for name, kind in DETECTION_COLUMNS.items() if kind != "category"}
    sizes = {v.name: (v.picture_width, v.picture_height) for each in shards for v in each.videos}
    return Objects(
        detections=table.astype(types),
        looked=looked,
        record={"detector": "by hand", "source": "shards", "picture_px": sizes},
    )


WALK: Sequence[Box] = (
    (0, 0, 0.9, (8, 6, 32, 24)),
    (0, 0, 0.6, (1, 1, 9, 9)),
    (0, 1, 0.4, (0, 0, 64, 48)),
    (3, 1, 0.75, (16, 12, 48, 36)),
    (3, 2, 0.5, (0, 0, 5, 5)),
    (7, 3, 0.51, (40, 30, 64, 48)),
)
"""Boxes of a walk of 64 x 48 px."""
