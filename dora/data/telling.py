"""What a run says of its data at its start, in lines for people."""

from collections.abc import Iterator

from dora.data.description import BlocksDescription, DataDescription


def data_lines(data: DataDescription, *, frames: int, where: str) -> Iterator[str]:
    """Yield the lines.

    Args:
        data: the numbers.
        frames: T, frames per clip.
        where: what computes.
    """
    if data.pictures:
        folders = "1 folder" if data.videos == 1 else f"{data.videos:,} folders"
        found = f"{data.starts:,} pictures in {folders}"
    else:
        rates = ", ".join(str(rate) for rate in data.kept_rates)
        found = (
            f"{data.videos} videos at {rates} kept frames a second: {data.starts:,} clips of "
            f"{frames} frames"
        )
    yield (
        f"{found}, {data.passes_per_epoch:.3g} passes an epoch of "
        f"{data.steps_per_epoch:,} steps, {data.total_steps:,} steps in all, on {where}"
    )
    for source in data.mix:
        yield (
            f"  {source.name}: {source.share:.1%} of the clips, from {source.starts:,}, "
            f"{source.passes_per_epoch:.3g} passes an epoch"
        )
    if data.left_out:
        yield f"  left out by the mix: {', '.join(data.left_out)}"
    if data.blocks is not None:
        yield f"  {_blocks(data.blocks)}"
    yield (
        f"  each training process holds up to {_size(data.batches_bytes)} of clips made ready and "
        f"{_size(data.index_bytes)} of index and order"
    )


def _blocks(found: BlocksDescription) -> str:
    open_tars = found.blocks.open_tars
    if open_tars >= found.tars:
        return f"all of the {found.tars} tars are open at once: {_size(found.cache_bytes)}"
    return (
        f"{open_tars} of {found.tars:,} tars open at once, in blocks of "
        f"{found.blocks.block_tars}: a cache of {_size(found.cache_bytes)} fetches each about "
        f"{1 + 1 / found.blocks.block_tars:.3g} times a pass"
    )


def _size(size_bytes: int) -> str:
    unit = next((u for u, n in (("GB", 1e9), ("MB", 1e6)) if size_bytes >= n), "kB")
    return f"{size_bytes / {'GB': 1e9, 'MB': 1e6, 'kB': 1e3}[unit]:.3g} {unit}"
