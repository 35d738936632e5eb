"""Labels carried through a video by features alone (DINO, arXiv:2104.14294, section 4.2.1).

A patch takes the labels of the patches most like it, in the first frame and in the last few, no
farther away than a radius. DINO's script compares all patches with all others and blanks what is
too far; here only patches within reach are compared, a square of patches at a time, with equal
results (`tests/references/propagation.py`) and similarities that do not grow with the picture.
"""

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dora.errors import ConfigError

_TILE = 8
"""Side in patches of the squares that are worked on at a time: at radius 12 a square looks at
1024 places of each frame, of which every patch of it needs 625."""


@dataclass(frozen=True, kw_only=True)
class PropagationConfig:
    """Which patches lend their labels, and how much each."""

    last_frames: int = 7
    """Frames before the present one that are looked at, beside the first."""
    top_k: int = 5
    """Patches whose labels count; more where several are equally alike."""
    radius: int = 12
    """How far away they may lie, in patches along each axis."""
    temperature: float = 0.1
    """T in the weight exp(cosine / T)."""

    def __post_init__(self) -> None:
        if self.last_frames < 0:
            raise ConfigError(
                f"{self.last_frames} frames before the present one cannot be looked at",
                remedy="use 7 as published, or 0 for the first frame alone",
            )
        if self.top_k < 1:
            raise ConfigError(f"the labels of {self.top_k} patches say nothing", remedy="use 5")
        if self.radius < 0:
            raise ConfigError(f"a radius of {self.radius} patches holds none", remedy="use 12")
        if not self.temperature > 0:
            raise ConfigError(f"the temperature is {self.temperature}", remedy="use 0.1")


class Propagation:
    """Carries labels from the first frame of a video on, a frame at a time.

    Held are the features and labels of `last_frames` + 1 frames, twice while a step is done, and
    the similarities of a tile. At 832x480 that is 20 MB of features for ViT-S/16 and 77 MB for
    ViT-S/8, where all similarities of all patches would be 78 MB and 1.2 GB, several times over.
    """

    def __init__(self, features_hwD: Tensor, labels_hwO: Tensor, config: PropagationConfig) -> None:
        """Begin with the first frame.

        Args:
            features_hwD: its patches, of any length, in any float type.
            labels_hwO: share of each object in each patch, float32, background first.
            config: see there.
        """
        assert features_hwD.shape[:2] == labels_hwO.shape[:2], "features and labels of two grids"
        self._config = config
        self._first = (_of_length_1(features_hwD), labels_hwO)
        self._last: deque[tuple[Tensor, Tensor]] = deque(maxlen=config.last_frames)

    def step(self, features_hwD: Tensor) -> Tensor:
        """Return the labels of the next frame, (h, w, O), summing to 1 over the objects."""
        features = _of_length_1(features_hwD)
        frames = [self._first, *self._last]
        labels = propagate_labels(
            features,
            torch.stack([features for features, _ in frames]),
            torch.stack([labels for _, labels in frames]),
            config=self._config,
        )
        self._last.append((features, labels))
        return labels


def propagate_labels(
    queries_hwD: Tensor,
    keys_ChwD: Tensor,
    labels_ChwO: Tensor,
    *,
    config: PropagationConfig,
    tile: int = _TILE,
) -> Tensor:
    """Return the labels of a frame from those of C others, (h, w, O).

    Args:
        queries_hwD: the frame's features, of length 1.
        keys_ChwD: the others' features, of length 1.
        labels_ChwO: the others' labels.
        config: which patches lend their labels.
        tile: side in patches of what is worked on at a time; without effect on the result.
    """
    height, width = queries_hwD.shape[:2]
    result = labels_ChwO.new_empty(height, width, labels_ChwO.shape[-1])
    for top in range(0, height, tile):
        rows = range(top, min(top + tile, height))
        for left in range(0, width, tile):
            columns = range(left, min(left + tile, width))
            window = (
                _within_reach(rows, height, radius=config.radius),
                _within_reach(columns, width, radius=config.radius),
            )
            labels = _lend_labels(
                queries_hwD[_slice(rows), _slice(columns)].flatten(0, 1),
                keys_ChwD[:, _slice(window[0]), _slice(window[1])].flatten(1, 2),
                labels_ChwO[:, _slice(window[0]), _slice(window[1])].flatten(1, 2),
                near=_near((rows, columns), window, radius=config.radius, device=result.device),
                config=config,
            )
            result[_slice(rows), _slice(columns)] = labels.view(len(rows), len(columns), -1)
    return result


def _lend_labels(
    queries_QD: Tensor,
    keys_CWD: Tensor,
    labels_CWO: Tensor,
    *,
    near: Tensor,
    config: PropagationConfig,
) -> Tensor:
    """Return the labels of a tile's Q patches, (Q, O), from a window of W places in C frames.

    Args:
        queries_QD: the tile's features.
        keys_CWD: the window's features.
        labels_CWO: the window's labels.
        near: (Q, W), which places of the window are within each patch's reach.
        config: which of them lend their labels.
    """
    cosine = queries_QD @ keys_CWD.flatten(0, 1).T
    cosine = cosine.masked_fill_(~near.repeat(1, len(keys_CWD)), -torch.inf)
    top = cosine.topk(min(config.top_k, cosine.shape[1]), dim=1).values
    # Relative to the best: the same shares, and no exponential overflows. What equals the last of
    # the best counts too, as in DINO's script.
    weights = torch.exp((cosine - top[:, :1]) / config.temperature)
    weights = weights.masked_fill_(cosine < top[:, -1:], 0)
    return (weights / weights.sum(dim=1, keepdim=True)) @ labels_CWO.flatten(0, 1)


def _within_reach(places: range, length: int, *, radius: int) -> range:
    """Return all places along an axis that some of the given ones reach."""
    return range(max(0, places.start - radius), min(length, places.stop + radius))


def _near(
    tile: tuple[range, range], window: tuple[range, range], *, radius: int, device: torch.device
) -> Tensor:
    """Return which places of a window each patch of a tile reaches, (Q, W) bool.

    Args:
        tile: its rows and columns.
        window: its rows and columns.
        radius: how far a patch reaches along each axis.
        device: of the result.
    """
    rows, columns = (
        (
            torch.arange(ours.start, ours.stop, device=device)[:, None]
            - torch.arange(theirs.start, theirs.stop, device=device)
        ).abs()
        <= radius
        for ours, theirs in zip(tile, window, strict=True)
    )
    near = rows[:, None, :, None] & columns[None, :, None, :]
    return near.flatten(2, 3).flatten(0, 1)


def _slice(places: range) -> slice:
    return slice(places.start, places.stop)


def _of_length_1(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=-1)
