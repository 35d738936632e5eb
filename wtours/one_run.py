"""One run at a time: a lock on what is being made, which the system drops when a process dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from wtours.errors import WtoursError


@contextmanager
def hold(made: Path, *, doing: str, option: str = "--out") -> Iterator[None]:
    """Keep other processes and threads from making the same thing.

    Args:
        made: the file or folder that is made; its folder exists.
        doing: what is done to it, for the others' error: "fetched", "sharded".
        option: by which another place is named.

    Raises:
        WtoursError: another run is at it.
    """
    lock = FileLock(made.with_name(f".{made.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WtoursError(
            f"{made} is being {doing} by another run",
            remedy=f"wait for it, or name another folder with {option}",
        ) from error
    try:
        yield
    finally:
        # While it is held: whoever opened the old file notices that it has lost its name.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
