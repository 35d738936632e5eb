from functools import partial

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.model.stochastic_depth import draw_kept_paths
from dora.model.vit import Backbone, build_backbone, resize_position_embedding
from tests.references import golden

TOLERANCE = 5e-5
CASES = [
    (case, size)
    for case, sizes in {
        "d48_h6_p16_img64": ["64x64", "96x96", "32x32", "64x96"],
        "d24_h3_p8_img32": ["32x32", "40x40", "56x24"],
        "last16_d48_h6_p16_img64": ["64x64"],
    }.items()
    for size in sizes
]
TINY = ModelConfig(width=24, depth=3, heads=6, patch_px=8, image_px=32)


def golden_backbone(arrays: dict) -> Backbone:
    image_px, patch_px, width, depth, heads = (int(number) for number in arrays["cfg"])
    config = ModelConfig(
        width=width,
        depth=depth,
        heads=heads,
        last_heads=int(arrays["last_heads"]),
        patch_px=patch_px,
        image_px=image_px,
    )
    backbone = build_backbone(config)
    backbone.load_state_dict(golden.tensors(arrays, "w/"))
    return backbone


def test_every_golden_size_is_tried() -> None:
    assert golden.names("vit_forward.npz") == list(dict.fromkeys(case for case, _ in CASES))


@pytest.mark.parametrize(("case", "size"), CASES)
def test_forward_equals_the_published_vit(case: str, size: str) -> None:
    arrays = golden.load("vit_forward.npz", case)
    backbone = golden_backbone(arrays)
    expected = golden.tensors(arrays, f"{size}/")
    with torch.no_grad():
        tokens = backbone(expected["x_i8"], want_tokens=True)
        alone = backbone(expected["x_i8"], want_tokens=False)
        intermediate = backbone.intermediate_cls(expected["x_i8"], int(arrays["n_last"]))
        position = resize_position_embedding(backbone.pos_embed, tokens.grid)
    for ours, name in [
        (tokens.cls, "cls"),
        (alone, "cls"),
        (torch.cat([tokens.cls[:, None], tokens.patches], dim=1), "tokens"),
        (tokens.attention, "attn"),
        (tokens.query, "query"),
        (tokens.key, "key"),
        (intermediate, "intermediate_cls"),
        (position, "pos"),
    ]:
        assert golden.largest_difference(ours, expected[name]) < TOLERANCE, name
    cls_row = expected["attn"][:, :, 0, 1:]
    assert golden.largest_difference(tokens.cls_attention(), cls_row) < TOLERANCE


def test_cls_row_alone_has_the_gradients_of_all_rows() -> None:
    """Leaving out the last block's other rows changes no gradient, stochastic depth included."""
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    images = torch.randn(4, 3, 40, 40)
    gradients = []
    kept = draw_kept_paths(1, [0], images=4, depth=3, rate=0.5)[:, 0]
    for want_tokens in (False, True):
        outcome = backbone(images, want_tokens=want_tokens, kept_paths=kept)
        cls = outcome.cls if want_tokens else outcome
        gradients.append(torch.autograd.grad(cls.square().sum(), list(backbone.parameters())))
    for ours, other in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)


def test_first_frames_alone_have_the_tokens_that_all_frames_have() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    images = torch.randn(6, 3, 32, 32)
    with torch.no_grad():
        every = backbone(images, want_tokens=True)
        for frames in (1, 2, 3, 6):
            first = backbone(images, want_tokens=True, frames=frames)
            assert len(first.patches) == len(first.query) == 6 // frames
            for ours, expected in [
                (first.cls, every.cls),
                (first.key, every.key),
                (first.patches, every.patches[::frames]),
                (first.query, every.query[::frames]),
            ]:
                torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_hidden_patches_take_no_part() -> None:
    """Each image alone, with its visible patches and no padding, is what it is in the batch."""
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    images = torch.randn(4, 3, 32, 32)
    visible = torch.rand(4, 16) > 0.6
    visible[0], visible[1] = False, True
    kept = draw_kept_paths(1, [0], images=4, depth=3, rate=0.5)[:, 0]
    together = backbone(images, kept_paths=kept, visible=visible)
    tokens, _ = backbone._embed(images)
    for index, patches in enumerate(visible):
        alone = torch.cat([tokens[index, :1], tokens[index, 1:][patches]])[None]
        for block, (attention, mlp) in zip(backbone.blocks, kept[:, index].split(2), strict=True):
            alone = alone + block.attn(block.norm1(alone)) * attention
            alone = alone + block.mlp(block.norm2(alone)) * mlp
        torch.testing.assert_close(
            together[index], backbone.norm(alone[0, 0]), rtol=1e-4, atol=1e-5
        )
    noise = torch.randn(4, 3, 32, 32).unfold(2, 8, 8).unfold(3, 8, 8)
    hidden = (~visible).view(4, 1, 4, 4, 1, 1)
    mixed = torch.where(hidden, noise, images.unfold(2, 8, 8).unfold(3, 8, 8))
    other = mixed.permute(0, 1, 2, 4, 3, 5).reshape(4, 3, 32, 32)
    torch.testing.assert_close(
        backbone(other, kept_paths=kept, visible=visible), together, rtol=1e-4, atol=1e-5
    )


def test_all_patches_visible_is_no_choice_at_all() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    images = torch.randn(3, 3, 32, 32)
    everything = torch.ones(3, 16, dtype=torch.bool)
    gradients = []
    for visible in (everything, None):
        cls = backbone(images, visible=visible)
        gradients.append(torch.autograd.grad(cls.square().sum(), list(backbone.parameters())))
    for ours, other in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)


def test_equals_plain_timm_at_the_native_size() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    timm = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=6, num_classes=0,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    timm.load_state_dict(backbone.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), timm(images), rtol=0, atol=1e-5)


def test_attention_scaled_by_the_width_is_flatter() -> None:
    torch.manual_seed(0)
    tokens = build_backbone(TINY)(torch.randn(1, 3, 32, 32), want_tokens=True)
    by_hand = (tokens.query[:, :, 0] @ tokens.key[:, :, 3].transpose(-1, -2)).detach()
    assert by_hand.shape == (1, 6, 6)
    logits = torch.einsum("mhd,mhnd->mhn", tokens.query[:, :, 0], tokens.key) / 24**0.5
    torch.testing.assert_close(
        tokens.cls_attention(scale="width"), logits.softmax(dim=-1)[:, :, 1:]
    )


def test_scaled_paths_equal_timm_s_stochastic_depth_with_the_same_draws() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    images = torch.randn(5, 3, 32, 32)
    kept = draw_kept_paths(3, [7], images=5, depth=3, rate=0.6)[:, 0]
    assert (kept == 0).any()
    tokens, _ = backbone._embed(images)
    for block, (attention, mlp) in zip(backbone.blocks, kept.split(2), strict=True):
        for module, scale in ((block.attn, attention), (block.mlp, mlp)):
            normed = (block.norm1 if module is block.attn else block.norm2)(tokens)
            tokens = tokens + module(normed) * scale[:, None, None]
    expected = backbone.norm(tokens[:, 0])
    torch.testing.assert_close(backbone(images, kept_paths=kept), expected)
    assert not torch.allclose(backbone(images), expected)


def test_images_that_do_not_divide_into_patches_are_refused() -> None:
    with pytest.raises(DoraError, match=r"33x32 px .* patches of 8 px"):
        build_backbone(TINY)(torch.zeros(1, 3, 33, 32))
