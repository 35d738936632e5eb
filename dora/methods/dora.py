"""DoRA's training step: discover objects, hide the rest from the student, distil (Eqs. 7-10).

State is passed in and returned, so that any step can be replayed. Where the paper and the released
code differ, `TrackerConfig` and `LossConfig` choose.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import LossConfig, TrackerConfig
from dora.data.views import Views
from dora.methods.dino import cross_entropies, teacher_probabilities, update_centre
from dora.model.pair import Network, Pair
from dora.tracking.masks import apply_masks
from dora.tracking.prototypes import draw_heads
from dora.tracking.tracker import Tracks, clip_tokens, discover_and_track


@dataclass(frozen=True, kw_only=True)
class MethodState:
    """What the method carries from step to step."""

    centre: Tensor
    """(P,) or, as in released checkpoints, (1, P), float32: moving mean of the teacher's logits."""


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """What a step gives to the trainer."""

    loss: Tensor
    """Scalar, with gradients to the student."""
    centre: Tensor
    """The centre for the next step, shaped as before."""
    figures: dict[str, Tensor]
    """Scalars that show the health of the run, on the device; see `health`."""


@dataclass(frozen=True, kw_only=True)
class TeacherView:
    """The teacher's reading of one global view of B clips."""

    logits: Tensor
    """(B, T, P)."""
    cls: Tensor
    """(B, T, D)."""
    tracks: Tracks


def step_loss(
    pair: Pair,
    views: Views,
    state: MethodState,
    *,
    config: LossConfig,
    tracker: TrackerConfig,
    teacher_temperature: float,
    seed: int,
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
        teacher_temperature: of this step.
        seed: the run's; with the clips' positions it gives the attention heads, for each global
            view its own.
    """
    taught = [
        _teach(pair.teacher, view, views.positions.tolist(), number=v, tracker=tracker, seed=seed)
        for v, view in enumerate(views.global_views)
    ]
    masked = torch.stack(
        [
            apply_masks(teacher.tracks.masks, view, how=tracker.upsampling)
            for teacher, view in zip(taught, views.global_views, strict=True)
        ]
    )
    from_masked, from_local = pair.student([masked.flatten(0, 3), views.local_crops.flatten(0, 2)])
    teacher_VBTP = torch.stack([teacher.logits for teacher in taught])
    loss = dora_loss(
        torch.unflatten(from_masked, 0, masked.shape[:4]),
        torch.unflatten(from_local, 0, views.local_crops.shape[:3]),
        teacher_VBTP,
        state.centre,
        config=config,
        teacher_temperature=teacher_temperature,
    )
    centre = update_centre(state.centre, teacher_VBTP, momentum=config.centre_momentum)
    figures = health(taught, state.centre, teacher_temperature=teacher_temperature)
    return StepOutcome(loss=loss, centre=centre, figures=figures)


@torch.no_grad()
def _teach(
    teacher: Network,
    view_BTCHW: Tensor,
    positions: list[int],
    *,
    number: int,
    tracker: TrackerConfig,
    seed: int,
) -> TeacherView:
    """Return the teacher's logits for global view `number`, and the objects it discovers there."""
    clips, frames = view_BTCHW.shape[:2]
    logits, tokens = teacher.logits_and_tokens(view_BTCHW.flatten(0, 1))
    heads_BK = draw_heads(
        seed,
        positions,
        view=number,
        heads=tokens.key.shape[1],
        objects=tracker.objects,
        per_clip=tracker.heads_drawn == "clip",
    )
    read = clip_tokens(tokens, clips=clips, config=tracker)
    return TeacherView(
        logits=torch.unflatten(logits, 0, (clips, frames)),
        cls=torch.unflatten(tokens.cls, 0, (clips, frames)),
        tracks=discover_and_track(read, heads_BK, tracker),
    )


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


@torch.no_grad()
def health(
    taught: list[TeacherView], centre_P: Tensor, *, teacher_temperature: float
) -> dict[str, Tensor]:
    """Return scalars in which a collapse shows.

    teacher_entropy: mean entropy of a target in nats; 0 and log P are the two collapses.
    teacher_kl_to_uniform: of the mean target to the uniform distribution, in nats; log P where
        every image has the same single output.
    feature_std: standard deviation over images of the teacher's L2-normalised [CLS], averaged over
        its dimensions; 0 where all images look alike.
    mask_area/k: mean value of the masks of object k, over views, clips and frames.
    empty_masks: share of masks that hide everything.
    centre_norm: L2 norm of the centre.
    """
    logits_MP = torch.stack([view.logits for view in taught]).flatten(0, -2)
    cls_MD = torch.stack([view.cls for view in taught]).flatten(0, -2).float()
    masks = torch.stack([view.tracks.masks for view in taught])
    targets_MP = teacher_probabilities(logits_MP, centre_P, temperature=teacher_temperature)
    areas_K = masks.mean(dim=(0, 2, 3, 4, 5))
    return {
        "teacher_entropy": _entropy(targets_MP).mean(),
        "teacher_kl_to_uniform": math.log(logits_MP.shape[-1]) - _entropy(targets_MP.mean(dim=0)),
        "feature_std": torch.nn.functional.normalize(cls_MD, dim=-1)
        .std(dim=0, correction=0)
        .mean(),
        "empty_masks": (masks.sum(dim=(-1, -2)) == 0).float().mean(),
        "centre_norm": centre_P.norm(),
        **{f"mask_area/{k}": area for k, area in enumerate(areas_K)},
    }


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(dim=-1)
