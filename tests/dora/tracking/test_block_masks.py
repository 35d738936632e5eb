"""Random masks: what they hide is a sum of rectangles, of the share that was drawn."""

import numpy as np
import pytest
import torch

from dora.tracking.block_masks import HIDDEN_SHARE, draw_block_masks, hide_blocks


def plain_hide(draws: list[float], grid: tuple[int, int]) -> np.ndarray:
    """One mask, patch by patch: rectangles are tried in order until enough is hidden."""
    height, width = grid
    target = int(
        (HIDDEN_SHARE[0] + (HIDDEN_SHARE[1] - HIDDEN_SHARE[0]) * draws[0]) * height * width
    )
    hidden: set[tuple[int, int]] = set()
    numbers = iter(draws[1:])
    for _ in range(24):
        tried = [[next(numbers) for _ in range(4)] for _ in range(10)]
        added = False
        for area_u, ratio_u, top_u, left_u in tried:
            left = target - len(hidden)
            if added or left <= 0:
                break
            least = (min(grid) // 3) ** 2
            area = least + (max(left, least) - least) * area_u
            ratio = 0.3 * (1 / 0.3 / 0.3) ** ratio_u
            box_h = max(1, round((area * ratio) ** 0.5))
            box_w = max(1, round((area / ratio) ** 0.5))
            if box_h >= height or box_w >= width:
                continue
            top, start = int(top_u * (height - box_h + 1)), int(left_u * (width - box_w + 1))
            box = {(y, x) for y in range(top, top + box_h) for x in range(start, start + box_w)}
            if 0 < len(box - hidden) <= left:
                hidden |= box
                added = True
        if not added:
            break
    mask = np.zeros(grid, dtype=bool)
    for y, x in hidden:
        mask[y, x] = True
    return mask


@pytest.mark.parametrize("grid", [(14, 14), (6, 6), (7, 12), (4, 4)])
def test_masks_equal_those_of_a_plain_loop(grid: tuple[int, int]) -> None:
    draws = np.random.default_rng(0).random((40, 961))
    hidden = hide_blocks(draws, grid=grid)
    for row, mask in zip(draws, hidden, strict=True):
        np.testing.assert_array_equal(mask, plain_hide(row.tolist(), grid))


def test_a_tenth_to_a_half_is_hidden_and_the_whole_range_is_used() -> None:
    masks = draw_block_masks(0, range(30), view=0, objects=3, frames=2, grid=(14, 14))
    assert masks.shape == (3, 30, 2, 14, 14)
    hidden = 1 - masks.mean(dim=(-1, -2))
    assert float(hidden.max()) <= HIDDEN_SHARE[1]
    assert float(hidden.min()) < 0.15
    assert float(hidden.max()) > 0.45
    assert abs(float(hidden.mean()) - 0.3) < 0.03


def test_masks_differ_by_object_frame_view_and_clip_and_depend_on_position_alone() -> None:
    options = {"objects": 2, "frames": 3, "grid": (8, 8)}
    masks = draw_block_masks(5, [10, 11], view=0, **options)
    assert torch.equal(draw_block_masks(5, [11], view=0, **options), masks[:, 1:])
    flat = masks.flatten(0, 2)
    assert len({tuple(mask.flatten().tolist()) for mask in flat}) == len(flat)
    for seed, view in ((6, 0), (5, 1)):
        assert not torch.equal(draw_block_masks(seed, [10, 11], view=view, **options), masks)
