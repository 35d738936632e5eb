"""The state of a fine-tuning, which it goes on from after any stop."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch.optim import Optimizer

from dora.errors import DoraError
from dora.finetune.network import Classifier
from dora.finetune.recipe import Recipe
from dora.model.safe_load import read_file
from dora.train.distributed import mean_over_ranks, rank
from dora.whole_file import whole_file


@dataclass(kw_only=True)
class Progress:
    """How far the training is, and what it came to."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done of the next one."""
    seconds: float = 0.0
    """Spent, over all runs."""
    loss_sum: float = 0.0
    """Of the steps of the epoch under way."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of the steps, by epoch."""
    scored: list[tuple[int, float, float]] = field(default_factory=list)
    """Epoch, from 1, and shares of the test pictures right at top 1 and at top 5."""


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """Where the state of a training lies, under the hash of all that it depends on."""

    path: Path

    @classmethod
    def of(cls, about: Mapping[str, object], *, cache: Path) -> "StateFile":
        """Return the file of a training.

        Args:
            about: all that the training depends on, ready for JSON.
            cache: folder of all states.
        """
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
        return cls(path=cache / f"finetune-{key}.pth")

    def save(self, progress: Progress, network: Classifier, optimizer: Optimizer | None) -> None:
        """Write the state; the first process does.

        Args:
            progress: how far it is.
            network: as it is now.
            optimizer: its moments; None: the training is done.

        Raises:
            DoraError: it cannot be written.
        """
        if rank() != 0:
            return
        stored = {
            "progress": asdict(progress),
            "network": network.state_dict(),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
        }
        with whole_file(self.path, remedy="make room, or name another --cache") as partial:
            torch.save(stored, partial)

    def load(self, network: Classifier, optimizer: Optimizer) -> Progress | None:
        """Put a state into network and optimiser; None: there is none.

        Raises:
            DoraError: the file is damaged.
        """
        if not self.path.is_file():
            return None
        try:
            stored = read_file(self.path)
            progress = Progress(**stored["progress"])
            network.load_state_dict(stored["network"])
            if stored["optimizer"] is not None:
                optimizer.load_state_dict(stored["optimizer"])
        except (DoraError, KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise DoraError(
                f"{self.path} is no whole state of a fine-tuning ({fault})",
                remedy="remove the file; the fine-tuning begins anew",
            ) from fault
        return progress

    def require_scored(self, progress: Progress, recipe: Recipe) -> None:
        """Refuse a state whose run left out scorings that the recipe asks for.

        Raises:
            DoraError: it did; networks of epochs gone by are not kept.
        """
        known = {epoch for epoch, _, _ in progress.scored}
        for epoch in range(1, progress.epoch + 1):
            if recipe.scored_after(epoch) and epoch not in known:
                raise DoraError(
                    f"{self.path} has no score after epoch {epoch}, which scoring every "
                    f"{recipe.score_every} epochs asks for",
                    remedy="give --score-every as when it began, or a multiple of it; "
                    "or remove the file, and the fine-tuning begins anew",
                )


def require_same_progress(progress: Progress, *, device: torch.device) -> None:
    """Refuse to go on where processes have found different states.

    Raises:
        DoraError: they have.
    """
    own = torch.tensor([progress.epoch, progress.step], dtype=torch.float64, device=device)
    if not torch.equal(mean_over_ranks(own), own):
        raise DoraError(
            f"process {rank()} goes on in epoch {progress.epoch}, step {progress.step}, "
            "and others elsewhere",
            remedy="name a --cache that all machines share",
        )
