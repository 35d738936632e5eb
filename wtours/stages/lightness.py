"""How light a picture is: statistics of its pixels' CIELAB L*, 0 (black) to 100 (white).

sRGB values to linear light (IEC 61966-2-1), to relative luminance Y, to L* (CIE 15, Eq. 8.3).
"""

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


# One table a channel, with its weight: what a pixel's red, green and blue add to Y.
_ADDED_Y = [(_linear_levels() * weight).astype(np.float32) for weight in LUMINANCE_WEIGHTS]


def lightness_map(image: Pixels) -> NDArray[np.float32]:
    """Return (H, W) L* of an (H, W, 3) sRGB picture."""
    luminance = _ADDED_Y[0][image[..., 0]]
    luminance += _ADDED_Y[1][image[..., 1]]
    luminance += _ADDED_Y[2][image[..., 2]]
    # f(t) is the cube root above (6/29)^3 and a straight line below; 116 f - 16 joins them.
    line = luminance * np.float32((29 / 3) ** 3)
    root = np.cbrt(luminance) * np.float32(116) - np.float32(16)
    return np.where(luminance > (6 / 29) ** 3, root, line).astype(np.float32)


def measure_lightness(image: Pixels) -> Lightness:
    """Return mean and percentiles of the L* of an (H, W, 3) sRGB picture's pixels."""
    values = lightness_map(image)
    p5, p50, p95 = np.percentile(values, [5, 50, 95])
    mean = float(values.mean(dtype=np.float64))
    return Lightness(mean=mean, p5=float(p5), p50=float(p50), p95=float(p95))
