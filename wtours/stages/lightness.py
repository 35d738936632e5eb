"""How light a picture is: statistics of its pixels' CIELAB L*, 0 (black) to 100 (white).

sRGB values to linear light (IEC 61966-2-1), to relative luminance Y, to L* (CIE 15, Eq. 8.3).
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from wtours.shards import Lightness

Pixels = NDArray[np.uint8]

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of linear red, green and blue in Y (BT.709 primaries, which are sRGB's)."""


def _linear_levels() -> NDArray[np.float64]:
    """Return the linear light of the 256 sRGB levels, 0 to 1."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


_ADDED_Y = np.stack([_linear_levels() * w for w in LUMINANCE_WEIGHTS], axis=-1, dtype=np.float32)
"""(256, 3): what a pixel's red, green and blue of each level add to Y."""
_SUM = np.ones((1, 3), dtype=np.float32)
_PERCENTILES = (5, 50, 95)


def lightness_map(image: Pixels) -> NDArray[np.float32]:
    """Return (H, W) L* of an (H, W, 3) sRGB picture."""
    # The table's large answer is gone before the next memory is asked for.
    luminance = cast(NDArray[np.float32], cv2.transform(cv2.LUT(image, _ADDED_Y[None]), _SUM))
    # f(t) is the cube root above (6/29)^3 and a straight line below; 116 f - 16 joins them.
    line = luminance * np.float32((29 / 3) ** 3)
    root = np.cbrt(luminance) * np.float32(116) - np.float32(16)
    return np.where(luminance > (6 / 29) ** 3, root, line).astype(np.float32, copy=False)


def measure_lightness(image: Pixels) -> Lightness:
    """Return mean and percentiles of the L* of an (H, W, 3) sRGB picture's pixels."""
    values = lightness_map(image)
    p5, p50, p95 = percentiles(values)
    return Lightness(mean=float(values.mean(dtype=np.float64)), p5=p5, p50=p50, p95=p95)


def percentiles(values: NDArray[np.float32]) -> list[float]:
    """Return the 5th, 50th and 95th percentile of values of 0 or more, linear between neighbours.

    What `np.percentile` gives, in a fifth of its time: the upper halves of such numbers' bits are
    in the order of the numbers, so that counting them shows where each percentile lies, and only
    the few values there are sorted.
    """
    flat = values.ravel() + np.float32(0)  # -0 becomes 0
    upper = flat.view(np.uint32) >> 16
    ends = np.cumsum(np.bincount(upper, minlength=1))
    sorted_bins: dict[int, NDArray[np.float32]] = {}

    def at(rank: int) -> float:
        """Return the value that has so many before it."""
        found = int(np.searchsorted(ends, rank, side="right"))
        if found not in sorted_bins:
            sorted_bins[found] = np.sort(flat[upper == found])
        return float(sorted_bins[found][rank - (int(ends[found - 1]) if found else 0)])

    results = []
    for percent in _PERCENTILES:
        rank, rest = divmod((flat.size - 1) * percent, 100)
        low, high = at(rank), at(min(rank + 1, flat.size - 1))
        results.append(low + (high - low) * rest / 100)
    return results
