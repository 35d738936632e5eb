"""The state of a fine-tuning, which it goes on from after any stop."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from dora.errors import DoraError
from dora.eval.kept_training import StateFile
from dora.finetune.network import Classifier
from dora.finetune.recipe import Recipe
from dora.train.distributed import mean_over_ranks, rank


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


def save_state(
    state: StateFile, progress: Progress, network: Classifier, optimizer: Optimizer | None
) -> None:
    """Write the state; the first process does.

    Args:
        state: where.
        progress: how far it is.
        network: as it is now.
        optimizer: its moments; None: the training is done.

    Raises:
        DoraError: it cannot be written.
    """
    state.write(
        {
            "progress": asdict(progress),
            "network": network.state_dict(),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
        }
    )


def load_state(state: StateFile, network: Classifier, optimizer: Optimizer) -> Progress | None:
    """Put a state into network and optimiser; None: there is none.

    Raises:
        DoraError: the file is damaged.
    """

    def restore(stored: dict[str, Any]) -> Progress:
        progress = Progress(**stored["progress"])
        network.load_state_dict(stored["network"])
        if stored["optimizer"] is not None:
            optimizer.load_state_dict(stored["optimizer"])
        return progress

    return state.read(restore)


def require_scored(progress: Progress, recipe: Recipe, *, kept_in: Path) -> None:
    """Refuse a state whose run left out scorings that the recipe asks for.

    Raises:
        DoraError: it did; networks of epochs gone by are not kept.
    """
    known = {epoch for epoch, _, _ in progress.scored}
    for epoch in range(1, progress.epoch + 1):
        if recipe.scored_after(epoch) and epoch not in known:
            raise DoraError(
                f"{kept_in} has no score after epoch {epoch}, which scoring every "
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
