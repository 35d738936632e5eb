"""DoRA's training step: discover objects, hide the rest from the student, distil (Eqs. 7-10).

State is passed in and returned, so that any step can be replayed. Where the paper and the released
code differ, `TrackerConfig` and `LossConfig` choose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import LossConfig, TrackerConfig
from dora.data.views import Views
from dora.methods.dino import cross_entropies, teacher_probabilities, update_centre
from dora.methods.step import MethodState, StepOutcome, StepPlace, health, see
from dora.model.pair import Network, Pair
from dora.tracking.block_masks import draw_block_masks
from dora.tracking.masks import apply_masks
from dora.tracking.prototypes import draw_heads
from dora.tracking.tracker import clip_tokens, discover_and_track


@dataclass(frozen=True, kw_only=True)
class TeacherView:
    """The teacher's reading of one global view of B clips."""

    logits: Tensor
    """(B, T, P)."""
    cls: Tensor
    """(B, T, D)."""
    masks: Tensor
    """(K, B, T, gh, gw): what the student is shown for each object."""


def step_loss(
    pair: Pair,
    views: Views,
    state: MethodState,
    *,
    config: LossConfig,
    tracker: TrackerConfig,
    drop_path: float,
    place: StepPlace,
) -> StepOutcome:
    """Return the loss of one step, the next centre, and figures; nothing is changed.

    The student sees every global view once for each object, hidden but for that object, and the
    local crops: two stacks of images in one forward pass. It never sees an unmasked global view.

    Args:
        pair: student and teacher.
        views: of this process, on the device of the pair.
        state: the centre.
        config: of the loss.
        tracker: of discovery and tracking.
        drop_path: the student's stochastic depth.
        place: of the step.
    """
    positions = views.positions.tolist()
    taught = [
        _teach(pair.teacher, view, positions, number=v, tracker=tracker, place=place)
        for v, view in enumerate(views.global_views)
    ]
    masks_VKBThw = torch.stack([teacher.masks for teacher in taught])
    masked = torch.stack(
        [
            apply_masks(masks, view, how=tracker.upsampling)
            for masks, view in zip(masks_VKBThw, views.global_views, strict=True)
        ]
    )
    from_masked, from_local = see(
        pair.student,
        [masked.flatten(0, 1), views.local_crops],
        positions,
        seed=place.seed,
        drop_path=drop_path,
    )
    teacher_VBTP = torch.stack([teacher.logits for teacher in taught])
    loss = dora_loss(
        torch.unflatten(from_masked, 0, masked.shape[:2]),
        from_local,
        teacher_VBTP,
        state.centre,
        config=config,
        teacher_temperature=place.teacher_temperature,
    )
    cls = torch.stack([teacher.cls for teacher in taught])
    figures = health(
        teacher_VBTP, cls, state.centre, temperature=place.teacher_temperature
    ) | mask_figures(masks_VKBThw)
    centre = update_centre(state.centre, teacher_VBTP, momentum=config.centre_momentum)
    return StepOutcome(loss=loss, centre=centre, figures=figures)


@torch.no_grad()
def _teach(
    teacher: Network,
    view_BTCHW: Tensor,
    positions: list[int],
    *,
    number: int,
    tracker: TrackerConfig,
    place: StepPlace,
) -> TeacherView:
    """Return the teacher's logits for global view `number`, and the masks of what it finds there.

    Random masks need no object, and none is looked for.
    """
    clips, frames = view_BTCHW.shape[:2]
    logits, tokens = teacher.logits_and_tokens(view_BTCHW.flatten(0, 1))
    if tracker.mask == "blocks":
        masks = draw_block_masks(
            place.seed,
            positions,
            view=number,
            objects=tracker.objects,
            frames=frames,
            grid=tokens.grid,
        ).to(view_BTCHW.device)
    else:
        heads_BK = draw_heads(
            place.seed,
            positions,
            view=number,
            heads=tokens.key.shape[1],
            objects=tracker.objects,
            shared_from=_first_position(positions, tracker, place),
        )
        read = clip_tokens(tokens, clips=clips, config=tracker)
        masks = discover_and_track(read, heads_BK, tracker).masks
    return TeacherView(
        logits=torch.unflatten(logits, 0, (clips, frames)),
        cls=torch.unflatten(tokens.cls, 0, (clips, frames)),
        masks=masks,
    )


def _first_position(positions: list[int], tracker: TrackerConfig, place: StepPlace) -> int | None:
    """Return the clip whose heads all clips take, or None where each has its own (row 15)."""
    if tracker.heads_drawn == "clip":
        return None
    if tracker.scope == "process":
        return positions[0]
    return positions[0] // place.batch_clips * place.batch_clips


def mask_figures(masks_VKBThw: Tensor) -> dict[str, Tensor]:
    """Return scalars of the masks: as good as empty, full, or all alike, they teach nothing.

    mask_area/k: mean value of the masks of object k, over views, clips and frames.
    mask_overlap: intersection over union of two objects' masks, soft ones by minimum and maximum,
        mean over pairs, views, clips and frames; 0 where there is one object.
    empty_masks: share of masks that hide everything.
    """
    areas_K = masks_VKBThw.mean(dim=(0, 2, 3, 4, 5))
    return {
        "empty_masks": (masks_VKBThw.sum(dim=(-1, -2)) == 0).float().mean(),
        "mask_overlap": _overlap(masks_VKBThw.flatten(-2).transpose(0, 1)),
        **{f"mask_area/{k}": area for k, area in enumerate(areas_K)},
    }


def _overlap(masks_KMN: Tensor) -> Tensor:
    pairs = [(i, j) for i in range(len(masks_KMN)) for j in range(i)]
    if not pairs:
        return masks_KMN.new_zeros(())
    shares = []
    for i, j in pairs:
        both = torch.minimum(masks_KMN[i], masks_KMN[j]).sum(dim=-1)
        either = torch.maximum(masks_KMN[i], masks_KMN[j]).sum(dim=-1)
        shares.append((both / either.clamp(min=torch.finfo(either.dtype).tiny)).mean())
    return torch.stack(shares).mean()


def dora_loss(
    masked_VKBTP: Tensor,
    local_LBTP: Tensor,
    teacher_VBTP: Tensor,
    centre_P: Tensor,
    *,
    config: LossConfig,
    teacher_temperature: float,
) -> Tensor:
    """Return the loss of Eqs. 8-10, averaged over clips and frames, a scalar.

    Objects count with the weights w_j of `object_weights`, local crops with their sum. With
    `reduction="mean"` the two terms are means over pairs and crops, each times a half; with "sum"
    they are the printed sums over pairs, objects and crops, and w_j counts K times.

    Args:
        masked_VKBTP: the student's logits for each view hidden but for each object.
        local_LBTP: the student's logits for the local crops.
        teacher_VBTP: the teacher's logits for each unmasked view.
        centre_P: subtracted from them.
        config: pairs, reduction, and what the released code does beside the printed text.
        teacher_temperature: of this step.
    """
    views, objects, _, frames = masked_VKBTP.shape[:4]
    if config.skip_first_crop:
        local_LBTP = local_LBTP[1:]
    with torch.autocast(masked_VKBTP.device.type, enabled=False):
        targets = teacher_probabilities(teacher_VBTP, centre_P, temperature=teacher_temperature)
        object_UVK = torch.unflatten(
            _mean_over_frames(targets, masked_VKBTP, config), 1, (views, objects)
        )
        local_UL = _mean_over_frames(targets, local_LBTP, config)
        paired_UV = torch.eye(views, dtype=torch.bool, device=targets.device)
        if config.pairs == "cross":
            paired_UV = ~paired_UV
        weights_K = object_weights(objects, frames if config.carry_frame_sum else None)
        weights_K = weights_K.to(targets.device)
        per_pair = (object_UVK[paired_UV] * weights_K).sum(dim=1)
        if config.reduction == "sum":
            return objects * per_pair.sum() + weights_K.sum() * local_UL.sum()
        return 0.5 * (per_pair.mean() + weights_K.sum() * local_UL.mean())


def object_weights(objects: int, carried_frames: int | None) -> Tensor:
    """Return the weight w_j of each object in the loss, (K,) float32.

    Equal weights of 1/K, or those of the released code, which does not reset the sum over frames
    between objects: w_j = (1/K) (1 + 1/T + ... + T^-(K-1-j)).

    Args:
        objects: K.
        carried_frames: T where the sum is carried, else None.
    """
    if carried_frames is None:
        return torch.full((objects,), 1 / objects)
    powers = torch.tensor(float(carried_frames)) ** -torch.arange(objects)
    return powers.cumsum(dim=0).flip(0) / objects


def _mean_over_frames(targets_UBTP: Tensor, student: Tensor, config: LossConfig) -> Tensor:
    """Return cross-entropies of all pairs, averaged over clips and frames, (U, V).

    Args:
        targets_UBTP: probabilities.
        student: (..., B, T, P) logits; the leading axes become one, V.
        config: for the student's temperature.
    """
    student_MVP = student.flatten(0, -4).flatten(1, 2).transpose(0, 1)
    targets_MUP = targets_UBTP.flatten(1, 2).transpose(0, 1)
    pairs_MUV = cross_entropies(targets_MUP, student_MVP, temperature=config.student_temperature)
    return pairs_MUV.mean(dim=0)
