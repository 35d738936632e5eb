"""The lean sum of cross-entropies: exact, its gradient too, and in little memory."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.live_bytes import LiveBytes
from dora.config import LossConfig
from dora.methods import cross_entropy
from dora.methods.cross_entropy import weighted_cross_entropy
from dora.methods.dora import dora_loss, pair_weights
from tests.references import losses

OUTPUTS = 11
OPTIONS = [
    (views, pairs, reduction, carry, skip)
    for views, pairs, reduction, carry, skip in product(
        [1, 2], ["same", "cross"], ["mean", "sum"], [True, False], [True, False]
    )
    if (views, pairs) != (1, "cross")
]


def plain(student_XMP: Tensor, targets_UMP: Tensor, weights_XU: Any, temperature: float) -> Tensor:
    """The sum as loops over pairs and samples, by autograd."""
    total = torch.zeros((), dtype=torch.float64)
    for x, u in product(range(len(student_XMP)), range(len(targets_UMP))):
        for m in range(student_XMP.shape[1]):
            log_student = (student_XMP[x, m].double() / temperature).log_softmax(dim=0)
            term = -(targets_UMP[u, m].double() * log_student).sum()
            total = total + weights_XU[x][u] * term / student_XMP.shape[1]
    return total


def samples(views: int, targets: int, *, count: int = 5, dtype: torch.dtype) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(views)
    student = torch.randn(views, count, OUTPUTS, generator=random, dtype=torch.float64)
    teacher = torch.randn(targets, count, OUTPUTS, generator=random, dtype=torch.float64)
    exact = torch.promote_types(dtype, torch.float32)
    return student.to(dtype).requires_grad_(), (teacher / 0.1).softmax(dim=-1).to(exact)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 2e-6), (torch.bfloat16, 1e-2)],
)
def test_value_and_gradient_equal_loops_however_many_rows_at_a_time(
    rows: int, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "CHUNK_BYTES", rows * OUTPUTS * 4)
    student, targets = samples(4, 2, dtype=dtype)
    weights = [[0.5, 0.0], [0.0, 0.25], [0.0, 0.0], [0.3, 0.7]]
    ours = weighted_cross_entropy(student, targets, weights, temperature=0.1)
    expected = plain(student, targets, weights, 0.1)
    torch.testing.assert_close(ours.double(), expected, rtol=max(tolerance, 1e-9), atol=0)
    (ours_grad,) = torch.autograd.grad(3 * ours, student)
    (plain_grad,) = torch.autograd.grad(3 * expected, student)
    assert ours_grad.dtype == dtype
    torch.testing.assert_close(
        ours_grad.double(), plain_grad.double(), rtol=tolerance, atol=2 * tolerance
    )
    assert torch.equal(ours_grad[2], torch.zeros_like(ours_grad[2]))


def test_gradient_is_that_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "CHUNK_BYTES", 2 * OUTPUTS * 4)
    student, targets = samples(3, 2, count=3, dtype=torch.float64)
    weights = [[0.5, 0.1], [0.0, 0.25], [0.3, 0.7]]

    def loss(logits: Tensor) -> Tensor:
        return weighted_cross_entropy(logits, targets, weights, temperature=0.4)

    assert torch.autograd.gradcheck(loss, (student,))


@pytest.mark.parametrize(("views", "pairs", "reduction", "carry", "skip"), OPTIONS)
def test_every_option_of_the_loss_equals_loops_to_the_digits_of_float64(
    views: int, pairs: Any, reduction: Any, carry: bool, skip: bool
) -> None:
    random = torch.Generator().manual_seed(views)
    objects, clips, frames, crops = 2, 2, 2, 3
    double = {"generator": random, "dtype": torch.float64}
    masked = torch.randn(views, objects, clips, frames, OUTPUTS, **double).requires_grad_()
    local = torch.randn(crops, clips, frames, OUTPUTS, **double).requires_grad_()
    teacher = torch.randn(views, clips, frames, OUTPUTS, **double)
    centre = torch.randn(OUTPUTS, **double)
    config = LossConfig(
        pairs=pairs, skip_first_crop=skip, reduction=reduction, carry_frame_sum=carry
    )
    expected = losses.dora_loss(
        masked, local, teacher, centre, config=config, teacher_temperature=0.05
    )
    targets = ((teacher - centre) / 0.05).softmax(dim=-1)
    student = torch.cat([masked.flatten(0, 1), local[1 if skip else 0 :]])
    ours = dora_loss(student, targets, objects=objects, config=config)
    torch.testing.assert_close(ours, expected, rtol=1e-11, atol=0)
    found = [torch.autograd.grad(loss, [masked, local]) for loss in (ours, expected)]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_weights_of_all_pairs_are_the_number_of_terms() -> None:
    printed = LossConfig(
        pairs="cross", skip_first_crop=False, reduction="sum", carry_frame_sum=False
    )
    weights = pair_weights(views=2, objects=3, crops=4, frames=8, config=printed)
    assert (len(weights), len(weights[0])) == (2 * 3 + 4, 2)
    assert sum(map(sum, weights)) == pytest.approx(2 * 3 + 2 * 4)  # Eqs. 8 and 9
    meant = LossConfig(skip_first_crop=False, carry_frame_sum=False)
    weights = pair_weights(views=1, objects=3, crops=4, frames=8, config=meant)
    assert sum(map(sum, weights)) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_more_than_a_chunk_is_kept_beside_logits_and_their_gradient(dtype: torch.dtype) -> None:
    outputs, count, views = 2**16, 40, 4
    chunk = 4 * outputs * 8
    student = torch.randn(views, count, outputs).to(dtype).requires_grad_()
    targets = torch.randn(1, count, outputs).softmax(dim=-1)
    logits_bytes = student.numel() * student.element_size()
    with pytest.MonkeyPatch.context() as patch, LiveBytes() as live:
        patch.setattr(cross_entropy, "CHUNK_BYTES", chunk)
        live.know(student, targets)
        loss = weighted_cross_entropy(student, targets, [[0.25]] * views, temperature=0.1)
        forward = live.most
        torch.autograd.backward(loss)
    assert chunk <= forward < 1.1 * chunk
    assert live.most < logits_bytes + 1.1 * chunk
