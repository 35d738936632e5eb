"""Parts of Detic written out as loops over boxes, tokens and pixels."""

import math

import numpy as np
from numpy.typing import NDArray

from analysis.detectors.detic.backbones.swin import WindowAttention

Array = NDArray[np.float64]


def overlap(first: Array, second: Array) -> float:
    """Intersection over union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return float(shared / (sum(areas) - shared))


def suppress_by_class(boxes: Array, scores: Array, classes: Array, iou: float) -> list[int]:
    """Indices kept, best first: no better kept box of the class overlaps more."""
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [j for j in kept if classes[j] == classes[i]]
        if all(overlap(boxes[i], boxes[j]) <= iou for j in rivals):
            kept.append(i)
    return kept


def refine_box(box: Array, delta: Array, weights: tuple[float, float]) -> list[float]:
    """One box moved and scaled by what a head says."""
    width, height = box[2] - box[0], box[3] - box[1]
    x = box[0] + width / 2 + delta[0] / weights[0] * width
    y = box[1] + height / 2 + delta[1] / weights[0] * height
    width *= math.exp(min(delta[2] / weights[1], math.log(1000 / 16)))
    height *= math.exp(min(delta[3] / weights[1], math.log(1000 / 16)))
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def window_attention(layer: WindowAttention, tokens: Array, window: int, shift: int) -> Array:
    """Attention of Swin token by token on a map (H, W, D), padding and shift included."""
    height, width, channels = tokens.shape
    full = [side + -side % window for side in (height, width)]
    padded = np.zeros((*full, channels))
    padded[:height, :width] = tokens
    weights = {key: value.double().numpy() for key, value in layer.state_dict().items()}
    projected = padded @ weights["qkv.weight"].T + weights["qkv.bias"]
    per_head = channels // layer.heads
    result = np.zeros_like(padded)
    places = [(i, j) for i in range(full[0]) for j in range(full[1])]
    for i, j in places:
        here = _place(i, j, full, window, shift)
        others = [at for at in places if _place(*at, full, window, shift)[0] == here[0]]
        for head in range(layer.heads):
            part = slice(head * per_head, (head + 1) * per_head)
            logits, values = [], []
            for k, m in others:
                there = _place(k, m, full, window, shift)
                down, right = (here[1][a] - there[1][a] + window - 1 for a in (0, 1))
                row = down * (2 * window - 1) + right
                query, key, value = (
                    projected[at][n * channels : (n + 1) * channels][part]
                    for n, at in enumerate(((i, j), (k, m), (k, m)))
                )
                logit = query @ key / math.sqrt(per_head)
                logit += weights["relative_position_bias_table"][row, head]
                logits.append(logit - (100 if shift and here[2] != there[2] else 0))
                values.append(value)
            likeness = np.exp(np.array(logits) - max(logits))
            result[i, j, part] = (likeness / likeness.sum()) @ np.array(values)
    return (result @ weights["proj.weight"].T + weights["proj.bias"])[:height, :width]


def _place(
    i: int, j: int, full: list[int], window: int, shift: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[bool, bool]]:
    """Which window a token falls in, where in it, and whether it came round the edges."""
    rolled = [(place - shift) % side for place, side in zip((i, j), full, strict=True)]
    in_window = rolled[0] // window, rolled[1] // window
    within = rolled[0] % window, rolled[1] % window
    return in_window, within, (i < shift, j < shift)
