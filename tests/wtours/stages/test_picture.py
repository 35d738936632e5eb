import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft
from skimage import data

from tests.video_making import smooth
from wtours.stages.picture import (
    averaged_down,
    encode_jpeg,
    grey_picture,
    measure_motion,
    measure_sharpness,
    perceptual_hash,
)


def noise(seed: int, height: int = 72, width: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_grey_is_the_rounded_weighted_mean() -> None:
    image = noise(0)
    plain = image @ np.asarray([0.299, 0.587, 0.114])
    assert np.abs(grey_picture(image) - plain).max() <= 0.51


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    grey = grey_picture(noise(1))
    padded = np.pad(grey.astype(float), 1, mode="reflect")
    plain = (
        padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        - 4 * padded[1:-1, 1:-1]
    )  # fmt: skip
    assert measure_sharpness(grey) == pytest.approx(plain.var(), rel=1e-6)


def test_motion_is_the_mean_change_of_averaged_pictures() -> None:
    one, other = grey_picture(noise(2)), grey_picture(noise(3))
    blocks = [grey.reshape(36, 2, 64, 2).mean(axis=(1, 3)) for grey in (one, other)]
    found = measure_motion(averaged_down(one, 64, 36), averaged_down(other, 64, 36))
    assert found == pytest.approx(np.abs(blocks[1] - blocks[0]).mean(), rel=1e-5)


def test_hash_equals_the_plain_formula() -> None:
    grey = grey_picture(noise(4, 64, 96))
    small = grey.reshape(32, 2, 32, 3).mean(axis=(1, 3))
    lowest = fft.dctn(small, type=2, norm="ortho")[:8, :8].ravel()
    bits = "".join("1" if value > np.median(lowest[1:]) else "0" for value in lowest)
    assert perceptual_hash(grey) == int(bits, 2)


def test_hash_of_a_near_duplicate_differs_in_few_bits() -> None:
    image, other = data.astronaut(), data.coffee()
    coded = np.asarray(Image.open(io.BytesIO(encode_jpeg(image, quality=40))).resize((200, 200)))
    first, near, far = (perceptual_hash(grey_picture(p)) for p in (image, coded, other))
    assert (first ^ near).bit_count() <= 4
    assert (first ^ far).bit_count() >= 16


def test_hash_of_an_even_picture_is_no_noise() -> None:
    for level in (0, 77, 255):
        bits = perceptual_hash(np.full((45, 80), level, dtype=np.uint8))
        assert bits == (0 if level == 0 else 1 << 63)


def test_jpeg_is_baseline_with_halved_chroma_and_the_same_every_time() -> None:
    image = smooth(9)
    coded = encode_jpeg(image, quality=90)
    picture = Image.open(io.BytesIO(coded))
    assert coded == encode_jpeg(image, quality=90)
    assert b"\xff\xc0" in coded  # the marker of a baseline frame
    assert "progressive" not in picture.info
    assert [layer[1:3] for layer in picture.layer] == [(2, 2), (1, 1), (1, 1)]
    assert np.abs(np.asarray(picture).astype(int) - image).mean() < 2
