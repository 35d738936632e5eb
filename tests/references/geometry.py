"""Boxes of a picture resized, pixel by pixel in float64: without and with antialiasing."""

import math

import numpy as np

Weighted = list[tuple[int, float]]


def bilinear_pixels(place: int, *, start: int, length: int, px: int) -> Weighted:
    """The two pixels of a line that one of the result lies between; nothing beyond the box."""
    centre = max(0.0, (place + 0.5) * length / px - 0.5)
    first = math.floor(centre)
    second = min(first + 1, length - 1)
    return [(start + first, 1 - (centre - first)), (start + second, centre - first)]


def bicubic_pixels(place: int, *, start: int, length: int, px: int) -> Weighted:
    """Keys' kernel (a = -1/2) around one pixel of the result, as wide as that pixel is large."""
    scale = length / px
    stretch = max(1.0, scale)
    centre = (place + 0.5) * scale
    weights = {
        pixel: keys((pixel + 0.5 - centre) / stretch)
        for pixel in range(length)
        if int(centre - 2 * stretch + 0.5) <= pixel < int(centre + 2 * stretch + 0.5)
    }
    total = math.fsum(weights.values())
    return [(start + pixel, weight / total) for pixel, weight in weights.items()]


def keys(x: float) -> float:
    """The cubic convolution kernel of Keys (1981)."""
    a, x = -0.5, abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def eight_bits(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).clip(0, 255)


def plain_resize(
    picture: np.ndarray, box: tuple[int, int, int, int], *, px: int, flip: bool, bicubic: bool
) -> np.ndarray:
    """A box (top, left, height, width) of an (H, W, 3) picture as (px, px, 3), not yet rounded.

    The width first; with `bicubic` levels are rounded between the axes.
    """
    top, left, height, width = box
    pixels = bicubic_pixels if bicubic else bilinear_pixels
    narrow = np.zeros((picture.shape[0], px, 3))
    for column in range(px):
        source = px - 1 - column if flip else column
        for x, weight in pixels(source, start=left, length=width, px=px):
            narrow[:, column] += weight * picture[:, x]
    if bicubic:
        narrow = eight_bits(narrow)
    result = np.zeros((px, px, 3))
    for row in range(px):
        for y, weight in pixels(row, start=top, length=height, px=px):
            result[row] += weight * narrow[y]
    return result
