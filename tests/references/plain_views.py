"""The views of a clip as the released code computes them: torchvision on one picture at a time."""

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from dora.config import AugmentConfig
from dora.data.augment import ClipDraws
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


def plain_views(
    frames: np.ndarray, augment: AugmentConfig, draws: ClipDraws
) -> tuple[Tensor, Tensor]:
    """Return (V, T, 3, S, S) and (L, T, 3, s, s), normalised, of (T, H, W, 3) uint8 frames."""
    globals_, locals_ = [], []
    for t, frame in enumerate(frames):
        picture = torch.from_numpy(frame).permute(2, 0, 1).float() / 255
        first_px = [augment.first_px] * 2
        first = tv.resized_crop(picture, *draws.first_box.tolist(), first_px, antialias=False)
        views = []
        for v, view in enumerate(augment.global_views):
            box = draws.global_views.boxes[v, t].tolist()
            cut = tv.resized_crop(first, *box, [view.px] * 2, antialias=False)
            cut = tv.hflip(cut) if draws.global_views.flips[v, t] else cut
            cut = plain_colours(tv.to_pil_image(cut), draws.global_views.colours, (v, t))
            views.append(tv.normalize(tv.to_tensor(cut), MEAN, DEVIATION))
        globals_.append(torch.stack(views))
        parent, crops = tv.to_pil_image(first), []
        for j in range(augment.local_crops):
            box = draws.local_crops.boxes[j, t].tolist()
            px = [augment.local_view.px] * 2
            crop = tv.resized_crop(parent, *box, px, interpolation=InterpolationMode.BICUBIC)
            crop = tv.hflip(crop) if draws.local_crops.flips[j, t] else crop
            crop = plain_colours(crop, draws.local_crops.colours, (j, t))
            crops.append(tv.normalize(tv.to_tensor(crop), MEAN, DEVIATION))
        locals_.append(torch.stack(crops))
    return torch.stack(globals_, dim=1), torch.stack(locals_, dim=1)
