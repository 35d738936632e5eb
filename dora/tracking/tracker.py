"""Discovery of objects in a clip's first frame and tracking through all of them (Eqs. 1-6)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import TrackerConfig
from dora.model.vit import Tokens
from dora.tracking.masks import above_mean, to_grid, track
from dora.tracking.prototypes import discover, normalise_tokens, refine, similarities
from dora.tracking.sinkhorn import assign


@dataclass(frozen=True, kw_only=True)
class ClipTokens:
    """What the tracker reads of the teacher, in float32: patches only, heads concatenated."""

    attention: Tensor
    """(B, H, N): [CLS] row of the first frame, after the softmax."""
    queries: Tensor
    """(B, N, D): of the first frame."""
    patches: Tensor
    """(B, N, D): tokens of the first frame after the final LayerNorm."""
    keys: Tensor
    """(B, T, N, D): of all frames."""
    grid: tuple[int, int]
    """Patches in height and width."""


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Where K objects are in the T frames of B clips."""

    prototypes: Tensor
    """(B, K, D): what was tracked, refined or not."""
    plan: Tensor | None
    """(B, N, K): the assignment behind the refinement; None without Sinkhorn."""
    soft: Tensor
    """(T, K, B, N): attention over the patches (Eq. 6)."""
    masks: Tensor
    """(K, B, T, gh, gw): binary, or the attention itself."""


def clip_tokens(tokens: Tokens, *, clips: int, config: TrackerConfig) -> ClipTokens:
    """Return what the tracker needs of a forward pass over B x T frames, clip by clip.

    Args:
        tokens: of (B*T, 3, S, S) images, the frames of a clip one after another; patches and
            queries of all frames, or of first frames alone.
        clips: B.
        config: for the scale of the attention (Eq. 1).
    """
    frames = len(tokens.cls) // clips

    def of_first(per_image: Tensor) -> Tensor:
        return per_image[:: len(per_image) // clips]

    first = Tokens(
        cls=of_first(tokens.cls),
        patches=of_first(tokens.patches),
        query=of_first(tokens.query),
        key=of_first(tokens.key),
        grid=tokens.grid,
    )
    return ClipTokens(
        attention=first.cls_attention(scale=config.attention_scale),
        queries=_concatenate_heads(first.query),
        patches=first.patches.float(),
        keys=torch.unflatten(_concatenate_heads(tokens.key), 0, (clips, frames)),
        grid=tokens.grid,
    )


@torch.no_grad()
def discover_and_track(tokens: ClipTokens, heads_BK: Tensor, config: TrackerConfig) -> Tracks:
    """Discover an object for each head drawn and follow it through the clip.

    Args:
        tokens: of the teacher.
        heads_BK: see `draw_heads`; on any device.
        config: the options of the method.
    """
    with torch.autocast(tokens.keys.device.type, enabled=False):
        heads_BK = heads_BK.to(tokens.attention.device)
        prototypes_BKD = discover(tokens.attention, tokens.queries, heads_BK)
        plan_BNK = None
        if config.sinkhorn:
            plan_BNK, prototypes_BKD = _transport(tokens.patches, prototypes_BKD, config)
        soft_TKBN = track(prototypes_BKD, tokens.keys)
        mask_TKBN = soft_TKBN
        if config.mask == "binary":
            scope = "clip" if config.threshold == "clip" else config.scope
            mask_TKBN = above_mean(soft_TKBN, scope=scope)
    return Tracks(
        prototypes=prototypes_BKD,
        plan=plan_BNK,
        soft=soft_TKBN,
        masks=to_grid(mask_TKBN, tokens.grid),
    )


def _transport(
    patches_BND: Tensor, prototypes_BKD: Tensor, config: TrackerConfig
) -> tuple[Tensor, Tensor]:
    """Return the plan of Eq. 4 and the prototypes refined by it (Eq. 5)."""
    if config.tokens == "normalised":
        patches_BND = normalise_tokens(patches_BND)
    logits_BNK = similarities(patches_BND, prototypes_BKD)
    plan_BNK = assign(logits_BNK, epsilon=config.epsilon, iterations=config.iterations)
    if config.plan_mass == "one":
        plan_BNK = plan_BNK / plan_BNK.shape[1]
    return plan_BNK, refine(plan_BNK, patches_BND)


def _concatenate_heads(per_head_MHNd: Tensor) -> Tensor:
    """Return the patch tokens' part, (M, N, D) float32, of (M, H, N+1, D/H)."""
    return per_head_MHNd[:, :, 1:].transpose(1, 2).flatten(2).float()
