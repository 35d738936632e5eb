"""Many boxes resized at once, beside Pillow's and torch's of one."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from dora.data.resampling import Taps, bicubic_taps, bilinear_taps, resample

SIDE = 60
BOXES = torch.tensor(
    [
        [0, 0, 60, 60],
        [1, 2, 20, 15],
        [30, 31, 29, 29],
        [59, 0, 1, 60],
        [7, 50, 53, 3],
        [5, 5, 32, 32],
    ]
)


@pytest.fixture(scope="module")
def parents() -> torch.Tensor:
    """(3, 3, 60, 60) uint8: noise, smooth colours, black and white."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8)
    coarse = generator.integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE)))
    edges = np.repeat(generator.integers(0, 2, size=(SIDE, SIDE, 1), dtype=np.uint8) * 255, 3, 2)
    return torch.from_numpy(np.stack([noise, smooth, edges])).permute(0, 3, 1, 2)


def taps(boxes: torch.Tensor, *, px: int, bicubic: bool) -> tuple[Taps, Taps]:
    """Return the taps across and down."""
    if bicubic:
        across = bicubic_taps(boxes[:, 1], boxes[:, 3], px=px, longest=SIDE)
        return across, bicubic_taps(boxes[:, 0], boxes[:, 2], px=px, longest=SIDE)
    across = bilinear_taps(boxes[:, 1], boxes[:, 3], px=px)
    return across, bilinear_taps(boxes[:, 0], boxes[:, 2], px=px)


def resized(parents: torch.Tensor, *, px: int, bicubic: bool) -> torch.Tensor:
    """Every box of every parent, (boxes * parents, 3, px, px)."""
    boxes = BOXES.repeat_interleave(len(parents), dim=0)
    across, down = taps(boxes, px=px, bicubic=bicubic)
    numbers = torch.arange(len(parents)).repeat(len(BOXES))
    return resample(parents, numbers, across=across, down=down, rounded_between=bicubic)


@pytest.mark.parametrize("px", [16, 32, 48])
def test_bicubic_is_pillows(parents: torch.Tensor, px: int) -> None:
    """Larger and smaller boxes, of one pixel too: a level at most, in at most 0.2 % of values.

    The width first, and 8 bits between the axes, as Pillow did up to release 12; 13 begins with the
    height where a box is higher than wide, which changes what is cut off between, at sharp edges.
    """
    found = resized(parents, px=px, bicubic=True).int()
    expected = []
    for top, left, height, width in BOXES.tolist():
        for parent in parents:
            picture = Image.fromarray(parent.permute(1, 2, 0).numpy())
            picture = picture.crop((left, top, left + width, top + height))
            narrow = picture.resize((px, height), Image.Resampling.BICUBIC)
            small = np.array(narrow.resize((px, px), Image.Resampling.BICUBIC))
            expected.append(torch.from_numpy(small).permute(2, 0, 1).int())
    difference = (found - torch.stack(expected)).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() <= 2e-3


@pytest.mark.parametrize("px", [16, 32, 48])
def test_bilinear_is_torchs(parents: torch.Tensor, px: int) -> None:
    """Within half a level of its floats, and a trifle for the sums."""
    found = resized(parents, px=px, bicubic=False).float()
    expected = []
    for top, left, height, width in BOXES.tolist():
        inside = parents[:, :, top : top + height, left : left + width].float()
        expected.append(functional.interpolate(inside, (px, px), mode="bilinear"))
    assert (found - torch.cat(expected)).abs().max() <= 0.501


@pytest.mark.parametrize("bicubic", [False, True])
def test_mirrored_taps_mirror_the_result(parents: torch.Tensor, bicubic: bool) -> None:
    boxes = BOXES[:3]
    across, down = taps(boxes, px=32, bicubic=bicubic)
    flips = torch.tensor([True, False, True])
    numbers = torch.zeros(3, dtype=torch.int64)
    plain, mirrored = (
        resample(parents, numbers, across=each, down=down, rounded_between=bicubic)
        for each in (across, across.mirrored(flips))
    )
    for i, flip in enumerate(flips):
        assert torch.equal(mirrored[i], plain[i].flip(-1) if flip else plain[i])


@pytest.mark.parametrize("bicubic", [False, True])
def test_bits_do_not_depend_on_what_else_is_resized(parents: torch.Tensor, bicubic: bool) -> None:
    """One by one, and in another order of memory."""
    together = resized(parents, px=32, bicubic=bicubic)
    across, down = taps(BOXES, px=32, bicubic=bicubic)
    for i in range(len(BOXES)):
        one = [Taps(indices=t.indices[i : i + 1], weights=t.weights[i : i + 1])
               for t in (across, down)]  # fmt: skip
        alone = resample(
            parents[1:2].contiguous(),
            torch.zeros(1, dtype=torch.int64),
            across=one[0],
            down=one[1],
            rounded_between=bicubic,
        )
        assert torch.equal(alone[0], together[len(parents) * i + 1])


def test_weights_add_up_to_one_and_stay_in_the_box() -> None:
    """All boxes up to 60 pixels; the number of taps depends on none of them."""
    lengths = torch.arange(1, SIDE + 1)
    starts = SIDE - lengths
    for found in (
        bicubic_taps(starts, lengths, px=16, longest=SIDE),
        bilinear_taps(starts, lengths, px=16),
    ):
        assert torch.allclose(found.weights.sum(dim=-1), torch.ones(()), atol=1e-6)
        assert (found.indices >= starts[:, None, None]).all()
        assert (found.indices < SIDE).all()
    assert bicubic_taps(starts, lengths, px=16, longest=SIDE).weights.shape[-1] == 17
