"""Detectors of detectron2, where a user has it: it is on no package index, and not needed here.

Interfaces as in detectron2's `engine/defaults.py` and `model_zoo/model_zoo.py` (Apache-2.0).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.detectors.detector import Detections
from analysis.detectors.detic.picture import check_pictures
from analysis.detectors.device import choose_device
from analysis.detectors.names import told_apart
from analysis.detectors.network import first_line, state_sha256
from analysis.detectors.picture_boxes import detections_within
from wtours import WtoursError


class Detectron2Detector:
    """A model of detectron2 as an `ObjectDetector`, a picture at a time.

    Args:
        predictor: detectron2's DefaultPredictor, which takes a picture with blue first.
        names: of the classes.
        config: as the user named it.
        threshold: least score of a box.
    """

    def __init__(
        self, predictor: Any, names: Sequence[str], *, config: str, threshold: float
    ) -> None:
        self.names = told_apart(names)
        self._predictor, self._config, self._threshold = predictor, config, threshold
        self._weights_sha256 = state_sha256(predictor.model)

    def describe(self) -> dict[str, Any]:
        """What a record needs to know of where boxes come from."""
        return {
            "detector": "detectron2",
            "weights_sha256": self._weights_sha256,
            "settings": {
                "config": self._config,
                "classes": len(self.names),
                "threshold": self._threshold,
            },
        }

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size.

        Raises:
            WtoursError: a picture of another type, shape or size.
        """
        check_pictures(images)
        return [self._detect(image) for image in images]

    def _detect(self, image: NDArray[np.uint8]) -> Detections:
        found = self._predictor(np.ascontiguousarray(image[..., ::-1]))["instances"].to("cpu")
        return detections_within(
            found.pred_boxes.tensor.numpy(),
            found.scores.numpy(),
            found.pred_classes.numpy(),
            size=(image.shape[0], image.shape[1]),
            threshold=self._threshold,
        )


def open_detectron2(
    config: str,
    *,
    weights: Path | None = None,
    names: Sequence[str] | None = None,
    threshold: float = 0.3,
    device: str | None = None,
) -> Detectron2Detector:
    """Open a model of detectron2.

    Args:
        config: a YAML file, or a path of its model zoo, whose weights it then downloads.
        weights: a file; None: as the configuration says.
        names: of the classes in order; None: those of the data set that it names.
        threshold: least score of a box.
        device: see `choose_device`.

    Raises:
        WtoursError: detectron2 is not installed, the configuration is none, or names are missing
            or of another number.
    """
    try:
        from detectron2 import model_zoo
        from detectron2.config import get_cfg
        from detectron2.data import MetadataCatalog
        from detectron2.engine import DefaultPredictor
    except ImportError as error:
        raise WtoursError(
            f"detectron2:{config} needs detectron2, which is not installed",
            remedy="install it as its own pages say, or choose another --detector: "
            "detic needs no detectron2",
        ) from error
    try:
        if Path(config).is_file():
            settings = get_cfg()
            settings.merge_from_file(config)
        else:
            settings = model_zoo.get_config(config, trained=weights is None)
        if weights is not None:
            settings.MODEL.WEIGHTS = str(weights)
        settings.MODEL.DEVICE = choose_device(device)
        settings.MODEL.ROI_HEADS.SCORE_THRESH_TEST = threshold
        settings.MODEL.RETINANET.SCORE_THRESH_TEST = threshold
        predictor = DefaultPredictor(settings)
    except (OSError, RuntimeError, KeyError, AssertionError) as error:
        raise WtoursError(
            f"detectron2:{config} cannot be opened ({first_line(error)})",
            remedy="name a YAML file, or a path of the model zoo such as "
            "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
        ) from error
    classes = int(settings.MODEL.ROI_HEADS.NUM_CLASSES)
    if names is None and len(settings.DATASETS.TEST):
        names = getattr(MetadataCatalog.get(settings.DATASETS.TEST[0]), "thing_classes", None)
    if names is None or len(names) != classes:
        raise WtoursError(
            f"detectron2:{config} knows {classes} classes, but "
            f"{0 if names is None else len(names)} names",
            remedy="give the names of its classes, one a line, with --names FILE",
        )
    return Detectron2Detector(predictor, names, config=config, threshold=threshold)
