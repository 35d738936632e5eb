"""What a step of any method takes and gives."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dora.methods.dino import teacher_probabilities
from dora.model.pair import Network
from dora.model.stochastic_depth import draw_kept_paths


@dataclass(frozen=True, kw_only=True)
class MethodState:
    """What a method carries from step to step."""

    centre: Tensor
    """(P,) or, as in released checkpoints, (1, P), float32: moving mean of the teacher's logits."""


@dataclass(frozen=True, kw_only=True)
class StepPlace:
    """Where a step stands in its run."""

    seed: int
    """Of the run: with the clips' positions it gives every draw of the step."""
    batch_clips: int
    """Clips of a step over all processes."""
    teacher_temperature: float
    """Of this step."""


@dataclass(frozen=True, kw_only=True)
class StepOutcome:
    """What a step gives to the trainer."""

    loss: Tensor
    """Scalar, with gradients to the student."""
    centre: Tensor
    """The centre for the next step, shaped as before."""
    figures: dict[str, Tensor]
    """Scalars that show the health of the run, on the device; see `health`."""


def see(
    student: Network, crops: list[Tensor], positions: list[int], *, seed: int, drop_path: float
) -> list[Tensor]:
    """Return the student's logits of stacks of crops, (X, B, T, P) each, from one forward pass.

    Args:
        student: a network in training.
        crops: stacks of (X, B, T, 3, S, S), X crops of every frame, of one size within a stack.
        positions: (B,) numbers of the clips in the run.
        seed: the run's.
        drop_path: stochastic depth of the last block.
    """
    shapes = [stack.shape[:3] for stack in crops]
    kept = None
    if drop_path > 0:
        kept = _kept_paths(student, shapes, positions, seed=seed, drop_path=drop_path)
        kept = [paths.to(crops[0].device, non_blocking=True) for paths in kept]
    logits = student([stack.flatten(0, 2) for stack in crops], kept)
    return [torch.unflatten(out, 0, shape) for out, shape in zip(logits, shapes, strict=True)]


def _kept_paths(
    student: Network, shapes: list[torch.Size], positions: list[int], *, seed: int, drop_path: float
) -> list[Tensor]:
    """Return, for each stack, what the paths of its images are multiplied by, (2 depth, X B T)."""
    per_clip = [crops * frames for crops, _, frames in shapes]
    kept_PBM = draw_kept_paths(
        seed, positions, images=sum(per_clip), depth=len(student.backbone.blocks), rate=drop_path
    )
    stacks = torch.split(kept_PBM, per_clip, dim=2)
    return [
        torch.unflatten(paths_PBM, 2, (crops, frames)).permute(0, 2, 1, 3).flatten(1)
        for paths_PBM, (crops, _, frames) in zip(stacks, shapes, strict=True)
    ]


@torch.no_grad()
def health(
    logits: Tensor, cls: Tensor, centre_P: Tensor, *, temperature: float
) -> dict[str, Tensor]:
    """Return scalars in which a collapse shows.

    teacher_entropy: mean entropy of a target in nats; 0 and log P are the two collapses.
    teacher_kl_to_uniform: of the mean target to the uniform distribution, in nats; log P where
        every image has the same single output.
    feature_std: standard deviation over images of the teacher's L2-normalised [CLS], averaged over
        its dimensions; 0 where all images look alike.
    centre_norm: L2 norm of the centre.

    Args:
        logits: (..., P), the teacher's of all images.
        cls: (..., D), the teacher's [CLS] of all images.
        centre_P: before this step.
        temperature: the teacher's.
    """
    targets_MP = teacher_probabilities(logits.flatten(0, -2), centre_P, temperature=temperature)
    unit_MD = functional.normalize(cls.flatten(0, -2).float(), dim=-1)
    return {
        "teacher_entropy": _entropy(targets_MP).mean(),
        "teacher_kl_to_uniform": math.log(logits.shape[-1]) - _entropy(targets_MP.mean(dim=0)),
        "feature_std": unit_MD.std(dim=0, correction=0).mean(),
        "centre_norm": centre_P.norm(),
    }


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(dim=-1)
