"""Detectors of the YOLOX family (arXiv:2107.08430) as ONNX files, run by onnxruntime.

onnxruntime is there anyway, runs the same file on a GPU (as onnxruntime-gpu), and tells a model's
inputs and outputs before the first picture, so that another model is refused in a sentence.

Preparation and decoding are those of YOLOX's published evaluation: the picture is scaled to fit
the top left corner of the input, the rest is grey (114); blue comes first, values stay 0 to 255.
An output (1, N, 5 + C) has a row for each cell of grids of stride 8, 16, 32 (and 64): centre and
logarithm of the size in units of the stride, then how sure it is of an object and of each class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.detectors.detector import Detections
from analysis.detectors.detic.picture import check_pictures
from analysis.detectors.names import COCO_NAMES, told_apart
from analysis.detectors.picture_boxes import detections_within
from wtours import WtoursError

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

GREY = 114
"""Value of the input around a picture."""
STRIDES = (8, 16, 32, 64)
"""The first three, or all four."""
NMS_IOU = 0.65
"""Overlap from which on the less sure of two boxes of a class goes; that of YOLOX's evaluation."""
_DTYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
_LARGEST_LOG = 12.0
"""e^12 strides is larger than any picture; beyond, float32 would overflow."""
_REMEDY = (
    "export a YOLOX model with YOLOX's own tools/export_onnx.py: one input (1, 3, height, width), "
    "one output (1, boxes, 5 + classes)"
)


@dataclass(frozen=True, kw_only=True)
class OnnxLayout:
    """What goes into a model and comes out of it."""

    input_name: str
    batch: int | None
    """Pictures at a time; None: any number."""
    height: int
    width: int
    dtype: type[np.floating[Any]]
    strides: tuple[int, ...]
    classes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPictures:
    """Pictures of one size, as a model takes them."""

    inputs: NDArray[Any]
    """(B, 3, H, W), blue first, 0 to 255."""
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
    ) -> None:
        assert len(names) == layout.classes
        self.names = told_apart(names)
        self.layout = layout
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
        layout = self.layout
        inputs = np.stack([letterbox(image, layout.height, layout.width) for image in images])
        height, width, _ = images[0].shape
        return PreparedPictures(inputs=inputs.astype(layout.dtype), original=(height, width))

    def detect_prepared(self, pictures: PreparedPictures) -> list[Detections]:
        """Find the objects of prepared pictures; boxes are in pixels of the originals.

        Raises:
            WtoursError: the model gives what are no numbers.
        """
        inputs, step = pictures.inputs, self.layout.batch or len(pictures.inputs)
        found: list[Detections] = []
        for at in range(0, len(inputs), step):
            batch = inputs[at : at + step]
            surplus = [batch[-1:]] * (step - len(batch))  # a fixed batch is filled up
            raw = self.run(np.concatenate([batch, *surplus]) if surplus else batch)
            found += [self._found(rows, pictures.original) for rows in raw[: len(batch)]]
        return found

    def run(self, inputs: NDArray[Any]) -> Floats:
        """Return what the bare model says, (B, N, 5 + C)."""
        (raw,) = self._session.run(None, {self.layout.input_name: inputs})
        return np.asarray(raw, dtype=np.float32)

    def _found(self, raw: Floats, original: tuple[int, int]) -> Detections:
        if not np.isfinite(raw).all():
            raise WtoursError("the model gives values that are no numbers", remedy=_REMEDY)
        raw_kept = np.flatnonzero(raw[:, 4] >= self._threshold)  # no class makes it surer
        rows = raw[raw_kept]
        classes = rows[:, 5:].argmax(axis=1)
        scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + classes]
        sure = scores >= self._threshold
        rows, classes, scores, cells = rows[sure], classes[sure], scores[sure], raw_kept[sure]
        boxes = corners(rows[:, :4] if self._decoded else decode(rows[:, :4], self._cells[cells]))
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
                f"the model cannot be run ({str(error).splitlines()[0]})", remedy=_REMEDY
            ) from error
        if raw.shape[1:] != (len(self._cells), 5 + layout.classes):
            raise WtoursError(
                f"the model gives {'x'.join(map(str, raw.shape[1:]))} values instead of "
                f"{len(self._cells)}x{5 + layout.classes}",
                remedy=_REMEDY,
            )
        scores = raw[..., 4:]
        if not np.isfinite(raw).all() or scores.min() < 0 or scores.max() > 1:
            raise WtoursError(
                "the model gives scores that are not between 0 and 1, so it is no YOLOX detector",
                remedy=_REMEDY,
            )
        return bool(np.ptp(raw[0, :, 0]) > layout.width / 2)


def open_onnx(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    threshold: float = 0.3,
    nms_iou: float = NMS_IOU,
    device: str | None = None,
    threads: int = 0,
) -> OnnxDetector:
    """Open an ONNX file of the YOLOX family.

    Args:
        path: the file.
        names: of its classes in order; None: COCO's 80.
        threshold: least score of a box.
        nms_iou: overlap from which on two boxes of a class are one.
        device: "cpu", "cuda", "cuda:1"; None: a GPU where onnxruntime has one.
        threads: of the CPU; 0: as many as there are cores.

    Raises:
        WtoursError: no file, no model, one of another kind, names of another number, no GPU.
    """
    import hashlib

    import onnxruntime

    if not path.is_file():
        raise WtoursError(f"{path} is not a file", remedy="check the path of the model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # what is wrong comes as an exception
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=_providers(device, onnxruntime.get_available_providers())
        )
    except WtoursError:
        raise
    except Exception as error:  # onnxruntime has an exception for each of its states
        raise WtoursError(
            f"{path} is no ONNX model ({str(error).splitlines()[0]})", remedy=_REMEDY
        ) from error
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
            session, layout, given, weights_sha256=sha256, threshold=threshold, nms_iou=nms_iou
        )
    except WtoursError as fault:
        raise WtoursError(f"{path}: {fault.message}", remedy=fault.remedy) from None


def layout_of(inputs: Sequence[Any], outputs: Sequence[Any]) -> OnnxLayout:
    """Return the layout of a model from onnxruntime's descriptions of its inputs and outputs.

    Raises:
        WtoursError: they are not those of a YOLOX model.
    """
    shapes = [[tuple(one.shape) for one in side] for side in (inputs, outputs)]
    told = f"the model takes {shapes[0]} and gives {shapes[1]}"
    if len(inputs) != 1 or len(outputs) != 1 or [len(side[0]) for side in shapes] != [4, 3]:
        raise WtoursError(f"{told}, so it is no YOLOX detector", remedy=_REMEDY)
    (batch, channels, height, width), (_, boxes, values) = shapes[0][0], shapes[1][0]
    if not all(isinstance(size, int) and size > 0 for size in (height, width, values)):
        raise WtoursError(f"{told}: sizes that are not fixed", remedy=_REMEDY)
    dtype = _DTYPES.get(inputs[0].type)
    if channels != 3 or values < 6 or dtype is None:
        raise WtoursError(f"{told}, so it is no YOLOX detector", remedy=_REMEDY)
    for strides in (STRIDES[:3], STRIDES):
        if not isinstance(boxes, int) or boxes == len(grid_of(height, width, strides)):
            return OnnxLayout(
                input_name=inputs[0].name,
                batch=batch if isinstance(batch, int) and batch > 0 else None,
                height=height,
                width=width,
                dtype=dtype,
                strides=strides,
                classes=values - 5,
            )
    raise WtoursError(
        f"{told}: an input of {width}x{height} px has {len(grid_of(height, width, STRIDES[:3]))} "
        f"cells of stride 8, 16 and 32, not {boxes}",
        remedy=_REMEDY,
    )


def letterbox(image: Pixels, height: int, width: int) -> Floats:
    """Return a picture (h, w, 3), red first, as the input (3, height, width), blue first."""
    import cv2

    ratio = fitting_ratio(image.shape[:2], (height, width))
    size = max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    canvas = np.full((3, height, width), GREY, dtype=np.float32)
    canvas[:, : size[1], : size[0]] = scaled[..., ::-1].transpose(2, 0, 1)
    return canvas


def fitting_ratio(size: Sequence[int], into: tuple[int, int]) -> float:
    """Return by how much a picture of (height, width) is scaled to fit into another."""
    return min(into[0] / size[0], into[1] / size[1])


def grid_of(height: int, width: int, strides: Sequence[int]) -> Floats:
    """Return (N, 3): column, row and stride of each cell, in the order of the model's output."""
    parts = []
    for stride in strides:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        parts.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def decode(raw: Floats, cells: Floats) -> Floats:
    """Return centre and size in pixels of the input, (n, 4), from the outputs of these cells."""
    stride = cells[:, 2:]
    centre = (raw[:, :2] + cells[:, :2]) * stride
    size = np.exp(np.minimum(raw[:, 2:4], _LARGEST_LOG)) * stride
    return np.concatenate([centre, size], axis=1)


def corners(boxes: Floats) -> Floats:
    """Return x0 y0 x1 y1 of boxes given by centre and size, (n, 4)."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def suppress(
    boxes: Floats, scores: Floats, classes: NDArray[np.int64], *, iou: float
) -> NDArray[np.int64]:
    """Return which boxes stay, the surest first: of a class, none overlaps a surer one too far."""
    order = np.argsort(-scores, kind="stable")
    areas = np.prod((boxes[:, 2:] - boxes[:, :2]).clip(0), axis=1)
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[order, :2], boxes[first, :2])
        high = np.minimum(boxes[order, 2:], boxes[first, 2:])
        shared = np.prod((high - low).clip(0), axis=1)
        union = (areas[order] + areas[first] - shared).clip(np.finfo(np.float32).tiny)
        order = order[(shared / union <= iou) | (classes[order] != classes[first])]
    return np.array(kept, dtype=np.int64)


def _providers(device: str | None, available: Sequence[str]) -> list[Any]:
    """Return where onnxruntime computes."""
    cuda = "CUDAExecutionProvider" in available
    if device in (None, "cpu") and not (device is None and cuda):
        return ["CPUExecutionProvider"]
    from analysis.detectors.device import choose_device

    place = choose_device(device)
    if place.startswith("cuda") and cuda:
        number = int(place.partition(":")[2] or 0)
        return [("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]
    if place == "cpu":
        return ["CPUExecutionProvider"]
    raise WtoursError(
        f"onnxruntime cannot compute on {device} here",
        remedy="install onnxruntime-gpu in place of onnxruntime, or leave --device out",
    )
