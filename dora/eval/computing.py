"""Where and how evaluations compute: device, precision, how much at a time, what is kept."""

import contextlib
import platform
import resource
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import timm
import torch
import torchvision
from rich.progress import Progress

from dora.errors import DoraError
from dora.train.distributed import world_size

Precision = Literal["float32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Computing:
    """What every evaluation is told beside its network and its data."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "float32"
    """Of the frozen network; what is made of its features is float32."""
    batch: int = 128
    """Pictures of one forward pass."""
    workers: int = 2
    """Threads that read pictures."""
    cache: Path | None = None
    """Folder for features and for the state of what was stopped; None: nothing is kept."""
    progress: Progress | None = None
    """Where to show how far it is."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.workers < 1:
            raise DoraError(
                f"batches of {self.batch} pictures, read by {self.workers} threads",
                remedy="use 1 or more of each",
            )

    def autocast(self) -> AbstractContextManager[object]:
        """Return what the forward passes of the frozen network are run in."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an evaluation took, and on what."""

    seconds: float
    peak_memory_mib: int
    """Of this process since it started."""
    peak_gpu_memory_mib: int | None
    device: str
    precision: str
    processes: int
    python: str
    torch: str
    torchvision: str
    timm: str


class Meter:
    """Measures an evaluation from its making on."""

    def __init__(self, computing: Computing) -> None:
        self._computing = computing
        self._started = time.monotonic()
        if computing.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(computing.device)

    def cost(self) -> Cost:
        """Return what it took until now."""
        device = self._computing.device
        on_gpu = device.type == "cuda"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_bytes = peak if sys.platform == "darwin" else peak * 1024
        return Cost(
            seconds=round(time.monotonic() - self._started, 2),
            peak_memory_mib=round(peak_bytes / 2**20),
            peak_gpu_memory_mib=(
                round(torch.cuda.max_memory_allocated(device) / 2**20) if on_gpu else None
            ),
            device=torch.cuda.get_device_name(device) if on_gpu else str(device),
            precision=self._computing.precision,
            processes=world_size(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            torchvision=str(torchvision.__version__),
            timm=timm.__version__,
        )
