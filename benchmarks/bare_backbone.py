"""The backbone alone, forward and backward over the images of a step: a bound on its rate."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.plain_step import autocast
from dora.config import RunConfig
from dora.data.views import Views
from dora.model.vit import Backbone


def student_images(config: RunConfig, views: Views) -> list[Tensor]:
    """Return images of the sizes and numbers that the student sees in a step."""
    counted = views.local_crops[1 if config.loss.skip_first_crop else 0 :]
    shown = views.global_views.repeat(config.tracker.objects, 1, 1, 1, 1, 1)
    return [shown.flatten(0, 2), counted.flatten(0, 2)]


def bare_pass(
    config: RunConfig, backbone: Backbone, views: Views, *, compiled: bool
) -> Callable[[], float]:
    """Return one pass of a copy of the backbone, without head, loss and what follows.

    Args:
        config: for the images and the precision.
        backbone: is not changed.
        views: of a step.
        compiled: by torch.compile.
    """
    alone = copy.deepcopy(backbone)
    alone.recompute = False
    if compiled:
        alone.compile(dynamic=False)
    images = student_images(config, views)
    device = images[0].device

    def one_pass() -> float:
        alone.zero_grad(set_to_none=True)
        with autocast(config, device):
            summed = torch.stack([alone(stack).float().square().sum() for stack in images]).sum()
        torch.autograd.backward(summed)
        return float(summed.detach())

    return one_pass
