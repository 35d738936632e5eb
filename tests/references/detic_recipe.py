"""Weights, classes and pictures of the golden cases of Detic, made from numbers alone.

`tests/golden/detic_*.npz` hold what the published implementation gives for them: boxes, scores,
classes and intermediate maps (thinned where large: the tests say how). A value depends on the
name and the shape of its parameter, so that a wrong name shows as wrong detections.
"""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.detectors.detic.backbones.resnet import ResNetSizes
from analysis.detectors.detic.backbones.swin import SwinSizes
from analysis.detectors.detic.model import DeticModel, DeticSizes
from analysis.detectors.detic.vocabulary import Vocabulary

GOLDEN = Path(__file__).parents[1] / "golden"
CLASSES = 37
TINY = DeticSizes(
    backbone=ResNetSizes(widths=(8, 16, 32, 64), depths=(2, 1, 2, 1)),
    width=64,
    width_box=64,
    width_embedding=64,
    width_mask=32,
)
TINY_SWIN = DeticSizes(
    backbone=SwinSizes(width=16, depths=(2, 2, 2, 2), heads=(1, 2, 4, 8)),
    width=64,
    width_box=64,
    width_embedding=64,
    width_mask=32,
)

_GAINS = {"bottom_up.layers": 1.0, "agn_hm": 2.0, "fpn_output": 0.4, "bbox_pred.2": 0.4}
"""Of matrices, by a part of the name, the first that fits; 1.4 otherwise."""
_VECTORS = {  # ending: (mean, deviation)
    "running_mean": (0.0, 0.1),
    "relative_position_bias_table": (0.0, 0.2),
    ".scale": (1.0, 0.1),
    "agn_hm.bias": (-2.0, 0.0),
    "centernet_head.bbox_pred.bias": (3.0, 0.5),
    ".bias": (0.0, 0.05),
    "bn3.weight": (0.3, 0.05),
}


def parameter(key: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float16]:
    """Values of one parameter: normal numbers, scaled by what it is."""
    normal = _generator(key, seed).standard_normal(shape)
    if key.endswith("running_var"):
        return (1 + 0.2 * np.abs(normal)).astype(np.float16)
    for ending, (mean, deviation) in _VECTORS.items():
        if key.endswith(ending):
            return (mean + deviation * normal).astype(np.float16)
    if len(shape) == 1:
        return (1 + 0.1 * normal).astype(np.float16)
    gain = next((value for part, value in _GAINS.items() if part in key), 1.4)
    fan_in = shape[0] if key.endswith("deconv.weight") else math.prod(shape[1:])
    return (gain * normal / np.sqrt(fan_in)).astype(np.float16)


def state_of(sizes: DeticSizes, seed: int) -> dict[str, Tensor]:
    """Named weights of a whole network, in half precision."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in DeticModel(sizes).state_dict().items()}
    return {
        key: torch.from_numpy(parameter(key, shape, seed)).float() for key, shape in shapes.items()
    }


def embeddings(width: int, seed: int) -> NDArray[np.float16]:
    """Text embeddings (C, width), of any length as published ones."""
    return _generator("classifier", seed).standard_normal((CLASSES, width)).astype(np.float16)


def vocabulary(width: int, seed: int) -> Vocabulary:
    """The same as a vocabulary."""
    matrix = embeddings(width, seed).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return Vocabulary(names=tuple(f"thing {i}" for i in range(CLASSES)), embeddings=matrix)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Gradients, discs, rectangles and some noise, (H, W, 3)."""
    random = np.random.RandomState(height)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    channels = [
        127 + 90 * np.sin(columns / (11 + 7 * c) + c) * np.cos(rows / (13 + 5 * c))
        for c in range(3)
    ]
    image = np.stack(channels, axis=-1)
    for _ in range(12):
        x, y = random.randint(width), random.randint(height)
        radius = random.randint(6, max(8, min(height, width) // 4))
        colour = random.randint(0, 256, 3)
        if random.rand() < 0.5:
            image[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = colour
        else:
            image[max(y - radius, 0) : y + radius, max(x - radius, 0) : x + radius] = colour
    return np.clip(image + random.randint(-12, 13, image.shape), 0, 255).astype(np.uint8)


def _generator(word: str, seed: int) -> np.random.RandomState:
    number = (zlib.crc32(word.encode()) + seed) % 2**32
    return np.random.RandomState(number)
