"""Distillation between views of an image (DINO, arXiv:2104.14294): what DoRA's loss is made of.

State, such as the centre, is passed in and returned, so that any step can be replayed. A whole step
of plain DINO, each frame of a clip an image, is in `dora/methods/dino_step.py`.
"""

import torch
from torch import Tensor

from dora.methods.cross_entropy import weighted_cross_entropy
from dora.train.distributed import mean_over_ranks


@torch.no_grad()
def teacher_probabilities(teacher: Tensor, centre_P: Tensor, *, temperature: float) -> Tensor:
    """Return the targets softmax((g - c) / temperature), without gradient (DINO, Eqs. 1 and 4).

    Args:
        teacher: (..., P) logits g.
        centre_P: c.
        temperature: sharpens the targets; 0.04 to 0.07 as published.
    """
    with torch.autocast(teacher.device.type, enabled=False):
        exact = torch.promote_types(teacher.dtype, torch.float32)
        return torch.softmax((teacher.to(exact) - centre_P) / temperature, dim=-1)


def dino_loss(
    student_XMP: Tensor,
    targets_UMP: Tensor,
    *,
    student_temperature: float,
    globals_seen: bool = True,
) -> Tensor:
    """Return the mean cross-entropy over pairs of different views (DINO, Eq. 3), a scalar.

    Args:
        student_XMP: logits of all views of M images, the U global ones first.
        targets_UMP: see `teacher_probabilities`; of the global views.
        student_temperature: 0.1 as published.
        globals_seen: whether the student's views begin with the global ones; else all are others.
    """
    views, globals_ = len(student_XMP), len(targets_UMP)
    pairs_XU = [[not globals_seen or x != u for u in range(globals_)] for x in range(views)]
    weight = 1 / sum(map(sum, pairs_XU))
    weights_XU = [[weight * pair for pair in row] for row in pairs_XU]
    return weighted_cross_entropy(
        student_XMP, targets_UMP, weights_XU, temperature=student_temperature
    )


def update_centre(centre_P: Tensor, teacher: Tensor, *, momentum: float) -> Tensor:
    """Return the moving mean of the teacher's logits, c <- m c + (1 - m) mean g (DINO, Eq. 4).

    Args:
        centre_P: float32, the current c.
        teacher: (..., P) logits of this process, any float type.
        momentum: m in [0, 1); 0.9 as published.
    """
    mean_P = teacher.detach().float().flatten(0, -2).mean(dim=0)
    mean_P = mean_over_ranks(mean_P)  # exact, because every rank holds equally many views
    return momentum * centre_P + (1 - momentum) * mean_P
