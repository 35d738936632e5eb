"""The options that all evaluations share. What is said of each is what `--help` prints."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dora.commands.places import EVALUATIONS

if TYPE_CHECKING:
    from dora.eval.computing import Computing
    from dora.eval.session import Session


@dataclass(frozen=True, kw_only=True)
class Means:
    """Where and how an evaluation computes."""

    workers: int = 2
    """threads that read pictures, for each process."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    precision: Literal["float32", "bf16"] = "float32"
    """of the frozen network."""
    heads: int | None = None
    """attention heads, where the file of weights does not tell."""
    cache: str = EVALUATIONS
    """folder where features, finished parts and the states of stopped runs are kept, or none."""

    def joined(self, *, batch: int) -> "AbstractContextManager[Computing]":
        """Return the joining of processes, in which networks compute.

        Args:
            batch: pictures of one pass.
        """
        from dora.eval.session import joined

        return joined(
            device=self.device,
            precision=self.precision,
            batch=batch,
            workers=self.workers,
            cache=self.cache,
        )


@dataclass(frozen=True, kw_only=True)
class Asked(Means):
    """Those of an evaluation of one network."""

    beside: str | None = None
    """row of the paper's tables to compare with; the closest if not given."""
    out: Path | None = None
    """a JSON file for the scores and everything that was chosen."""

    def session(self, weights: str, *, batch: int = 128) -> "AbstractContextManager[Session]":
        """Return the evaluation of a network, from its opening to its record.

        Args:
            weights: as typed.
            batch: pictures of one pass.

        Raises:
            DoraError: no record could be written to `out`.
        """
        from dora.eval.records import require_record_place
        from dora.eval.session import evaluation

        require_record_place(self.out)
        return evaluation(
            weights,
            heads=self.heads,
            device=self.device,
            precision=self.precision,
            batch=batch,
            workers=self.workers,
            cache=self.cache,
            beside=self.beside,
        )


@dataclass(frozen=True, kw_only=True)
class AskedOfTraining(Asked):
    """Those of an evaluation in which the network learns."""

    workers: int = 2
    """processes that read pictures, for each process that computes."""
    precision: Literal["float32", "bf16"] = "float32"
    """float32, or bf16 for the passes; weights and their sums stay float32."""
    cache: str = EVALUATIONS
    """folder where the state of a stopped run is kept, or none."""


USUAL_MEANS = Means()
AS_USUAL = Asked()
TRAINED_AS_USUAL = AskedOfTraining()
