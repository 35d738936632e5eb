"""The way by which a GPU decodes, tried on the CPU's decoder of the same interface."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from dora.config import AugmentConfig, ClipConfig, ViewConfig
from dora.data.description import find_shard_clips
from dora.data.device_jpeg import DeviceDecoder
from dora.data.loader import ClipLoader
from dora.data.places import ClipPlace, FramePlace
from dora.data.reading import ClipReader, DrawnClip, EncodedClip
from dora.data.stream import ClipOrder
from dora.errors import DoraError
from tests.shard_making import jpeg_of, make_shard_set
from wtours.shards import open_shards

AUGMENT = AugmentConfig(
    first_px=40,
    global_views=(ViewConfig(scale=(0.4, 1.0), px=32),),
    local_view=ViewConfig(scale=(0.05, 0.4), px=16),
    local_crops=2,
)


def place_clip(folder: Path, jpegs: list[bytes], *, position: int) -> ClipPlace:
    """Write pictures, each to a file."""
    frames = []
    for t, jpeg in enumerate(jpegs):
        path = folder / f"{position}-{t}.jpg"
        path.write_bytes(jpeg)
        frames.append(FramePlace(path=str(path), offset=0, size=len(jpeg), crc32=zlib.crc32(jpeg)))
    rows = tuple(range(len(jpegs)))
    return ClipPlace(position=position, set_number=0, rows=rows, frames=tuple(frames))


def make_jpegs(seed: int, *, side: int) -> list[bytes]:
    """Three pictures too small to be decoded smaller, of smooth colours."""
    ramp = np.linspace(0, 1, side)
    waves = [np.outer(np.sin((seed + t + 3) * ramp), np.cos((t + 2) * ramp)) for t in range(5)]
    pictures = [np.stack(waves[t : t + 3], axis=-1) * 120 + 128 for t in range(3)]
    return [jpeg_of(picture.astype(np.uint8)) for picture in pictures]


@pytest.fixture
def places(tmp_path: Path) -> list[ClipPlace]:
    """Two clips, of 60 and of 70 px."""
    return [
        place_clip(tmp_path, make_jpegs(number, side=60 + 10 * number), position=number)
        for number in range(2)
    ]


def read(places: list[ClipPlace]) -> list[EncodedClip]:
    reader = ClipReader(AUGMENT, seed=0)
    return [reader.read_encoded(place) for place in places]


def open_decoder(device: torch.device) -> DeviceDecoder:
    reader = ClipReader(AUGMENT, seed=0, on_bad_frame="skip")
    return DeviceDecoder(px=AUGMENT.first_px, device=device, decode=reader.decode)


def decoded(clips: list[EncodedClip], device: torch.device) -> list[DrawnClip]:
    return open_decoder(device).decode_clips(clips)


def assert_near(found: list[DrawnClip], places: list[ClipPlace], *, mean: float) -> None:
    """The first crops are those that a worker would have made, but for rounding."""
    reader = ClipReader(AUGMENT, seed=0)
    for clip, place in zip(found, places, strict=True):
        expected = reader.read(place)
        assert clip.position == expected.position
        assert np.array_equal(clip.draws.first_box, expected.draws.first_box)
        assert clip.first.shape == expected.first.shape
        difference = (clip.first.cpu().int() - expected.first.int()).abs()
        assert difference.float().mean() < mean


def test_clips_are_those_of_the_processor(places: list[ClipPlace]) -> None:
    """Clips of two sizes in one batch."""
    found = decoded(read(places), torch.device("cpu"))
    assert_near(found, places, mean=0.3)
    assert all(clip.replaced == () for clip in found)


def test_damage_goes_back_to_the_processor(
    tmp_path: Path, places: list[ClipPlace], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose rule it falls under; a header alone does not show it."""
    jpegs = make_jpegs(2, side=64)
    jpegs[1] = jpegs[1][:-200]
    damaged = place_clip(tmp_path, jpegs, position=2)
    (_, found) = decoded(read([places[0], damaged]), torch.device("cpu"))
    assert [each.row for each in found.replaced] == [1]
    assert torch.equal(found.first[1], found.first[0])
    assert "the GPU cannot decode a batch (" in capsys.readouterr().err


def test_a_device_that_decodes_nothing_is_told_of_once(
    places: list[ClipPlace], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch goes back to the processor; a second reason is told as well."""
    reasons = iter(["nvJPEG is missing", "nvJPEG is missing", "out of memory", "nvJPEG is missing"])

    def refuse(jpegs: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        raise RuntimeError(f"{next(reasons)}\nat some place")

    monkeypatch.setattr("dora.data.device_jpeg.decode_pictures", refuse)
    decoder = open_decoder(torch.device("cpu"))
    for _ in range(4):
        found = decoder.decode_clips(read(places))
        assert_near(found, places, mean=0.001)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "(nvJPEG is missing)" in told[0]
    assert "(out of memory)" in told[1]


def test_without_a_gpu_it_is_refused(tmp_path: Path) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=12))
    clips = find_shard_clips(shards, ClipConfig(frames=3))
    order = ClipOrder(starts=len(clips), seed=0, batch_clips=2, clips_per_epoch=4)
    with pytest.raises(DoraError, match="this process computes on the cpu") as fault:
        ClipLoader(shards, clips, order, AUGMENT, workers=0, stop_step=1, decoder="gpu")
    assert "turbo" in fault.value.remedy


@pytest.mark.gpu
def test_nvjpeg_decodes_what_the_processor_does(places: list[ClipPlace]) -> None:
    """A few levels apart, for it interpolates colours in its own way."""
    found = decoded(read(places), torch.device("cuda"))
    assert all(clip.first.is_cuda for clip in found)
    assert_near(found, places, mean=2)
