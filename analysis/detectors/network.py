"""What detectors of other libraries have in common: a torch network on a device, at a precision."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from analysis.detectors.detector import Detections
from analysis.detectors.detic.model import PRECISIONS, Precision
from analysis.detectors.device import choose_device
from analysis.detectors.picture_boxes import detections_within
from wtours import WtoursError


@dataclass(frozen=True, kw_only=True)
class NetworkPlace:
    """Where a network computes, and how exactly."""

    device: str
    dtype: Precision = "float32"
    """Of the large layers."""

    def __post_init__(self) -> None:
        if self.dtype not in PRECISIONS:
            raise WtoursError(
                f"{self.dtype} is no precision to compute in",
                remedy=f"choose of {', '.join(PRECISIONS)}",
            )

    @classmethod
    def chosen(cls, device: str | None, dtype: Precision) -> "NetworkPlace":
        """Return the place that a user asked for.

        Raises:
            WtoursError: there is no such device or precision.
        """
        return cls(device=choose_device(device), dtype=dtype)

    def settle(self, network: nn.Module) -> nn.Module:
        """Return the network here, in float32, for inference; `computing` lowers the precision."""
        return network.eval().requires_grad_(False).float().to(self.device)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute without gradients, at this precision."""
        precision, kind = PRECISIONS[self.dtype], torch.device(self.device).type
        with (
            torch.inference_mode(),
            torch.autocast(kind, dtype=precision, enabled=precision != torch.float32),
        ):
            yield


def compile_network(network: nn.Module, device: str) -> None:
    """Let torch compile a network at its first picture; whether it can is tried out now.

    Raises:
        WtoursError: torch finds no compiler for the device.
    """
    try:
        torch.compile(_doubled)(torch.ones(2, device=device))
    except RuntimeError as error:  # of which torch's errors of compiling are
        raise WtoursError(
            f"torch cannot compile networks here ({first_line(error)})",
            remedy="install a C++ compiler (Debian's package g++), or leave --compile out",
        ) from error
    network.compile()


def _doubled(values: Tensor) -> Tensor:
    return values * 2


def detections_of(
    outputs: Iterable[tuple[Tensor, Tensor, Tensor]], *, size: tuple[int, int], threshold: float
) -> list[Detections]:
    """Return what a network says of pictures of one size, as `detections_within` does of one.

    Args:
        outputs: boxes (n, 4), scores (n,) and classes (n,) of each, wherever they were computed.
        size: height and width of the pictures.
        threshold: least score of a box.
    """
    return [
        detections_within(
            boxes.float().cpu().numpy(),
            scores.float().cpu().numpy(),
            classes.cpu().numpy(),
            size=size,
            threshold=threshold,
        )
        for boxes, scores, classes in outputs
    ]


def state_sha256(network: nn.Module) -> str:
    """Return a hash of all weights by name, wherever they were loaded from."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def first_line(error: BaseException) -> str:
    """Return what an error of another library says, without what follows below."""
    lines: list[Any] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return str(lines[0]) if lines else type(error).__name__
