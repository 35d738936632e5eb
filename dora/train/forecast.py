"""How long a run will take, from a few of its steps."""

FIRST_STEP = 3
"""The first steps, counted from 1, warm up: workers begin, kernels are chosen, memory is found."""
LAST_STEP = 10


class Forecast:
    """Measures some steps of a process and says once what the rest will take.

    Args:
        steps: how many this process is to do.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._seconds: list[float] = []

    def after(self, step_s: float) -> str | None:
        """Note how long the next step took, its wait for clips with it.

        Returns:
            A sentence after the last step that is measured, if others follow it; else None.
        """
        if len(self._seconds) == LAST_STEP or self.steps <= LAST_STEP:
            return None
        self._seconds.append(step_s)
        if len(self._seconds) < LAST_STEP:
            return None
        measured = self._seconds[FIRST_STEP - 1 :]
        mean_s = sum(measured) / len(measured)
        left = self.steps - LAST_STEP
        return (
            f"steps {FIRST_STEP} to {LAST_STEP} took {mean_s:.3g} s each: about "
            f"{spoken(left * mean_s)} for the {left:,} steps left"
        )


def spoken(seconds: float) -> str:
    """Return a time for people, such as 35 minutes or 4.2 hours."""
    if seconds < 100:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.3g} hours"
