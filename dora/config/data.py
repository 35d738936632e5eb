"""How many clips there are, and how they are read."""

import math
from dataclasses import dataclass
from typing import Literal

from dora.config.checks import require, require_at_least, require_positive


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How many clips, and how they are read."""

    clips_per_epoch: int | Literal["all"] = 200_000
    """Clips that make an epoch, or all starts once (the authors' rule)."""
    batch_clips: int = 128
    """Clips of one optimiser step, over all processes (row 27)."""
    workers: int = 4
    """Processes that read and crop frames, for each training process."""
    shuffle: Literal["auto", "global", "blocks"] = "auto"
    """Clips of all tars mixed, or of a few tars at a time, each of which is then fetched about once
    a pass; auto: blocks if any tar is remote, settled when a run begins."""
    block_tars: int = 8
    """Consecutive tars that blocks keep together."""
    open_tars: int = 64
    """Tars whose clips blocks mix; shared by the sources of a mix."""
    mix: tuple[tuple[str, float], ...] = ()
    """Names of shard sets or videos, or patterns of them, and weights: shares of the clips.

    Without names, all clips alike; with them, clips that no name matches are left out.
    """
    on_bad_frame: Literal["error", "skip"] = "error"
    """A damaged picture ends the run, or the nearest good one of its clip takes its place."""
    decoder: Literal["turbo", "gpu"] = "turbo"
    """JPEGs are decoded by the processes that read, or on the GPU by nvJPEG."""
    cache: str | None = None
    """Folder for tars of shard sets at addresses; None: in the user's cache folder."""
    cache_gb: float = 50.0
    """Largest size of all tars in it, in units of 10^9 bytes."""

    def __post_init__(self) -> None:
        require_at_least(1, data__batch_clips=self.batch_clips)
        require_at_least(0, data__workers=self.workers)
        require_at_least(1, data__block_tars=self.block_tars, data__open_tars=self.open_tars)
        _require_mix(self.mix, clips_per_epoch=self.clips_per_epoch)
        require_positive(data__cache_gb=self.cache_gb)
        require(
            self.clips_per_epoch == "all" or self.clips_per_epoch >= self.batch_clips,
            f"an epoch of {self.clips_per_epoch} clips holds no batch of {self.batch_clips}",
            "raise data.clips_per_epoch or lower data.batch_clips",
        )


def _require_mix(
    mix: tuple[tuple[str, float], ...], *, clips_per_epoch: int | Literal["all"]
) -> None:
    names = [name for name, _ in mix]
    for name, weight in mix:
        require(bool(name), f"data.mix gives {weight:g} to no name", "write NAME=WEIGHT")
        require(
            0 < weight < math.inf,
            f"data.mix gives {name} the weight {weight:g}",
            "use more than 0, or leave the name out and thus its clips",
        )
        require(names.count(name) == 1, f"data.mix names {name} twice", "add its weights up")
    require(
        not mix or clips_per_epoch != "all",
        "data.mix weighs sources, but an epoch of `all` starts takes each once whatever its weight",
        "give data.clips_per_epoch a number, or leave data.mix out",
    )
