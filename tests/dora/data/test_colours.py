"""Colours of many pictures at once, beside Pillow's and torchvision's of one."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import ColorJitter
from torchvision.transforms import functional as tv

from dora.config import ViewConfig
from dora.data import colours
from dora.data.colours import COLOUR_DRAWS, ColourDraws, change_colours, draw_colours


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """(16, 3, 40, 40) uint8: noise, smooth colours, greys, black and white."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, size=(8, 40, 40, 3), dtype=np.uint8)
    coarse = generator.integers(0, 256, size=(5, 5, 5, 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(part).resize((40, 40))) for part in coarse]
    flat = [np.full((40, 40, 3), level, dtype=np.uint8) for level in (0, 128, 255)]
    return torch.from_numpy(np.stack([*noise, *smooth, *flat])).permute(0, 3, 1, 2).contiguous()


def one_by_one(pictures: torch.Tensor, change, values) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Apply a function of Pillow's picture and a value to every picture."""
    changed = [
        np.asarray(change(tv.to_pil_image(picture), value))
        for picture, value in zip(pictures, values, strict=True)
    ]
    return np.stack(changed).transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("kind", "theirs", "low", "high", "odd_share"),
    [
        (colours.BRIGHTNESS, tv.adjust_brightness, 0.6, 1.4, 0),
        (colours.CONTRAST, tv.adjust_contrast, 0.6, 1.4, 0),
        (colours.SATURATION, tv.adjust_saturation, 0.8, 1.2, 0),
        (colours.HUE, tv.adjust_hue, -0.1, 0.1, 0.01),
    ],
)
def test_jitter_is_pillows(pictures, kind, theirs, low, high, odd_share) -> None:  # type: ignore[no-untyped-def]
    """Bit for bit, but for hue: there at most 1 % of values differ, by at most a step of hue."""
    values = np.linspace(low, high, len(pictures), dtype=np.float32)
    factors = torch.from_numpy(values)
    if kind == colours.HUE:
        found = colours.adjust_hue(pictures, factors).numpy().astype(int)
    else:
        kinds = torch.full((len(pictures),), float(kind))
        found = colours.blend(pictures, kinds, factors).numpy().astype(int)
    expected = one_by_one(pictures, lambda picture, value: theirs(picture, float(value)), values)
    difference = abs(found - expected)
    assert (difference > 0).mean() <= odd_share
    assert difference.max() <= (6 if odd_share else 0)


def test_blur_is_pillows(pictures: torch.Tensor) -> None:
    """Over all radii, borders included: at most one level, in at most 0.1 % of values."""
    radii = np.linspace(0.1, 2.0, len(pictures), dtype=np.float32)
    found = colours.blur(pictures, torch.from_numpy(radii)).numpy().astype(int)
    expected = one_by_one(
        pictures,
        lambda picture, radius: picture.filter(ImageFilter.GaussianBlur(float(radius))),
        radii,
    )
    difference = abs(found - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


def test_grey_and_solarise_are_pillows(pictures: torch.Tensor) -> None:
    values = [None] * len(pictures)
    grey = one_by_one(pictures, lambda picture, _: tv.rgb_to_grayscale(picture, 3), values)
    assert np.array_equal(colours.to_grey(pictures).numpy(), grey)
    inverted = one_by_one(pictures, lambda picture, _: tv.solarize(picture, 128), values)
    assert np.array_equal(colours.solarise(pictures).numpy(), inverted)


def plain_change(picture: torch.Tensor, draws: ColourDraws, i: int) -> np.ndarray:
    """DINO's chain on one Pillow picture with the drawn parameters."""
    image = tv.to_pil_image(picture)
    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    if draws.jitter[i]:
        for kind in draws.order[i]:
            image = changes[kind](image, float(draws.factors[i, kind]))
    if draws.grey[i]:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    if draws.blur_px[i] > 0:
        image = image.filter(ImageFilter.GaussianBlur(float(draws.blur_px[i])))
    if draws.solarise[i]:
        image = tv.solarize(image, 128)
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize("everywhere", [False, True])
def test_chain_is_the_plain_chain(pictures: torch.Tensor, everywhere: bool) -> None:
    """Order of the steps, who gets which; the input stays as it was."""
    view = ViewConfig(scale=(0.4, 1), px=40, blur=0.5, solarise=0.2)
    draws = draw_colours(np.random.default_rng(3).random((len(pictures), COLOUR_DRAWS)), view)
    before = pictures.clone()
    rows = torch.from_numpy(draws.rows())
    found = change_colours(pictures, rows, everywhere=everywhere).numpy().astype(int)
    assert torch.equal(pictures, before)
    difference = [abs(found[i] - plain_change(pictures[i], draws, i)) for i in range(len(pictures))]
    # A level of hue can lie on either side of a solarisation, hence no bound on the largest.
    assert (np.asarray(difference) > 3).mean() < 0.005


def test_changing_all_and_taking_the_drawn_gives_equal_bits() -> None:
    """200 pictures, every order of jitter among them, some without any change."""
    generator = np.random.default_rng(5)
    pictures = torch.from_numpy(generator.integers(0, 256, (200, 3, 12, 12), dtype=np.uint8))
    view = ViewConfig(scale=(0.4, 1), px=12, jitter=0.7, grey=0.2, blur=0.5, solarise=0.3)
    rows = torch.from_numpy(draw_colours(generator.random((200, COLOUR_DRAWS)), view).rows())
    chosen = change_colours(pictures, rows)
    assert torch.equal(change_colours(pictures, rows, everywhere=True), chosen)
    assert torch.equal(change_colours(pictures[7:8], rows[7:8]), chosen[7:8])


def test_draws_have_the_stated_probabilities_and_ranges() -> None:
    view = ViewConfig(scale=(0.4, 1), px=40, jitter=0.8, grey=0.2, blur=0.1, solarise=0.3)
    draws = draw_colours(np.random.default_rng(0).random((20_000, COLOUR_DRAWS)), view)
    shares = [draws.jitter, draws.grey, draws.blur_px > 0, draws.solarise]
    assert [share.mean() for share in shares] == pytest.approx([0.8, 0.2, 0.1, 0.3], abs=0.012)
    jitter = ColorJitter(0.4, 0.4, 0.2, 0.1)
    ranges = [jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue]
    low, high = draws.factors.min(axis=0), draws.factors.max(axis=0)
    assert np.allclose(np.stack([low, high], axis=1), ranges, atol=0.002)
    blurred = draws.blur_px[draws.blur_px > 0]
    assert 0.1 <= blurred.min() < 0.11
    assert 1.99 < blurred.max() <= 2.0
    orders, counts = np.unique(draws.order, axis=0, return_counts=True)
    assert len(orders) == 24
    assert counts.min() > 700


def test_normalise_is_torchvisions(pictures: torch.Tensor) -> None:
    expected = torch.stack(
        [
            tv.normalize(tv.to_tensor(tv.to_pil_image(p)), colours.MEAN, colours.DEVIATION)
            for p in pictures
        ]
    )
    assert torch.equal(colours.normalise(pictures), expected)
