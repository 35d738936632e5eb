"""Boxes and crops, each beside torchvision's or Pillow's."""

import io
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional as tv

from dora.data.crops import (
    BOX_DRAWS,
    TRIES,
    Cutter,
    buffer_bytes,
    draw_boxes,
    draw_plain_box,
    resize_first,
    shrink_of,
    shrunk_box,
)
from dora.data.jpeg import decode_jpeg
from dora.errors import DoraError


def plain_box(draws: np.ndarray, height: int, width: int, scale: tuple[float, float]) -> list[int]:
    """RandomResizedCrop's loop with given draws: one box, try after try."""
    for i in range(TRIES):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[i])
        low, high = math.log(3 / 4), math.log(4 / 3)
        ratio = math.exp(low + (high - low) * draws[TRIES + i])
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return [int(draws[-2] * (height - h + 1)), int(draws[-1] * (width - w + 1)), h, w]
    w, h = width, height
    if width / height < 3 / 4:
        h = round(width / (3 / 4))
    elif width / height > 4 / 3:
        w = round(height * (4 / 3))
    return [(height - h) // 2, (width - w) // 2, h, w]


@given(
    height=st.integers(8, 600),
    width=st.integers(8, 1100),
    scale=st.sampled_from([(0.2, 1.0), (0.4, 1.0), (0.05, 0.4), (0.95, 1.0)]),
    seed=st.integers(0, 1000),
)
def test_boxes_are_those_of_the_plain_loop(
    height: int, width: int, scale: tuple[float, float], seed: int
) -> None:
    """Wide and narrow parents, in which no try fits, are among them."""
    draws = np.random.default_rng(seed).random((2, 3, BOX_DRAWS))
    boxes = draw_boxes(draws, height=height, width=width, scale=scale)
    for place in np.ndindex(2, 3):
        assert boxes[place].tolist() == plain_box(draws[place], height, width, scale)
    top, left, box_h, box_w = np.moveaxis(boxes, -1, 0)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + box_h <= height).all()
    assert (left + box_w <= width).all()


def test_boxes_are_distributed_as_torchvisions() -> None:
    """Mean and spread of area, ratio and place, over 4,000 boxes of each."""
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    parent = torch.empty(3, 512, 910)
    theirs = np.asarray(
        [RandomResizedCrop.get_params(parent, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    )
    draws = np.random.default_rng(0).random((4000, BOX_DRAWS))
    ours = draw_boxes(draws, height=512, width=910, scale=(0.2, 1.0))
    spread = theirs.std(axis=0)
    assert (abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 0.08 * spread).all()
    assert (abs(ours.std(axis=0) / spread - 1) < 0.05).all()


def test_plain_box_reaches_all_places_and_refuses_small_pictures() -> None:
    draws = np.random.default_rng(0).random((500, BOX_DRAWS))
    boxes = np.asarray([draw_plain_box(row, height=303, width=302, px=300) for row in draws])
    assert {tuple(box) for box in boxes} == {(t, x, 300, 300) for t in range(4) for x in range(3)}
    with pytest.raises(DoraError, match="302x280 px is smaller than the first crop of 300"):
        draw_plain_box(draws[0], height=280, width=302, px=300)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """A picture of smooth colours with noise, (96, 150, 3) uint8."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, size=(8, 10, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((150, 96)), dtype=int)
    return np.clip(smooth + generator.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("box", [(0, 0, 96, 150), (10, 20, 70, 65), (3, 5, 31, 33), (1, 2, 60, 60)])
def test_first_crop_is_within_a_level_of_the_released_codes_floats(
    frame: np.ndarray, box: tuple[int, int, int, int]
) -> None:
    """Larger, smaller and just as large boxes."""
    top, left, height, width = box
    inside = frame[top : top + height, left : left + width]
    found = resize_first(inside, px=60)
    assert found.dtype == torch.uint8
    picture = torch.from_numpy(frame).permute(2, 0, 1) / 255
    plain = 255 * tv.resized_crop(picture, *box, size=[60, 60], antialias=False)
    difference = found[0] - plain
    assert difference.abs().max() <= 1.001
    assert difference.abs().mean() < 0.35
    assert abs(difference.mean()) < 0.2  # halves are rounded up, on both axes


@given(
    height=st.integers(40, 700),
    width=st.integers(40, 1300),
    px=st.integers(16, 40),
    seed=st.integers(0, 1000),
)
def test_smaller_pictures_keep_the_box_at_least_as_large_as_the_crop(
    height: int, width: int, px: int, seed: int
) -> None:
    """The smallest that does; edges move by half a pixel of it at most, and none lies outside."""
    draws = np.random.default_rng(seed).random(BOX_DRAWS)
    box = draw_boxes(draws, height=height, width=width, scale=(0.2, 1.0))
    shrink = shrink_of(box, px=px)
    places = shrunk_box(box, shrink)
    for axis, (place, side) in enumerate(zip(places, (height, width), strict=True)):
        assert 0 <= place.start < place.stop <= -(-side // shrink)
        assert abs(place.start * shrink - box[axis]) <= shrink / 2
        assert abs(min(place.stop * shrink, side) - (box[axis] + box[axis + 2])) <= shrink / 2
        assert shrink == 1 or place.stop - place.start >= px
    assert shrink == 8 or min(box[2:]) < 2 * shrink * px


def test_first_crop_of_a_shrunk_picture_is_near_to_the_whole_ones(frame: np.ndarray) -> None:
    """Less noise, the same picture: without antialiasing a crop at full size keeps more of it."""
    smooth = np.array(Image.fromarray(frame).resize((30, 20)).resize((900, 600)))
    stream = io.BytesIO()
    Image.fromarray(smooth).save(stream, "JPEG", quality=95)
    box = np.asarray([33, 47, 501, 417])
    assert shrink_of(box, px=100) == 4
    found = Cutter((600, 900), box, px=100).cut(stream.getvalue()).float()
    plain = resize_first(smooth[33:534, 47:464], px=100).float()
    assert (found - plain).abs().mean() < 1.5
    whole = Cutter((600, 900), box, px=300).cut(stream.getvalue()).float()
    assert (whole - resize_first(smooth[33:534, 47:464], px=300).float()).abs().mean() < 1.5


@given(
    top=st.integers(0, 95),
    left=st.integers(0, 149),
    height=st.integers(1, 96),
    width=st.integers(1, 150),
    px=st.sampled_from([7, 16, 30, 33, 64]),
    shrinkable=st.booleans(),
    filling=st.sampled_from([0, 255]),
)
@example(top=0, left=0, height=96, width=150, px=64, shrinkable=False, filling=255)
@example(top=65, left=119, height=31, width=31, px=30, shrinkable=False, filling=255)
@example(top=66, left=120, height=30, width=30, px=30, shrinkable=False, filling=255)
@example(top=67, left=121, height=29, width=29, px=30, shrinkable=False, filling=255)
@example(top=5, left=0, height=64, width=64, px=64, shrinkable=False, filling=255)
def test_crops_from_the_memory_they_were_decoded_to_equal_those_of_copied_boxes(
    top: int, left: int, height: int, width: int, px: int, shrinkable: bool, filling: int
) -> None:
    """Wider, narrower and as wide as the crop, at every border, whatever lies after the picture."""
    jpeg, size = noisy_jpeg(), (96, 150)
    top, left = min(top, 96 - height), min(left, 150 - width)
    box = np.asarray([top, left, height, width])
    px = max(1, px // 8) if shrinkable else px
    buffer = np.full(buffer_bytes(size), filling, dtype=np.uint8)
    out = torch.zeros((1, px, px, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    Cutter(size, box, px=px, buffer=buffer).cut(jpeg, out=out)
    shrink = shrink_of(box, px=px)
    inside = decode_jpeg(jpeg, size, shrink=shrink)[shrunk_box(box, shrink)]
    assert torch.equal(out, resize_first(inside, px=px))


def test_crops_of_all_widths_from_a_cutters_memory_equal_those_of_copied_boxes() -> None:
    """At the side that training has: rounding of the scale moves no weight."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (4, 912, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    decoded = decode_jpeg(stream.getvalue(), (4, 912))
    for width in range(300, 912, 3):
        box = np.asarray([1, 911 - width, 3, width])
        found = Cutter((4, 912), box, px=300).cut(stream.getvalue())
        assert torch.equal(found, resize_first(decoded[1:4, 911 - width : 911], px=300)), width


@cache
def noisy_jpeg() -> bytes:
    """A picture in which every pixel differs from its neighbours, 96 x 150."""
    pixels = np.random.default_rng(1).integers(0, 256, (96, 150, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()
