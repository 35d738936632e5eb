import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformer

from analysis.detectors.detic.backbones.swin import (
    Block,
    PatchMerging,
    SwinBackbone,
    SwinSizes,
    join_windows,
    shift_mask,
    split_windows,
)
from tests.references import detic_plain

SIZES = SwinSizes(width=8, depths=(2, 2, 4, 2), heads=(1, 2, 4, 8))


def shaken(module: nn.Module) -> nn.Module:
    """Weights far from their usual start, so that a bias or a norm left out shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) / value.shape[-1] ** 0.5)
    return module.eval().requires_grad_(False)


def test_maps_equal_those_of_torchvision() -> None:
    """The same network written by others, where the last map is wider than a window."""
    theirs = SwinTransformer([4, 4], 8, list(SIZES.depths), list(SIZES.heads), [7, 7]).double()
    shaken(theirs)
    ours = shaken(SwinBackbone(SIZES).double())
    named = dict(ours.named_parameters())
    ours.load_state_dict(
        {**named, **{_our_name(key): value for key, value in theirs.features.named_parameters()}}
    )
    image = torch.randn(2, 3, 288, 320, generator=torch.Generator().manual_seed(2)).double()
    maps, tokens = ours(image), image
    for number, stage in enumerate(theirs.features):
        tokens = stage(tokens)
        if number in (3, 5, 7):  # after the blocks of stages 1, 2, 3
            place = number // 2
            expected = getattr(ours, f"norm{place}")(tokens).permute(0, 3, 1, 2)
            assert torch.allclose(maps[place - 1], expected, atol=1e-9, rtol=0)


def _our_name(key: str) -> str:
    number, rest = key.split(".", 1)
    if number == "0":
        return {"0": "patch_embed.proj", "2": "patch_embed.norm"}[rest[0]] + rest[1:]
    stage = (int(number) - 1) // 2
    if int(number) % 2 == 0:
        return f"layers.{stage}.downsample.{rest}"
    renamed = rest.replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.")
    return f"layers.{stage}.blocks.{renamed}"


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("side", [(5, 5), (3, 4), (6, 11)])
def test_a_block_equals_plain_loops(side: tuple[int, int], shift: int) -> None:
    """Also where a map is no larger than a window: it is padded and shifted all the same.

    Torchvision does not shift a map that one window covers; the published model does.
    """
    window, (height, width) = 5, side
    block = shaken(Block(8, 2, window=window, shift=shift).double())
    assert isinstance(block, Block)
    tokens = torch.randn(height, width, 8, generator=torch.Generator().manual_seed(3)).double()
    mask = shift_mask(height, width, window=window, device=tokens.device)
    attended = detic_plain.window_attention(block.attn, block.norm1(tokens).numpy(), window, shift)
    between = tokens + torch.from_numpy(attended)
    expected = between + block.mlp(block.norm2(between))
    np.testing.assert_allclose(block(tokens[None], mask)[0].numpy(), expected.numpy(), atol=1e-9)


def test_windows_are_squares_in_reading_order() -> None:
    numbers = torch.arange(4 * 6).reshape(1, 4, 6, 1)
    windows = split_windows(numbers, 2)
    assert windows.shape == (1, 6, 4, 1)
    assert windows[0, 1, :, 0].tolist() == [2, 3, 8, 9]
    assert windows[0, 3, :, 0].tolist() == [12, 13, 18, 19]
    assert torch.equal(join_windows(windows, 2, 4, 6), numbers)


def test_merging_goes_down_columns_first() -> None:
    layer = PatchMerging(1)
    layer.norm = nn.Identity()  # type: ignore[assignment]
    layer.reduction = nn.Identity()  # type: ignore[assignment]
    merged: Tensor = layer(torch.arange(4.0).reshape(1, 2, 2, 1))
    assert merged.flatten().tolist() == [0, 2, 1, 3]
