"""Decoding beside Pillow's, whole and smaller, and bytes that are no JPEG."""

import io

import numpy as np
import pytest
from PIL import Image

from dora.data.jpeg import (
    SHRINKS,
    DamagedJpegError,
    Shrink,
    decode_jpeg,
    picture_size,
    shrunk_size,
)

SIZES = [(64, 96), (61, 83), (9, 130)]


def jpeg_of(size: tuple[int, int], *, subsampling: str = "4:2:0", quality: int = 90) -> bytes:
    """A JPEG of smooth colours with noise on them."""
    generator = np.random.default_rng(size[0])
    coarse = generator.integers(0, 256, size=(5, 7, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size[::-1]), dtype=int)
    pixels = np.clip(smooth + generator.integers(-25, 25, smooth.shape), 0, 255)
    stream = io.BytesIO()
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_pixels_are_pillows(size: tuple[int, int], subsampling: str) -> None:
    """Bit for bit, odd sides included."""
    jpeg = jpeg_of(size, subsampling=subsampling)
    assert picture_size(jpeg) == size
    pixels = decode_jpeg(jpeg, size)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(jpeg))))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shrink", SHRINKS)
def test_smaller_pixels_are_pillows_and_near_to_the_mean_of_their_area(
    size: tuple[int, int], shrink: Shrink
) -> None:
    """Pillow calls it draft; beside a mean over whole areas 3 levels at most on average.

    The lowest picture is left out of the second: its colours change too much from row to row.
    """
    jpeg = jpeg_of(size)
    pixels = decode_jpeg(jpeg, size, shrink=shrink)
    height, width = shrunk_size(size, shrink)
    assert pixels.shape == (height, width, 3)
    picture = Image.open(io.BytesIO(jpeg))
    picture.draft("RGB", (size[1] // shrink, size[0] // shrink))
    if picture.size == (width, height):  # else Pillow has chosen another scale
        assert np.array_equal(pixels, np.asarray(picture))
    rows, columns = size[0] // shrink, size[1] // shrink
    whole = decode_jpeg(jpeg, size)[: rows * shrink, : columns * shrink].astype(float)
    means = whole.reshape(rows, shrink, columns, shrink, 3).mean(axis=(1, 3))
    assert size[0] < 16 or abs(pixels[:rows, :columns] - means).mean() < 3


def test_buffer_is_decoded_into() -> None:
    small, large = jpeg_of((61, 83)), jpeg_of((64, 96))
    buffer = np.zeros(3 * 64 * 96, dtype=np.uint8)
    for jpeg in (large, small, large):
        size = picture_size(jpeg)
        pixels = decode_jpeg(jpeg, size, buffer=buffer)
        assert np.shares_memory(pixels, buffer)
        assert np.array_equal(pixels, decode_jpeg(jpeg, size))


@pytest.mark.parametrize(
    "damage",
    [
        lambda jpeg: jpeg[: len(jpeg) // 2],
        lambda jpeg: jpeg[:-2],
        lambda jpeg: jpeg[: len(jpeg) // 2] + b"\xff\xd9",
        lambda jpeg: b"\xff\xd8\xff\xe0" + bytes(200),
        lambda jpeg: b"not a picture",
        lambda jpeg: b"",
    ],
    ids=["half", "no end", "half with an end", "empty header", "text", "nothing"],
)
def test_damaged_bytes_are_told(damage) -> None:  # type: ignore[no-untyped-def]
    jpeg = damage(jpeg_of((64, 96)))
    with pytest.raises(DamagedJpegError) as fault:
        decode_jpeg(jpeg, picture_size(jpeg))
    assert str(fault.value)
