"""Detectors of the YOLOX family (arXiv:2107.08430) as ONNX files, run by onnxruntime."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.detectors.detector import Detections
from analysis.detectors.detic.picture import check_pictures
from analysis.detectors.device import cores_of_process
from analysis.detectors.names import COCO_NAMES, told_apart
from analysis.detectors.onnx_model import REMEDY, OnnxLayout, layout_of, open_session
from analysis.detectors.picture_boxes import detections_within
from analysis.detectors.yolox import (
    GREY,
    NMS_IOU,
    Floats,
    Pixels,
    corners,
    decode,
    fill,
    fitting_ratio,
    grid_of,
    scale_to_fit,
    suppress,
    sure_rows,
)
from wtours import WtoursError

_MOST_AT_ONCE = 4
"""Each look holds the network's maps: of YOLOX-x at 640 px, about half a gigabyte."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPictures:
    """Pictures of one size, as a model takes them."""

    scaled: list[Pixels]
    """(h, w, 3) each, red first, as large as they fit into the input."""
    original: tuple[int, int]
    """Height and width before scaling."""


class OnnxDetector:
    """A model of the YOLOX family as an `ObjectDetector`. Made by `open_onnx`.

    Args:
        session: onnxruntime's.
        layout: of its input and output.
        names: of the classes.
        weights_sha256: of the file.
        threshold: least score of a box.
        nms_iou: overlap from which on two boxes of a class are one.
        at_once: threads that may look at the same time; see `detection_run.LooksAtOnce`.
    """

    def __init__(
        self,
        session: Any,
        layout: OnnxLayout,
        names: Sequence[str],
        *,
        weights_sha256: str,
        threshold: float,
        nms_iou: float = NMS_IOU,
        at_once: int = 1,
    ) -> None:
        assert len(names) == layout.classes
        self.names = told_apart(names)
        self.layout, self.at_once = layout, at_once
        self._session, self._weights_sha256 = session, weights_sha256
        self._threshold, self._nms_iou = threshold, nms_iou
        self._cells = grid_of(layout.height, layout.width, layout.strides)
        self._decoded = self._gives_pixels()

    def describe(self) -> dict[str, Any]:
        """What a record needs to know of where boxes come from."""
        return {
            "detector": "onnx",
            "weights_sha256": self._weights_sha256,
            "settings": {
                "family": "yolox",
                "height": self.layout.height,
                "width": self.layout.width,
                "classes": len(self.names),
                "threshold": self._threshold,
                "nms_iou": self._nms_iou,
            },
        }

    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size.

        Raises:
            WtoursError: a picture of another type, shape or size.
        """
        return self.detect_prepared(self.prepare(images))

    def prepare(self, images: Sequence[Pixels]) -> PreparedPictures:
        """Do what needs no network: check and scale. May run in a thread beside the network."""
        check_pictures(images)
        size = self.layout.height, self.layout.width
        height, width, _ = images[0].shape
        return PreparedPictures(
            scaled=[scale_to_fit(image, *size) for image in images], original=(height, width)
        )

    def detect_prepared(self, pictures: PreparedPictures) -> list[Detections]:
        """Find the objects of prepared pictures; boxes are in pixels of the originals.

        Raises:
            WtoursError: the model gives what are no numbers.
        """
        step = self.layout.batch or len(pictures.scaled)
        # One buffer for all, filled where it is used: fresh memory costs as much as scaling.
        inputs = np.full(
            (step, 3, self.layout.height, self.layout.width), GREY, dtype=self.layout.dtype
        )
        found: list[Detections] = []
        for at in range(0, len(pictures.scaled), step):
            batch = pictures.scaled[at : at + step]
            fill(inputs, batch)
            found += [
                self._found(rows, pictures.original) for rows in self.run(inputs)[: len(batch)]
            ]
        return found

    def run(self, inputs: NDArray[Any]) -> Floats:
        """Return what the bare model says, (B, N, 5 + C)."""
        (raw,) = self._session.run(None, {self.layout.input_name: inputs})
        return np.asarray(raw, dtype=np.float32)

    def _found(self, raw: Floats, original: tuple[int, int]) -> Detections:
        if not np.isfinite(raw).all():
            raise WtoursError("the model gives values that are no numbers", remedy=REMEDY)
        rows, scores, classes = sure_rows(raw, self._threshold)
        places = raw[rows, :4]
        boxes = corners(places if self._decoded else decode(places, self._cells[rows]))
        kept = suppress(boxes, scores, classes, iou=self._nms_iou)
        ratio = fitting_ratio(original, (self.layout.height, self.layout.width))
        return detections_within(
            boxes[kept] / ratio,
            scores[kept],
            classes[kept],
            size=original,
            threshold=self._threshold,
        )

    def _gives_pixels(self) -> bool:
        """Return whether boxes come decoded, as models that were exported so give them.

        Told from the centres of all cells for a grey picture: undecoded ones are fractions of a
        stride, decoded ones lie all over the picture.

        Raises:
            WtoursError: the model cannot be run, or its scores are none.
        """
        layout = self.layout
        shape = (layout.batch or 1, 3, layout.height, layout.width)
        try:
            raw = self.run(np.full(shape, GREY, dtype=layout.dtype))
        except Exception as error:  # onnxruntime has an exception for each of its states
            raise WtoursError(
                f"the model cannot be run ({str(error).splitlines()[0]})", remedy=REMEDY
            ) from error
        if raw.shape[1:] != (len(self._cells), 5 + layout.classes):
            raise WtoursError(
                f"the model gives {'x'.join(map(str, raw.shape[1:]))} values instead of "
                f"{len(self._cells)}x{5 + layout.classes}",
                remedy=REMEDY,
            )
        scores = raw[..., 4:]
        if not np.isfinite(raw).all() or scores.min() < 0 or scores.max() > 1:
            raise WtoursError(
                "the model gives scores that are not between 0 and 1, so it is no YOLOX detector",
                remedy=REMEDY,
            )
        return bool(np.ptp(raw[0, :, 0]) > layout.width / 2)


def open_onnx(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    threshold: float = 0.3,
    nms_iou: float = NMS_IOU,
    device: str | None = None,
    cores: int | None = None,
) -> OnnxDetector:
    """Open an ONNX file of the YOLOX family.

    On the CPU several pictures are looked at at once, each by few threads: threads that share one
    picture wait for each other at every layer.

    Args:
        path: the file.
        names: of its classes in order; None: COCO's 80.
        threshold: least score of a box.
        nms_iou: overlap from which on two boxes of a class are one.
        device: "cpu", "cuda", "cuda:1"; None: a GPU where onnxruntime has one.
        cores: of the CPU that it may use; None: those of this process.

    Raises:
        WtoursError: no file, no model, one of another kind, names of another number, no GPU.
    """
    cores = cores or cores_of_process()
    at_once = min(cores, _MOST_AT_ONCE)
    session = open_session(path, device=device, threads=cores // at_once)
    on_cpu = session.get_providers()[0] == "CPUExecutionProvider"
    try:
        layout = layout_of(session.get_inputs(), session.get_outputs())
        given = tuple(names) if names is not None else COCO_NAMES
        if len(given) != layout.classes:
            whose = "COCO has" if names is None else "there are"
            raise WtoursError(
                f"the model knows {layout.classes} classes, but {whose} {len(given)} names",
                remedy="give the names of its classes, one a line, with --names FILE",
            )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return OnnxDetector(
            session,
            layout,
            given,
            weights_sha256=sha256,
            threshold=threshold,
            nms_iou=nms_iou,
            at_once=at_once if on_cpu else 1,
        )
    except WtoursError as fault:
        raise WtoursError(f"{path}: {fault.message}", remedy=fault.remedy) from None
