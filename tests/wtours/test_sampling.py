from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wtours.encodings import ENCODINGS, FRAMES, encode
from wtours.errors import WtoursError
from wtours.frame_pass import sample
from wtours.shard import shard_videos
from wtours.shard_settings import ShardSettings
from wtours.shards import open_shards
from wtours.stages.cuts import CutSettings

FPS = st.sampled_from([None, Fraction(1), Fraction(5), Fraction(30000, 1001)])


@given(
    steps=st.lists(st.integers(1, 80), min_size=1, max_size=40),
    draw=st.randoms(use_true_random=False),
    fps=FPS,
)
def test_each_tick_takes_the_keyframe_nearest_to_its_frame(
    steps: list[int], draw: object, fps: Fraction | None
) -> None:
    pts = np.cumsum([0, *steps])
    keyframes = np.asarray([0, *(t for t in pts[1:].tolist() if draw.random() < 0.2)])  # type: ignore[attr-defined]
    every = sample(pts, time_base=Fraction(1, 90), fps=fps)
    kept = sample(pts, time_base=Fraction(1, 90), fps=fps, keyframes=keyframes)
    np.testing.assert_array_equal(kept.ticks, every.ticks)
    for frame, taken in zip(every.frames.tolist(), kept.frames.tolist(), strict=True):
        plain = min(keyframes.tolist(), key=lambda key: (abs(key - int(pts[frame])), key))
        assert pts[taken] == plain
    assert (np.diff(kept.frames) >= 0).all()


@pytest.mark.parametrize("name", ["h264-open.mov", "av1-svt.mp4", "vp8-hidden.webm"])
def test_keyframes_are_stored_once_with_their_own_times(tmp_path: Path, name: str) -> None:
    """Every tick has a row; their pictures equal those that a run over all frames stores."""
    video = encode(tmp_path / name, ENCODINGS[name])
    settings = {"short_side_px": 64, "blur": None, "cuts": None}
    fast = ShardSettings(fps=Fraction(4), sampling="keyframes", **settings)
    shard_videos([video], out=tmp_path / "keys", settings=fast)
    native = ShardSettings(fps="native", **settings)
    shard_videos([video], out=tmp_path / "all", settings=native)
    keys, every = (open_shards(tmp_path / out)[0] for out in ("keys", "all"))
    rows, plain = keys.table().to_pydict(), every.table().to_pydict()
    assert rows["tick"] == list(range(13))
    stored = dict(zip(plain["pts"], plain["crc32"], strict=True))
    assert [stored[pts] for pts in rows["pts"]] == rows["crc32"]
    assert len(set(rows["offset"])) == len(set(rows["pts"])) < 13
    assert keys.record.settings["sampling"] == "keyframes"


@pytest.mark.parametrize("name", ["h264-open.mov", "hevc-open.mp4", "av1-svt-grain-10.webm"])
def test_looking_for_cuts_changes_no_picture(tmp_path: Path, name: str) -> None:
    """With cuts every frame is decoded, without them only what is kept; the rows are the same."""
    video = encode(tmp_path / name, ENCODINGS[name])
    tables = {}
    for out, cuts in (("with", CutSettings(threshold=255.0)), ("without", None)):
        settings = ShardSettings(fps=Fraction(5), short_side_px=64, blur=None, tar_s=1, cuts=cuts)
        shard_videos([video], out=tmp_path / out, settings=settings)
        shards = open_shards(tmp_path / out)[0]
        assert shards.videos[0].frames == FRAMES
        tables[out] = shards.table().to_pydict()
    assert tables["with"] == tables["without"]
    assert len(tables["with"]["tick"]) == 16


def test_an_unknown_sampling_is_refused() -> None:
    with pytest.raises(WtoursError, match="--sampling best is not known"):
        ShardSettings(sampling="best")  # type: ignore[arg-type]
