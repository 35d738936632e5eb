"""JPEGs to pixels, at full size or at a half, a quarter, an eighth of it.

libjpeg-turbo decodes, through simplejpeg, whose wheels bring it along. Its pixels are those of
Pillow, which also brings libjpeg-turbo (equal in every value, `tests/dora/data/test_jpeg.py`).
Scaled decoding is the decoder's own: of each block of 8x8 it computes 4x4, 2x2 or 1 from the low
frequencies, which is near to the mean over the area of a pixel. Other scales (M/8) exist, but not
in the decoder's fast instructions: 7/8 to 5/8 take longer than the whole (benchmarks/decoders.py).

Of a picture only the part in the crop could be decoded. Of the packages for Python that bring their
library, nvidia-nvimgcodec 0.9 offers it, on the CPU too: equal pixels in 0.83 of the time. But a
picture that was cut short and ended again, or damaged in its middle, it takes for whole.
"""

from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray

Shrink = Literal[1, 2, 4, 8]
SHRINKS: tuple[Shrink, ...] = (8, 4, 2, 1)
"""By what a picture can be made smaller while it is decoded, largest first."""


class DamagedJpegError(ValueError):
    """Bytes that are no whole JPEG."""


def picture_size(jpeg: bytes) -> tuple[int, int]:
    """Return height and width in pixels, from the header alone.

    Raises:
        DamagedJpegError: the header is damaged.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    except (ValueError, KeyError) as fault:
        raise DamagedJpegError(_reason(fault)) from fault
    return int(height), int(width)


def shrunk_size(size: tuple[int, int], shrink: Shrink) -> tuple[int, int]:
    """Return height and width of a picture that is decoded smaller; a last part counts whole."""
    return -(-size[0] // shrink), -(-size[1] // shrink)


def decode_jpeg(
    jpeg: bytes,
    size: tuple[int, int],
    *,
    shrink: Shrink = 1,
    buffer: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Return a picture, (H, W, 3) uint8.

    Args:
        jpeg: the bytes.
        size: height and width, from `picture_size`.
        shrink: by what both sides are made smaller.
        buffer: at least 3 H W bytes to decode into; the result is a view of it. Memory that is
            used again costs less than fresh memory.

    Raises:
        DamagedJpegError: the bytes are cut short or damaged, as far as the decoder notices.
    """
    height, width = shrunk_size(size, shrink)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            jpeg, min_height=height, min_width=width, min_factor=shrink, buffer=buffer
        )
    except ValueError as fault:
        raise DamagedJpegError(_reason(fault)) from fault
    assert pixels.shape == (height, width, 3), f"{pixels.shape} instead of {(height, width, 3)}"
    return pixels


def _reason(fault: Exception) -> str:
    return str(fault).removesuffix("\n")
