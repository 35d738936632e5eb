"""Boxes and crops, each beside torchvision's or Pillow's."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional as tv

from dora.data.crops import (
    BOX_DRAWS,
    TRIES,
    cut_first,
    cut_global,
    cut_locals,
    draw_boxes,
    draw_plain_box,
    to_uint8,
)
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
def frames() -> np.ndarray:
    """Three pictures of smooth colours with noise, (3, 96, 150, 3) uint8."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, size=(3, 8, 10, 3), dtype=np.uint8)
    smooth = np.stack([np.asarray(Image.fromarray(part).resize((150, 96))) for part in coarse])
    noise = generator.integers(-20, 20, smooth.shape)
    return np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("box", [(0, 0, 96, 150), (10, 20, 70, 60), (3, 5, 31, 33)])
@pytest.mark.parametrize("flip", [False, True])
def test_crops_are_those_of_torchvision_and_pillow(
    frames: np.ndarray, box: tuple[int, int, int, int], flip: bool
) -> None:
    """The released chain, picture by picture: float bilinear twice, 8 bits, Pillow's bicubic."""
    first = cut_first(frames, np.asarray(box), px=60)
    view = cut_global(first, np.asarray([4, 6, 50, 40]), px=48, flip=flip)
    boxes = np.asarray([[[0, 0, 60, 60], [1, 2, 20, 15], [30, 31, 29, 29]]])
    pixels = to_uint8(first).permute(0, 2, 3, 1).contiguous().numpy()
    crops = cut_locals(pixels, boxes, np.full((1, 3), flip), px=32)
    for t, frame in enumerate(frames):
        parent = torch.from_numpy(frame).permute(2, 0, 1) / 255
        plain_first = tv.resized_crop(parent, *box, size=[60, 60], antialias=False)
        assert torch.equal(first[t], plain_first)
        plain_view = tv.resized_crop(plain_first, 4, 6, 50, 40, size=[48, 48], antialias=False)
        picture = tv.to_pil_image(tv.hflip(plain_view) if flip else plain_view)
        assert np.array_equal(view[t].permute(1, 2, 0).numpy(), np.asarray(picture))
        plain_crop = tv.resized_crop(
            tv.to_pil_image(plain_first),
            *boxes[0, t].tolist(),
            size=[32, 32],
            interpolation=tv.InterpolationMode.BICUBIC,
        )
        plain_crop = tv.hflip(plain_crop) if flip else plain_crop
        assert np.array_equal(crops[0, t].permute(1, 2, 0).numpy(), np.asarray(plain_crop))
