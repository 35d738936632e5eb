"""All parts together: pictures in, labelled boxes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.detectors.detector import Detections
from analysis.detectors.detic.backbones.resnet import ResNetBackbone, ResNetSizes
from analysis.detectors.detic.backbones.swin import SwinBackbone, SwinSizes
from analysis.detectors.detic.cascade import Cascade, pool_regions
from analysis.detectors.detic.masks import MASK_POOLED, paste_mask
from analysis.detectors.detic.picture import (
    PictureSize,
    boxes_in_original,
    check_pictures,
    normalise,
    resize,
)
from analysis.detectors.detic.proposals import ProposalGenerator, ProposalRule, Proposals, propose
from analysis.detectors.detic.pyramid import FeaturePyramid
from analysis.detectors.detic.selection import Found, SelectionRule, select
from analysis.detectors.detic.vocabulary import Vocabulary

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, kw_only=True)
class DeticSizes:
    """Sizes of the whole network; the defaults are the official ones."""

    backbone: SwinSizes | ResNetSizes = field(default_factory=SwinSizes)
    """Which backbone, and how large."""
    width: int = 256
    """Channels of the pyramid."""
    width_box: int = 1024
    """Features of a region."""
    width_embedding: int = 512
    """Length of a text embedding; of CLIP ViT-B/32."""
    width_mask: int = 256
    """Channels of the mask head."""


class DeticModel(nn.Module):
    """The network, its parts under the published names."""

    def __init__(self, sizes: DeticSizes) -> None:
        super().__init__()
        self.sizes = sizes
        bottom_up: nn.Module
        if isinstance(sizes.backbone, SwinSizes):
            bottom_up = SwinBackbone(sizes.backbone)
        else:
            bottom_up = ResNetBackbone(sizes.backbone)
        self.backbone = FeaturePyramid(bottom_up, sizes.backbone.out_widths, width=sizes.width)
        self.proposal_generator = ProposalGenerator(width=sizes.width)
        self.roi_heads = Cascade(
            width=sizes.width,
            width_box=sizes.width_box,
            width_embedding=sizes.width_embedding,
            width_mask=sizes.width_mask,
        )

    def see(self, image: Tensor) -> tuple[list[Tensor], list[Proposals]]:
        """Return p3, p4, p5 in float32, and the proposals of each picture.

        Under autocast the maps are computed in half precision; boxes never are.
        """
        levels = self.backbone(image)
        maps = self.proposal_generator(levels)
        rule = ProposalRule()
        proposals = [propose(maps, picture, rule) for picture in range(len(image))]
        return [level.float() for level in levels[:3]], proposals

    def find(
        self,
        levels: Sequence[Tensor],
        proposals: Sequence[Proposals],
        classifier: Tensor,
        size: tuple[int, int],
        rule: SelectionRule,
    ) -> list[Found]:
        """Return what is found in each picture; `size` is without the padding."""
        boxes, probabilities = self.roi_heads(
            levels, [proposal.boxes for proposal in proposals], classifier, size
        )
        return [
            select(boxes[i], probabilities[i], proposal.scores, rule)
            for i, proposal in enumerate(proposals)
        ]

    def outline(self, levels: Sequence[Tensor], found: Sequence[Found]) -> list[Tensor]:
        """Return masks (n, 28, 28) in (0, 1) of the found boxes of each picture."""
        masks = []
        for number, picture in enumerate(found):
            which = torch.full_like(picture.classes, number)
            pooled = pool_regions(levels, picture.boxes, which, side=MASK_POOLED)
            masks.append(self.roi_heads.mask_head(pooled))
        return masks


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPictures:
    """Pictures of one size, scaled for the network."""

    scaled: Tensor
    """(B, H, W, 3) uint8, on the CPU."""
    original: tuple[int, int]
    """Height and width before scaling."""


class DeticDetector:
    """Detic as an `ObjectDetector`. Made by `loading.load_detic`.

    Args:
        model: on its device, for inference.
        classifier: (E, C) on the same device.
        vocabulary: C names.
        weights_sha256: of the checkpoint's file.
        size: to which pictures are scaled.
        rule: what is kept; its threshold is low, so that statistics can be made at higher ones
            without the detector.
        precision: of the backbone, pyramid and heads; boxes and classes are always float32.
            What float32 means in convolutions on a GPU is torch's setting (TF32 by default).
    """

    def __init__(
        self,
        model: DeticModel,
        classifier: Tensor,
        vocabulary: Vocabulary,
        *,
        weights_sha256: str,
        size: PictureSize,
        rule: SelectionRule,
        precision: Precision,
    ) -> None:
        assert classifier.shape[1] == len(vocabulary.names)
        self.model, self.classifier = model, classifier
        self.size, self.rule, self.precision = size, rule, precision
        self.names: Sequence[str] = vocabulary.labels
        self._vocabulary_sha256 = vocabulary.sha256
        self._weights_sha256 = weights_sha256

    def describe(self) -> dict[str, Any]:
        """What a record needs to know of where boxes come from."""
        swin = isinstance(self.model.sizes.backbone, SwinSizes)
        return {
            "detector": "detic",
            "weights_sha256": self._weights_sha256,
            "settings": {
                "backbone": "swin" if swin else "resnet",
                "vocabulary_sha256": self._vocabulary_sha256,
                "classes": len(self.names),
                "threshold": self.rule.threshold,
                "one_class_per_proposal": self.rule.one_class_per_proposal,
                "short_px": self.size.short_px,
                "long_px": self.size.long_px,
                "dtype": self.precision,
            },
        }

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size.

        Raises:
            WtoursError: a picture of another type, shape or size.
        """
        return self.detect_prepared(self.prepare(images)) if len(images) else []

    def detect_with_masks(
        self, images: Sequence[NDArray[np.uint8]]
    ) -> list[tuple[Detections, list[NDArray[np.bool_]]]]:
        """Like `detect`, and for each box which pixels (H, W) of the picture are the object."""
        return self._run(self.prepare(images), outlined=True)

    def prepare(self, images: Sequence[NDArray[np.uint8]]) -> PreparedPictures:
        """Do what needs no network: check and scale. May run in a thread beside the network.

        Raises:
            WtoursError: no picture, or one of another type, shape or size.
        """
        check_pictures(images)
        height, width, _ = images[0].shape
        size = self.size.scaled(height, width)
        scaled = torch.from_numpy(np.stack([resize(image, *size) for image in images]))
        return PreparedPictures(scaled=scaled, original=(height, width))

    def detect_prepared(self, pictures: PreparedPictures) -> list[Detections]:
        """Find the objects of prepared pictures; boxes are in pixels of the originals."""
        return [detections for detections, _ in self._run(pictures, outlined=False)]

    @torch.inference_mode()
    def _run(
        self, pictures: PreparedPictures, *, outlined: bool
    ) -> list[tuple[Detections, list[NDArray[np.bool_]]]]:
        _, height, width, _ = pictures.scaled.shape
        size = height, width
        device, dtype = self.classifier.device, PRECISIONS[self.precision]
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            levels, proposals = self.model.see(normalise(pictures.scaled.to(device)))
            found = self.model.find(levels, proposals, self.classifier, size, self.rule)
            masks = self.model.outline(levels, found) if outlined else [None] * len(found)
        return [
            _in_original(picture, mask, size, pictures.original)
            for picture, mask in zip(found, masks, strict=True)
        ]


def _in_original(
    found: Found, masks: Tensor | None, size: tuple[int, int], original: tuple[int, int]
) -> tuple[Detections, list[NDArray[np.bool_]]]:
    """Return boxes and masks in pixels of the original picture, without empty boxes."""
    moved, kept = boxes_in_original(found.boxes, size, original)
    boxes = moved[kept].cpu().numpy()
    detections = Detections(
        boxes=boxes,
        scores=found.scores[kept].cpu().numpy(),
        classes=found.classes[kept].cpu().numpy(),
    )
    if masks is None:
        return detections, []
    return detections, [
        paste_mask(mask, box, *original) for mask, box in zip(masks[kept].cpu(), boxes, strict=True)
    ]
