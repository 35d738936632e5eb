"""Finds faces or plates with a TorchScript model that has the interface of Meta's EgoBlur.

The model is called with one (3, H, W) uint8 picture, blue first, and returns boxes (n, 4) as x0,
y0, x1, y1 in its pixels, labels (n,), scores (n,) and the size that it looked at (EgoBlur's first
generation, arXiv:2308.13093; what is published of it: github.com/facebookresearch/EgoBlur). Models
that return five values have masks before the scores. Boxes of one model have one kind.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import nms

from wtours.detectors.detector import clipped, sorted_boxes
from wtours.errors import WtoursError
from wtours.shards import Box

Pixels = NDArray[np.uint8]

NMS_IOU = 0.3
"""Of two boxes that overlap by more than this, the surer one stays; EgoBlur's own figure."""
_SCORES_AT = {4: 2, 5: 3}
"""Position of the scores among that many values."""


class TorchScriptDetector:
    """A TorchScript box model on the processor, one picture after the other.

    Args:
        path: the model's file.
        kind: of its boxes.
        threshold: least score of a box, 0 to 1.

    Raises:
        WtoursError: the file is no TorchScript model.
    """

    def __init__(self, path: Path, *, kind: str, threshold: float) -> None:
        self.kind = kind
        self._path, self._threshold = path, threshold
        try:
            with _deprecation_known():
                self._model = cast(Any, torch.jit.load)(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as fault:
            raise WtoursError(
                f"{path} is no TorchScript model ({_first_line(fault)})",
                remedy="name a file that `torch.jit.save` wrote, such as EgoBlur's "
                "ego_blur_face.jit or ego_blur_lp.jit",
            ) from fault

    def detect(self, pictures: Sequence[Pixels]) -> list[tuple[Box, ...]]:
        """Return the boxes of each (H, W, 3) uint8 RGB picture in its pixels, surest first.

        Raises:
            WtoursError: the model fails, or returns something else than boxes.
        """
        with _repeatable():
            return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: Pixels) -> tuple[Box, ...]:
        height, width = picture.shape[:2]
        blue_first = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1))
        try:
            values = self._model(torch.from_numpy(blue_first))
        except RuntimeError as fault:
            raise self._unusable(f"fails with {_first_line(fault)}") from fault
        boxes, scores = self._boxes_and_scores(values)
        kept = nms(boxes, scores, NMS_IOU)
        return sorted_boxes(
            [
                clipped(box, size=(width, height), score=score, kind=self.kind)
                for box, score in zip(boxes[kept].tolist(), scores[kept].tolist(), strict=True)
                if score >= self._threshold
            ]
        )

    def _boxes_and_scores(self, values: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return float (n, 4) boxes and (n,) scores of what the model returned."""
        if not isinstance(values, tuple | list) or len(values) not in _SCORES_AT:
            raise self._unusable("does not return boxes, labels, scores and a size")
        boxes, scores = values[0], values[_SCORES_AT[len(values)]]
        if not (isinstance(boxes, torch.Tensor) and isinstance(scores, torch.Tensor)):
            raise self._unusable("returns something else than tensors")
        if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
            raise self._unusable(
                f"returns boxes of shape {tuple(boxes.shape)} with scores of {tuple(scores.shape)}"
            )
        if not (bool(boxes.isfinite().all()) and bool(scores.isfinite().all())):
            raise self._unusable("returns boxes or scores that are no numbers")
        return boxes.float(), scores.float()

    def _unusable(self, finding: str) -> WtoursError:
        return WtoursError(
            f"{self._path} {finding}",
            remedy="name a model with the interface of EgoBlur's first generation: one (3, H, W) "
            "picture in; boxes (n, 4), labels, scores (n,) and a size out",
        )


@contextmanager
def _repeatable() -> Iterator[None]:
    """One thread, no gradients, and no compiling on the way, which changes the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), cast(Any, torch.jit).optimized_execution(False):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _deprecation_known() -> Iterator[None]:
    """Leave unsaid that torch wants models in a newer form: EgoBlur's are published in this one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit", category=FutureWarning)
        yield


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[-1] if lines else type(fault).__name__
