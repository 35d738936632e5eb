"""Frozen features of pictures: where a backbone comes from, and what it makes of files."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor
from torchvision.transforms import v2

from dora.config import ModelConfig
from dora.data.colours import normalise
from dora.errors import DoraError
from dora.model.vit import Backbone, build_backbone
from dora.model.weights import frozen_backbone, read_weights
from dora.presets import named_preset

RANDOM = "random"
RANDOM_SEED = 0


def load_evaluated(weights: str, *, heads: int | None = None) -> tuple[Backbone, str]:
    """Return a frozen backbone and a label of where it comes from.

    Args:
        weights: path of a checkpoint (see `read_weights`), or `random` or `random:PRESET` for an
            untrained network of the default's or a preset's sizes, always the same one.
        heads: attention heads, for a file that does not tell.

    Raises:
        DoraError: as `read_weights`, or there is no such preset.
    """
    source, _, preset = weights.partition(":")
    if source == RANDOM:
        preset = preset or "dora"
        config = named_preset(preset).model
        return random_backbone(config, seed=RANDOM_SEED), f"untrained (sizes of {preset})"
    read = read_weights(Path(weights))
    return frozen_backbone(read, heads=heads), read.source


def random_backbone(config: ModelConfig, *, seed: int) -> Backbone:
    """Return an untrained backbone, frozen; the same seed gives the same one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone(config)
    return backbone.eval().requires_grad_(False)


def read_picture(path: Path, *, image_px: int) -> Tensor:
    """Return a file's picture as evaluations see it, (3, image_px, image_px) uint8.

    Shorter side to 256/224 of `image_px` (bicubic), then the centre: DINO's transform.

    Raises:
        DoraError: the file is no whole picture.
    """
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except Exception as fault:  # bytes that are no picture fail in whatever way they happen to
        raise DoraError(
            f"{path} is no whole picture ({fault})", remedy="copy it again, or remove the file"
        ) from fault
    transform = v2.Compose(
        [
            v2.Resize(resize_px(image_px), interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(image_px),
            v2.PILToTensor(),
        ]
    )
    cropped: Tensor = transform(picture)
    return cropped


def resize_px(image_px: int) -> int:
    """Return the shorter side before the centre crop: 256 for the usual 224."""
    return round(image_px * 256 / 224)


@torch.inference_mode()
def extract_features(
    backbone: Backbone,
    paths: Sequence[Path],
    *,
    image_px: int,
    batch: int = 128,
    device: torch.device,
    workers: int = 4,
    progress: Progress | None = None,
    title: str = "features",
) -> Tensor:
    """Return [CLS] of the last block after the final norm, of length 1: (M, D) float32 on `device`.

    Args:
        backbone: frozen, on `device`.
        paths: M picture files.
        image_px: side of the pictures.
        batch: pictures of one forward pass.
        device: where the backbone lives and the features stay.
        workers: threads that read pictures.
        progress: where to show how far it is.
        title: what to call it there.

    Raises:
        DoraError: a file is no whole picture, or the side does not divide into patches.
    """
    features = torch.empty(len(paths), backbone.config.width, device=device)
    task = None if progress is None else progress.add_task(title, total=len(paths))
    done = 0
    for pictures in _read_batches(paths, image_px=image_px, batch=batch, workers=workers):
        images = normalise(pictures.to(device))
        cls = backbone(images, want_tokens=False).float()
        features[done : done + len(cls)] = torch.nn.functional.normalize(cls, dim=1)
        done += len(cls)
        if progress is not None and task is not None:
            progress.update(task, completed=done)
    return features


def _read_batches(
    paths: Sequence[Path], *, image_px: int, batch: int, workers: int
) -> Iterator[Tensor]:
    """Yield pictures, (M, 3, S, S) uint8 in order; the next batch is read while one is used."""
    read = partial(read_picture, image_px=image_px)
    # Threads suffice: Pillow decodes and resizes without holding the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[list[Future[Tensor]]] = deque()
        try:
            for start in range(0, len(paths), batch):
                ahead.append([pool.submit(read, path) for path in paths[start : start + batch]])
                if len(ahead) > 1:
                    yield torch.stack([future.result() for future in ahead.popleft()])
            while ahead:
                yield torch.stack([future.result() for future in ahead.popleft()])
        finally:
            pool.shutdown(cancel_futures=True)
