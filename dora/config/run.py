"""A whole run."""

from dataclasses import dataclass, field
from typing import Literal

from dora.config.checks import require, require_at_least
from dora.config.clips import AugmentConfig, ClipConfig
from dora.config.compute import ComputeConfig
from dora.config.data import DataConfig
from dora.config.method import LossConfig, TrackerConfig
from dora.config.networks import HeadConfig, ModelConfig
from dora.config.optim import OptimConfig
from dora.config.saving import LogConfig, SaveConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run."""

    method: Literal["dora", "dino"] = "dora"
    """DoRA, or plain DINO on the same frames, for comparison."""
    preset: str = "dora"
    """Name of the preset that the run started from; a label."""
    epochs: int = 100
    seed: int = 0
    precision: Literal["fp16", "bf16", "float32"] = "fp16"
    """Autocast on a GPU; a CPU always computes in float32."""
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    data: DataConfig = field(default_factory=DataConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    save: SaveConfig = field(default_factory=SaveConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        require_at_least(1, epochs=self.epochs)
        require(0 <= self.seed < 2**64, f"seed is {self.seed}", "use a number from 0 to 2^64 - 1")
        heads = self.model.last_heads or self.model.heads
        require(
            self.tracker.objects <= heads,
            f"tracker.objects is {self.tracker.objects}, but the last block has {heads} heads",
            "lower tracker.objects or raise model.last_heads",
        )
        require(
            self.loss.pairs == "same" or len(self.augment.global_views) == 2,
            "loss.pairs is 'cross', but there is one global view",
            "give augment.global_views two views, or set loss.pairs to 'same'",
        )
        require(
            not self.loss.skip_first_crop or self.augment.local_crops >= 2,
            "loss.skip_first_crop leaves no local crop",
            "set augment.local_crops to 2 or more",
        )
        require(
            self.compute.accumulate == 1 or not self.head.batch_norm,
            "head.batch_norm takes its statistics from all of a process's clips, and "
            f"compute.accumulate is {self.compute.accumulate}",
            "set compute.accumulate to 1, or head.batch_norm to false",
        )
        require(
            not self.compute.compile or self.compute.student_tokens == "all",
            "compute.compile makes a program for each number of visible patches",
            "set compute.compile to false, or compute.student_tokens to all",
        )
        for px in (self.augment.global_views[0].px, self.augment.local_view.px):
            require(
                px % self.model.patch_px == 0,
                f"views of {px} px do not divide into patches of {self.model.patch_px} px",
                f"use a multiple of {self.model.patch_px}",
            )
