"""`python -m dora`, for where another distribution owns the command."""

import os
import signal
from types import FrameType
from typing import NoReturn

from dora.exit_status import SCHEDULERS, after_signal


def main() -> NoReturn:
    """Run the command line; a signal during its imports (seconds) ends it in a sentence too."""
    for number in (signal.SIGINT, *SCHEDULERS):
        signal.signal(number, _end)
    from dora.cli import main as run

    try:
        run()
    finally:  # all is said; what is left takes no time
        for number in (signal.SIGINT, *SCHEDULERS):
            signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End at once: nothing is open yet, and an interrupted import ends in any error."""
    os.write(2, b"dora: stopped; give the same command again\n")
    os._exit(after_signal(number))


if __name__ == "__main__":
    main()
