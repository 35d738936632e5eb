"""Objects discovered in a clip's first frame and followed through it: a video and a sheet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.progress import Progress
from torch import Tensor

from dora.tracking.masks import above_mean, to_grid, track
from dora.tracking.prototypes import draw_heads
from dora.tracking.tracker import clip_tokens, discover_and_track
from dora.visualise.colours import object_colour
from dora.visualise.contact_sheet import Cell, Row, compose_sheet, fitting_size, save_png
from dora.visualise.network import Network
from dora.visualise.overlay import map_picture, mask_overlay
from dora.visualise.render import render_video
from dora.visualise.shown_clip import ClipChoice, ShownClip, read_clip
from wtours.shards import ShardCache

_CELL_PX = 320
_VIDEO_SIDE_PX = (360, 720)
"""Smallest and largest shorter side of the pictures in the video."""
_SHEET_ROWS = 8
_CLIP_HZ = Fraction(2)
"""A clip's frames are a second apart: shown twice as fast, they can still be looked at."""
_LARGEST_HZ = Fraction(30)


@dataclass(frozen=True, kw_only=True)
class ObjectMaps:
    """Where K objects are in each of T frames, on the grid of patches."""

    soft: NDArray[np.float32]
    """(T, K, gh, gw): attention T' of each object over the patches; sums to 1 (Eq. 6)."""
    masks: NDArray[np.bool_]
    """(T, K, gh, gw): above the mean, as the student's masks."""
    heads: tuple[int, ...]
    """Head in which each object was discovered, from 0."""

    @property
    def peaks(self) -> NDArray[np.float64]:
        """Where each object's attention is largest, (T, K, 2): x and y as shares of the sides."""
        grid = self.soft.shape[-2:]
        places = self.soft.reshape(*self.soft.shape[:2], -1).argmax(axis=-1)
        y, x = np.unravel_index(places, grid)
        return np.stack([(x + 0.5) / grid[1], (y + 0.5) / grid[0]], axis=-1)


def visualise_tracks(
    weights: str,
    shards: Sequence[Path | str],
    *,
    out: Path,
    choice: ClipChoice | None = None,
    side_px: int | None = None,
    seed: int = 0,
    heads: int | None = None,
    device: torch.device | None = None,
    cache: ShardCache | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the object masks of a clip as a video (MP4) and a contact sheet (PNG).

    A clip plays at two frames a second; a stretch (`seconds`) at its own speed.

    Args:
        weights: a checkpoint, `random` or `random:PRESET` (see `load_evaluated`); the tracker's
            options are those of its training, or of the released code.
        shards: shard sets, folders of them, or addresses.
        out: folder for the files.
        choice: what to show; None: the first clip of the first video.
        side_px: shorter side of the pictures for the network; None: twice its native side.
        seed: of the draw of heads, of which each gives an object.
        heads: attention heads of the network, for weights that do not tell.
        device: where to compute; None: the CPU.
        cache: of tars of sets at addresses; None: in the user's cache folder.
        progress: where to show how far it is.

    Returns:
        The files written: the video, the sheet.

    Raises:
        DoraError: unusable weights, no such clip, or a full disk.
        ShardError: unusable shards.
    """
    choice = choice or ClipChoice()
    network = Network.load(weights, heads=heads, device=device)
    clip = read_clip(shards, choice, network.run.clip, cache=cache)
    maps = track_objects(network, clip.pictures, side_px=side_px, seed=seed, progress=progress)
    stem = f"{clip.video}_{clip.times_s[0]:.2f}s_tracks"
    rate_hz = _CLIP_HZ if choice.seconds is None else min(clip.kept_rate, _LARGEST_HZ)
    return [
        render_video(_video_frames(clip, maps), out / f"{stem}.mp4", rate_hz=rate_hz),
        save_png(tracks_sheet(clip, maps, label=network.label), out / f"{stem}.png"),
    ]


def track_objects(
    network: Network,
    pictures: Sequence[Image.Image],
    *,
    side_px: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ObjectMaps:
    """Discover objects in the first picture and follow them through all.

    Pictures larger than in training have more patches; the softmax of Eq. 6 keeps the temperature
    that it has at the native side.

    Args:
        network: with the options of the tracker.
        pictures: T pictures of one size; memory grows with the maps only.
        side_px: shorter side for the network; None: twice its native side.
        seed: of the draw of heads.
        progress: where to show how far it is.
    """
    config = network.run.tracker
    prototypes: Tensor | None = None
    soft, masks = [], []
    heads = torch.empty(0)
    for tokens in network.tokens(pictures, side_px=side_px, progress=progress):
        read = clip_tokens(tokens, clips=1, config=config)
        if prototypes is None:
            head_count = tokens.key.shape[1]
            heads = draw_heads(
                seed,
                [0],
                view=0,
                heads=head_count,
                objects=min(config.objects, head_count),
                shared_from=None,
            )
            prototypes = discover_and_track(read, heads, config).prototypes
            prototypes = prototypes * _length_as_in_training(network, patches=read.keys.shape[2])
        soft_TKBN = track(prototypes, read.keys)
        soft.append(to_grid(soft_TKBN, tokens.grid)[:, 0].transpose(0, 1).cpu())
        mask_TKBN = above_mean(soft_TKBN, scope="clip")
        masks.append(to_grid(mask_TKBN, tokens.grid)[:, 0].transpose(0, 1).cpu())
    return ObjectMaps(
        soft=torch.cat(soft).numpy(),
        masks=torch.cat(masks).numpy().astype(np.bool_),
        heads=tuple(heads[0].tolist()),
    )


def _length_as_in_training(network: Network, *, patches: int) -> float:
    """Return the factor that keeps masks of larger pictures as sharp as those of training.

    A prototype refined with a plan of mass N is a sum over about N/K patches, so that its length,
    and with it the sharpness of the softmax of Eq. 6, grows with the picture.
    """
    config = network.run.tracker
    if not config.sinkhorn or config.plan_mass == "one":
        return 1.0
    model = network.backbone.config
    return (model.image_px // model.patch_px) ** 2 / patches


def _video_frames(clip: ShownClip, maps: ObjectMaps) -> Iterator[Image.Image]:
    """Yield picture and overlay side by side, with the time above."""
    low, high = _VIDEO_SIDE_PX
    width, height = clip.pictures[0].size
    side = min(max(min(width, height), low), high)
    size = fitting_size(
        (width, height), longest_px=round(side * max(width, height) / min(width, height))
    )
    for picture, masks, peaks, time_s in zip(
        clip.pictures, maps.masks, maps.peaks, clip.times_s, strict=True
    ):
        large = picture.resize(size, Image.Resampling.LANCZOS)
        cells = [Cell(picture=large), Cell(picture=mask_overlay(large, masks, peaks))]
        yield compose_sheet(
            [Row(cells=cells)], title=f"{clip.video}   {time_s:.2f} s", footer=clip.attribution
        )


def tracks_sheet(clip: ShownClip, maps: ObjectMaps, *, label: str) -> Image.Image:
    """Return frames, soft maps and overlays; of many frames, eight spread over the time."""
    size = fitting_size(clip.pictures[0].size, longest_px=_CELL_PX)
    count = len(clip.pictures)
    shown = np.unique(np.linspace(0, count - 1, min(count, _SHEET_ROWS)).round().astype(int))
    rows: list[Row] = []
    for t in shown.tolist():
        picture = clip.pictures[t].resize(size, Image.Resampling.LANCZOS)
        cells = [Cell(picture=picture, caption="" if rows else "frame")]
        for k, head in enumerate(maps.heads):
            colour = object_colour(k)
            cells.append(
                Cell(
                    picture=map_picture(
                        maps.soft[t, k], size, colour=colour, mask=maps.masks[t, k]
                    ),
                    caption="" if rows else f"object {k + 1} (head {head + 1})",
                    colour=None if rows else colour,
                )
            )
        overlay = mask_overlay(picture, maps.masks[t], maps.peaks[t])
        cells.append(Cell(picture=overlay, caption="" if rows else "masks"))
        rows.append(Row(cells=cells, label=f"{clip.times_s[t]:.2f} s"))
    grid = maps.soft.shape[-2:]
    return compose_sheet(
        rows,
        title=f"Objects of the first frame, tracked: {clip.video}, from {clip.times_s[0]:.2f} s",
        footer=f"{label}. {grid[1]} x {grid[0]} patches; each object's attention from black (its "
        f"smallest) to white (its largest); outlined is its mask, where it is above its mean. "
        f"{clip.attribution}",
    )
