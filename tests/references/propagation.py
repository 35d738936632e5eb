"""Labels carried from patch to patch with all similarities of all frames in memory, as in DINO."""

import torch
from torch import Tensor


def propagate(
    queries_hwD: Tensor,
    keys_ChwD: Tensor,
    labels_ChwO: Tensor,
    *,
    top_k: int,
    radius: int,
    temperature: float,
) -> Tensor:
    """Return (h, w, O); features of any length."""
    height, width, _ = queries_hwD.shape
    queries = torch.nn.functional.normalize(queries_hwD.flatten(0, 1), dim=1)
    keys = torch.nn.functional.normalize(keys_ChwD.flatten(1, 2), dim=2)
    near = torch.zeros(height, width, height, width, dtype=queries.dtype)
    for y in range(height):
        for x in range(width):
            rows = slice(max(0, y - radius), y + radius + 1)
            near[y, x, rows, max(0, x - radius) : x + radius + 1] = 1
    near = near.reshape(height * width, height * width)
    likeness = torch.cat(
        [torch.exp(queries @ frame.T / temperature) * near for frame in keys], dim=1
    )
    least = likeness.sort(dim=1, descending=True).values[:, top_k - 1]
    likeness[likeness < least[:, None]] = 0
    likeness = likeness / likeness.sum(dim=1, keepdim=True)
    return (likeness @ labels_ChwO.flatten(0, 2)).view(height, width, -1)
