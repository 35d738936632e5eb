import numpy as np
import pytest
import torch

from dora.tracking.masks import above_mean, apply_masks, to_grid, upsample, visible_patches


def test_uniform_attention_gives_an_empty_mask() -> None:
    """The comparison is strict, as published."""
    assert above_mean(torch.full((1, 1, 2, 16), 1 / 16), scope="clip").sum() == 0


def test_shared_threshold_depends_on_the_neighbours_and_the_own_one_does_not() -> None:
    soft = torch.rand(1, 1, 1, 16).softmax(dim=-1)
    peaked = torch.nn.functional.one_hot(torch.tensor([[[3]]]), 16).float()
    pair = torch.cat([soft, peaked], dim=2)
    alone = above_mean(soft, scope="clip")
    assert torch.equal(above_mean(pair, scope="clip")[:, :, :1], alone)
    assert torch.equal(above_mean(soft, scope="process"), alone)
    assert not torch.equal(above_mean(pair, scope="process")[:, :, :1], alone)


def test_nearest_fills_each_patch_and_bilinear_keeps_the_mean() -> None:
    masks = torch.rand(2, 1, 3, 4, 5)
    filled = upsample(masks, (32, 40), how="nearest")
    expected = np.kron(masks.numpy(), np.ones((8, 8), dtype=np.float32))
    np.testing.assert_array_equal(filled.numpy(), expected)
    smooth = upsample(masks, (32, 40), how="bilinear")
    assert smooth.shape == filled.shape
    torch.testing.assert_close(
        smooth.mean(dim=(-1, -2)), masks.mean(dim=(-1, -2)), rtol=0.2, atol=0.1
    )
    assert not torch.equal(smooth, filled)


def test_a_mask_multiplies_every_channel_of_its_own_object_clip_and_frame() -> None:
    mask_TKBN = torch.randint(2, (3, 2, 4, 6)).float()
    view = torch.randn(4, 3, 3, 16, 24)
    masked = apply_masks(to_grid(mask_TKBN, (2, 3)), view, how="nearest")
    assert masked.shape == (2, 4, 3, 3, 16, 24)
    for frame, k, clip, patch in np.ndindex(3, 2, 4, 6):
        row, column = divmod(patch, 3)
        box = (..., slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
        expected = view[clip, frame][box] * mask_TKBN[frame, k, clip, patch]
        assert torch.equal(masked[k, clip, frame][box], expected)


@pytest.mark.parametrize("how", ["nearest", "bilinear"])
def test_a_patch_is_visible_if_any_of_its_pixels_is(how: str) -> None:
    masks = (torch.rand(2, 3, 2, 4, 5) > 0.8).float()
    pixels = upsample(masks, (32, 40), how=how).unfold(-2, 8, 8).unfold(-2, 8, 8)
    expected = pixels.amax(dim=(-1, -2)) > 0
    assert torch.equal(visible_patches(masks, how=how), expected)
    assert not expected.all()
