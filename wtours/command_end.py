"""How a command ends: what is printed, and with which status."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from wtours.errors import WtoursError


def end_with(run: Callable[[], object], *, debug: bool) -> NoReturn:
    """Run a command and exit: 0, 2 for a user's mistake, 1 for what is not theirs.

    Args:
        run: the command.
        debug: also show the traceback of an error.
    """
    try:
        run()
        if sys.stdout is not None:
            sys.stdout.flush()  # so that a reader who left is noticed here
    except BrokenPipeError:
        # As of `wtours ... | head`. What Python still holds would fail again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as fault:
        if debug:
            traceback.print_exc()
        text, status = explain(fault)
        print(f"wtours: {text}", file=sys.stderr)
        sys.exit(status)
    sys.exit(0)


def explain(fault: BaseException) -> tuple[str, int]:
    """Return the sentence for a fault, and the exit status."""
    if isinstance(fault, KeyboardInterrupt):
        return "stopped, nothing half-written is left; give the same command again", 2
    if isinstance(fault, WtoursError):
        return str(fault), 2
    if isinstance(fault, OSError):
        place = fault.filename or "the disk"
        if fault.errno == errno.ENOSPC:
            return f"{place}: no room left; make some, then give the same command again", 2
        if isinstance(fault, PermissionError):
            return f"{place}: {fault.strerror}; check who may read and write it", 2
        return f"{place}: {fault.strerror or fault}; see what holds it, then try again", 1
    fact = f"{type(fault).__name__}: {fault}"
    return f"a fault of this program ({fact}); please report what --debug shows of it", 1
