"""Detectors of torchvision, by the names under which it lists them; COCO's classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import detection

from analysis.detectors.detector import Detections
from analysis.detectors.detic.checkpoint import read_state
from analysis.detectors.detic.model import Precision
from analysis.detectors.detic.picture import check_pictures
from analysis.detectors.names import told_apart
from analysis.detectors.network import (
    NetworkPlace,
    compile_network,
    detections_of,
    first_line,
    state_sha256,
)
from wtours import WtoursError


class TorchvisionDetector:
    """A detection model of torchvision as an `ObjectDetector`.

    Args:
        network: gives boxes, labels and scores of each picture; on its device, for inference.
        names: of its labels in order, the background's as well.
        model: its name in torchvision.
        threshold: least score of a box.
        place: device and precision.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        *,
        model: str,
        threshold: float,
        place: NetworkPlace,
    ) -> None:
        self.names = told_apart(names)
        self._network, self._place = network, place
        self._model, self._threshold = model, threshold
        self._weights_sha256 = state_sha256(network)
        _lower_threshold(network, threshold)

    def describe(self) -> dict[str, Any]:
        """What a record needs to know of where boxes come from."""
        return {
            "detector": "torchvision",
            "weights_sha256": self._weights_sha256,
            "settings": {
                "model": self._model,
                "classes": len(self.names),
                "threshold": self._threshold,
                "dtype": self._place.dtype,
                "torchvision": torchvision.__version__,
            },
        }

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size.

        Raises:
            WtoursError: a picture of another type, shape or size.
        """
        return self.detect_prepared(self.prepare(images))

    def prepare(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return (B, 3, H, W) uint8 on the CPU. May run in a thread beside the network."""
        check_pictures(images)
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()

    def detect_prepared(self, pictures: Tensor) -> list[Detections]:
        """Find the objects of prepared pictures; boxes are in pixels of the originals."""
        size = pictures.shape[-2], pictures.shape[-1]
        with self._place.computing():
            values = pictures.to(self._place.device).float() / 255
            outputs = self._network(list(values))
        return detections_of(
            [(one["boxes"], one["scores"], one["labels"]) for one in outputs],
            size=size,
            threshold=self._threshold,
        )


def open_torchvision(
    model: str,
    *,
    weights: Path | None = None,
    names: Sequence[str] | None = None,
    threshold: float = 0.3,
    device: str | None = None,
    dtype: Precision = "float32",
    compile: bool = False,  # noqa: A002 - the word of torch
) -> TorchvisionDetector:
    """Open a detection model of torchvision.

    Args:
        model: its name, such as `fasterrcnn_resnet50_fpn_v2`.
        weights: a file with its state dict; None: torchvision's best, which it downloads once.
        names: of its labels in order, from 0, the background; None: COCO's, as the weights list
            them.
        threshold: least score of a box.
        device: see `choose_device`.
        dtype: of the large layers.
        compile: let torch compile the backbone.

    Raises:
        WtoursError: an unknown model, weights that cannot be had or are another model's, names of
            another number, no such device.
    """
    listed = torchvision.models.list_models(module=detection)
    if model not in listed:
        raise WtoursError(
            f"torchvision has no detector {model!r}", remedy=f"choose of {', '.join(listed)}"
        )
    place = NetworkPlace.chosen(device, dtype)
    published = torchvision.models.get_model_weights(model).DEFAULT
    classes = list(published.meta["categories"])
    if names is not None and weights is None and len(names) != len(classes):
        raise WtoursError(
            f"{model} has {len(classes)} labels with the background, but there are "
            f"{len(names)} names",
            remedy="leave the names out: those of its weights are known",
        )
    given = list(names) if names is not None else classes
    network = torchvision.models.get_model(
        model, weights=None, weights_backbone=None, num_classes=len(given)
    )
    _load(
        network,
        _downloaded(model, published) if weights is None else read_state(weights),
        source=str(weights or model),
    )
    detector = TorchvisionDetector(
        place.settle(network), given, model=model, threshold=threshold, place=place
    )
    if compile:
        compile_network(network.backbone, place.device)
    return detector


def _downloaded(model: str, published: Any) -> dict[str, Tensor]:
    """Return torchvision's weights, from its cache where they were had before."""
    try:
        state: dict[str, Tensor] = published.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WtoursError(
            f"the weights of {model} cannot be had from {published.url} ({first_line(error)})",
            remedy="check the connection, or download them elsewhere and name the file with "
            "--weights",
        ) from error
    return state


def _load(network: nn.Module, state: dict[str, Tensor], *, source: str) -> None:
    wanted = network.state_dict()
    amiss = sorted(wanted.keys() ^ state.keys()) or sorted(
        key for key, value in wanted.items() if state[key].shape != value.shape
    )
    if amiss:
        raise WtoursError(
            f"{source} holds weights of another model or of other classes: {len(amiss)} keys are "
            f"missing, surplus or of another shape ({', '.join(amiss[:3])})",
            remedy="name the model that they belong to, and its classes with --names",
        )
    network.load_state_dict(state)


def _lower_threshold(network: nn.Module, threshold: float) -> None:
    """Let a model give all boxes from `threshold` on, also below its own least score."""
    parts: list[Any] = [network, getattr(network, "roi_heads", None)]
    for part in parts:
        if hasattr(part, "score_thresh"):
            part.score_thresh = min(part.score_thresh, threshold)
