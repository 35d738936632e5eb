"""What happens to the colours of a view: jitter, grey, blur, solarise, on 8 bits a channel.

Each step gives what Pillow gives, which the released code uses, but for many pictures at once
and on any device: tensors (I, 3, S, S) uint8 with parameters (I,), one for each picture. As in
Pillow each step ends on 8 bits. Hue differs by a level in few pixels, where Pillow computes in
float64. Parameters are drawn apart, from uniform numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dora.config import ViewConfig

COLOUR_DRAWS = 13
"""Uniform numbers that the colours of one picture take."""
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
STRENGTHS = (0.4, 0.4, 0.2, 0.1)
"""Largest change of brightness, contrast, saturation (factors from 1) and hue (share of a turn)."""
BLUR_PX = (0.1, 2.0)
"""Smallest and largest standard deviation of the blur."""
SOLARISE_FROM = 128
CHUNK_PIXELS = 2**17
"""Pixels of the pictures that a CPU changes at once: 1.5 MB as float32 stay in its cache."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, for pixels in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class ColourDraws:
    """Drawn parameters of I pictures; the leading shape of all arrays is that of the pictures."""

    jitter: NDArray[np.bool_]
    """(I,) whether the next two apply."""
    order: NDArray[np.int64]
    """(I, 4) which of brightness, contrast, saturation, hue comes first, second, ..."""
    factors: NDArray[np.float32]
    """(I, 4) of brightness, contrast, saturation; turn of the hue."""
    grey: NDArray[np.bool_]
    """(I,)"""
    blur_px: NDArray[np.float32]
    """(I,) standard deviation; 0: none."""
    solarise: NDArray[np.bool_]
    """(I,)"""

    @classmethod
    def stack(cls, parts: list[Self]) -> Self:
        """Return draws of equal shape, stacked along a new first axis."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.stack([getattr(part, name) for part in parts]) for name in names})

    def flat(self) -> "ColourDraws":
        """Return the same with the leading axes joined into one."""
        rows = self.jitter.size
        return ColourDraws(
            jitter=self.jitter.reshape(rows),
            order=self.order.reshape(rows, 4),
            factors=self.factors.reshape(rows, 4),
            grey=self.grey.reshape(rows),
            blur_px=self.blur_px.reshape(rows),
            solarise=self.solarise.reshape(rows),
        )


def draw_colours(draws: NDArray[np.float64], view: ViewConfig) -> ColourDraws:
    """Return the parameters of I pictures.

    Args:
        draws: (I, COLOUR_DRAWS) uniform in [0, 1).
        view: gives the probabilities.
    """
    strengths = np.asarray(STRENGTHS)
    around = np.asarray([1.0, 1.0, 1.0, 0.0])
    low, high = BLUR_PX
    blur_px = low + (high - low) * draws[:, 11]
    return ColourDraws(
        jitter=draws[:, 0] < view.jitter,
        order=np.argsort(draws[:, 1:5], axis=1, kind="stable"),
        factors=(around + strengths * (2 * draws[:, 5:9] - 1)).astype(np.float32),
        grey=draws[:, 9] < view.grey,
        blur_px=np.where(draws[:, 10] < view.blur, blur_px, 0).astype(np.float32),
        solarise=draws[:, 12] < view.solarise,
    )


def change_colours(pictures: Tensor, draws: ColourDraws) -> Tensor:
    """Return pictures (I, 3, S, S) uint8 after jitter, grey, blur and solarise, in a new tensor."""
    pictures = pictures.clone()
    for place in range(4):
        for kind, change in enumerate(_JITTER):
            chosen = np.flatnonzero(draws.jitter & (draws.order[:, place] == kind))
            _apply(pictures, chosen, change, draws.factors[chosen, kind])
    grey, blurred = np.flatnonzero(draws.grey), np.flatnonzero(draws.blur_px)
    _apply(pictures, grey, lambda part, _: to_grey(part), draws.blur_px[grey])
    _apply(pictures, blurred, blur, draws.blur_px[blurred])
    inverted = np.flatnonzero(draws.solarise)
    _apply(pictures, inverted, lambda part, _: solarise(part), draws.blur_px[inverted])
    return pictures


def _apply(
    pictures: Tensor,
    chosen: NDArray[np.int64],
    change: Callable[[Tensor, Tensor], Tensor],
    values: NDArray[np.float32],
) -> None:
    """Change the chosen pictures in place, each with its value."""
    # On a CPU, what a step leaves between its parts should stay in the cache.
    side = pictures.shape[-1]
    chunk = max(1, CHUNK_PIXELS // side**2) if pictures.device.type == "cpu" else len(chosen)
    for start in range(0, len(chosen), chunk or 1):
        at = torch.from_numpy(chosen[start : start + chunk]).to(pictures.device)
        value = torch.from_numpy(values[start : start + chunk]).to(pictures.device)
        pictures[at] = change(pictures[at], value)


def adjust_brightness(pictures: Tensor, factors: Tensor) -> Tensor:
    """Return pictures blended with black."""
    return _blend(torch.zeros((), device=pictures.device), pictures, factors)


def adjust_contrast(pictures: Tensor, factors: Tensor) -> Tensor:
    """Return pictures blended with the rounded mean of their grey levels."""
    mean = (_grey_levels(pictures).double().mean(dim=(1, 2), keepdim=True) + 0.5).floor()
    return _blend(mean[:, None].float(), pictures, factors)


def adjust_saturation(pictures: Tensor, factors: Tensor) -> Tensor:
    """Return pictures blended with their grey levels."""
    return _blend(_grey_levels(pictures)[:, None].float(), pictures, factors)


def adjust_hue(pictures: Tensor, turns: Tensor) -> Tensor:
    """Return pictures with their hue turned by a share of a turn, in steps of 1/255 of it."""
    hue, saturation, value = _to_hsv(pictures)
    shift = (turns * 255).trunc()  # towards 0, as a cast to an integer
    hue = (hue + shift[:, None, None]) % 256  # wraps as 8 bits do
    return _from_hsv(hue, saturation, value)


_JITTER = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)


def to_grey(pictures: Tensor) -> Tensor:
    """Return pictures whose three channels are their grey levels."""
    return _grey_levels(pictures)[:, None].to(torch.uint8).expand_as(pictures)


def solarise(pictures: Tensor) -> Tensor:
    """Return pictures in which levels from 128 on are inverted."""
    return torch.where(pictures >= SOLARISE_FROM, 255 - pictures, pictures)


def blur(pictures: Tensor, deviations_px: Tensor) -> Tensor:
    """Return pictures under three box filters along each axis, which come near to a Gaussian.

    A box's half width l + a, whose edge pixels weigh a, has the variance sigma^2 / 3 (Gwosdek et
    al., "Theoretical foundations of Gaussian convolution by extended box filtering", 2011).
    Pixels beyond the border are those of the border.

    Args:
        pictures: (I, 3, S, S) uint8.
        deviations_px: (I,) sigma, up to 2.4 pixels.
    """
    variance = deviations_px.double() ** 2 / 3
    whole = (((12 * variance + 1).sqrt() - 1) / 2).floor()
    edge = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    edge = edge / (6 * (variance - (whole + 1) ** 2))
    inner = 1 / (2 * (whole + edge) + 1)
    outer = inner * edge
    weights = torch.stack(
        [inner, torch.where(whole == 0, outer, inner), torch.where(whole == 0, 0.0, outer)]
    ).float()[..., None, None, None]
    pixels = pictures.float()
    for _ in range(2):
        for _ in range(3):
            pixels = _box(pixels, weights)
        pixels = pixels.transpose(2, 3)
    return pixels.to(torch.uint8)


def normalise(pictures: Tensor) -> Tensor:
    """Return (..., 3, S, S) uint8 as float32 with ImageNet's mean and deviation taken out."""
    mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=pictures.device).view(3, 1, 1)
    return pictures.float().div_(255).sub_(mean).div_(deviation)


def _blend(other: Tensor, pictures: Tensor, factors: Tensor) -> Tensor:
    """Return other + factor (pictures - other), cut off to 8 bits."""
    mixed = (pictures - other).mul_(factors[:, None, None, None]).add_(other)
    return mixed.clamp_(0, 255).to(torch.uint8)


def _grey_levels(pictures: Tensor) -> Tensor:
    """Return (I, S, S) int32: 0.299 R + 0.587 G + 0.114 B in Pillow's fixed point."""
    red, green, blue = pictures.int().unbind(1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def _to_hsv(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value, (I, S, S) float32 with whole numbers 0 to 255."""
    red, green, blue = pictures.float().unbind(1)
    value = pictures.amax(dim=1).float()
    span = value - pictures.amin(dim=1)
    safe = span.clamp(min=1)
    hue = torch.where(
        red == value,
        (green - blue) / safe,
        torch.where(green == value, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = torch.where(hue < 0, hue + 6, hue).mul_(255 / 6).floor_()
    saturation = (span * 255 / value.clamp(min=1)).floor()
    return hue, saturation, value


def _from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return (I, 3, S, S) uint8 from whole numbers 0 to 255."""
    sextant = hue * 6 / 255
    chroma = value * saturation / 255
    channels = []
    for start in (5, 3, 1):
        k = sextant + start
        k = torch.where(k >= 6, k - 6, k)
        ramp = torch.minimum(k, 4 - k).clamp_(0, 1)
        channels.append((value - chroma * ramp).add_(0.5).to(torch.uint8))
    return torch.stack(channels, dim=1)


def _box(pixels: Tensor, weights: Tensor) -> Tensor:
    """Return pixels under five taps along the last axis, rounded to whole levels.

    Args:
        pixels: (I, 3, S, S) float32.
        weights: (3, I, 1, 1, 1) of the middle, its neighbours, and theirs.
    """
    side = pixels.shape[-1]
    wide = functional.pad(pixels, (2, 2, 0, 0), mode="replicate")
    level = (pixels * weights[0]).add_(0.5)
    level.addcmul_(wide[..., 1 : side + 1] + wide[..., 3 : side + 3], weights[1])
    level.addcmul_(wide[..., :side] + wide[..., 4:], weights[2])
    return level.floor_()
