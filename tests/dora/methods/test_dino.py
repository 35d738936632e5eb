import pytest
import torch

from dora.methods.dino import dino_loss, teacher_probabilities, update_centre
from tests.references import golden, losses


@pytest.mark.parametrize("case", golden.names("dino_loss.npz"))
def test_loss_centre_and_gradient_equal_the_published_ones(case: str) -> None:
    found = golden.tensors(golden.load("dino_loss.npz", case))
    student = found["student"].requires_grad_()
    teacher_UBP = found["teacher"].unflatten(0, (2, -1))
    student_VBP = student.unflatten(0, (2 + int(found["n_local"]), -1))
    temperature = float(found["temp_schedule"][int(found["epoch"])])
    targets = teacher_probabilities(teacher_UBP, found["center"], temperature=temperature)
    loss = dino_loss(student_VBP, targets, student_temperature=0.1)
    loss.backward()
    torch.testing.assert_close(loss, found["loss"], rtol=1e-5, atol=0)
    assert student.grad is not None
    assert golden.largest_difference(student.grad, found["grad_student"]) < 1e-6
    centre = update_centre(found["center"], found["teacher"], momentum=0.9)
    assert golden.largest_difference(centre, found["center_after"]) < 1e-6


@pytest.mark.parametrize("globals_", [1, 2, 3])
@pytest.mark.parametrize("locals_", [1, 4])
@pytest.mark.parametrize("temperature", [0.04, 0.5])
def test_loss_equals_loops_gradient_included(
    globals_: int, locals_: int, temperature: float
) -> None:
    random = torch.Generator().manual_seed(locals_)
    student = torch.randn(globals_ + locals_, 3, 9, generator=random)
    teacher = torch.randn(globals_, 3, 9, generator=random)
    centre = torch.randn(9, generator=random)
    ours_in, plain_in = student.clone().requires_grad_(), student.clone().requires_grad_()
    targets = teacher_probabilities(teacher, centre, temperature=temperature)
    ours = dino_loss(ours_in, targets, student_temperature=0.1)
    plain = losses.dino_loss(plain_in, teacher, centre, hot=0.1, cold=temperature)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        *torch.autograd.grad(ours, ours_in), *torch.autograd.grad(plain, plain_in)
    )
