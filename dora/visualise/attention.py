"""What [CLS] attends to: the last block's heads, one map each, over the frames of a clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.progress import Progress

from dora.visualise.contact_sheet import Cell, Row, compose_sheet, fitting_size, save_png
from dora.visualise.network import Network
from dora.visualise.overlay import map_picture
from dora.visualise.shown_clip import ClipChoice, ShownClip, read_clip
from wtours.shards import ShardCache

_CELL_PX, _LARGE_CELL_PX = 240, 420
_LARGE_COLUMNS = 4


def visualise_attention(
    weights: str,
    shards: Sequence[Path | str],
    *,
    out: Path,
    choice: ClipChoice | None = None,
    side_px: int | None = None,
    heads: int | None = None,
    device: torch.device | None = None,
    cache: ShardCache | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the [CLS] attention of each head of the last block, and their mean, as a PNG.

    A row a frame; a single frame (`frames=1`) is shown larger, in rows of four.

    Args:
        weights: a checkpoint, `random` or `random:PRESET` (see `load_evaluated`).
        shards: shard sets, folders of them, or addresses.
        out: folder for the picture.
        choice: what to show; None: the first clip of the first video.
        side_px: shorter side of the pictures for the network; None: twice its native side.
        heads: attention heads of the network, for weights that do not tell.
        device: where to compute; None: the CPU.
        cache: of tars of sets at addresses; None: in the user's cache folder.
        progress: where to show how far it is.

    Returns:
        The file written.

    Raises:
        DoraError: unusable weights, no such clip, or a full disk.
        ShardError: unusable shards.
    """
    network = Network.load(weights, heads=heads, device=device)
    clip = read_clip(shards, choice or ClipChoice(), network.run.clip, cache=cache)
    maps = attention_maps(network, clip.pictures, side_px=side_px, progress=progress)
    sheet = attention_sheet(clip, maps, label=network.label)
    name = f"{clip.video}_{clip.times_s[0]:.2f}s_attention.png"
    return [save_png(sheet, out / name)]


def attention_maps(
    network: Network,
    pictures: Sequence[Image.Image],
    *,
    side_px: int | None = None,
    progress: Progress | None = None,
) -> list[NDArray[np.float32]]:
    """Return what [CLS] attends to in the last block, (H, gh, gw) for each picture.

    Args:
        network: that looks.
        pictures: all of one size.
        side_px: their shorter side for the network; None: twice its native side.
        progress: where to show how far it is.
    """
    return [
        image_maps.unflatten(-1, tokens.grid).cpu().numpy()
        for tokens in network.tokens(pictures, side_px=side_px, progress=progress)
        for image_maps in tokens.cls_attention()
    ]


def attention_sheet(
    clip: ShownClip, maps: Sequence[NDArray[np.float32]], *, label: str
) -> Image.Image:
    """Return the contact sheet; maps are (H, gh, gw), one for each frame."""
    single = len(maps) == 1
    longest_px = _LARGE_CELL_PX if single else _CELL_PX
    size = fitting_size(clip.pictures[0].size, longest_px=longest_px)
    rows = []
    for picture, heads, time_s in zip(clip.pictures, maps, clip.times_s, strict=True):
        cells = [Cell(picture=picture.resize(size, Image.Resampling.LANCZOS), caption="picture")]
        cells += [
            Cell(picture=map_picture(head, size), caption=f"head {number}")
            for number, head in enumerate(heads, start=1)
        ]
        cells.append(Cell(picture=map_picture(heads.mean(axis=0), size), caption="mean of heads"))
        if single:
            parts = [
                cells[start : start + _LARGE_COLUMNS]
                for start in range(0, len(cells), _LARGE_COLUMNS)
            ]
            rows += [Row(cells=part) for part in parts]
        elif rows:
            bare = [Cell(picture=cell.picture) for cell in cells]
            rows.append(Row(cells=bare, label=f"{time_s:.2f} s"))
        else:
            rows.append(Row(cells=cells, label=f"{time_s:.2f} s"))
    grid = maps[0].shape[1:]
    return compose_sheet(
        rows,
        title=f"[CLS] attention, last block: {clip.video}, from {clip.times_s[0]:.2f} s",
        footer=f"{label}. {grid[1]} x {grid[0]} patches; each map from dark (its smallest value) "
        f"to light (its largest). {clip.attribution}",
    )
