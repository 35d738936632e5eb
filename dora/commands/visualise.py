"""`dora visualise ...`: what a backbone attends to and follows."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dora.commands.places import SHARDS
from dora.progress import progress_bars

if TYPE_CHECKING:
    from dora.visualise.shown_clip import ClipChoice
    from wtours.shards import ShardCache


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """Which clip of which video is shown."""

    shards: Annotated[list[str], Parameter(consume_multiple=True)] = dataclasses.field(
        default_factory=lambda: [SHARDS]
    )
    """Shard sets, folders of them, or addresses."""
    video: str | None = None
    """Name of the video; the first if not given."""
    start_s: float | None = None
    """The first clip from this time of the video on, in seconds."""
    clip: int | None = None
    """Number of the clip in the video, instead of a time."""
    frames: int | None = None
    """Frames; as in training if not given."""
    seconds: float | None = None
    """Every kept frame of so many seconds, instead of a clip's."""
    side_px: int | None = None
    """Short side at which the network looks; more gives finer maps."""
    heads: int | None = None
    """Attention heads, where the file of weights does not tell."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""
    cache: str | None = None
    """Folder for tars of shard sets at addresses, as data.cache in training."""
    cache_gb: float = 50.0
    """Largest size of all tars in it, in units of 10^9 bytes."""


def tracks(
    *,
    weights: str,
    shown: Annotated[Shown, Parameter(name="*")] = Shown(),
    out: Path = Path("data/tracks"),
    seed: int = 0,
) -> None:
    """Show the objects of a clip as a video and a contact sheet, one colour an object.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        shown: which clip.
        out: folder for the pictures.
        seed: of the attention heads that propose the objects.
    """
    from dora.train.distributed import choose_device
    from dora.visualise.tracks import visualise_tracks

    with progress_bars() as progress:
        paths = visualise_tracks(
            weights,
            shown.shards,
            out=out,
            choice=_choice(shown),
            side_px=shown.side_px,
            heads=shown.heads,
            seed=seed,
            device=choose_device(shown.device),
            cache=_cache(shown),
            progress=progress,
        )
    print(*paths, sep="\n")


def attention(
    *,
    weights: str,
    shown: Annotated[Shown, Parameter(name="*")] = Shown(),
    out: Path = Path("data/attention"),
) -> None:
    """Show what [CLS] attends to in the last block, head by head.

    Args:
        weights: a checkpoint of any form, or random:PRESET for an untrained network.
        shown: which clip.
        out: folder for the pictures.
    """
    from dora.train.distributed import choose_device
    from dora.visualise.attention import visualise_attention

    with progress_bars() as progress:
        paths = visualise_attention(
            weights,
            shown.shards,
            out=out,
            choice=_choice(shown),
            side_px=shown.side_px,
            heads=shown.heads,
            device=choose_device(shown.device),
            cache=_cache(shown),
            progress=progress,
        )
    print(*paths, sep="\n")


def _choice(shown: Shown) -> "ClipChoice":
    from dora.visualise.shown_clip import ClipChoice

    names = [field.name for field in dataclasses.fields(ClipChoice)]
    return ClipChoice(**{name: getattr(shown, name) for name in names})


def _cache(shown: Shown) -> "ShardCache":
    from dora.config import DataConfig
    from dora.data.staging import shard_cache

    return shard_cache(DataConfig(cache=shown.cache, cache_gb=shown.cache_gb))
