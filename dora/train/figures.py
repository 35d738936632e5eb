"""A step's figures on their way from the device to the host, which need not wait for them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from dora.train.distributed import mean_over_ranks, others_answer_amid_work


class FiguresOnTheWay:
    """Means over all processes of a step's figures, and whether any process was asked to stop.

    One reduction takes both. From a GPU they are copied without waiting, behind the work in hand;
    `read` waits for that copy alone.

    Args:
        figures: scalars on the device of the step.
        stop: whether this process was asked to stop.
    """

    def __init__(self, figures: Mapping[str, Tensor], *, stop: bool) -> None:
        self._names = list(figures)
        values = [figure.detach().float() for figure in figures.values()]
        asked = torch.full_like(values[0], float(stop))
        self._values = mean_over_ranks(torch.stack([*values, asked]))
        self._copied: torch.cuda.Event | None = None
        if self._values.is_cuda:
            device = self._values.device
            host = torch.empty(self._values.shape, pin_memory=True)
            self._values = host.copy_(self._values, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            # By name: the copy's GPU need not be the current one, nor its stream.
            self._copied.record(torch.cuda.current_stream(device))

    def read(self) -> tuple[dict[str, float], bool]:
        """Return the figures by their names, and whether any process was asked to stop.

        Raises:
            DoraError: another process is gone, and a GPU tells so only now.
        """
        with others_answer_amid_work():
            if self._copied is not None:
                self._copied.synchronize()
            *values, asked = self._values.tolist()
        return dict(zip(self._names, values, strict=True)), asked > 0
