"""DINO's and DoRA's losses as loops over pairs, objects, frames, crops and clips."""

import torch
from torch import Tensor

from dora.config import LossConfig


def cross_entropy(
    teacher_P: Tensor, student_P: Tensor, centre_P: Tensor, *, hot: float, cold: float
) -> Tensor:
    """One sample: the teacher's sharpened target against the student's log-probabilities."""
    target = ((teacher_P.detach() - centre_P) / cold).softmax(dim=-1)
    return -(target * (student_P / hot).log_softmax(dim=-1)).sum()


def dora_loss(
    masked_VKBTP: Tensor,
    local_LBTP: Tensor,
    teacher_VBTP: Tensor,
    centre_P: Tensor,
    *,
    config: LossConfig,
    teacher_temperature: float,
) -> Tensor:
    """Follow the accumulation of the released code: objects outside, frames inside."""
    views, objects, clips, frames = masked_VKBTP.shape[:4]
    temperatures = {"hot": config.student_temperature, "cold": teacher_temperature}
    crops = range(1 if config.skip_first_crop else 0, len(local_LBTP))
    pairs = [
        (u, v) for u in range(views) for v in range(views) if (u == v) == (config.pairs == "same")
    ]
    total = torch.zeros(())
    running = torch.zeros(())
    for k in range(objects):
        if not config.carry_frame_sum:
            running = torch.zeros(())
        for t in range(frames):
            object_terms, local_terms = [], []
            for b in range(clips):
                for u, v in pairs:
                    object_terms.append(
                        cross_entropy(
                            teacher_VBTP[u, b, t],
                            masked_VKBTP[v, k, b, t],
                            centre_P,
                            **temperatures,
                        )
                    )
                for u in range(views):
                    for crop in crops:
                        local_terms.append(
                            cross_entropy(
                                teacher_VBTP[u, b, t],
                                local_LBTP[crop, b, t],
                                centre_P,
                                **temperatures,
                            )
                        )
            if config.reduction == "mean":
                object_mean = torch.stack(object_terms).mean()
                running = running + 0.5 * (object_mean + torch.stack(local_terms).mean())
            else:
                object_sum = torch.stack(object_terms).sum() / clips
                local_share = torch.stack(local_terms).sum() / clips / objects
                running = running + object_sum + local_share
        running = running / frames
        total = total + running
    return total / objects if config.reduction == "mean" else total


def dino_loss(
    student_VBP: Tensor, teacher_UBP: Tensor, centre_P: Tensor, *, hot: float, cold: float
) -> Tensor:
    terms = [
        torch.stack(
            [
                cross_entropy(teacher, student, centre_P, hot=hot, cold=cold)
                for teacher, student in zip(teacher_UBP[u], student_VBP[v], strict=True)
            ]
        ).mean()
        for u in range(len(teacher_UBP))
        for v in range(len(student_VBP))
        if u != v
    ]
    return torch.stack(terms).mean()
