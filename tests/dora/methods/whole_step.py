"""Both halves of a step, for tests that look at neither alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import LossConfig, ModelConfig, TrackerConfig
from dora.data.views import Views
from dora.methods import dora
from dora.methods.step import MethodState, StepPlace
from dora.model.pair import Pair


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """What a step gives to the trainer."""

    loss: Tensor
    centre: Tensor
    figures: dict[str, Tensor]


def step_loss(
    pair: Pair,
    views: Views,
    *,
    config: LossConfig,
    tracker: TrackerConfig,
    model: ModelConfig,
    centre: Tensor | None = None,
    temperature: float = 0.04,
) -> StepOutcome:
    """The loss, the next centre and the figures of DoRA's step on all clips at once."""
    outputs, device = pair.teacher.head.last_layer.weight_v.shape[0], views.global_views.device
    taught = dora.teach(
        pair.teacher,
        views,
        MethodState(centre=torch.zeros(outputs, device=device) if centre is None else centre),
        config=config,
        tracker=tracker,
        place=StepPlace(seed=0, batch_clips=views.clips, teacher_temperature=temperature),
    )
    loss = dora.student_loss(
        pair.student, taught.lesson, config=config, tracker=tracker, model=model, seed=0
    )
    return StepOutcome(loss=loss, centre=taught.centre, figures=taught.figures)
