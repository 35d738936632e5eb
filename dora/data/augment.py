"""From first crops and what was drawn to global views and local crops (multi-crop), in batches.

Nothing is drawn here. On a GPU all of it is done there, for some clips at a time: no shape depends
on a draw, nothing waits for the device, nothing loops over pictures. On a CPU it is done clip by
clip, by the processes that read, for training would wait for it (`finish_clip`).

Global views are bilinear without antialiasing, local crops Pillow's antialiased bicubic; every
step ends on 8 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dora.config import AugmentConfig
from dora.data.clip_draws import COLOURS, FLIP, HEIGHT, LEFT, TOP, WIDTH
from dora.data.colours import change_colours, normalise
from dora.data.reading import DrawnClip, PackedClip, Replaced
from dora.data.resampling import Taps, bicubic_taps, bilinear_taps, resample
from dora.data.views import Views

GROUP_PIXELS = 2**22
"""Pixels of the first crops that a GPU works on at once: 5 clips of `released`, about 1 GB."""


@dataclass(frozen=True, kw_only=True)
class ClipViews:
    """The views of one clip as they leave a worker where there is no GPU."""

    position: int
    """Number of the clip in the run."""
    global_views: Tensor
    """(V, T, 3, S, S) uint8."""
    local_crops: Tensor
    """(L, T, 3, s, s) uint8."""
    replaced: tuple[Replaced, ...] = ()


def finish_clip(clip: DrawnClip, augment: AugmentConfig) -> ClipViews:
    """Return the views of one clip, on the device of its first crops."""
    rows = torch.from_numpy(clip.rows)
    global_views, local_crops = apply_draws(clip.first[None], rows[None], augment)
    return ClipViews(
        position=clip.position,
        global_views=global_views[:, 0],
        local_crops=local_crops[:, 0],
        replaced=clip.replaced,
    )


def make_views(
    clips: Sequence[DrawnClip | PackedClip], augment: AugmentConfig, *, device: torch.device
) -> Views:
    """Return the views of clips, on the device.

    8-bit first crops and draws are copied there from page-locked memory, while it does other work.
    A clip's views do not depend on the clips beside it, on a CPU to the last bit.

    Args:
        clips: B clips.
        augment: sizes of the views.
        device: where they go.
    """
    first = _send([clip.first.permute(0, 2, 3, 1) for clip in clips], device)
    rows = _send([torch.from_numpy(clip.rows) for clip in clips], device)
    first = first.permute(0, 1, 4, 2, 3)
    count, frames, _, side, _ = first.shape
    sides = (augment.global_views[0].px, augment.local_view.px)
    counts = (len(augment.global_views), augment.local_crops)
    made = tuple(
        torch.empty((views, count, frames, 3, px, px), device=device)
        for views, px in zip(counts, sides, strict=True)
    )
    group = max(1, GROUP_PIXELS // (frames * side**2)) if device.type != "cpu" else 1
    for start in range(0, count, group):
        part = slice(start, start + group)
        for whole, views in zip(made, apply_draws(first[part], rows[part], augment), strict=True):
            whole[:, part] = normalise(views)
    positions = torch.tensor([clip.position for clip in clips])
    return Views(global_views=made[0], local_crops=made[1], positions=positions)


def stack_views(clips: Sequence[ClipViews]) -> Views:
    """Return views that workers have finished as a batch on the CPU."""
    return Views(
        global_views=normalise(torch.stack([clip.global_views for clip in clips], dim=1)),
        local_crops=normalise(torch.stack([clip.local_crops for clip in clips], dim=1)),
        positions=torch.tensor([clip.position for clip in clips]),
    )


def apply_draws(first: Tensor, rows: Tensor, augment: AugmentConfig) -> tuple[Tensor, Tensor]:
    """Return global views (V, B, T, 3, S, S) and local crops (L, B, T, 3, s, s), uint8.

    Args:
        first: (B, T, 3, S, S) uint8 first crops.
        rows: (B, V + L, T, VIEW_COLUMNS) float32, `ClipDraws.rows`, on the same device.
        augment: sizes of the views.
    """
    rows = rows.transpose(0, 1)
    views = len(augment.global_views)
    global_views = _cut(first, rows[:views], px=augment.global_views[0].px, bicubic=False)
    local_crops = _cut(first, rows[views:], px=augment.local_view.px, bicubic=True)
    return global_views, local_crops


def _cut(first: Tensor, rows: Tensor, *, px: int, bicubic: bool) -> Tensor:
    """Return (L, B, T, 3, px, px) uint8: boxes of the first crops, resized, flipped, recoloured."""
    kinds, clips, frames, _ = rows.shape
    rows = rows.flatten(0, 2)
    parents = torch.arange(clips * frames, device=first.device).repeat(kinds)
    across = _taps(rows[:, LEFT], rows[:, WIDTH], px=px, parent=first.shape[-1], bicubic=bicubic)
    down = _taps(rows[:, TOP], rows[:, HEIGHT], px=px, parent=first.shape[-2], bicubic=bicubic)
    pictures = resample(
        first.flatten(0, 1),
        parents,
        across=across.mirrored(rows[:, FLIP] > 0),
        down=down,
        rounded_between=bicubic,
    )
    everywhere = first.device.type != "cpu"
    changed = change_colours(pictures, rows[:, COLOURS], everywhere=everywhere)
    return changed.view(kinds, clips, frames, 3, px, px)


def _taps(starts: Tensor, lengths: Tensor, *, px: int, parent: int, bicubic: bool) -> Taps:
    starts, lengths = starts.long(), lengths.long()
    if bicubic:
        return bicubic_taps(starts, lengths, px=px, longest=parent)
    return bilinear_taps(starts, lengths, px=px)


def _send(parts: list[Tensor], device: torch.device) -> Tensor:
    """Return the parts stacked, on the device; those that are there already stay there."""
    if parts[0].device.type == device.type:
        return torch.stack(parts)
    shape = (len(parts), *parts[0].shape)
    batch = torch.empty(shape, dtype=parts[0].dtype, pin_memory=device.type == "cuda")
    torch.stack(parts, out=batch)
    return batch.to(device, non_blocking=True)
