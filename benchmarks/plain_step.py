"""A training step in the published structure, which ours is timed against.

The same arithmetic as `dora.train.trainer` under the presets `released` and `smoke`, on the same
networks, done the plain way: frames one after another in Python, a pass of the student for each
object and one for the local crops (the one that the loss leaves out, too), whole attention
matrices, all rows of the last block, the head called in every pass, results written into buffers,
Sinkhorn-Knopp on exponentials, a cross-entropy for each object, frame and crop, every parameter by
itself in clipping and moving average, and AdamW as torch chooses it.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import cast

import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from benchmarks.measure import Clock
from dora.config import RunConfig
from dora.data.views import Views
from dora.model.pair import Network, Pair
from dora.model.vit import Backbone, resize_position_embedding
from dora.train.optimizer import drop_last_layer_gradients, parameter_groups, set_step_values
from dora.train.schedule import StepValues


class PlainStep:
    """Student, teacher, optimiser and centre, and the step on them.

    Args:
        config: of `released` arithmetic: one global view, binary masks, means.
        pair: begins as it is and is trained.
        heads: the attention heads that objects are discovered from, (K,).
        clock: told of the parts.
    """

    def __init__(
        self, config: RunConfig, pair: Pair, *, heads: Sequence[int], clock: Clock
    ) -> None:
        assert config.tracker.mask == "binary", "only the released code's arithmetic is here"
        self.config, self.pair, self.heads, self.clock = config, pair, list(heads), clock
        self.optimizer = AdamW(parameter_groups(pair.student), weight_decay=0.0)
        device = next(pair.parameters()).device
        self.centre = torch.zeros(1, config.head.outputs, device=device)

    def train_step(self, views: Views, values: StepValues) -> float:
        """Do one step; return its loss."""
        set_step_values(self.optimizer, lr=values.lr, weight_decay=values.weight_decay)
        clip_TBCHW = views.global_views[0].transpose(0, 1)
        local_LTBCHW = views.local_crops.transpose(1, 2)
        with autocast(self.config, self.centre.device):
            loss = self.forward(clip_TBCHW, local_LTBCHW, values.teacher_temperature)
        self.optimizer.zero_grad(set_to_none=True)
        with self.clock.part("backward"):
            torch.autograd.backward(loss)
        with self.clock.part("optimiser"):
            clip_one_by_one(self.pair.student, self.config.optim.clip_norm)
            if values.last_layer_frozen:
                drop_last_layer_gradients(self.pair.student)
            self.optimizer.step()
        with self.clock.part("EMA"):
            move_one_by_one(self.pair, values.teacher_momentum)
        return float(loss.detach())

    def forward(self, clip_TBCHW: Tensor, local_LTBCHW: Tensor, temperature: float) -> Tensor:
        """Return the loss of a clip and its local crops; move the centre."""
        with self.clock.part("teacher"), torch.no_grad():
            teacher, tokens, attention, query, key = forward_frames(self.pair.teacher, clip_TBCHW)
        with self.clock.part("tracker"), torch.no_grad():
            masks = self.track(tokens, attention, query, key, clip_TBCHW)
        with self.clock.part("student"):
            masked = [
                forward_frames(self.pair.student, mask[:, :, None] * clip_TBCHW)[0]
                for mask in masks
            ]
            crops = torch.cat(list(local_LTBCHW), dim=1)
            local = forward_frames(self.pair.student, crops)[0]
        with self.clock.part("loss"):
            loss = self.loss(teacher, masked, local, temperature)
            self.update_centre(teacher)
        return loss

    def track(
        self, tokens: Tensor, attention: Tensor, query: Tensor, key: Tensor, clip_TBCHW: Tensor
    ) -> list[Tensor]:
        """Return a mask for each object, (T, B, S, S), frame by frame.

        Args:
            tokens: (T, B, N+1, D) of the teacher, after the final LayerNorm.
            attention: (T, B, H, N+1, N+1) of its last block.
            query: (T, B, H, N+1, D/H) of its last block.
            key: likewise.
            clip_TBCHW: the view.
        """
        tracker = self.config.tracker
        rows_BKN = attention[0][:, self.heads, 0, 1:]
        prototypes = rows_BKN @ join_heads(query[0])
        patches = tokens[0][:, 1:]
        patches = patches / patches.norm(dim=-1, keepdim=True)
        plan = sinkhorn(patches @ prototypes.transpose(1, 2), tracker.epsilon, tracker.iterations)
        refined = plan.transpose(1, 2) @ patches
        width, side = refined.shape[-1], clip_TBCHW.shape[-1]
        grid = side // self.config.model.patch_px
        masks: list[list[Tensor]] = [[] for _ in self.heads]
        for frame_key in key:
            soft = (refined @ join_heads(frame_key).transpose(1, 2) * width**-0.5).softmax(dim=-1)
            soft = soft / soft.norm(dim=-1, keepdim=True)
            for k, frames in enumerate(masks):
                shared = tracker.threshold == "batch"
                mean = soft[:, k].mean() if shared else soft[:, k].mean(dim=-1, keepdim=True)
                binary = (soft[:, k] > mean).float().view(-1, 1, grid, grid)
                frames.append(functional.interpolate(binary, size=(side, side))[:, 0])
        return [torch.stack(frames) for frames in masks]

    def loss(
        self, teacher: Tensor, masked: list[Tensor], local: Tensor, temperature: float
    ) -> Tensor:
        """Return the loss of logits (T, B, P), K times (T, B, P), and (T, L*B, P), crop-major."""
        config = self.config.loss
        clips, frames = teacher.shape[1], len(teacher)
        total = running = torch.zeros((), device=teacher.device)
        for logits in masked:
            for t in range(frames):
                target = ((teacher[t] - self.centre) / temperature).softmax(dim=-1)
                crops = torch.split(local[t], clips)[1 if config.skip_first_crop else 0 :]
                term = self.cross_entropy(target, logits[t])
                crop_term = sum(self.cross_entropy(target, crop) for crop in crops) / len(crops)
                running = running + 0.5 * (term + crop_term)
            running = running / frames
            total = total + running
            if not config.carry_frame_sum:
                running = torch.zeros((), device=teacher.device)
        return total / len(masked)

    def cross_entropy(self, target: Tensor, logits: Tensor) -> Tensor:
        """Return the cross-entropy of (B, P) against (B, P), averaged over clips."""
        log_student = (logits / self.config.loss.student_temperature).log_softmax(dim=-1)
        return -(target * log_student).sum(dim=-1).mean()

    @torch.no_grad()
    def update_centre(self, teacher: Tensor) -> None:
        """Move the centre towards the mean of the teacher's logits."""
        momentum = self.config.loss.centre_momentum
        mean = teacher.mean(dim=(0, 1))[None]
        self.centre = momentum * self.centre + (1 - momentum) * mean


def autocast(config: RunConfig, device: torch.device) -> torch.autocast | nullcontext[None]:
    """Return what a step computes in: on a GPU bfloat16, where the run says so, else float32."""
    if config.precision == "float32" or device.type == "cpu":
        return nullcontext()
    assert config.precision == "bf16", "without loss scaling"
    return torch.autocast(device.type, dtype=torch.bfloat16)


def forward_frames(network: Network, clip: Tensor) -> tuple[Tensor, ...]:
    """Return logits, tokens, attention, query and key of (T, M, 3, S, S), in buffers by frame."""
    buffers: list[Tensor] = []
    for t, images in enumerate(clip):
        tokens, attention, query, key = forward_images(network.backbone, images)
        results = (network.head(tokens[:, 0]), tokens, attention, query, key)
        if not buffers:
            buffers = [torch.zeros(len(clip), *one.shape, device=one.device) for one in results]
        buffers[0][t] = results[0]
        for buffer, result in zip(buffers[1:], results[1:], strict=True):
            buffer[t] = result.detach()
    return tuple(buffers)


def forward_images(backbone: Backbone, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the tokens after the final LayerNorm, and the last block's attention, query, key."""
    grid = backbone.patch_embed(images)
    cls = backbone.cls_token.expand(len(images), -1, -1)
    tokens = torch.cat([cls, grid.flatten(1, 2)], dim=1)
    tokens = tokens + resize_position_embedding(backbone.pos_embed, tuple(grid.shape[1:3]))
    for block in backbone.blocks:
        tokens, attention, query, key = plain_block(cast(Block, block), tokens)
    return backbone.norm(tokens), attention, query, key


def plain_block(block: Block, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a block's tokens, its attention as a whole, its queries and its keys."""
    layer = cast(Attention, block.attn)
    qkv = layer.qkv(block.norm1(tokens)).view(*tokens.shape[:2], 3, layer.num_heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    attention = scores.softmax(dim=-1)
    mixed = (attention @ value).transpose(1, 2).flatten(2)
    tokens = tokens + block.drop_path1(layer.proj(mixed))
    tokens = tokens + block.drop_path2(block.mlp(block.norm2(tokens)))
    return tokens, attention, query, key


def join_heads(per_head: Tensor) -> Tensor:
    """Return the patches' part of (B, H, N+1, d) as (B, N, H*d)."""
    return per_head[:, :, 1:].transpose(1, 2).flatten(2)


def sinkhorn(similarity_BNK: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Return the assignment of patches, (B, N, K), by scaling rows and columns of exponentials."""
    patches, prototypes = similarity_BNK.shape[1:]
    scaled = similarity_BNK / epsilon
    plan = (scaled - scaled.amax(dim=(1, 2), keepdim=True)).exp()
    plan = plan / plan.sum(dim=(1, 2), keepdim=True)
    for _ in range(iterations):
        plan = plan / plan.sum(dim=1, keepdim=True) / prototypes
        plan = plan / plan.sum(dim=2, keepdim=True) / patches
    return plan * patches


@torch.no_grad()
def clip_one_by_one(network: nn.Module, max_norm: float) -> None:
    """Scale every gradient to at most its own norm."""
    for parameter in network.parameters():
        if parameter.grad is not None:
            factor = max_norm / (parameter.grad.norm() + 1e-6)
            if factor < 1:
                parameter.grad.mul_(factor)


@torch.no_grad()
def move_one_by_one(pair: Pair, momentum: float) -> None:
    """Move the teacher towards the student."""
    for old, new in zip(pair.teacher.parameters(), pair.student.parameters(), strict=True):
        old.mul_(momentum).add_((1 - momentum) * new.detach())
