"""A weighted sum of cross-entropies over very many outputs, in little memory.

Every loss here is a weighted sum over pairs of a target and a student's view, averaged over
samples. With weights known beforehand, value and gradient need one pass over the logits each, part
by part: beside the logits, and for the backward pass their gradient, of their own type, there is
never more than a part of them in float32. Autograd's own way keeps whole copies.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 2**24
"""Size of a part of the logits in float32: 64 rows of 65,536 outputs."""

Weights = Sequence[Sequence[float]]
"""X x U numbers on the host, so that choosing by them waits for no device."""


def weighted_cross_entropy(
    student_XMP: Tensor, targets_UMP: Tensor, weights_XU: Weights, *, temperature: float
) -> Tensor:
    """Return sum_xu w_xu mean_m -sum_p t_ump log softmax(z_xm / temperature)_p, a scalar.

    Args:
        student_XMP: logits z of X views of M samples (clip and frame, or image), any float type.
        targets_UMP: probabilities t of U views of the same samples, float32, without gradient.
        weights_XU: how much each pair counts; a view whose weights are all 0 gets no gradient.
        temperature: the student's, 0.1 as published.
    """
    assert student_XMP.shape[1:] == targets_UMP.shape[1:], "other samples or outputs"
    assert (len(weights_XU), len(weights_XU[0])) == (len(student_XMP), len(targets_UMP))
    assert not targets_UMP.requires_grad, "targets get no gradient"
    with torch.autocast(student_XMP.device.type, enabled=False):
        loss: Tensor = _WeightedCrossEntropy.apply(
            student_XMP, targets_UMP, weights_XU, temperature
        )
    return loss


class _WeightedCrossEntropy(torch.autograd.Function):
    """The sum as logsumexp(y) - t . y for y = (z - max z) / temperature, since t sums to 1.

    The shift changes nothing but rounding: without it, gradients are off by 1e-6.
    """

    @staticmethod
    def forward(
        ctx: Any, student_XMP: Tensor, targets_UMP: Tensor, weights_XU: Weights, temperature: float
    ) -> Tensor:
        exact = targets_UMP.dtype
        highest_XM = student_XMP.amax(dim=2).to(exact)
        log_sum_XM = torch.zeros_like(highest_XM)
        rows_XM = torch.zeros_like(highest_XM)
        room_MP = _room(student_XMP, exact)
        for x, rows in _parts(student_XMP, weights_XU):
            scaled = _scaled(student_XMP[x, rows], highest_XM[x, rows], temperature, room_MP)
            for u, weight in enumerate(weights_XU[x]):
                if weight:
                    agreement = torch.einsum("mp,mp->m", scaled, targets_UMP[u, rows])
                    rows_XM[x, rows].sub_(agreement, alpha=weight)
            log_sum_XM[x, rows] = scaled.exp_().sum(dim=1).log_()
            rows_XM[x, rows].add_(log_sum_XM[x, rows], alpha=sum(weights_XU[x]))
        ctx.save_for_backward(student_XMP, targets_UMP, highest_XM, log_sum_XM)
        ctx.weights_XU, ctx.temperature = weights_XU, temperature
        return rows_XM.sum() / rows_XM.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Return (sum_u w_xu softmax(y_xm) - sum_u w_xu t_um) / temperature / M, by rows."""
        student_XMP, targets_UMP, highest_XM, log_sum_XM = ctx.saved_tensors
        scale = gradient / (ctx.temperature * student_XMP.shape[1])
        gradient_XMP = torch.empty_like(student_XMP)
        for x, weights_U in enumerate(ctx.weights_XU):
            if not any(weights_U):
                gradient_XMP[x].zero_()
        room_MP = _room(student_XMP, highest_XM.dtype)
        for x, rows in _parts(student_XMP, ctx.weights_XU):
            part = _scaled(student_XMP[x, rows], highest_XM[x, rows], ctx.temperature, room_MP)
            part.sub_(log_sum_XM[x, rows, None]).exp_().mul_(sum(ctx.weights_XU[x]))
            for u, weight in enumerate(ctx.weights_XU[x]):
                if weight:
                    part.sub_(targets_UMP[u, rows], alpha=weight)
            gradient_XMP[x, rows] = part.mul_(scale)
        return gradient_XMP, None, None, None


def _scaled(logits_MP: Tensor, highest_M: Tensor, temperature: float, room_MP: Tensor) -> Tensor:
    """Return (z - max z) / temperature, written into the room there is."""
    copied = room_MP[: len(logits_MP)].copy_(logits_MP)
    return copied.sub_(highest_M[:, None]).div_(temperature)


def _room(student_XMP: Tensor, exact: torch.dtype) -> Tensor:
    samples, outputs = student_XMP.shape[1:]
    return student_XMP.new_empty(min(samples, _rows_at_a_time(outputs)), outputs, dtype=exact)


def _rows_at_a_time(outputs: int) -> int:
    return max(1, CHUNK_BYTES // (4 * outputs))


def _parts(student_XMP: Tensor, weights_XU: Weights) -> Iterator[tuple[int, slice]]:
    """Yield the views that count and, for each, some samples at a time."""
    samples, outputs = student_XMP.shape[1:]
    at_a_time = _rows_at_a_time(outputs)
    for x, weights_U in enumerate(weights_XU):
        if any(weights_U):
            for start in range(0, samples, at_a_time):
                yield x, slice(start, min(start + at_a_time, samples))
