"""Colours of objects and maps, told apart with any kind of colour vision."""

import numpy as np
from numpy.typing import NDArray

OBJECT_COLOURS = (
    (213, 94, 0),  # vermillion
    (86, 180, 233),  # sky blue
    (240, 228, 66),  # yellow
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
)
"""Okabe and Ito, "Color Universal Design" (2008); neighbours differ in lightness too."""
_HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Dark to light through purple, red and orange: matplotlib's inferno at five places."""


def object_colour(number: int) -> tuple[int, int, int]:
    """Return the colour of an object, counted from 0; after seven they come again, paler."""
    turn, place = divmod(number, len(OBJECT_COLOURS))
    paleness = 1 - 0.6**turn
    red, green, blue = OBJECT_COLOURS[place]
    return _paler(red, paleness), _paler(green, paleness), _paler(blue, paleness)


def heat(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return values in [0, 1] as colours from dark to light, (..., 3) uint8."""
    return _ramp(values, _HEAT)


def tint(values: NDArray[np.float32], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return values in [0, 1] as colours from black through a colour to white, (..., 3) uint8."""
    return _ramp(values, ((0, 0, 0), colour, (255, 255, 255)))


def _ramp(
    values: NDArray[np.float32], stops: tuple[tuple[int, int, int], ...]
) -> NDArray[np.uint8]:
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(values, places, channel) for channel in zip(*stops, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _paler(level: int, paleness: float) -> int:
    return round(level + (255 - level) * paleness)
