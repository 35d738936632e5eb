"""Every hyperparameter of a run, in one tree of frozen dataclasses.

Options that name a difference between the printed method and the authors' released code list the
released value first. `dora.presets` sets them together; a component takes its own branch only.
"""

from dora.config.clips import AugmentConfig, ClipConfig, ViewConfig
from dora.config.compute import ComputeConfig
from dora.config.data import DataConfig
from dora.config.method import LossConfig, TrackerConfig
from dora.config.networks import HeadConfig, ModelConfig
from dora.config.optim import OptimConfig
from dora.config.run import RunConfig
from dora.config.saving import LogConfig, SaveConfig
from dora.config.span import Span

__all__ = [
    "AugmentConfig",
    "ClipConfig",
    "ComputeConfig",
    "DataConfig",
    "HeadConfig",
    "LogConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "RunConfig",
    "SaveConfig",
    "Span",
    "TrackerConfig",
    "ViewConfig",
]
