"""A step of plain DINO (arXiv:2104.14294) on the frames of clips: DoRA's baseline on the same data.

Every frame is an image. The teacher sees its global views, the student all of its views, unmasked;
each target is compared with every other view. With one global view (the released code's crops)
the targets are compared with the local crops alone.
"""

import torch
from torch import Tensor

from dora.config import LossConfig, ModelConfig
from dora.data.views import Views
from dora.methods.dino import dino_loss, teacher_probabilities, update_centre
from dora.methods.step import Lesson, MethodState, StepPlace, Student, Taught, health, see
from dora.model.pair import Network


@torch.no_grad()
def teach(
    teacher: Network, views: Views, state: MethodState, *, config: LossConfig, place: StepPlace
) -> Taught:
    """Return what the student is to learn, the next centre, and figures; nothing is changed.

    Args:
        teacher: the moving average.
        views: of this process, on the device of the teacher.
        state: the centre.
        config: for the momentum of the centre; what it says of objects and pairs has no meaning
            here.
        place: of the step.
    """
    shape = views.global_views.shape[:3]
    cls = teacher.backbone(views.global_views.flatten(0, 2))
    logits_VBTP = torch.unflatten(teacher.head(cls), 0, shape)
    targets = teacher_probabilities(
        logits_VBTP, state.centre, temperature=place.teacher_temperature
    )
    return Taught(
        lesson=Lesson(views=views, targets=targets, masks=None),
        centre=update_centre(state.centre, logits_VBTP, momentum=config.centre_momentum),
        figures=health(targets, cls, state.centre),
    )


def student_loss(
    student: Student, lesson: Lesson, *, config: LossConfig, model: ModelConfig, seed: int
) -> Tensor:
    """Return the loss of some clips, a mean over them, with gradients to the student.

    A single global view is compared with the local crops alone, and the student does not see it.

    Args:
        student: in training.
        lesson: of the clips.
        config: for the student's temperature.
        model: for stochastic depth.
        seed: the run's.
    """
    views = lesson.views
    globals_seen = len(views.global_views) > 1
    logits_XBTP = see(
        student,
        [views.global_views, views.local_crops] if globals_seen else [views.local_crops],
        views.positions.tolist(),
        seed=seed,
        model=model,
    )
    return dino_loss(
        logits_XBTP.flatten(1, 2),
        lesson.targets.flatten(1, 2),
        student_temperature=config.student_temperature,
        globals_seen=globals_seen,
    )
