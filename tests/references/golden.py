"""Golden vectors: inputs and outputs of the published implementation, one file a component.

A key is `<case>/<array>` or `<case>/<group>/<array>`; `*_i8` arrays are images, value = code / 32.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "golden"


def names(file: str) -> list[str]:
    """Names of the cases of a file, in order."""
    with np.load(FOLDER / file, allow_pickle=False) as arrays:
        return list(dict.fromkeys(key.split("/")[0] for key in arrays.files))


def load(file: str, case: str) -> dict[str, np.ndarray]:
    """Arrays of one case by their names; float16 becomes float32, images become values."""
    prefix = f"{case}/"
    with np.load(FOLDER / file, allow_pickle=False) as arrays:
        found = {
            key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)
        }
    for key, value in list(found.items()):
        if key.endswith("_i8"):
            found[key] = value.astype(np.float32) / 32
        elif value.dtype == np.float16:
            found[key] = value.astype(np.float32)
    return found


def tensors(arrays: dict[str, np.ndarray], group: str = "") -> dict[str, Tensor]:
    """Numerical arrays of a group as tensors, by what follows the group's name."""
    return {
        key.removeprefix(group): torch.from_numpy(value)
        for key, value in arrays.items()
        if key.startswith(group) and value.dtype.kind in "fiub"
    }


def largest_difference(ours: Tensor, golden: Tensor | np.ndarray) -> float:
    """Largest absolute difference; shapes must agree."""
    golden = torch.as_tensor(golden)
    assert ours.shape == golden.shape, f"{tuple(ours.shape)} and {tuple(golden.shape)}"
    return float((ours.detach().double() - golden.double()).abs().max())
