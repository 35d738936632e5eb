"""What a fine-tuning says of itself on the way."""

import time

from rich.progress import TaskID

from dora.eval.computing import Computing
from dora.finetune.order import Order
from dora.finetune.recipe import Recipe
from dora.finetune.state import Progress
from dora.train.forecast import Forecast, spoken


class Told:
    """How far the training is, where anyone watches: a bar, a forecast, a line for each scoring."""

    def __init__(
        self, computing: Computing, task: TaskID | None, *, epochs: int, steps_left: int
    ) -> None:
        self.progress = computing.progress
        self.task = task
        self.epochs = epochs
        self._forecast = Forecast(steps_left)
        self._done = 0
        self._started = self._stepped = time.monotonic()

    @classmethod
    def start(
        cls, computing: Computing, *, order: Order, recipe: Recipe, progress: Progress
    ) -> "Told":
        """Return what tells of a run that goes on from `progress`."""
        task, steps = None, recipe.epochs * order.steps
        done = progress.epoch * order.steps + progress.step
        if computing.progress is not None:
            task = computing.progress.add_task(
                "fine-tuning",
                total=steps * order.step_pictures,
                completed=done * order.step_pictures,
            )
        return cls(computing, task, epochs=recipe.epochs, steps_left=steps - done)

    def advance(self, pictures: int) -> None:
        """Tell that a step is done."""
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task, pictures)
        before, self._stepped = self._stepped, time.monotonic()
        self._say(self._forecast.after(self._stepped - before))

    def epoch_done(self, progress: Progress) -> None:
        """Tell what an epoch came to, if it was scored."""
        self._done += 1
        self._stepped = time.monotonic()  # scoring is no part of a step
        epoch, top1, _ = progress.scored[-1] if progress.scored else (0, 0.0, 0.0)
        if epoch != progress.epoch:
            return
        left_s = (time.monotonic() - self._started) / self._done * (self.epochs - epoch)
        self._say(
            f"epoch {epoch}/{self.epochs}: loss {progress.losses[-1]:.3f}, "
            f"top 1 {100 * top1:.1f} %, about {spoken(left_s)} left"
        )

    def _say(self, sentence: str | None) -> None:
        if self.progress is not None and sentence is not None:
            self.progress.console.print(sentence, highlight=False, soft_wrap=True)
