from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from dora.config import ModelConfig, TrackerConfig
from dora.model.vit import build_backbone
from dora.tracking.masks import apply_masks
from dora.tracking.tracker import ClipTokens, clip_tokens, discover_and_track
from tests.references import golden
from tests.references.tracker import binary_masks, soft_masks

SMALL = [("tracker_small.npz", case) for case in golden.names("tracker_small.npz")]
CASES = [*SMALL, ("tracker_vit_small_224.npz", "real")]
REGULAR = [case for case in CASES if not case[1].startswith("underflow")]
RELEASED = TrackerConfig()
PRINTED = TrackerConfig(
    heads_drawn="clip", tokens="raw", plan_mass="one", mask="soft", threshold="clip"
)


def golden_tokens(arrays: dict[str, np.ndarray]) -> ClipTokens:
    """What the tracker reads, from either form in which the goldens store it."""
    found = golden.tensors(arrays)
    if "attn" in found:
        found["attn_cls"] = found["attn"][0, :, :, 0, 1:]
        found["query0"] = found["query"][0, :, :, 1:]
        found["key"] = found["key"][:, :, :, 1:]
        found["patches0"] = found["patches"][0]
    side = round(found["attn_cls"].shape[-1] ** 0.5)
    grid = arrays.get("grid", np.array([side, side])).tolist()
    return ClipTokens(
        attention=found["attn_cls"],
        queries=found["query0"].transpose(1, 2).flatten(2),
        patches=found["patches0"],
        keys=found["key"].permute(1, 0, 3, 2, 4).flatten(3),
        grid=(grid[0], grid[1]),
    )


def heads_of(arrays: dict[str, np.ndarray], tokens: ClipTokens) -> Tensor:
    heads: Tensor = torch.from_numpy(arrays["heads"])
    return heads.expand(len(tokens.keys), -1)


def relative_difference(ours: Tensor, expected: np.ndarray) -> float:
    return golden.largest_difference(ours, expected) / float(np.abs(expected).max())


def assert_masks_equal(masks: Tensor, expected: np.ndarray, margin: np.ndarray) -> None:
    decided = margin > 1e-4
    assert decided.all()
    np.testing.assert_array_equal(masks.numpy()[decided], expected[decided])


@pytest.mark.parametrize(("file", "case"), REGULAR)
def test_released_tracker_equals_the_published_one(file: str, case: str) -> None:
    arrays = golden.load(file, case)
    tokens = golden_tokens(arrays)
    heads_BK = heads_of(arrays, tokens)
    unrefined = discover_and_track(tokens, heads_BK, replace(RELEASED, sinkhorn=False))
    assert relative_difference(unrefined.prototypes, arrays["P"]) < 1e-5
    assert golden.largest_difference(unrefined.soft, arrays["nosk_T"]) < 2e-6

    tracks = discover_and_track(tokens, heads_BK, RELEASED)
    assert tracks.plan is not None
    assert golden.largest_difference(tracks.plan, arrays["M"]) < 2e-5
    assert relative_difference(tracks.prototypes, arrays["P2"]) < 1e-5
    assert golden.largest_difference(tracks.soft, arrays["T_soft"]) < 2e-6
    assert_masks_equal(tracks.masks, arrays["mask"], arrays["margin"])
    if "mask_alone" in arrays:
        alone = discover_and_track(tokens, heads_BK, replace(RELEASED, threshold="clip"))
        np.testing.assert_array_equal(alone.masks.numpy(), arrays["mask_alone"])
    if "T_l2" in arrays:
        unit = torch.nn.functional.normalize(tracks.soft, dim=-1)
        assert golden.largest_difference(unit, arrays["T_l2"]) < 1e-5


def test_underflowing_clip_neither_becomes_nan_nor_blanks_its_neighbours() -> None:
    arrays = golden.load("tracker_small.npz", "underflow_b2_t2_k3")
    tokens = golden_tokens(arrays)
    tracks = discover_and_track(tokens, heads_of(arrays, tokens), RELEASED)
    assert tracks.plan is not None
    assert golden.largest_difference(tracks.plan, arrays["M_log"]) < 2e-5
    assert golden.largest_difference(tracks.soft, arrays["T_soft_log"]) < 2e-5
    assert_masks_equal(tracks.masks, arrays["mask_log"], arrays["margin_log"])
    assert tracks.masks.sum() > 0


@pytest.mark.parametrize(("file", "case"), SMALL)
def test_printed_equations_are_followed_by_the_paper_mode(file: str, case: str) -> None:
    arrays = golden.load(file, case)
    tokens = golden_tokens(arrays)
    tracks = discover_and_track(tokens, heads_of(arrays, tokens), PRINTED)
    if np.isfinite(arrays["paper_M"]).all():
        assert tracks.plan is not None
        plan_BKN = tracks.plan.transpose(1, 2)
        assert golden.largest_difference(plan_BKN, arrays["paper_M"]) < 2e-5
        assert relative_difference(tracks.prototypes, arrays["paper_P2"]) < 2e-5
        assert golden.largest_difference(tracks.soft, arrays["paper_T"]) < 2e-6
    soft_on_grid = tracks.masks.flatten(3).permute(2, 0, 1, 3)
    assert torch.equal(soft_on_grid, tracks.soft)


def test_vit_and_tracker_together_give_the_published_masked_clips() -> None:
    arrays = golden.load("tracker_small.npz", "b3_t4_k3")
    side, patch_px, width, depth, heads = arrays["cfg"].tolist()
    backbone = build_backbone(
        ModelConfig(width=width, depth=depth, heads=heads, patch_px=patch_px, image_px=side),
    )
    backbone.load_state_dict(golden.tensors(arrays, "w/"))
    images_BTCHW = torch.from_numpy(arrays["images_i8"])
    with torch.no_grad():
        tokens = backbone(images_BTCHW.flatten(0, 1), want_tokens=True)
        first = backbone(images_BTCHW.flatten(0, 1), want_tokens=True, frames=4)
    read = clip_tokens(first, clips=3, config=RELEASED)
    whole = clip_tokens(tokens, clips=3, config=RELEASED)
    for name in ("attention", "queries", "patches", "keys"):
        torch.testing.assert_close(getattr(read, name), getattr(whole, name))
    tracks = discover_and_track(read, heads_of(arrays, read), RELEASED)
    assert golden.largest_difference(tracks.soft, arrays["T_soft"]) < 2e-5
    assert_masks_equal(tracks.masks, arrays["mask"], arrays["margin"])
    masked = apply_masks(tracks.masks, images_BTCHW, how="nearest")
    assert golden.largest_difference(masked, arrays["masked_i8"]) == 0


@pytest.mark.parametrize(
    ("sinkhorn", "tokens", "plan_mass"),
    list(product([True, False], ["normalised", "raw"], ["patches", "one"])),
)
def test_every_mode_equals_loops(sinkhorn: bool, tokens: str, plan_mass: str) -> None:
    random = np.random.default_rng(3)
    clips, frames, heads, patches, width, objects = 2, 3, 4, 12, 16, 2
    read = ClipTokens(
        attention=torch.from_numpy(random.dirichlet(np.ones(patches), (clips, heads))),
        queries=torch.from_numpy(random.normal(size=(clips, patches, width))),
        patches=torch.from_numpy(random.normal(size=(clips, patches, width))) * 0.3,
        keys=torch.from_numpy(random.normal(size=(clips, frames, patches, width))),
        grid=(3, 4),
    )
    heads_BK = np.array([[2, 0], [1, 3]])
    config = TrackerConfig(
        objects=objects, sinkhorn=sinkhorn, tokens=tokens, plan_mass=plan_mass, epsilon=0.2
    )
    read32 = replace(
        read, **{name: getattr(read, name).float() for name in
                 ("attention", "queries", "patches", "keys")}
    )  # fmt: skip
    expected = soft_masks(
        read.attention.numpy(), read.queries.numpy(), read.patches.numpy(), read.keys.numpy(),
        heads_BK, epsilon=0.2, iterations=30, normalised=tokens == "normalised",
        mass_one=plan_mass == "one", sinkhorn_used=sinkhorn,
    )  # fmt: skip
    for threshold in ("batch", "clip"):
        tracks = discover_and_track(
            read32, torch.from_numpy(heads_BK), replace(config, threshold=threshold)
        )
        np.testing.assert_allclose(tracks.soft.numpy(), expected, rtol=0, atol=2e-6)
        masks = binary_masks(expected, shared=threshold == "batch")
        on_grid = masks.transpose(1, 2, 0, 3).reshape(objects, clips, frames, 3, 4)
        np.testing.assert_array_equal(tracks.masks.numpy(), on_grid)


def test_attention_scale_reaches_the_prototypes() -> None:
    backbone = build_backbone(ModelConfig(width=24, depth=1, heads=6, patch_px=8, image_px=32))
    tokens = backbone(torch.randn(4, 3, 32, 32), want_tokens=True)
    by_head = clip_tokens(tokens, clips=2, config=RELEASED)
    by_width = clip_tokens(tokens, clips=2, config=TrackerConfig(attention_scale="width"))
    assert torch.equal(by_width.attention, tokens.cls_attention(scale="width")[::2])
    torch.testing.assert_close(by_head.attention, tokens.attention[::2, :, 0, 1:])
    assert not torch.equal(by_head.attention, by_width.attention)
