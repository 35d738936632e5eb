"""First crops and views over a grid of shapes, beside loops over pixels in float64."""

import numpy as np
import pytest
import torch

from dora.config import AugmentConfig, ViewConfig
from dora.data.augment import apply_draws
from dora.data.clip_draws import draw_clip
from dora.data.crops import resize_first
from tests.references.geometry import plain_resize

SHAPES = ((12, 20), (31, 17), (40, 64), (1, 9), (90, 60))


def noise(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Noise, whose neighbouring pixels have nothing in common."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("px", [8, 24, 33])
@pytest.mark.parametrize("shape", SHAPES)
def test_first_crops_are_bilinear_within_a_level(shape: tuple[int, int], px: int) -> None:
    """Torch computes them with weights of 15 bits and 8 bits between the axes."""
    picture = noise(*shape)
    found = resize_first(picture, px=px)[0].permute(1, 2, 0).double().numpy()
    exact = plain_resize(picture, (0, 0, *shape), px=px, flip=False, bicubic=False)
    assert np.abs(found - exact).max() <= 1.5


def view(px: int, *, flip: float) -> ViewConfig:
    """A view without any change of colours."""
    return ViewConfig(scale=(0.1, 1.0), px=px, flip=flip, jitter=0, grey=0, blur=0, solarise=0)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("first_px", [20, 45])
@pytest.mark.parametrize("global_px", [16, 32])
@pytest.mark.parametrize("local_px", [8, 24])
@pytest.mark.parametrize("local_box", ["frame", "clip"])
def test_views_are_the_drawn_boxes_flipped_where_drawn(
    views: int, first_px: int, global_px: int, local_px: int, local_box: str
) -> None:
    """Two frames. Global views are rounded once, hence exact; crops twice, which ties may tip."""
    augment = AugmentConfig(
        first_px=first_px,
        global_views=(view(global_px, flip=0.5),) * views,
        local_view=view(local_px, flip=0.5),
        local_crops=2,
        local_box=local_box,
    )
    draws = draw_clip(
        augment, seed=views, position=first_px + global_px, frames=2, height=50, width=70
    )
    frames = np.stack([noise(first_px, first_px, seed=t) for t in range(2)])
    first = torch.from_numpy(frames).permute(0, 3, 1, 2)[None]
    found = apply_draws(first, torch.from_numpy(draws.rows())[None], augment)
    for ours, drawn, bicubic, px in (
        (found[0][:, 0], draws.global_views, False, global_px),
        (found[1][:, 0], draws.local_crops, True, local_px),
    ):
        for v, t in np.ndindex(len(ours), 2):
            exact = plain_resize(
                frames[t],
                tuple(drawn.boxes[v, t].tolist()),
                px=px,
                flip=bool(drawn.flips[v, t]),
                bicubic=bicubic,
            )
            difference = ours[v, t].permute(1, 2, 0).double().numpy() - exact.clip(0, 255)
            odd = np.abs(difference) > 0.5 + 1e-3
            assert odd.mean() <= (0.01 if bicubic else 0), (v, t)
            assert np.abs(difference).max() <= 1.5
