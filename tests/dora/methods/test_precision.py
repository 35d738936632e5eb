"""A step in half precision: tracking and loss stay in float32, the networks do not."""

import pytest
import torch

from dora.config import HeadConfig, LossConfig, ModelConfig, TrackerConfig
from dora.data.views import Views
from dora.model.pair import Pair
from tests.dora.methods.whole_step import StepOutcome, step_loss

MODEL = ModelConfig(width=24, depth=2, heads=6, patch_px=8, image_px=32, drop_path=0.0)
HEAD = HeadConfig(outputs=20, hidden=16, bottleneck=8)


def step_on(
    device: torch.device, half: torch.dtype | None
) -> tuple[StepOutcome, list[torch.Tensor]]:
    """The same step on any device, under autocast to `half` where given, with its gradients."""
    torch.manual_seed(0)
    pair = Pair(MODEL, HEAD).to(device)
    views = Views(
        global_views=torch.randn(1, 2, 3, 3, 32, 32),
        local_crops=torch.randn(3, 2, 3, 3, 16, 16),
        positions=torch.arange(2),
    ).to(device)
    with torch.autocast(device.type, dtype=half, enabled=half is not None):
        outcome = step_loss(pair, views, config=LossConfig(), tracker=TrackerConfig(), model=MODEL)
    outcome.loss.backward()
    return outcome, [p.grad.cpu() for p in pair.student.parameters() if p.grad is not None]


def assert_close_to_float32(device: torch.device, half: torch.dtype | None) -> None:
    exact, exact_gradients = step_on(torch.device("cpu"), None)
    outcome, gradients = step_on(device, half)
    assert outcome.loss.dtype == outcome.centre.dtype == torch.float32
    torch.testing.assert_close(outcome.loss.cpu(), exact.loss, rtol=0.05, atol=0)
    torch.testing.assert_close(outcome.centre.cpu(), exact.centre, rtol=0.1, atol=0.01)
    assert len(gradients) == len(exact_gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all(value.isfinite() for value in outcome.figures.values())


def test_a_step_in_bfloat16_stays_close_to_float32() -> None:
    assert_close_to_float32(torch.device("cpu"), torch.bfloat16)


@pytest.mark.gpu
@pytest.mark.parametrize("half", [None, torch.float16, torch.bfloat16])
def test_a_step_on_a_gpu_stays_close_to_the_cpu(half: torch.dtype | None) -> None:
    assert_close_to_float32(torch.device("cuda"), half)
