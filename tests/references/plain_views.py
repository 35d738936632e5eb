"""The views of a clip as the released code computes them: torchvision on one picture at a time."""

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from dora.config import AugmentConfig
from dora.data.clip_draws import ClipDraws
from dora.data.colours import ColourDraws

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JITTER = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


def plain_colours(picture: Image.Image, draws: ColourDraws, at: tuple[int, ...]) -> Image.Image:
    """DINO's chain on one picture with the parameters that were drawn for it."""
    if draws.jitter[at]:
        for kind in draws.order[at]:
            picture = JITTER[kind](picture, float(draws.factors[at][kind]))
    if draws.grey[at]:
        picture = tv.rgb_to_grayscale(picture, num_output_channels=3)
    if draws.blur_px[at] > 0:
        picture = picture.filter(ImageFilter.GaussianBlur(float(draws.blur_px[at])))
    return tv.solarize(picture, 128) if draws.solarise[at] else picture


def plain_first(frames: np.ndarray, augment: AugmentConfig, draws: ClipDraws) -> Tensor:
    """Return the first crops, (T, 3, S, S) float32 in [0, 1], of (T, H, W, 3) uint8 frames."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    size = [augment.first_px] * 2
    return tv.resized_crop(pictures, *draws.first_box.tolist(), size, antialias=False)


def eight_bits(picture: Tensor, *, rounded: bool) -> Image.Image:
    """Return a float picture as Pillow's; rounded, or cut off as torchvision does."""
    return tv.to_pil_image((picture * 255 + 0.5).byte() if rounded else picture)


def plain_views(
    firsts: Tensor, augment: AugmentConfig, draws: ClipDraws, *, rounded: bool = False
) -> tuple[Tensor, Tensor]:
    """Return global views (V, T, 3, S, S) and local crops (L, T, 3, s, s), normalised.

    Args:
        firsts: (T, 3, S, S) float32 in [0, 1], the first crops.
        augment: sizes.
        draws: of the clip.
        rounded: every step ends on the nearest of 8 bits, and crops are narrowed first; else, as
            in the released code, pictures are cut off to 8 bits.
    """
    globals_, locals_ = [], []
    for t, first in enumerate(firsts):
        views = []
        for v, view in enumerate(augment.global_views):
            box = draws.global_views.boxes[v, t].tolist()
            cut = tv.resized_crop(first, *box, [view.px] * 2, antialias=False)
            cut = tv.hflip(cut) if draws.global_views.flips[v, t] else cut
            picture = eight_bits(cut, rounded=rounded)
            picture = plain_colours(picture, draws.global_views.colours, (v, t))
            views.append(tv.normalize(tv.to_tensor(picture), MEAN, DEVIATION))
        globals_.append(torch.stack(views))
        parent, crops = eight_bits(first, rounded=rounded), []
        for j in range(augment.local_crops):
            box = draws.local_crops.boxes[j, t].tolist()
            px = [augment.local_view.px] * 2
            if rounded:  # the width first, whatever Pillow's release
                crop = tv.crop(parent, *box).resize((px[0], box[2]), Image.Resampling.BICUBIC)
                crop = crop.resize(px, Image.Resampling.BICUBIC)
            else:
                crop = tv.resized_crop(parent, *box, px, interpolation=InterpolationMode.BICUBIC)
            crop = tv.hflip(crop) if draws.local_crops.flips[j, t] else crop
            crop = plain_colours(crop, draws.local_crops.colours, (j, t))
            crops.append(tv.normalize(tv.to_tensor(crop), MEAN, DEVIATION))
        locals_.append(torch.stack(crops))
    return torch.stack(globals_, dim=1), torch.stack(locals_, dim=1)
