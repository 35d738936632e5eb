"""A step of plain DINO (arXiv:2104.14294) on the frames of clips: DoRA's baseline on the same data.

Every frame is an image. The teacher sees its global views, the student all of its views, unmasked;
each target is compared with every other view. With one global view (the released code's crops)
the targets are compared with the local crops alone.
"""

import torch

from dora.config import LossConfig
from dora.data.views import Views
from dora.methods.dino import dino_loss, update_centre
from dora.methods.step import MethodState, StepOutcome, StepPlace, health, see
from dora.model.pair import Pair


def step_loss(
    pair: Pair,
    views: Views,
    state: MethodState,
    *,
    config: LossConfig,
    drop_path: float,
    place: StepPlace,
) -> StepOutcome:
    """Return the loss of one step, the next centre, and figures; nothing is changed.

    Args:
        pair: student and teacher.
        views: of this process, on the device of the pair.
        state: the centre.
        config: for the student's temperature and the momentum of the centre; what it says of
            objects and pairs has no meaning here.
        drop_path: the student's stochastic depth.
        place: of the step.
    """
    shape = views.global_views.shape[:3]
    with torch.no_grad():
        cls = pair.teacher.backbone(views.global_views.flatten(0, 2))
        teacher_VBTP = torch.unflatten(pair.teacher.head(cls), 0, shape)
    from_global, from_local = see(
        pair.student,
        [views.global_views, views.local_crops],
        views.positions.tolist(),
        seed=place.seed,
        drop_path=drop_path,
    )
    loss = dino_loss(
        torch.cat([from_global, from_local]).flatten(1, 2),
        teacher_VBTP.flatten(1, 2),
        state.centre,
        student_temperature=config.student_temperature,
        teacher_temperature=place.teacher_temperature,
    )
    figures = health(teacher_VBTP, cls, state.centre, temperature=place.teacher_temperature)
    centre = update_centre(state.centre, teacher_VBTP, momentum=config.centre_momentum)
    return StepOutcome(loss=loss, centre=centre, figures=figures)
