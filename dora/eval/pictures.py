"""Picture files to pixels as evaluations see them, the next batch read while one is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from dora.errors import DoraError

Named = TypeVar("Named")
_AHEAD = 2
"""Batches that are being read beside the one that is used."""


def open_picture(path: Path) -> Image.Image:
    """Return a file's picture in RGB.

    Raises:
        DoraError: the file is no whole picture.
    """
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except Exception as fault:  # bytes that are no picture fail in whatever way they happen to
        raise DoraError(
            f"{path} is no whole picture ({fault})", remedy="copy it again, or remove the file"
        ) from fault


def read_picture(path: Path, *, image_px: int) -> Tensor:
    """Return a file's picture as evaluations see it, (3, image_px, image_px) uint8.

    Shorter side to 256/224 of `image_px` (bicubic), then the centre: DINO's transform.

    Raises:
        DoraError: the file is no whole picture.
    """
    return crop_centre(open_picture(path), shorter_px=resize_px(image_px), image_px=image_px)


def crop_centre(
    picture: Image.Image,
    *,
    shorter_px: int,
    image_px: int,
    interpolation: v2.InterpolationMode = v2.InterpolationMode.BICUBIC,
) -> Tensor:
    """Return the centre of a resized picture, (3, image_px, image_px) uint8.

    Args:
        picture: in RGB.
        shorter_px: its shorter side after resizing.
        image_px: side of the crop.
        interpolation: of the resizing.
    """
    transform = v2.Compose(
        [
            v2.Resize(shorter_px, interpolation=interpolation),
            v2.CenterCrop(image_px),
            v2.PILToTensor(),
        ]
    )
    cropped: Tensor = transform(picture)
    return cropped


def resize_px(image_px: int) -> int:
    """Return the shorter side before the centre crop: 256 for the usual 224."""
    return round(image_px * 256 / 224)


def read_batches(
    batches: Iterable[Sequence[Named]], read: Callable[[Named], Tensor], *, workers: int
) -> Iterator[Tensor]:
    """Yield each batch as one tensor, (M, 3, S, S) uint8, in order, whatever the workers.

    Args:
        batches: what names each picture.
        read: from a name to (3, S, S) pixels.
        workers: threads that read; Pillow decodes and resizes without the interpreter's lock.
    """
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[list[Future[Tensor]]] = deque()
        try:
            for batch in batches:
                ahead.append([pool.submit(read, named) for named in batch])
                if len(ahead) > _AHEAD:
                    yield torch.stack([future.result() for future in ahead.popleft()])
            while ahead:
                yield torch.stack([future.result() for future in ahead.popleft()])
        finally:
            pool.shutdown(cancel_futures=True)
