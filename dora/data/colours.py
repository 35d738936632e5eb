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
JITTER, ORDER, FACTORS = 0, slice(1, 5), slice(5, 9)
GREY, BLUR, SOLARISE = 9, 10, 11
"""Columns of a row of parameters, `ColourDraws.rows`."""
COLOUR_COLUMNS = 12
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

    def __getitem__(self, part: slice) -> Self:
        """Return the draws of some pictures, along the first axis."""
        return type(self)(**{f.name: getattr(self, f.name)[part] for f in fields(self)})

    def rows(self) -> NDArray[np.float32]:
        """Return (I, COLOUR_COLUMNS): the parameters of each picture as one row of numbers."""
        rows = np.empty((*self.jitter.shape, COLOUR_COLUMNS), dtype=np.float32)
        rows[..., JITTER] = self.jitter
        rows[..., ORDER] = self.order
        rows[..., FACTORS] = self.factors
        rows[..., GREY] = self.grey
        rows[..., BLUR] = self.blur_px
        rows[..., SOLARISE] = self.solarise
        return rows


def draw_colours(draws: NDArray[np.float64], *views: ViewConfig) -> ColourDraws:
    """Return the parameters of I pictures.

    Args:
        draws: (..., COLOUR_DRAWS) uniform in [0, 1); the leading axes count pictures.
        views: give the probabilities: one of each along the first axis, or one of all.
    """
    kinds = (len(views), *(1,) * (draws.ndim - 2))

    def chances(name: str) -> NDArray[np.float64]:
        return np.asarray([getattr(view, name) for view in views]).reshape(kinds)

    strengths = np.asarray(STRENGTHS)
    around = np.asarray([1.0, 1.0, 1.0, 0.0])
    low, high = BLUR_PX
    blur_px = low + (high - low) * draws[..., 11]
    return ColourDraws(
        jitter=draws[..., 0] < chances("jitter"),
        order=np.argsort(draws[..., 1:5], axis=-1, kind="stable"),
        factors=(around + strengths * (2 * draws[..., 5:9] - 1)).astype(np.float32),
        grey=draws[..., 9] < chances("grey"),
        blur_px=np.where(draws[..., 10] < chances("blur"), blur_px, 0).astype(np.float32),
        solarise=draws[..., 12] < chances("solarise"),
    )


def change_colours(pictures: Tensor, rows: Tensor, *, everywhere: bool = False) -> Tensor:
    """Return pictures after jitter, grey, blur and solarise, in a new tensor.

    Hue stands once among the four parts of a jitter: up to three blends come before it and up to
    three after it.

    Args:
        pictures: (I, 3, S, S) uint8.
        rows: (I, COLOUR_COLUMNS) float32, what was drawn for each, on their device.
        everywhere: change all pictures and take those that were drawn, so that no shape depends on
            a draw and nothing is asked of the device; else only those that were drawn are changed,
            which is less work. The results are equal.
    """
    pictures = pictures.clone(memory_format=torch.contiguous_format)
    jitter, order, factors = rows[:, JITTER] > 0, rows[:, ORDER], rows[:, FACTORS]
    hue_place = (order == HUE).int().argmax(dim=1)

    def blended(place: int, chosen: Tensor) -> Tensor:
        kinds = order[:, place]
        factor = factors.gather(1, kinds.long()[:, None])[:, 0]
        return _change(pictures, jitter & chosen, blend, (kinds, factor), everywhere=everywhere)

    for place in (0, 1, 2):
        pictures = blended(place, hue_place > place)
    turns = (factors[:, HUE],)
    pictures = _change(pictures, jitter, adjust_hue, turns, everywhere=everywhere)
    for place in (1, 2, 3):
        pictures = blended(place, hue_place < place)
    deviations_px = (rows[:, BLUR],)
    pictures = _change(pictures, rows[:, GREY] > 0, to_grey, (), everywhere=everywhere)
    pictures = _change(pictures, rows[:, BLUR] > 0, blur, deviations_px, everywhere=everywhere)
    return _change(pictures, rows[:, SOLARISE] > 0, solarise, (), everywhere=everywhere)


def _change(
    pictures: Tensor,
    chosen: Tensor,
    change: Callable[..., Tensor],
    values: tuple[Tensor, ...],
    *,
    everywhere: bool,
) -> Tensor:
    """Return the pictures, of which the chosen ones are changed, each with its values."""
    if everywhere:
        return torch.where(chosen[:, None, None, None], change(pictures, *values), pictures)
    # What a step leaves between its parts should stay in the processor's cache.
    chunk = max(1, CHUNK_PIXELS // pictures.shape[-1] ** 2)
    for at in torch.split(chosen.nonzero()[:, 0], chunk):
        if len(at):
            pictures[at] = change(pictures[at], *(value[at] for value in values))
    return pictures


def blend(pictures: Tensor, kinds: Tensor, factors: Tensor) -> Tensor:
    """Return pictures blended with what each kind of change takes away, cut off to 8 bits.

    other + factor (picture - other), where other is black for brightness, the rounded mean of the
    grey levels for contrast, and the grey levels for saturation.

    Args:
        pictures: (I, 3, S, S) uint8.
        kinds: (I,) BRIGHTNESS, CONTRAST or SATURATION.
        factors: (I,) float32.
    """
    levels = _grey_levels(pictures)
    mean = (levels.mean(dim=(1, 2), keepdim=True, dtype=torch.float64) + 0.5).floor_()
    kind = kinds[:, None, None]
    other = torch.where(kind == CONTRAST, mean.float(), torch.where(kind == SATURATION, levels, 0))
    mixed = (pictures - other[:, None]).mul_(factors[:, None, None, None]).add_(other[:, None])
    return mixed.clamp_(0, 255).to(torch.uint8)


def adjust_hue(pictures: Tensor, turns: Tensor) -> Tensor:
    """Return pictures with their hue turned by a share of a turn, in steps of 1/255 of it."""
    hue, saturation, value = _to_hsv(pictures)
    shift = (turns * 255).trunc()  # towards 0, as a cast to an integer
    hue = (hue + shift[:, None, None]) % 256  # wraps as 8 bits do
    return _from_hsv(hue, saturation, value)


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
    mean, deviation = (_per_channel(values, pictures.device) for values in (MEAN, DEVIATION))
    return pictures.float().div_(255).sub_(mean).div_(deviation)


def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return (3, 1, 1), made on the device: a copy from the host would wait for it."""
    return torch.stack([torch.full((1, 1), value, device=device) for value in values])


def _grey_levels(pictures: Tensor) -> Tensor:
    """Return (I, S, S) float32: 0.299 R + 0.587 G + 0.114 B in Pillow's fixed point.

    All numbers are whole and below 2^24, so that float32 is exact.
    """
    red, green, blue = pictures.float().unbind(1)
    sums = (red * 19595).add_(green, alpha=38470).add_(blue, alpha=7471)
    return sums.add_(0x8000).mul_(2.0**-16).floor_()


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
