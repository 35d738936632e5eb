"""Views of a clip: what is drawn per clip, frame and crop; the plain chain of the released code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dora.config import AugmentConfig
from dora.data.augment import apply_draws, finish_clip, make_views, stack_views
from dora.data.clip_draws import draw_clip
from dora.data.colours import COLOUR_DRAWS, draw_colours, normalise
from dora.data.crops import BOX_DRAWS, draw_boxes, resize_first
from dora.data.draws import GLOBAL_VIEWS, LOCAL_CROPS, uniform_draws
from dora.data.reading import DrawnClip
from dora.presets import named_preset
from tests.references.plain_views import plain_first, plain_views

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Three pictures of 420x320 px with smooth colours, which change from one to the next."""
    coarse = np.random.default_rng(1).integers(0, 256, size=(3, 6, 9, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(part).resize((420, 320))) for part in coarse])


def draw(augment: AugmentConfig, *, position: int = 0, seed: int = 0, frames: int = 3):  # type: ignore[no-untyped-def]
    return draw_clip(augment, seed=seed, position=position, frames=frames, height=320, width=420)


def drawn_clip(frames: np.ndarray, augment: AugmentConfig, *, position: int) -> DrawnClip:
    """The clip as its reader makes it from pictures that need no decoding."""
    draws = draw(augment, position=position, frames=len(frames))
    top, left, height, width = draws.first_box
    inside = frames[:, top : top + height, left : left + width]
    first = torch.cat([resize_first(each, px=augment.first_px) for each in inside])
    return DrawnClip(position=position, first=first, draws=draws)


@pytest.mark.parametrize("preset", ["released", "paper", "smoke"])
def test_views_are_those_of_the_plain_chain(frames: np.ndarray, preset: str) -> None:
    """Four clips. From the same first crops, each step rounded to 8 bits, hardly a value differs.

    Beside the released code, which keeps floats longer and cuts off: less than a level on average.
    """
    augment = named_preset(preset).augment
    clips = [drawn_clip(frames, augment, position=position) for position in range(4)]
    views = make_views(clips, augment, device=CPU)
    assert views.positions.tolist() == [0, 1, 2, 3]
    for b, clip in enumerate(clips):
        found = views.global_views[:, b], views.local_crops[:, b]
        released = plain_first(frames, augment, clip.draws)
        for firsts, rounded, odd_share, mean in (
            (clip.first / 255, True, 2e-3, 0.02),
            (released, False, 0.05, 0.9),
        ):
            expected = plain_views(firsts, augment, clip.draws, rounded=rounded)
            for ours, theirs in zip(found, expected, strict=True):
                assert ours.shape == theirs.shape
                levels = (ours - theirs).abs() * 0.225 * 255
                assert (levels > 2.1 - rounded).float().mean() < odd_share
                assert levels.mean() < mean


def test_views_do_not_depend_on_the_clips_beside(frames: np.ndarray) -> None:
    """To the last bit: finished by workers, made alone, in a batch, in groups, in another order."""
    augment = replace(named_preset("smoke").augment, local_crops=2)
    clips = [drawn_clip(frames, augment, position=position) for position in range(5)]
    together = make_views(clips, augment, device=CPU)
    backward = make_views(clips[::-1], augment, device=CPU)
    finished = stack_views([finish_clip(clip, augment) for clip in clips])
    rows = torch.from_numpy(np.stack([clip.draws.rows() for clip in clips]))
    at_once = apply_draws(torch.stack([clip.first for clip in clips]), rows, augment)
    for name, grouped in zip(("global_views", "local_crops"), at_once, strict=True):
        views = getattr(together, name)
        assert torch.equal(getattr(backward, name).flip(1), views)
        assert torch.equal(getattr(finished, name), views)
        assert torch.equal(normalise(grouped), views)
        alone = getattr(make_views(clips[3:4], augment, device=CPU), name)
        assert torch.equal(alone[:, 0], views[:, 3])


@pytest.mark.gpu
@pytest.mark.parametrize("preset", ["released", "paper"])
def test_a_gpu_makes_the_same_views_and_is_never_waited_for(
    frames: np.ndarray, preset: str
) -> None:
    """In several groups; a level of hue may fall on the other side of a rounding."""
    augment = named_preset(preset).augment
    clips = [drawn_clip(frames, augment, position=position) for position in range(24)]
    expected = make_views(clips, augment, device=CPU)
    make_views(clips, augment, device=torch.device("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        views = make_views(clips, augment, device=torch.device("cuda"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for name in ("global_views", "local_crops"):
        levels = (getattr(views, name).cpu() - getattr(expected, name)).abs() * 0.225 * 255
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


@pytest.mark.parametrize("preset", ["released", "paper"])
@pytest.mark.parametrize("shared", ["frame", "clip"])
def test_each_view_is_drawn_as_if_it_were_the_only_one(preset: str, shared: str) -> None:
    """One picture after the other, from its own numbers or those of the clip's first frame."""
    augment = replace(named_preset(preset).augment, local_box=shared, photometric=shared)
    found = draw(augment, position=11, seed=2)
    side, kinds = augment.first_px, [*augment.global_views]
    kinds += [augment.local_view] * augment.local_crops
    for number, view in enumerate(kinds):
        crop = number - len(augment.global_views)
        purpose = LOCAL_CROPS + crop if crop >= 0 else GLOBAL_VIEWS + number
        numbers = uniform_draws(2, purpose=purpose, place=11, rows=3, columns=40)
        for t in range(3):
            place = numbers[0 if shared == "clip" or crop < 0 else t]
            colours = numbers[0 if shared == "clip" else t][BOX_DRAWS + 1 :][:COLOUR_DRAWS]
            box = draw_boxes(place[:BOX_DRAWS], height=side, width=side, scale=view.scale)
            row = [*box, place[BOX_DRAWS] < view.flip, *draw_colours(colours[None], view).rows()[0]]
            assert np.array_equal(found.rows()[number, t], np.asarray(row, dtype=np.float32))
