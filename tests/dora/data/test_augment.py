"""Views of a clip: what is drawn per clip, frame and crop; the plain chain of the released code."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dora.config import AugmentConfig
from dora.data.augment import augment_clip, draw_clip
from dora.data.colours import normalise
from dora.presets import named_preset
from tests.references.plain_views import plain_views


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Three pictures of 420x320 px with smooth colours, which change from one to the next."""
    coarse = np.random.default_rng(1).integers(0, 256, size=(3, 6, 9, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(part).resize((420, 320))) for part in coarse])


def draw(augment: AugmentConfig, *, position: int = 0, seed: int = 0, frames: int = 3):  # type: ignore[no-untyped-def]
    return draw_clip(augment, seed=seed, position=position, frames=frames, height=320, width=420)


@pytest.mark.parametrize("preset", ["released", "paper", "smoke"])
def test_views_are_those_of_the_plain_chain(frames: np.ndarray, preset: str) -> None:
    """Four clips; values differ by at most a step of hue, and hardly ever."""
    augment = named_preset(preset).augment
    for position in range(4):
        draws = draw(augment, position=position)
        views = augment_clip(frames, augment, draws, position=position)
        expected = plain_views(frames, augment, draws)
        found = normalise(views.global_views), normalise(views.local_crops)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            levels = (ours - theirs).abs() * 0.225 * 255
            assert (levels > 1.1).float().mean() < 2e-3
            assert levels.mean() < 0.02


def test_released_draws_global_geometry_per_clip_and_all_else_per_frame() -> None:
    """Rows 1, 18, 20 to 23 of the differences between paper and released code."""
    augment = named_preset("released").augment
    drawn = [draw(augment, position=position, frames=8) for position in range(40)]
    for clip in drawn:
        assert clip.global_views.boxes.shape == (1, 8, 4)
        assert clip.local_crops.boxes.shape == (6, 8, 4)
        assert (clip.global_views.boxes == clip.global_views.boxes[:, :1]).all()
        assert (clip.global_views.flips == clip.global_views.flips[:, :1]).all()
        assert not clip.local_crops.flips.any()
        assert not clip.global_views.colours.solarise.any()
        assert len(np.unique(clip.local_crops.boxes.reshape(-1, 4), axis=0)) > 40
        factors = clip.global_views.colours.factors.reshape(-1, 4)
        assert len(np.unique(factors, axis=0)) == 8
    assert 8 < sum(clip.global_views.flips[0, 0] for clip in drawn) < 32
    blurred = np.mean([clip.local_crops.colours.blur_px > 0 for clip in drawn])
    assert blurred == pytest.approx(0.5, abs=0.04)


def test_paper_takes_two_views_of_a_plain_crop() -> None:
    augment = named_preset("paper").augment
    drawn = [draw(augment, position=position) for position in range(40)]
    for clip in drawn:
        assert clip.first_box[2:].tolist() == [300, 300]
        assert (clip.global_views.colours.blur_px[0] > 0).all()
        assert (clip.global_views.boxes[0] != clip.global_views.boxes[1]).any()
    assert 0.1 < np.mean([clip.global_views.colours.solarise[1] for clip in drawn]) < 0.3
    assert not any(clip.global_views.colours.solarise[0].any() for clip in drawn)
    assert 0.4 < np.mean([clip.local_crops.flips for clip in drawn]) < 0.6


def test_boxes_and_colours_can_be_drawn_once_a_clip() -> None:
    augment = replace(named_preset("released").augment, local_box="clip", photometric="clip")
    clip = draw(augment)
    assert (clip.local_crops.boxes == clip.local_crops.boxes[:, :1]).all()
    assert (clip.local_crops.colours.factors == clip.local_crops.colours.factors[:, :1]).all()
    assert (clip.local_crops.boxes[0] != clip.local_crops.boxes[1]).any()


def test_draws_depend_on_seed_and_position_alone() -> None:
    """Neither the number of frames nor of crops changes those that are there anyway."""
    augment = named_preset("released").augment
    clip, again = draw(augment, position=5), draw(augment, position=5)
    longer = draw(replace(augment, local_crops=9), position=5, frames=7)
    for other in (again, longer):
        assert np.array_equal(other.first_box, clip.first_box)
        assert np.array_equal(other.local_crops.boxes[:6, :3], clip.local_crops.boxes)
        factors = other.local_crops.colours.factors[:6, :3]
        assert np.array_equal(factors, clip.local_crops.colours.factors)
    for other in (draw(augment, position=6), draw(augment, position=5, seed=1)):
        assert (other.local_crops.boxes != clip.local_crops.boxes).any(axis=-1).all()
