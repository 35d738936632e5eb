"""Where a run stands still between two steps: to be saved, and to be looked at."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from dora.runs.files import CHECKPOINT_FILE
from dora.train.checkpoint import save_checkpoint
from dora.train.distributed import barrier, mean_over_ranks, rank
from dora.train.keeping import drop_later, keep_newest
from dora.train.looks import Look
from dora.train.records import Records
from dora.train.trainer import Trainer

Say = Callable[[str], None]
"""Shows a line to whoever watches the run."""


class Pauses:
    """The pauses of one run; every process calls them after the same steps, process 0 works.

    Args:
        trainer: fresh, or restored.
        out: the run's folder.
        looks: what is looked at.
        say: told of new scores.
        saved: whether the newest checkpoint is the trainer's own state.
    """

    def __init__(
        self,
        trainer: Trainer,
        out: Path,
        *,
        looks: Sequence[Look],
        say: Say,
        saved: bool,
    ) -> None:
        self._trainer, self._out = trainer, out
        self._looks, self._say = looks, say
        self._records: Records | None = None
        self._saved = trainer.step if saved else -1
        save, schedules = trainer.config.save, trainer.schedules
        self._total = schedules.steps
        self._epoch = schedules.steps_per_epoch
        self._interval = max(
            1, save.every.steps(steps_per_epoch=self._epoch, total_steps=self._total)
        )

    def go_back(self) -> None:
        """Make the run's newest checkpoint that of its trainer, before anything else is changed.

        Else a process that ends before its first save would leave the logs of one past and the
        checkpoint of another.
        """
        self.save()
        if rank() == 0:
            drop_later(self._out, self._trainer.step)
        barrier()

    def begin(self, records: Records | None) -> None:
        """Do the looks that an end at this very step has left out, or that come before all.

        Args:
            records: where what is seen is written; None on all but process 0.
        """
        self._records = records
        self._take_looks()
        barrier()

    def due(self, step: int) -> bool:
        """Whether a pause comes after so many steps."""
        return self._save_due(step) or any(self._look_due(look, step) for look in self._looks)

    def take(self, *, stopping: bool = False) -> None:
        """Save and look, as far as it is time; a run that is to stop is saved and no more."""
        if stopping or self._save_due(self._trainer.step):
            self.save()
        if not stopping:
            self._take_looks()
        barrier()

    def save(self) -> None:
        """Save, if that has not been done after this step."""
        step = self._trainer.step
        if step == self._saved:
            return
        if rank() == 0:
            config = self._trainer.config.save
            save_checkpoint(self._out / CHECKPOINT_FILE, self._trainer.checkpoint())
            keep_newest(self._out, step, keep=config.keep, milestone=self._milestone(step))
        self._saved = step
        barrier()

    def _save_due(self, step: int) -> bool:
        return step % self._interval == 0 or step == self._total or self._milestone(step)

    def _milestone(self, step: int) -> bool:
        every = self._trainer.config.save.milestone_every * self._epoch
        return every > 0 and step % every == 0

    def _look_due(self, look: Look, step: int) -> bool:
        due = step % (look.every_epochs * self._epoch) == 0 or step == self._total
        return due and (step > 0 or look.from_start)

    def _take_looks(self) -> None:
        step = self._trainer.step
        for look in self._looks:
            if not self._look_due(look, step) or self._stands(look):
                continue
            seen = look.look(self._trainer.pair.teacher.backbone.state_dict())
            if self._records is None:
                continue
            self._records.add_look(look.name, step, seen)
            if seen.figures:
                figures = ", ".join(f"{name} {value:.4g}" for name, value in seen.figures.items())
                self._say(f"after step {step} of {self._total}: {figures}")

    def _stands(self, look: Look) -> bool:
        """Whether what a look sees now is in the records, which process 0 alone can tell."""
        here = self._records is not None and self._records.has_look(look.name, self._trainer.step)
        return bool(mean_over_ranks(torch.tensor(float(here), device=self._trainer.device)) > 0)
