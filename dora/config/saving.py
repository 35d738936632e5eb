"""What a run leaves while it goes on; nothing here changes a single weight."""

from dataclasses import dataclass

from dora.config.checks import require, require_at_least
from dora.config.span import Span


@dataclass(frozen=True, kw_only=True)
class SaveConfig:
    """When a run is saved, what is kept of it, and when it ends before its time."""

    every: Span = Span(length=1)
    """Time between two checkpoints."""
    keep: int = 1
    """Checkpoints kept beside the newest, the latest of them."""
    milestone_every: int = 0
    """Epochs between checkpoints that are kept for ever; 0: none."""
    stop_on_collapse: bool = False
    """A collapse ends the run; else it is a warning."""
    collapse_steps: int = 100
    """Steps after the warm-up over whose mean a collapse is judged."""

    def __post_init__(self) -> None:
        require_at_least(0, save__keep=self.keep, save__milestone_every=self.milestone_every)
        require_at_least(1, save__collapse_steps=self.collapse_steps)


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """What is written down of a run beside the figures of its steps."""

    probe: str | None = None
    """Folder with train/CLASS and val/CLASS on which the teacher is scored by k-NN."""
    probe_every: int = 1
    """Epochs between two scores."""
    pictures_every: int = 10
    """Epochs between pictures of what the teacher follows and attends to; 0: none."""
    wandb: str | None = None
    """Project of Weights & Biases that is told everything, too."""

    def __post_init__(self) -> None:
        require_at_least(1, log__probe_every=self.probe_every)
        require_at_least(0, log__pictures_every=self.pictures_every)
        for name in ("probe", "wandb"):
            require(
                getattr(self, name) != "",
                f"log.{name} is empty",
                "give it a name, or leave it out",
            )
