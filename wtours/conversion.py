"""Decoded pictures to RGB arrays: colours by the stream's own tags, the same bits on every run."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from wtours.errors import WtoursError
from wtours.tone_mapping import HDR_TRANSFERS, RULE, Transfer, tone_map

Pixels = NDArray[np.uint8]

# Averages over the area of each new pixel. Without FULL_CHR_H_INT the conversion is 2 grey levels
# too dark on the average (measured on a 4K picture against a scaling of the full conversion: 2.1
# levels mean difference, with it 0.1).
_SCALING = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
_UNSTATED, _RESERVED, _BT2020, _BT2020_CONSTANT = 2, 3, 9, 10
_UNCONVERTIBLE = {
    8: "YCgCo",
    11: "YDzDx",
    12: "derived from primaries",
    13: "derived from primaries, constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
"""AVColorSpace of matrices for which FFmpeg's scaler has no coefficients."""


def is_high_definition(width: int, height: int) -> bool:
    """Whether a picture that does not state its colour matrix is taken as BT.709, as players do.

    Larger than any standard-definition picture (1024 x 576): everything else is BT.601.
    """
    return max(width, height) > 1024 or min(width, height) > 576


def settle_matrix(decoded: Any, path: Path) -> None:
    """Give a picture (an `av.VideoFrame`) a colour matrix that FFmpeg's scaler knows.

    Args:
        decoded: its tag is changed where it is reserved (to unstated), or BT.2020 with constant
            luminance (to BT.2020 without, which differs little).
        path: of its video, for the error.

    Raises:
        WtoursError: colours like its own cannot be converted.
    """
    matrix = int(decoded.colorspace)
    if matrix in _UNCONVERTIBLE:
        raise WtoursError(
            f"{path} codes its colours as {_UNCONVERTIBLE[matrix]}, which cannot be converted",
            remedy="fetch another format of it, or convert it to BT.709 or BT.2020 first",
        )
    if matrix == _RESERVED:
        decoded.colorspace = _UNSTATED
    if matrix == _BT2020_CONSTANT:
        decoded.colorspace = _BT2020


def colour_notes(decoded: Any) -> list[str]:
    """Say what is unusual about the colours of a picture (an `av.VideoFrame`) as it was decoded."""
    notes = []
    transfer = HDR_TRANSFERS.get(decoded.color_trc)
    if decoded.colorspace in (_UNSTATED, _RESERVED) and not decoded.format.is_rgb:
        large = is_high_definition(decoded.width, decoded.height)
        matrix, why = ("BT.709" if large else "BT.601"), "for its size"
        if transfer is not None:
            matrix, why = "BT.2020", "for its transfer"
        notes.append(f"states no colour matrix: {matrix} taken, as {why}")
    if decoded.colorspace == _BT2020_CONSTANT:
        notes.append("constant luminance is read as BT.2020 without it")
    if transfer is not None:
        notes.append(f"high dynamic range ({transfer}), {RULE}")
    return notes


class PictureConverter:
    """Turns decoded pictures into RGB arrays of any size; keeps one scaler a size."""

    def __init__(self) -> None:
        self._scalers: dict[tuple[int, int], VideoReformatter] = {}

    def to_rgb(self, decoded: Any, *, width: int, height: int) -> Pixels:
        """Return (height, width, 3) sRGB-coded pixels of an unrotated picture (an `av.VideoFrame`).

        Matrix and range are the picture's own; where it states no matrix, BT.709 is taken for high
        definition and BT.601 otherwise. High dynamic range is tone-mapped (`tone_mapping`).
        """
        transfer = HDR_TRANSFERS.get(decoded.color_trc)
        if transfer is not None:
            return self._tone_mapped(decoded, transfer, width=width, height=height)
        scaler = self._scalers.setdefault((width, height), VideoReformatter())
        unstated = decoded.colorspace == _UNSTATED and not decoded.format.is_rgb
        assume = unstated and is_high_definition(decoded.width, decoded.height)
        picture = scaler.reformat(
            decoded,
            width,
            height,
            "rgb24",
            src_colorspace=Colorspace.ITU709 if assume else None,
            interpolation=_SCALING,
            threads=1,
        )
        return cast(Pixels, picture.to_ndarray())

    def _tone_mapped(self, decoded: Any, transfer: Transfer, *, width: int, height: int) -> Pixels:
        """Scale the coded values in 16 bits, then map what is left.

        As with all other pictures, coded values are averaged and not light: those of PQ and HLG lie
        as the eye sees them, and only beside highlights does it differ, to the darker. A 4K
        picture has 18 times as many pixels to map as the stored one.
        """
        scaler = self._scalers.setdefault((width, height), VideoReformatter())
        unstated = decoded.colorspace == _UNSTATED and not decoded.format.is_rgb
        picture = scaler.reformat(
            decoded,
            width,
            height,
            "gbrp16le",  # rgb48le comes out garbled where the height stays the same
            src_colorspace=Colorspace.BT2020 if unstated else None,
            interpolation=_SCALING,
            threads=1,
        )
        coded = cast(NDArray[np.uint16], picture.to_ndarray())
        return tone_map(coded, transfer=transfer, primaries=int(decoded.color_primaries))
