"""What a step of any method takes and gives.

A step has two halves. The teacher reads all clips of the process at once, for a threshold or a draw
may belong to all of them; what it finds is a `Lesson`. The student learns from the lesson's clips,
some at a time where memory is short, and its loss is a mean over clips.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from dora.config import ModelConfig
from dora.data.views import Views
from dora.model.stochastic_depth import draw_kept_paths

Student = Callable[[list[Tensor], list[Tensor] | None, Tensor | None], Tensor]
"""A network in training, see `Network.forward`; wrapped where several processes train it."""


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
class Lesson:
    """What the student is to learn from B clips; nothing in it has a gradient."""

    views: Views
    targets: Tensor
    """(V, B, T, P) float32: the teacher's probabilities for each global view."""
    masks: Tensor | None
    """(V, K, B, T, gh, gw): what the student sees of each global view, once an object; None: it
    sees the view as it is."""

    def parts(self, count: int) -> list["Lesson"]:
        """Return the lesson of some clips after another; counts of clips differ by 1 at most."""
        clips = self.views.clips
        assert 1 <= count <= clips, f"{count} parts of {clips} clips"
        bounds = [part * clips // count for part in range(count + 1)]
        return [self._of(slice(*pair)) for pair in pairwise(bounds)]

    def _of(self, clips: slice) -> "Lesson":
        views = Views(
            global_views=self.views.global_views[:, clips],
            local_crops=self.views.local_crops[:, clips],
            positions=self.views.positions[clips],
        )
        masks = None if self.masks is None else self.masks[:, :, clips]
        return Lesson(views=views, targets=self.targets[:, clips], masks=masks)


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What the teacher's half of a step gives."""

    lesson: Lesson
    centre: Tensor
    """The centre for the next step, shaped as before."""
    figures: dict[str, Tensor]
    """Scalars that show the health of the run, on the device; see `health`."""


def see(
    student: Student,
    crops: list[Tensor],
    positions: list[int],
    *,
    seed: int,
    model: ModelConfig,
    visible: Tensor | None = None,
) -> Tensor:
    """Return the student's logits of all crops, (X, B, T, P), from one forward pass.

    Args:
        student: a network in training.
        crops: stacks of (X, B, T, 3, S, S), X crops of every frame, of one size within a stack; in
            the result, they follow each other.
        positions: (B,) numbers of the clips in the run.
        seed: the run's.
        model: for stochastic depth.
        visible: (X, B, T, gh, gw) bool, the patches of the first stack that are read; None: all.
    """
    shapes = [stack.shape[:3] for stack in crops]
    kept = None
    if model.drop_path > 0:
        kept = _kept_paths(shapes, positions, seed=seed, model=model)
        kept = [to_device(paths, crops[0].device) for paths in kept]
    seen = None if visible is None else visible.flatten(0, 2).flatten(1)
    logits = student([stack.flatten(0, 2) for stack in crops], kept, seen)
    return torch.unflatten(logits, 0, (sum(shape[0] for shape in shapes), *shapes[0][1:]))


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device, without waiting for what the device is doing."""
    if device.type == "cuda":
        # Pinned memory keeps a tensor's strides, and those of expand() overlap: not to be written.
        values = values.contiguous().pin_memory()
    return values.to(device, non_blocking=True)


def _kept_paths(
    shapes: list[torch.Size], positions: list[int], *, seed: int, model: ModelConfig
) -> list[Tensor]:
    """Return, for each stack, what the paths of its images are multiplied by, (2 depth, X B T)."""
    per_clip = [crops * frames for crops, _, frames in shapes]
    kept_PBM = draw_kept_paths(
        seed, positions, images=sum(per_clip), depth=model.depth, rate=model.drop_path
    )
    stacks = torch.split(kept_PBM, per_clip, dim=2)
    return [
        torch.unflatten(paths_PBM, 2, (crops, frames)).permute(0, 2, 1, 3).flatten(1)
        for paths_PBM, (crops, _, frames) in zip(stacks, shapes, strict=True)
    ]


@torch.no_grad()
def health(targets: Tensor, cls: Tensor, centre_P: Tensor) -> dict[str, Tensor]:
    """Return scalars in which a collapse shows.

    teacher_entropy: mean entropy of a target in nats; 0 and log P are the two collapses.
    teacher_kl_to_uniform: of the mean target to the uniform distribution, in nats; log P where
        every image has the same single output.
    feature_std: standard deviation over images of the teacher's L2-normalised [CLS], averaged over
        its dimensions; 0 where all images look alike.
    centre_norm: L2 norm of the centre.

    Args:
        targets: (..., P), the teacher's probabilities of all images.
        cls: (..., D), the teacher's [CLS] of all images.
        centre_P: before this step.
    """
    targets_MP = targets.flatten(0, -2)
    unit_MD = functional.normalize(cls.flatten(0, -2).float(), dim=-1)
    return {
        "teacher_entropy": _entropy(targets_MP).mean(),
        "teacher_kl_to_uniform": math.log(targets.shape[-1]) - _entropy(targets_MP.mean(dim=0)),
        "feature_std": unit_MD.std(dim=0, correction=0).mean(),
        "centre_norm": centre_P.norm(),
    }


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(dim=-1)
