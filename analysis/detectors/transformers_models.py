"""Object detectors of the library transformers: those with fixed classes, and zero-shot ones.

transformers is no dependency of this package: whoever wants these models installs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.detectors.detector import Detections
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

_GROUNDED = ("grounding-dino", "mm-grounding-dino")
"""Models that read all names as one text and score its tokens."""
_INSTALL = "install it with `pip install transformers`, or choose another --detector"


class TransformersDetector:
    """A detector of transformers as an `ObjectDetector`. Made by `open_transformers`.

    Args:
        network: on its device, for inference.
        processor: makes its inputs of pictures, and boxes of its outputs.
        names: of the classes; the texts to look for, where the model is a zero-shot one.
        zero_shot: whether it is.
        model: as the user named it.
        threshold: least score of a box.
        place: device and precision.
    """

    def __init__(
        self,
        network: Any,
        processor: Any,
        names: Sequence[str],
        *,
        zero_shot: bool,
        model: str,
        threshold: float,
        place: NetworkPlace,
    ) -> None:
        self.names = told_apart(names)
        self._network, self._processor, self._place = network, processor, place
        self._texts, self._zero_shot = list(names), zero_shot
        self._model, self._threshold = model, threshold
        self._weights_sha256 = state_sha256(network)
        self._grounded = self.family in _GROUNDED
        self._spans = (
            name_tokens(processor.tokenizer, self._texts, model) if self._grounded else None
        )

    @property
    def family(self) -> str:
        """Kind of model, in the words of transformers."""
        return str(self._network.config.model_type)

    def describe(self) -> dict[str, Any]:
        """What a record needs to know of where boxes come from."""
        import transformers

        return {
            "detector": "hf",
            "weights_sha256": self._weights_sha256,
            "settings": {
                "model": self._model,
                "family": self.family,
                "names": self._texts if self._zero_shot else None,
                "classes": len(self.names),
                "threshold": self._threshold,
                "dtype": self._place.dtype,
                "transformers": transformers.__version__,
            },
        }

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size.

        Raises:
            WtoursError: a picture of another type, shape or size.
        """
        return self.detect_prepared(self.prepare(images))

    def prepare(
        self, images: Sequence[NDArray[np.uint8]]
    ) -> tuple[Mapping[str, Tensor], tuple[int, int]]:
        """Return the network's inputs on the CPU, and height and width of the pictures.

        May run in a thread beside the network.
        """
        check_pictures(images)
        size = images[0].shape[0], images[0].shape[1]
        pictures = list(images)
        if not self._zero_shot:
            return self._processor(images=pictures, return_tensors="pt"), size
        texts: Any = [self._texts] * len(pictures)
        if self._grounded:
            texts = [_sentence(self._texts)] * len(pictures)
        inputs = self._processor(images=pictures, text=texts, return_tensors="pt")
        return inputs, size

    def detect_prepared(
        self, pictures: tuple[Mapping[str, Tensor], tuple[int, int]]
    ) -> list[Detections]:
        """Find the objects of prepared pictures; boxes are in pixels of the originals."""
        inputs, size = pictures
        with self._place.computing():
            outputs = self._network(
                **{name: _moved(value, self._place.device) for name, value in inputs.items()}
            )
            found = self._found(outputs, size, len(inputs["pixel_values"]))
        return detections_of(found, size=size, threshold=self._threshold)

    def _found(
        self, outputs: Any, size: tuple[int, int], count: int
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return boxes, scores and classes of each picture."""
        if self._spans is not None:
            return _grounded(outputs, self._spans, size)
        asked = {"threshold": self._threshold, "target_sizes": [size] * count}
        if self._zero_shot:
            results = self._processor.post_process_grounded_object_detection(outputs, **asked)
        else:
            results = self._processor.post_process_object_detection(outputs, **asked)
        return [(one["boxes"], one["scores"], one["labels"]) for one in results]


def open_transformers(
    model: str,
    *,
    names: Sequence[str] | None = None,
    threshold: float = 0.3,
    device: str | None = None,
    dtype: Precision = "float32",
    compile: bool = False,  # noqa: A002 - the word of torch
) -> TransformersDetector:
    """Open a detector that transformers can load.

    Args:
        model: a folder, or ORG/NAME, which transformers downloads once.
        names: texts to look for; only for zero-shot models, which need them.
        threshold: least score of a box.
        device: see `choose_device`.
        dtype: of the large layers.
        compile: let torch compile the network.

    Raises:
        WtoursError: transformers is not installed, the model cannot be had, is no detector, or
            names are missing or too many.
    """
    try:
        import transformers
    except ImportError as error:
        raise WtoursError(
            f"hf:{model} needs the library transformers, which is not installed", remedy=_INSTALL
        ) from error
    place = NetworkPlace.chosen(device, dtype)
    try:
        config = transformers.AutoConfig.from_pretrained(model)
        zero_shot = type(config) in transformers.MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING
        if not zero_shot and type(config) not in transformers.MODEL_FOR_OBJECT_DETECTION_MAPPING:
            raise WtoursError(
                f"hf:{model} is a {config.model_type}, which detects no objects",
                remedy="name an object detector, such as hf:google/owlv2-base-patch16-ensemble "
                "(with --names) or hf:facebook/detr-resnet-50",
            )
        if zero_shot:
            network = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(model)
            processor = transformers.AutoProcessor.from_pretrained(model)
        else:
            network = transformers.AutoModelForObjectDetection.from_pretrained(model)
            processor = transformers.AutoImageProcessor.from_pretrained(model)
    except (OSError, ValueError, ImportError) as error:
        raise WtoursError(
            f"hf:{model} cannot be loaded ({first_line(error)})",
            remedy="check the name and the connection, or give a folder that holds the model",
        ) from error
    known = _names_for(model, names, config, zero_shot=zero_shot)
    detector = TransformersDetector(
        place.settle(network),
        processor,
        known,
        zero_shot=zero_shot,
        model=model,
        threshold=threshold,
        place=place,
    )
    if compile:
        compile_network(network, place.device)
    return detector


def _names_for(
    model: str, names: Sequence[str] | None, config: Any, *, zero_shot: bool
) -> list[str]:
    if zero_shot:
        if not names:
            raise WtoursError(
                f"hf:{model} finds what it is told, and was told nothing",
                remedy="give the names to look for, one a line, with --names FILE",
            )
        return list(names)
    known = [str(config.id2label[number]) for number in range(len(config.id2label))]
    if names is not None and len(names) != len(known):
        raise WtoursError(
            f"hf:{model} knows {len(known)} classes, but there are {len(names)} names",
            remedy="leave the names out: the model has its own",
        )
    return list(names) if names is not None else known


def _moved(value: Any, device: str) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _sentence(texts: Sequence[str]) -> str:
    """Return names as such models were trained to read them: "a cat. a dog."."""
    return ". ".join(_plain(text) for text in texts) + "."


def _plain(text: str) -> str:
    return text.strip().lower().replace(".", " ")


def name_tokens(tokenizer: Any, texts: Sequence[str], model: str) -> Tensor:
    """Return (C, L) bool: which tokens of the sentence belong to which name.

    Raises:
        WtoursError: the names do not fit the model's text.
    """
    sentence = _sentence(texts)
    places = tokenizer(sentence, return_offsets_mapping=True)["offset_mapping"]
    longest = min(int(tokenizer.model_max_length), 256)
    if len(places) > longest:
        raise WtoursError(
            f"hf:{model} reads {longest} tokens, but the {len(texts)} names have {len(places)}",
            remedy="give fewer names",
        )
    spans, start = torch.zeros(len(texts), len(places), dtype=torch.bool), 0
    for number, text in enumerate(texts):
        end = start + len(_plain(text))
        for token, (first, last) in enumerate(places):
            spans[number, token] = first < last and first >= start and last <= end
        start = end + 2  # a full stop and a space
    return spans


def _grounded(
    outputs: Any, spans: Tensor, size: tuple[int, int]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return boxes by the name that holds the token which each resembles most.

    The score is that token's, as in the models' own inference, which gives phrases: classes, which
    can be counted, need a name each.
    """
    height, width = size
    tokens = outputs.logits.float().sigmoid()[..., : spans.shape[1]]  # (B, Q, L)
    by_name = torch.stack(
        [tokens[..., span.to(tokens.device)].amax(dim=-1) for span in spans], dim=-1
    )
    scores, labels = by_name.max(dim=-1)
    centre, extent = outputs.pred_boxes.float().split(2, dim=-1)
    boxes = torch.cat([centre - extent / 2, centre + extent / 2], dim=-1)
    boxes = boxes * boxes.new_tensor([width, height, width, height])
    return list(zip(boxes, scores, labels, strict=True))
