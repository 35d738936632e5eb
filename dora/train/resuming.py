"""Whether a run begins or goes on, and from which checkpoint."""

from pathlib import Path
from typing import Literal

from dora.config import RunConfig
from dora.config_text import config_to_json, differences
from dora.errors import DoraError
from dora.runs.files import CHECKPOINT_FILE, CONFIG_FILE, LOG_FILE
from dora.train.checkpoint import Checkpoint, load_checkpoint
from dora.train.keeping import kept_checkpoints
from dora.whole_file import whole_file

Resume = Literal["auto", "never"] | Path
"""Go on if there is something to go on with; begin; or go on from a certain checkpoint."""

FREE_OPTIONS = (
    "data.workers",
    "data.cache",
    "data.cache_gb",
    "data.on_bad_frame",
    "data.decoder",
    *("compute.accumulate", "compute.checkpoint", "compute.compile"),
    "save.",
    "log.",
)
"""Options that change no batch, but for damaged pictures and rounding: a run may go on with others.

Those that end in a dot are whole branches.
"""


def earlier_checkpoint(
    out: Path, config: RunConfig, *, data: str, resume: Resume = "auto"
) -> Checkpoint | None:
    """Return the checkpoint that a run goes on from, or None where it is to begin.

    Args:
        out: the run's folder.
        config: what is asked for now; `FREE_OPTIONS` may differ, and where it leaves the shuffle
            open, the run's own stays.
        data: digest of the clips at hand.
        resume: with a checkpoint's path, one that the folder keeps, to which the run goes back; or
            one of elsewhere, in a folder without a run.

    Raises:
        DoraError: the folder holds a run of another configuration, or on other clips; or a run
            where none is to be.
    """
    path = _starting_point(out, resume)
    if path is None:
        return None
    try:
        found = load_checkpoint(path)
    except DoraError as fault:
        raise _with_way_out(fault, path, out) from None
    free = (*FREE_OPTIONS, *(["data.shuffle"] if config.data.shuffle == "auto" else []))
    differing = [
        phrase
        for phrase in differences(config, found.config)
        if not any(_covers(option, phrase.split(" ")[0]) for option in free)
    ]
    if differing:
        raise DoraError(
            f"{path.parent} holds a run with other options; asked for are {'; '.join(differing)}",
            remedy="give another --out, or that run's options to go on with it",
        )
    if found.data != data:
        raise DoraError(
            f"{path.parent} holds a run on other clips",
            remedy="give another --out, or that run's --shards to go on with it",
        )
    return found


def goes_back(out: Path, resume: Resume) -> bool:
    """Whether a run goes on from another checkpoint than its folder's newest."""
    newest = out / CHECKPOINT_FILE
    return isinstance(resume, Path) and not (newest.is_file() and newest.samefile(resume))


def make_folder(out: Path, config: RunConfig) -> None:
    """Make a run's folder and write its configuration there, for people to read.

    Raises:
        DoraError: it cannot be written.
    """
    with whole_file(out / CONFIG_FILE) as partial:
        partial.write_text(config_to_json(config) + "\n", encoding="utf-8")


def _starting_point(out: Path, resume: Resume) -> Path | None:
    newest = out / CHECKPOINT_FILE
    if resume == "auto":
        return newest if newest.is_file() else None
    held = next((p for p in (newest, out / LOG_FILE) if p.is_file()), None)
    if resume == "never":
        if held is not None:
            raise DoraError(
                f"{out} holds a run already ({held.name})",
                remedy="give another --out, or leave --resume never out to go on with that run",
            )
        return None
    if not resume.is_file():
        kept = [str(path) for path in (newest, *kept_checkpoints(out)) if path.is_file()]
        known = f"{out} keeps {', '.join(kept)}" if kept else "name a file that `dora train` wrote"
        raise DoraError(f"--resume {resume}: there is no such file", remedy=known)
    if held is not None and not resume.resolve().is_relative_to(out.resolve()):
        raise DoraError(
            f"{out} holds a run already, and {resume} is not of it",
            remedy="leave --resume out to go on with that run, or give another --out",
        )
    return resume


def _covers(free: str, option: str) -> bool:
    return option.startswith(free) if free.endswith(".") else option == free


def _with_way_out(fault: DoraError, path: Path, out: Path) -> DoraError:
    """Return the fault with an older checkpoint named, where there is one."""
    others = [kept for kept in kept_checkpoints(out) if not kept.samefile(path)]
    if not others:
        return fault
    return DoraError(fault.message, remedy=f"give --resume {others[0]} to go on from one before it")
