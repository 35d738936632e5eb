"""Distillation between views of an image (DINO, arXiv:2104.14294): what DoRA's loss is made of.

State, such as the centre, is passed in and returned, so that any step can be replayed. A whole step
of plain DINO, each frame of a clip an image, is in `dora/methods/dino_step.py`.
"""

import torch
from torch import Tensor

from dora.train.distributed import mean_over_ranks


def teacher_probabilities(teacher: Tensor, centre_P: Tensor, *, temperature: float) -> Tensor:
    """Return the targets softmax((g - c) / temperature), without gradient (DINO, Eqs. 1 and 4).

    Args:
        teacher: (..., P) logits g.
        centre_P: c.
        temperature: sharpens the targets; 0.04 to 0.07 as published.
    """
    centred = teacher.detach().float() - centre_P
    return torch.softmax(centred / temperature, dim=-1)


def cross_entropies(targets_MUP: Tensor, student_MVP: Tensor, *, temperature: float) -> Tensor:
    """Return -sum_p t log s for every pair of a target and a student's view, (M, U, V) float32.

    The sum is taken as logsumexp(z) - t . z, since the targets sum to 1: the log-probabilities,
    of the size of the logits, are never stored for each target.

    Args:
        targets_MUP: M samples (clip and frame, or image), U targets each, from the teacher.
        student_MVP: V logits of the student for each sample.
        temperature: the student's, 0.1 as published.
    """
    logits_MVP = student_MVP.float()
    # a shift changes nothing but rounding: without it, gradients are off by 1e-6
    highest_MV1 = logits_MVP.detach().amax(dim=2, keepdim=True)
    scaled_MVP = (logits_MVP - highest_MV1) / temperature
    agreement_MUV = targets_MUP @ scaled_MVP.transpose(1, 2)
    return torch.logsumexp(scaled_MVP, dim=2)[:, None] - agreement_MUV


def dino_loss(
    student_VBP: Tensor,
    teacher_UBP: Tensor,
    centre_P: Tensor,
    *,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Return the mean cross-entropy over pairs of different views (DINO, Eq. 3), a scalar.

    Args:
        student_VBP: logits of all views, the global ones first.
        teacher_UBP: logits of the global views.
        centre_P: subtracted from the teacher's logits.
        student_temperature: 0.1 as published.
        teacher_temperature: of this epoch.
    """
    with torch.autocast(student_VBP.device.type, enabled=False):
        targets = teacher_probabilities(teacher_UBP, centre_P, temperature=teacher_temperature)
        pairs_BUV = cross_entropies(
            targets.transpose(0, 1), student_VBP.transpose(0, 1), temperature=student_temperature
        )
        globals_, views = pairs_BUV.shape[1:]
        different = ~torch.eye(globals_, views, dtype=torch.bool, device=pairs_BUV.device)
        return pairs_BUV.mean(dim=0)[different].mean()


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
