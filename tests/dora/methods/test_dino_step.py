"""A step of plain DINO: what the student is shown."""

import pytest
import torch
from torch import Tensor

from dora.config import LossConfig, ModelConfig
from dora.data.views import Views
from dora.methods.dino_step import student_loss
from dora.methods.step import Lesson
from tests.references import losses

MODEL = ModelConfig(width=24, depth=2, heads=3, image_px=32, drop_path=0.0)


@pytest.mark.parametrize("globals_", [1, 2])
def test_the_student_sees_what_counts_and_the_loss_is_that_of_all_views(globals_: int) -> None:
    """A single global view has no other to be compared with: its logits would weigh nothing."""
    random = torch.Generator().manual_seed(globals_)
    clips, frames, outputs = 2, 3, 9
    views = Views(
        global_views=torch.randn(globals_, clips, frames, 3, 32, 32, generator=random),
        local_crops=torch.randn(2, clips, frames, 3, 16, 16, generator=random),
        positions=torch.arange(clips),
    )
    logits = torch.randn(globals_ + 2, clips, frames, outputs, generator=random)
    teacher = torch.randn(globals_, clips, frames, outputs, generator=random)
    shown: list[int] = []

    def student(stacks: list[Tensor], kept: object, visible: object) -> Tensor:
        shown.extend(stack.shape[-1] for stack in stacks)
        images = sum(len(stack) for stack in stacks)
        return logits.flatten(0, 2)[-images:]

    lesson = Lesson(views=views, targets=torch.softmax(teacher / 0.04, dim=-1), masks=None)
    loss = student_loss(student, lesson, config=LossConfig(), model=MODEL, seed=0)
    plain = losses.dino_loss(
        logits.flatten(1, 2), teacher.flatten(1, 2), torch.zeros(outputs), hot=0.1, cold=0.04
    )
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-6)
    assert shown == ([16] if globals_ == 1 else [32, 16])
