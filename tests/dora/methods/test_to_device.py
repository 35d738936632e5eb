"""Small tensors of the CPU on their way to a GPU."""

import pytest
import torch
from torch import Tensor

from dora.methods.step import to_device
from dora.tracking.prototypes import draw_heads


def shared_draw() -> Tensor:
    """Heads of four clips that share a draw: rows of one memory."""
    return draw_heads(3, [0, 1, 2, 3], view=0, heads=6, objects=3, shared_from=0)


def test_a_draw_that_clips_share_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinning copies into the strides of its tensor, which expand() lets overlap."""

    def pinned(values: Tensor) -> Tensor:
        return torch.empty_strided(values.shape, values.stride(), dtype=values.dtype).copy_(values)

    with pytest.raises(RuntimeError, match="single memory location"):
        pinned(torch.zeros(1, 3).expand(4, -1))
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "pin_memory", pinned)
        patch.setattr(Tensor, "to", lambda values, device, non_blocking: values)
        moved = to_device(shared_draw(), torch.device("cuda"))
    assert torch.equal(moved, shared_draw())


@pytest.mark.gpu
def test_a_draw_that_clips_share_reaches_the_gpu() -> None:
    assert torch.equal(to_device(shared_draw(), torch.device("cuda")).cpu(), shared_draw())
