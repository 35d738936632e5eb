"""Student and teacher: two networks of one kind, the teacher a moving average of the student."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dora.config import HeadConfig, ModelConfig
from dora.model.head import ProjectionHead
from dora.model.vit import Tokens, build_backbone


class Network(nn.Module):
    """A backbone and its projection head."""

    def __init__(self, model: ModelConfig, head: HeadConfig) -> None:
        super().__init__()
        self.backbone = build_backbone(model)
        self.head = ProjectionHead(model.width, head)

    def forward(
        self,
        crops: Sequence[Tensor],
        kept_paths: Sequence[Tensor] | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Return the logits, (sum M, P), of stacks of images, (M, 3, S, S); a stack has one size.

        The head sees all stacks at once, so that its batch norm, if any, does too.

        Args:
            crops: stacks of images.
            kept_paths: for each stack, see `Backbone.forward`; None: no stochastic depth.
            visible: of the first stack, see `Backbone.forward`; None: all patches.
        """
        kept: Sequence[Tensor | None] = kept_paths or [None] * len(crops)
        seen = [visible] + [None] * (len(crops) - 1)
        cls = [
            self.backbone(images, kept_paths=paths, visible=patches)
            for images, paths, patches in zip(crops, kept, seen, strict=True)
        ]
        logits: Tensor = self.head(torch.cat(cls))
        return logits

    def logits_and_tokens(self, images: Tensor, *, frames: int = 1) -> tuple[Tensor, Tokens]:
        """Return the logits, (M, P), and the tokens of images, (M, 3, S, S).

        Args:
            images: the frames of clips, one after another.
            frames: see `Backbone.forward`.
        """
        tokens: Tokens = self.backbone(images, want_tokens=True, frames=frames)
        return self.head(tokens.cls), tokens


class Pair(nn.Module):
    """Student, trained by gradients, and teacher, which follows it and gets none.

    The teacher begins as a copy. Parameters are named `student.*` and `teacher.*`, within each
    `backbone.*` and `head.*`.
    """

    def __init__(self, model: ModelConfig, head: HeadConfig) -> None:
        super().__init__()
        self.student = Network(model, head)
        self.teacher = Network(model, head)
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.requires_grad_(False)

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        """Move every parameter of the teacher: t <- m t + (1 - m) s (DINO, section 3.1).

        Args:
            momentum: m in [0, 1]; 0.996 growing to 1 as published.
        """
        teacher: list[Tensor] = list(self.teacher.parameters())
        student: list[Tensor] = [parameter.detach() for parameter in self.student.parameters()]
        torch._foreach_lerp_(teacher, student, 1 - momentum)
