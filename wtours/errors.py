"""What a user reads when something is wrong: one sentence with the fault, one with the remedy."""

from functools import partial
from typing import Any


class WtoursError(Exception):
    """A fault that the user can mend: bad input, a missing file, no room on the disk.

    The command line prints it without a traceback and exits with status 2.

    Args:
        message: what is wrong and where; names the file, entry or option.
        remedy: what to do or type next.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel from a worker to the process that prints it."""
        return partial(type(self), remedy=self.remedy), (self.message,)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"
