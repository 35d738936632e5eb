"""DoRA's training step: discover objects, hide the rest from the student, distil (Eqs. 7-10).

State is passed in and returned, so that any step can be replayed. Where the paper and the released
code differ, `TrackerConfig` and `LossConfig` choose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import LossConfig, ModelConfig, TrackerConfig
from dora.data.views import Views
from dora.methods.cross_entropy import Weights, weighted_cross_entropy
from dora.methods.dino import teacher_probabilities, update_centre
from dora.methods.step import (
    Lesson,
    MethodState,
    StepPlace,
    Student,
    Taught,
    health,
    see,
    to_device,
)
from dora.model.pair import Network
from dora.tracking.block_masks import draw_block_masks
from dora.tracking.masks import apply_masks, visible_patches
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


@torch.no_grad()
def teach(
    teacher: Network,
    views: Views,
    state: MethodState,
    *,
    config: LossConfig,
    tracker: TrackerConfig,
    place: StepPlace,
) -> Taught:
    """Return what the student is to learn, the next centre, and figures; nothing is changed.

    Args:
        teacher: the moving average.
        views: of this process, on the device of the teacher.
        state: the centre.
        config: for the momentum of the centre.
        tracker: of discovery and tracking.
        place: of the step.
    """
    positions = views.positions.tolist()
    read = [
        _read_view(teacher, view, positions, number=v, tracker=tracker, place=place)
        for v, view in enumerate(views.global_views)
    ]
    logits_VBTP = torch.stack([view.logits for view in read])
    masks_VKBThw = torch.stack([view.masks for view in read])
    targets = teacher_probabilities(
        logits_VBTP, state.centre, temperature=place.teacher_temperature
    )
    figures = health(targets, torch.stack([view.cls for view in read]), state.centre)
    return Taught(
        lesson=Lesson(views=views, targets=targets, masks=masks_VKBThw),
        centre=update_centre(state.centre, logits_VBTP, momentum=config.centre_momentum),
        figures=figures | mask_figures(masks_VKBThw),
    )


def student_loss(
    student: Student,
    lesson: Lesson,
    *,
    config: LossConfig,
    tracker: TrackerConfig,
    model: ModelConfig,
    seed: int,
    visible_only: bool = False,
) -> Tensor:
    """Return the loss of some clips, a mean over them, with gradients to the student.

    The student sees every global view once for each object, hidden but for that object, and the
    local crops: two stacks of images in one forward pass. It never sees an unmasked global view,
    nor a crop that the loss leaves out.

    Args:
        student: in training.
        lesson: of the clips.
        config: of the loss.
        tracker: for the upsampling of masks.
        model: for stochastic depth.
        seed: the run's.
        visible_only: let the student read no patch that is hidden (not the published method).
    """
    assert lesson.masks is not None, "objects have masks"
    pairs = zip(lesson.masks, lesson.views.global_views, strict=True)
    masked = torch.cat([apply_masks(masks, view, how=tracker.upsampling) for masks, view in pairs])
    local = lesson.views.local_crops[1 if config.skip_first_crop else 0 :]
    visible = None
    if visible_only:
        visible = visible_patches(lesson.masks.flatten(0, 1), how=tracker.upsampling)
    logits_XBTP = see(
        student,
        [masked, local],
        lesson.views.positions.tolist(),
        seed=seed,
        model=model,
        visible=visible,
    )
    return dora_loss(logits_XBTP, lesson.targets, objects=lesson.masks.shape[1], config=config)


def _read_view(
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
    logits, tokens = teacher.logits_and_tokens(view_BTCHW.flatten(0, 1), frames=frames)
    if tracker.mask == "blocks":
        drawn = draw_block_masks(
            place.seed,
            positions,
            view=number,
            objects=tracker.objects,
            frames=frames,
            grid=tokens.grid,
        )
        masks = to_device(drawn, view_BTCHW.device)
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
        masks = discover_and_track(read, to_device(heads_BK, view_BTCHW.device), tracker).masks
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
    student_XBTP: Tensor, targets_VBTP: Tensor, *, objects: int, config: LossConfig
) -> Tensor:
    """Return the loss of Eqs. 8-10, averaged over clips and frames, a scalar.

    Args:
        student_XBTP: the student's logits: of each view hidden but for each object (V K of them),
            then of the local crops that count.
        targets_VBTP: the teacher's probabilities for each unmasked view.
        objects: K.
        config: pairs, reduction, and what the released code does beside the printed text.
    """
    views, _, frames, _ = targets_VBTP.shape
    weights_XU = pair_weights(
        views=views,
        objects=objects,
        crops=len(student_XBTP) - views * objects,
        frames=frames,
        config=config,
    )
    return weighted_cross_entropy(
        student_XBTP.flatten(1, 2),
        targets_VBTP.flatten(1, 2),
        weights_XU,
        temperature=config.student_temperature,
    )


def pair_weights(
    *, views: int, objects: int, crops: int, frames: int, config: LossConfig
) -> Weights:
    """Return how much each pair of what the student sees and a target counts, V K + L by V.

    Objects count with the weights w_j of `object_weights`, local crops with their sum. With
    `reduction="mean"` the two terms are means over pairs and crops, each times a half; with "sum"
    they are the printed sums over pairs, objects and crops, and w_j counts K times.

    Args:
        views: V.
        objects: K.
        crops: L, without one that is left out.
        frames: T, by which a carried sum is divided.
        config: of the loss.
    """
    per_object = object_weights(objects, frames if config.carry_frame_sum else None)
    per_pair, per_crop = float(objects), sum(per_object)
    if config.reduction == "mean":
        pairs = views if config.pairs == "same" else views * (views - 1)
        per_pair, per_crop = 0.5 / pairs, 0.5 * sum(per_object) / (views * crops)
    masked = [
        [per_pair * weight * ((u == v) == (config.pairs == "same")) for u in range(views)]
        for v in range(views)
        for weight in per_object
    ]
    return masked + [[per_crop] * views] * crops


def object_weights(objects: int, carried_frames: int | None) -> list[float]:
    """Return the weight w_j of each object in the loss, K of them.

    Equal weights of 1/K, or those of the released code, which does not reset the sum over frames
    between objects: w_j = (1/K) (1 + 1/T + ... + T^-(K-1-j)).

    Args:
        objects: K.
        carried_frames: T where the sum is carried, else None.
    """
    if carried_frames is None:
        return [1 / objects] * objects
    powers = [float(carried_frames) ** -i for i in range(objects)]
    return [sum(powers[: objects - j]) / objects for j in range(objects)]
