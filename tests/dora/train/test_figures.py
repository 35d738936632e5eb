"""Figures that come late: of a GPU they may bring the news that another process is gone."""

from types import SimpleNamespace

import pytest
import torch

from dora.train import distributed
from dora.train.distributed import LostOthersError
from dora.train.figures import FiguresOnTheWay


def failing(words: str) -> FiguresOnTheWay:
    """Figures whose copy from the GPU ends with an error."""

    def synchronize() -> None:
        raise RuntimeError(words)

    figures = FiguresOnTheWay({"loss": torch.tensor(2.0)}, stop=False)
    figures._copied = SimpleNamespace(synchronize=synchronize)  # type: ignore[assignment]
    return figures


def test_figures_come_back_by_their_names() -> None:
    figures = {"loss": torch.tensor(2.0), "grad_norm": torch.tensor(0.5)}
    assert FiguresOnTheWay(figures, stop=True).read() == ({"loss": 2.0, "grad_norm": 0.5}, True)
    assert not FiguresOnTheWay(figures, stop=False).read()[1]


def test_a_process_lost_before_figures_are_read_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of the GPU itself, which comes up at the same place, is not taken for that."""
    monkeypatch.setattr(distributed, "_LATER_S", 0.0)
    with pytest.raises(LostOthersError, match=r"has lost the others of its run \(NCCL error: "):
        failing("NCCL error: remote process exited").read()
    with pytest.raises(RuntimeError, match="device-side assert"):
        failing("CUDA error: device-side assert triggered").read()
