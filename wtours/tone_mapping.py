"""High dynamic range to sRGB by one fixed rule, the same for every video and on every run.

    coded R'G'B' -> display light -> BT.709 primaries -> tone curve -> sRGB

1. Display light in cd/m2. PQ: the EOTF of SMPTE ST 2084. HLG: the inverse OETF of BT.2100, and its
   OOTF for a display of 1000 cd/m2 (system gamma 1.2).
2. Light is divided by that of HDR's reference white, 203 cd/m2 (BT.2408), and turned from the
   stream's primaries to BT.709's; what lies outside them (below 0) is clipped.
3. The EETF of BT.2390 (5.4) brings 0 to 1000 cd/m2 into 0 to 203: light below about 88 cd/m2 stays
   as it is, more is compressed, 1000 and above become white. It is applied to the largest of red,
   green and blue, and the other two follow in proportion: grey stays grey, hue stays hue.
4. The sRGB curve (IEC 61966-2-1), rounded to 8 bits.

The range is fixed and taken from no metadata and no picture, so that equal light gives equal levels
in all videos. All that is not multiplication and addition is a table, so that no result hangs on a
processor's way to compute powers.
"""

from functools import lru_cache
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Light = NDArray[np.float64]
Transfer = Literal["PQ", "HLG"]

HDR_TRANSFERS: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
"""By AVColorTransferCharacteristic."""
RULE = "tone-mapped to sRGB: BT.2390 EETF, 1000 to 203 cd/m2"
"""The rule in a phrase, for notes and records."""

REFERENCE_WHITE = 203.0
"""cd/m2 of a white sheet in HDR pictures (BT.2408); sRGB's white is as bright here."""
PEAK = 1000.0
"""cd/m2 that become white: HLG's nominal display, and what most PQ videos are graded for."""
_HLG_GAMMA = 1.2
"""System gamma of a display of 1000 cd/m2 (BT.2100)."""
_HLG_WEIGHTS = (0.2627, 0.6780, 0.0593)
"""Of red, green and blue in BT.2020's luminance."""

_BT709, _BT2020, _P3 = 1, 9, 12
_CHROMATICITIES = {
    _BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    _BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""x and y of red, green and blue by AVColorPrimaries, all with the white of D65."""
_D65 = (0.3127, 0.3290)

_STEPS = 1 << 16
"""Entries of every table: as many as there are 16-bit codes; for light, 0.05 grey levels a step
where sRGB is steepest."""
_AT_ONCE_PX = 1 << 17
"""Pixels that are mapped together, so that what is between stays in the cache."""


def tone_map(coded: NDArray[np.uint16], *, transfer: Transfer, primaries: int) -> Pixels:
    """Return an (H, W, 3) sRGB picture of an HDR one.

    Args:
        coded: (H, W, 3) R'G'B' of 16 bits, full range.
        transfer: what its values mean.
        primaries: AVColorPrimaries; BT.2020 is taken where they are unstated or strange.
    """
    height, width = coded.shape[:2]
    mapped = np.empty(coded.shape, dtype=np.uint8)
    rows = max(1, _AT_ONCE_PX // max(1, width))
    for top in range(0, height, rows):
        part = coded[top : top + rows]
        planes = _display_light([part[..., channel] for channel in range(3)], transfer)
        planes = _to_bt709(planes, primaries)
        for channel, plane in enumerate(_toned(planes)):
            mapped[top : top + rows, :, channel] = plane
    return mapped


Plane = NDArray[np.float32]


def _display_light(coded: list[NDArray[np.uint16]], transfer: Transfer) -> list[Plane]:
    """Return light in units of reference white."""
    table = _decoding_table(transfer)
    light = [table.take(plane) for plane in coded]
    if transfer == "HLG":
        weights = [np.float32(weight) for weight in _HLG_WEIGHTS]
        luminance = light[0] * weights[0] + light[1] * weights[1] + light[2] * weights[2]
        gain = _hlg_gain_table().take(_place(luminance, 1.0))
        for plane in light:
            plane *= gain
    return light


def _to_bt709(light: list[Plane], primaries: int) -> list[Plane]:
    """Return light of BT.709 primaries, clipped at 0."""
    matrix = primaries_matrix(primaries).astype(np.float32)
    return [
        np.maximum(light[0] * row[0] + light[1] * row[1] + light[2] * row[2], np.float32(0))
        for row in matrix
    ]


def _toned(light: list[Plane]) -> list[Pixels]:
    """Return sRGB levels; the largest channel follows the tone curve, the others follow it."""
    largest = np.maximum(np.maximum(light[0], light[1]), light[2])
    peak = np.float32(PEAK / REFERENCE_WHITE)
    gain = _tone_gain_table().take(_place(largest, float(peak)))
    # Above the peak the table ends; there the largest channel is white.
    over = largest > peak
    gain[over] = 1 / largest[over]
    return [_encoding_table().take(_place(plane * gain, 1.0)) for plane in light]


def _place(light: Plane, most: float) -> NDArray[np.intp]:
    """Return the entry for light from 0 to `most`, the nearest one."""
    scale = np.float32((_STEPS - 1) / most)
    return np.minimum((light * scale + np.float32(0.5)).astype(np.intp), _STEPS - 1)


def pq_light(coded: Light) -> Light:
    """Return cd/m2 of PQ values 0 to 1 (SMPTE ST 2084, its EOTF)."""
    m1, m2, c1, c2, c3 = _PQ
    root = np.power(coded, 1 / m2)
    return 1e4 * np.power(np.maximum(root - c1, 0) / (c2 - c3 * root), 1 / m1)


def pq_coded(light: Light) -> Light:
    """Return PQ values 0 to 1 of light in cd/m2, 0 to 10,000 (the inverse)."""
    m1, m2, c1, c2, c3 = _PQ
    power = np.power(light / 1e4, m1)
    return cast(Light, np.power((c1 + c2 * power) / (1 + c3 * power), m2))


_PQ = (2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32)


def hlg_scene(coded: Light) -> Light:
    """Return scene light 0 to 1 of HLG values 0 to 1 (BT.2100, its inverse OETF)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)


def tone_curve(light: Light) -> Light:
    """Return light 0 to 1 of light in units of reference white (BT.2390, EETF, black at 0)."""
    peak = pq_coded(np.asarray(PEAK))
    value = pq_coded(np.minimum(light * REFERENCE_WHITE, PEAK)) / peak
    top = pq_coded(np.asarray(REFERENCE_WHITE)) / peak
    knee = 1.5 * top - 0.5
    t = (value - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * top
    )
    return pq_light(np.where(value < knee, value, spline) * peak) / REFERENCE_WHITE


def srgb_coded(light: Light) -> Light:
    """Return sRGB values 0 to 1 of light 0 to 1 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light, 1 / 2.4) - 0.055)


@lru_cache
def primaries_matrix(primaries: int) -> Light:
    """Return the (3, 3) matrix from linear RGB of AVColorPrimaries to linear RGB of BT.709's."""
    known = primaries if primaries in _CHROMATICITIES else _BT2020
    return cast(Light, np.linalg.solve(_to_xyz(_BT709), _to_xyz(known)))


def _to_xyz(primaries: int) -> Light:
    """Return the matrix from linear RGB to CIE XYZ, white at Y = 1 (SMPTE RP 177)."""
    xyz = np.asarray([_xyz(*xy) for xy in _CHROMATICITIES[primaries]]).T
    return cast(Light, xyz * np.linalg.solve(xyz, _xyz(*_D65)))


def _xyz(x: float, y: float) -> Light:
    return np.asarray([x / y, 1.0, (1 - x - y) / y])


@lru_cache
def _decoding_table(transfer: Transfer) -> Plane:
    """Return, for every code, PQ's light in units of reference white, or HLG's scene light."""
    codes = np.arange(_STEPS) / (_STEPS - 1)
    light = pq_light(codes) / REFERENCE_WHITE if transfer == "PQ" else hlg_scene(codes)
    return light.astype(np.float32)


@lru_cache
def _hlg_gain_table() -> Plane:
    """Return what scene light is multiplied by, for every luminance: L_W Y^(gamma - 1)."""
    luminance = np.arange(_STEPS) / (_STEPS - 1)
    return cast(Plane, (PEAK / REFERENCE_WHITE * luminance ** (_HLG_GAMMA - 1)).astype(np.float32))


@lru_cache
def _tone_gain_table() -> Plane:
    """Return what light is multiplied by, for the largest channel from 0 to the peak."""
    largest = np.arange(_STEPS) / (_STEPS - 1) * (PEAK / REFERENCE_WHITE)
    gain = np.ones(_STEPS)
    gain[1:] = tone_curve(largest[1:]) / largest[1:]
    return gain.astype(np.float32)


@lru_cache
def _encoding_table() -> Pixels:
    """Return the sRGB level of light from 0 to 1."""
    return np.rint(255 * srgb_coded(np.arange(_STEPS) / (_STEPS - 1))).astype(np.uint8)
