"""Labelled pictures of a data set, in files or in memory, and what is shown of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from dora.errors import DoraError
from dora.eval.feature_store import hash_files
from dora.eval.pictures import crop_centre, open_picture
from dora.finetune.recipe import TestResize

Source = Path | NDArray[np.uint8]
"""A picture: its file, or its (h, w, 3) pixels."""
_WHOLE_FROM_PX = 384
"""From this side on BEiT's test crops have the whole shorter side of a picture."""


@dataclass(frozen=True, kw_only=True)
class LabelledPictures:
    """Pictures and the number of each one's class."""

    sources: Sequence[Source]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self, root: Path) -> str:
        """Return the SHA-256 of pixels, or of names, sizes and times of change, and of labels.

        Raises:
            DoraError: a file is gone.
        """
        digest = hashlib.sha256(np.asarray(self.labels, dtype=np.int64).tobytes())
        paths = [source for source in self.sources if isinstance(source, Path)]
        digest.update(hash_files(paths, root=root).encode())
        for source in self.sources:
            if not isinstance(source, Path):
                digest.update(np.ascontiguousarray(source).data)
        return digest.hexdigest()


def open_source(source: Source) -> Image.Image:
    """Return a picture in RGB.

    Raises:
        DoraError: its file is no whole picture.
    """
    return open_picture(source) if isinstance(source, Path) else Image.fromarray(source)


def scored_crop(source: Source, *, image_px: int, resize: TestResize) -> Tensor:
    """Return a picture as it is scored, (3, image_px, image_px) uint8: resized, then the centre.

    Args:
        source: the picture.
        image_px: side of the crop.
        resize: how; see `Recipe.test_resize`.

    Raises:
        DoraError: its file is no whole picture.
    """
    whole = resize == "bilinear" and image_px >= _WHOLE_FROM_PX
    return crop_centre(
        open_source(source),
        # Cut off, as published: 438 for 384.
        shorter_px=image_px if whole else image_px * 256 // 224,
        image_px=image_px,
        interpolation=v2.InterpolationMode(resize),
    )


def require_files(paths: Sequence[Path], *, named_by: Path) -> None:
    """Refuse a list of pictures of which some are not there.

    Raises:
        DoraError: they are not; the first one is named.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DoraError(
            f"{named_by} names {missing[0]}, which is not there"
            + (f" (nor are {len(missing) - 1} more)" if len(missing) > 1 else ""),
            remedy="unpack all pictures of the data set, or copy the annotations again",
        )
