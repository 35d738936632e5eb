"""Damaged pictures: an error that names them, or the nearest good one in their place."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from dora.config import AugmentConfig, ViewConfig
from dora.data.bad_frames import BadFrames
from dora.data.places import ClipPlace, FramePlace
from dora.data.reading import ClipReader, Fault, OnBadFrame, PackedClip, Replaced, nearest
from dora.data.ways import FirstCrops
from dora.errors import DoraError
from tests.shard_making import jpeg_of
from wtours.shards import ShardError

AUGMENT = AugmentConfig(
    first_px=32,
    global_views=(ViewConfig(scale=(0.4, 1.0), px=32),),
    local_view=ViewConfig(scale=(0.05, 0.4), px=16),
    local_crops=2,
)
FRAMES = 5


def make_jpeg(number: int, *, side: int = 48) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (side, 64, 3), dtype=np.uint8)
    return jpeg_of(pixels)


def cut_short(jpeg: bytes) -> bytes:
    return jpeg[: len(jpeg) // 2]


def place_clip(folder: Path, jpegs: list[bytes], *, altered: tuple[int, ...] = ()) -> ClipPlace:
    """Write pictures one after the other, of which some have changed since they were counted."""
    path = folder / "walk-000000.tar"
    starts = np.cumsum([0, *(len(jpeg) for jpeg in jpegs)]).tolist()
    with path.open("wb") as tar:
        for t, jpeg in enumerate(jpegs):
            tar.write(jpeg[:-1] + b"!" if t in altered else jpeg)
    return ClipPlace(
        position=7,
        set_number=0,
        rows=tuple(range(100, 100 + len(jpegs))),
        frames=tuple(
            FramePlace(path=str(path), offset=start, size=len(jpeg), crc32=zlib.crc32(jpeg))
            for start, jpeg in zip(starts, jpegs, strict=False)
        ),
    )


def read(place: ClipPlace, on_bad_frame: OnBadFrame) -> PackedClip | Fault:
    reader = ClipReader(AUGMENT, seed=0, on_bad_frame=on_bad_frame)
    return FirstCrops(reader, AUGMENT, torch.device("cpu")).read_or_fault(place)


@pytest.mark.parametrize("on_bad_frame", ["error", "skip"])
def test_good_clips_are_read_alike(tmp_path: Path, on_bad_frame: OnBadFrame) -> None:
    clip = read(place_clip(tmp_path, [make_jpeg(t) for t in range(FRAMES)]), on_bad_frame)
    assert isinstance(clip, PackedClip)
    assert clip.first.shape == (FRAMES, 3, 32, 32)
    assert clip.first.dtype == torch.uint8
    assert clip.replaced == ()
    assert len({frame.numpy().tobytes() for frame in clip.first}) == FRAMES


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        ("altered", ShardError, "was altered"),
        ("cut short", DoraError, "row 102 cannot be decoded"),
        ("no picture", DoraError, "row 102 cannot be decoded"),
        ("other size", DoraError, "row 102 has another size than its neighbours"),
    ],
)
def test_damage_is_an_error_or_replaced(
    tmp_path: Path, damage: str, kind: type[Exception], words: str
) -> None:
    """By checksum, decoding and size. The good frames stay those of a clip without damage."""
    jpegs = [make_jpeg(t) for t in range(FRAMES)]
    (tmp_path / "whole").mkdir()
    whole = read(place_clip(tmp_path / "whole", jpegs), "error")
    assert isinstance(whole, PackedClip)
    jpegs[2] = {
        "cut short": cut_short(jpegs[2]),
        "no picture": b"nothing that could be shown",
        "other size": make_jpeg(2, side=40),
    }.get(damage, jpegs[2])
    place = place_clip(tmp_path, jpegs, altered=(2,) if damage == "altered" else ())
    fault = read(place, "error")
    assert isinstance(fault, Fault)
    assert fault.kind is kind
    assert words in fault.message
    assert str(tmp_path / "walk-000000.tar") in fault.message
    clip = read(place, "skip")
    assert isinstance(clip, PackedClip)
    assert [(each.set_number, each.row) for each in clip.replaced] == [(0, 102)]
    assert words in clip.replaced[0].reason
    expected = whole.first.clone()
    expected[2] = whole.first[1]
    assert torch.equal(clip.first, expected)


def test_nearest_good_frame_is_the_earlier_of_two() -> None:
    assert [nearest(t, {0, 4}) for t in range(6)] == [0, 0, 0, 4, 4, 4]
    assert [nearest(t, {3}) for t in range(5)] == [3] * 5


def test_first_frames_and_several_together_are_replaced(tmp_path: Path) -> None:
    """Frames 0, 1 and 4 of 5 are gone; an odd size at the start does not make the others odd."""
    jpegs = [make_jpeg(t) for t in range(FRAMES)]
    jpegs[0] = make_jpeg(0, side=40)
    clip = read(place_clip(tmp_path, jpegs, altered=(1, 4)), "skip")
    assert isinstance(clip, PackedClip)
    assert [each.row for each in clip.replaced] == [100, 101, 104]
    for t, taken in enumerate([2, 2, 2, 3, 3]):
        assert torch.equal(clip.first[t], clip.first[taken])
    assert not torch.equal(clip.first[2], clip.first[3])


@pytest.mark.parametrize("damage", ["altered", "cut short"])
def test_clip_without_a_good_frame_is_an_error(tmp_path: Path, damage: str) -> None:
    jpegs = [make_jpeg(t) for t in range(FRAMES)]
    if damage == "cut short":
        place = place_clip(tmp_path, [cut_short(jpeg) for jpeg in jpegs])
    else:
        place = place_clip(tmp_path, jpegs, altered=tuple(range(FRAMES)))
    fault = read(place, "skip")
    assert isinstance(fault, Fault)
    assert fault.kind is DoraError
    assert "none of the pictures of rows 100 to 104 is whole" in fault.message
    assert "wtours shard" in fault.remedy


def test_each_picture_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """With its set, row and fault, on stderr; sets may have the same rows."""
    told = BadFrames(["data/venice", "data/zurich"])
    picture = Replaced(set_number=1, row=5, reason="zurich-000000.tar was altered")
    other = Replaced(set_number=0, row=5, reason="row 5 cannot be decoded")
    told.tell(())
    told.tell((picture,))
    told.tell((picture, other))
    output = capsys.readouterr()
    assert output.out == ""
    first, second = output.err.splitlines()
    assert first.startswith("warning: data/zurich, row 5: zurich-000000.tar was altered; ")
    assert second.startswith("warning: data/venice, row 5: ")
