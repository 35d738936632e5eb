from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dora.errors import DoraError
from dora.eval.pictures import read_batches, read_picture, resize_px
from tests.dora.eval.tiny_networks import write_noise


@pytest.mark.parametrize(
    ("size", "inner", "box"),
    [
        ((500, 400), (320, 256), (48, 16, 272, 240)),
        ((400, 501), (256, 320), (16, 48, 240, 272)),
        ((32, 32), (256, 256), (16, 16, 240, 240)),
    ],
)
def test_picture_is_resized_to_256_and_cut_to_its_central_224(
    tmp_path: Path, size: tuple[int, int], inner: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    width, height = size
    (path,) = write_noise(tmp_path, pictures=1, side=(height, width))
    with Image.open(path) as picture:
        expected = picture.resize(inner, Image.Resampling.BICUBIC).crop(box)
    assert resize_px(224) == 256
    found = read_picture(path, image_px=224).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_grey_and_palette_pictures_have_three_channels(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "1"):
        Image.new(mode, (40, 40)).save(tmp_path / f"{mode}.png")
        assert read_picture(tmp_path / f"{mode}.png", image_px=32).shape == (3, 32, 32)


def test_batches_come_in_order_whatever_the_workers(tmp_path: Path) -> None:
    paths = write_noise(tmp_path, pictures=11)
    expected = torch.stack([read_picture(path, image_px=16) for path in paths])
    batches = [paths[:4], paths[4:5], paths[5:]]
    for workers in (1, 3, 8):
        found = list(read_batches(batches, partial(read_picture, image_px=16), workers=workers))
        assert [len(batch) for batch in found] == [4, 1, 6]
        assert torch.equal(torch.cat(found), expected)


@pytest.mark.parametrize("kept_bytes", [0, 40, 900])
def test_corrupt_picture_is_named(tmp_path: Path, kept_bytes: int) -> None:
    paths = write_noise(tmp_path, pictures=3)
    paths[1].write_bytes(paths[1].read_bytes()[:kept_bytes])
    with pytest.raises(DoraError, match=r"0001\.png is no whole picture") as caught:
        list(read_batches([paths], partial(read_picture, image_px=16), workers=2))
    assert "copy it again" in caught.value.remedy
