"""A checkpoint of Detic to a detector: read without running code from it, checked key by key."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from analysis.detectors.detic.backbones.resnet import ResNetSizes
from analysis.detectors.detic.backbones.swin import SwinSizes
from analysis.detectors.detic.checkpoint import REMEDY, read_state
from analysis.detectors.detic.classifier import classifier_of
from analysis.detectors.detic.model import (
    PRECISIONS,
    DeticDetector,
    DeticModel,
    DeticSizes,
    Precision,
)
from analysis.detectors.detic.picture import PictureSize
from analysis.detectors.detic.selection import SelectionRule
from analysis.detectors.detic.vocabulary import (
    LVIS_22K_CLASSES,
    LVIS_CLASSES,
    Vocabulary,
    check_order,
    names_of_checkpoint,
)
from analysis.detectors.device import choose_device
from analysis.detectors.network import compile_network
from wtours import WtoursError

_NOT_USED = re.compile(
    r"pixel_mean|pixel_std|backbone\.bottom_up\.base\.fc\.(weight|bias)"
    r"|.*\.(relative_position_index|num_batches_tracked|freq_weight|zs_weight)"
)
"""Keys that may be there: constants, the classifier of the pretraining, weights of a loss."""
_CLASSIFIER = "roi_heads.box_predictor.{}.cls_score.zs_weight"


def load_detic(
    path: Path,
    *,
    vocabulary: Vocabulary | None = None,
    threshold: float = 0.3,
    one_class_per_proposal: bool = True,
    size: PictureSize | None = None,
    device: str = "cpu",
    dtype: Precision = "float32",
    compile: bool = False,  # noqa: A002 - the word of torch
) -> DeticDetector:
    """Return a detector with the weights of a checkpoint; backbone and sizes are told from it.

    Args:
        path: `.pth` as upstream publishes them.
        vocabulary: classes to look for; None: those of the checkpoint. One without embeddings
            gives names to the classes of the checkpoint.
        threshold: least score of a box. Low, so that statistics can be made at higher ones.
        one_class_per_proposal: whether a region is only what it resembles most.
        size: to what pictures are scaled; None: 800 px, at most 1333.
        device: "cpu" or "cuda:0".
        dtype: of the large layers; boxes and class scores are always computed in float32.
        compile: let torch compile the backbone; takes a minute at the first picture of a size.

    Raises:
        WtoursError: a file that cannot be read, holds what could run code, or belongs to another
            model; a vocabulary that does not fit; a device that is not there.
    """
    if dtype not in PRECISIONS:
        raise WtoursError(
            f"{dtype} is no precision to compute in", remedy=f"choose of {', '.join(PRECISIONS)}"
        )
    rule = SelectionRule(threshold=threshold, one_class_per_proposal=one_class_per_proposal)
    place = choose_device(device)
    state = read_state(path)
    model = build_model(path, state).to(place)
    matrix, vocabulary = _classes(path, state, vocabulary)
    if matrix.shape[0] != model.sizes.width_embedding:
        raise WtoursError(
            f"the vocabulary has embeddings of length {matrix.shape[0]}, which is not that of "
            f"{path}",
            remedy="make embeddings of length 512 with the text side of CLIP ViT-B/32",
        )
    if compile:
        compile_network(model.backbone, place)
    return DeticDetector(
        model,
        matrix.to(place),
        vocabulary,
        weights_sha256=_sha256_of(path),
        size=size or PictureSize(),
        rule=rule,
        precision=dtype,
    )


def build_model(path: Path, state: Mapping[str, Tensor]) -> DeticModel:
    """Return the network with the weights of a state dict, in float32, for inference.

    Raises:
        WtoursError: keys or shapes of another model.
    """
    given = {key: value for key, value in state.items() if not _NOT_USED.fullmatch(key)}
    empty = [key for key, value in given.items() if value.numel() == 0]
    if empty:
        raise WtoursError(f"{path} is damaged: {_some(empty, 'empty')}", remedy=REMEDY)
    try:
        with torch.device("meta"):  # the values come from the file
            model = DeticModel(sizes_of(state))
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise WtoursError(f"{path} has sizes that fit no Detic ({error})", remedy=REMEDY) from error
    wanted = model.state_dict()
    missing, surplus = wanted.keys() - given.keys(), given.keys() - wanted.keys()
    if missing or surplus:
        raise WtoursError(
            f"{path} is a checkpoint of another model: {_some(missing, 'missing')}; "
            f"{_some(surplus, 'surplus')}",
            remedy=REMEDY,
        )
    misshapen = [key for key, value in wanted.items() if given[key].shape != value.shape]
    if misshapen:
        raise WtoursError(
            f"{path} is a checkpoint of another model: {_some(misshapen, 'of another shape')}",
            remedy=REMEDY,
        )
    model.load_state_dict({key: value.float() for key, value in given.items()}, assign=True)
    return model.eval().requires_grad_(False)


def sizes_of(state: Mapping[str, Tensor]) -> DeticSizes:
    """Return the sizes of the network that a state dict belongs to; the official where unclear."""

    def axis(key: str, number: int, otherwise: int) -> int:
        value = state.get(key)
        return otherwise if value is None or value.ndim <= number else value.shape[number]

    official, bottom_up = DeticSizes(), "backbone.bottom_up."
    backbone: SwinSizes | ResNetSizes
    if any(key.startswith(bottom_up + "base.") for key in state):
        r50, base = ResNetSizes(), bottom_up + "base."
        backbone = ResNetSizes(
            stem=axis(base + "conv1.weight", 0, r50.stem),
            widths=tuple(
                axis(f"{base}layer{i}.0.conv1.weight", 0, width)
                for i, width in enumerate(r50.widths, start=1)
            ),
            depths=_depths(state, base + r"layer([1-4])\.(\d+)\.", r50.depths),
        )
    else:
        swin_b, bias = SwinSizes(), "blocks.0.attn.relative_position_bias_table"
        backbone = SwinSizes(
            width=axis(bottom_up + "patch_embed.norm.weight", 0, swin_b.width),
            depths=_depths(state, bottom_up + r"layers\.([0-3])\.blocks\.(\d+)\.", swin_b.depths),
            heads=tuple(
                axis(f"{bottom_up}layers.{i}.{bias}", 1, heads)
                for i, heads in enumerate(swin_b.heads)
            ),
        )
    predictor, masks = "roi_heads.box_predictor.0.cls_score.linear.weight", "roi_heads.mask_head."
    return DeticSizes(
        backbone=backbone,
        width=axis("backbone.fpn_output3.weight", 0, official.width),
        width_box=axis("roi_heads.box_head.0.fc1.weight", 0, official.width_box),
        width_embedding=axis(predictor, 0, official.width_embedding),
        width_mask=axis(masks + "mask_fcn1.weight", 0, official.width_mask),
    )


def _classes(
    path: Path, state: Mapping[str, Tensor], vocabulary: Vocabulary | None
) -> tuple[Tensor, Vocabulary]:
    """Return the classifier (E, C) and the names of its columns."""
    if vocabulary is not None and vocabulary.embeddings is not None:
        return classifier_of(torch.tensor(vocabulary.embeddings)), vocabulary
    matrix = _classifier_in(path, state)
    classes = matrix.shape[1]
    if vocabulary is None:
        return matrix, names_of_checkpoint(classes)
    if len(vocabulary.names) != classes:
        raise WtoursError(
            f"{path} has a classifier of {classes} classes, but the vocabulary has "
            f"{len(vocabulary.names)} names",
            remedy="leave the names out, or give embeddings for them",
        )
    if classes in (LVIS_CLASSES, LVIS_22K_CLASSES):
        check_order(vocabulary, "the vocabulary")
    return matrix, vocabulary


def _classifier_in(path: Path, state: Mapping[str, Tensor]) -> Tensor:
    """Return the classifier (E, C) that a checkpoint carries three times."""
    found = [state.get(_CLASSIFIER.format(stage)) for stage in range(3)]
    first = found[0]
    if first is None or first.ndim != 2:
        raise WtoursError(
            f"{path} carries no classifier", remedy="give a vocabulary with text embeddings"
        )
    if any(other is None or not torch.equal(first, other) for other in found[1:]):
        raise WtoursError(f"the classifiers of the three stages of {path} differ", remedy=REMEDY)
    if first.shape[1] < 2 or first[:, -1].any():
        raise WtoursError(
            f"the classifier of {path} has no last column of zeros for the background",
            remedy=REMEDY,
        )
    return classifier_of(first[:, :-1].T)


def _depths(
    state: Mapping[str, Tensor], pattern: str, otherwise: tuple[int, ...]
) -> tuple[int, ...]:
    """Return how many blocks a stage has, told from the numbers in its keys."""
    found = [match.groups() for match in map(re.compile(pattern).match, state) if match]
    stages = sorted({stage for stage, _ in found})
    if len(stages) != len(otherwise):
        return otherwise
    return tuple(len({block for at, block in found if at == stage}) for stage in stages)


def _some(keys: Iterable[str], what: str) -> str:
    """Say how many keys are amiss, and name three."""
    listed = sorted(keys)
    if not listed:
        return f"no keys are {what}"
    verb = "1 key is" if len(listed) == 1 else f"{len(listed)} keys are"
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{verb} {what} ({', '.join(listed[:3])}{more})"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
