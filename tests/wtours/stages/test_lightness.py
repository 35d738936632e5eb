import numpy as np
import pytest
from skimage import color

from wtours.stages.lightness import lightness_map, measure_lightness, percentiles


def test_lightness_equals_skimages() -> None:
    """Its conversion has a luminance of slightly other weights, 0.2127 instead of 0.2126."""
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(lightness_map(image), color.rgb2lab(image)[..., 0], atol=0.02)


def test_every_grey_level_has_its_lightness() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    expected = color.rgb2lab(greys)[..., 0]
    np.testing.assert_allclose(lightness_map(greys), expected, atol=0.01)
    assert lightness_map(greys)[0, [0, 255]] == pytest.approx([0, 100], abs=1e-3)


def test_statistics_are_those_of_the_pixels() -> None:
    """Half black, half white is 50 on the average, though its mean luminance has L* 76."""
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    image[:5] = 255
    found = measure_lightness(image)
    assert found.mean == pytest.approx(50, abs=1e-3)
    assert (found.p5, found.p50, found.p95) == pytest.approx((0, 50, 100), abs=1e-3)


@pytest.mark.parametrize("seed", range(30))
def test_percentiles_are_those_of_numpy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    size = int(generator.integers(1, 400))
    kinds = [
        generator.uniform(0, 100, size),
        generator.normal(50, 1e-5, size).clip(0, 100),  # all in one bin
        generator.choice([0.0, -0.0, 3.5, 100.0], size),
        np.full(size, 42.0),
    ]
    values = kinds[seed % 4].astype(np.float32)
    expected = np.percentile(values.astype(np.float64), [5, 50, 95])
    assert percentiles(values) == pytest.approx(expected, abs=1e-9)
