"""Features of picture files by a frozen network: in chunks, kept on the disk, shared by processes.

Chunk c belongs to process c modulo their number. A chunk is computed alone, so that the features
do not depend on how many processes there are, nor on where a run was stopped.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.progress import TaskID
from torch import Tensor

from dora.eval.computing import Computing
from dora.eval.feature_store import CHUNK, FeatureStore, chunk_rows
from dora.eval.loading import Evaluated
from dora.eval.networks import Frozen
from dora.eval.pictures import read_batches, read_picture, resize_px
from dora.eval.sharing import share_chunk
from dora.train.distributed import barrier, rank, world_size


@dataclass(frozen=True, kw_only=True)
class FeatureKind:
    """What is taken of each picture."""

    image_px: int
    """Side of the pictures that the network sees."""
    blocks: int = 1
    """[CLS] of so many last blocks, side by side, the last block's last."""
    patch_mean: bool = False
    """And after them the mean of the last block's patch tokens."""

    def columns(self, width: int) -> int:
        """Return the width of the features for tokens of a width."""
        return width * (self.blocks + self.patch_mean)

    def check(self, network: Frozen) -> None:
        """Refuse what a network has not.

        Raises:
            DoraError: too many blocks, or a side that does not divide into patches.
        """
        network.check_side(self.image_px)
        network.check_blocks(self.blocks)

    def of(self, network: Frozen, images: Tensor) -> Tensor:
        """Return the features of normalised images, (M, W) float32."""
        if self.blocks == 1 and not self.patch_mean:
            return network.cls(images).float()
        tokens = network.blocks(images, n_last=self.blocks)
        parts = [*tokens.cls.float()]
        if self.patch_mean:
            parts.append(tokens.patches[-1].float().mean(dim=1))
        return torch.cat(parts, dim=1)


@dataclass(frozen=True, kw_only=True)
class Features:
    """A table of features in chunks of CHUNK rows, on the CPU or mapped from files."""

    chunks: tuple[Tensor, ...]
    """Each (CHUNK, W) float32, the last one with fewer rows."""
    facts: "FeatureFacts"

    def __len__(self) -> int:
        return self.facts.pictures

    def rows(self, indices: Tensor) -> Tensor:
        """Return some rows, (M, W), in the order of `indices`, (M,) int64."""
        found = torch.empty(len(indices), self.facts.width)
        of_chunk = indices // CHUNK
        for chunk in torch.unique(of_chunk).tolist():
            wanted = (of_chunk == chunk).nonzero()[:, 0]
            found[wanted] = self.chunks[chunk][indices[wanted] % CHUNK]
        return found


@dataclass(frozen=True, kw_only=True)
class FeatureFacts:
    """Where features came from; part of the record."""

    title: str
    pictures: int
    width: int
    """Columns."""
    kept_in: str | None
    """Folder on the disk."""
    kept_bytes: int
    reused_pictures: int
    """Whose features were there already."""

    def told(self) -> str:
        """Return a sentence on where the features are."""
        return (
            f"{self.title}: {self.pictures} pictures, {self.kept_bytes / 2**20:.1f} MiB in "
            f"{self.kept_in}, {self.reused_pictures} of them from before"
        )


@torch.inference_mode()
def extract_features(
    evaluated: Evaluated,
    paths: Sequence[Path],
    *,
    kind: FeatureKind,
    computing: Computing,
    root: Path,
    title: str = "features",
) -> Features:
    """Return the features of M picture files, in their order.

    All processes of a run call it together, and all get all features.

    Args:
        evaluated: the network, on the computing device.
        paths: the files.
        kind: what is taken of each.
        computing: where and how.
        root: the data set's folder, which holds the files.
        title: what to call it where progress is shown.

    Raises:
        DoraError: a file is no whole picture, a side does not divide into patches, or features
            cannot be kept.
    """
    kind.check(evaluated.network)
    width = kind.columns(evaluated.network.traits.width)
    store = None
    if computing.cache is not None:
        settings = feature_settings(evaluated, kind=kind, computing=computing)
        store = FeatureStore.at(
            computing.cache, settings=settings, paths=paths, root=root, width=width
        )
        if rank() == 0:
            store.describe()
    there = [store is not None and store.has(c) for c in range(-(-len(paths) // CHUNK))]
    barrier()  # what is there already is judged by all before anyone adds to it
    todo = [chunk for chunk, is_there in enumerate(there) if not is_there]
    made = _compute(
        evaluated, paths, todo, kind=kind, computing=computing, store=store, title=title
    )
    if store is not None:
        barrier()
        chunks = tuple(store.read(chunk) for chunk in range(store.chunks))
    else:
        shapes = [(chunk_rows(chunk, len(paths)), width) for chunk in todo]
        chunks = tuple(
            share_chunk(
                made.get(chunk), shape, owner=chunk % world_size(), device=computing.device
            ).cpu()
            for chunk, shape in zip(todo, shapes, strict=True)
        )
    facts = FeatureFacts(
        title=title,
        pictures=len(paths),
        width=width,
        kept_in=None if store is None else str(store.folder),
        kept_bytes=0 if store is None else store.size_bytes,
        reused_pictures=sum(chunk_rows(c, len(paths)) for c, known in enumerate(there) if known),
    )
    return Features(chunks=chunks, facts=facts)


def feature_settings(
    evaluated: Evaluated, *, kind: FeatureKind, computing: Computing
) -> dict[str, object]:
    """Return all but the files that features depend on; what is kept is found by it."""
    traits = evaluated.network.traits
    return {
        "weights_sha256": evaluated.sha256,
        "traits": asdict(traits),
        "kind": asdict(kind),
        "resize_px": resize_px(kind.image_px),
        "precision": computing.precision,
        "device": computing.device.type,
        "torch": str(torch.__version__),
    }


def _compute(
    evaluated: Evaluated,
    paths: Sequence[Path],
    todo: Sequence[int],
    *,
    kind: FeatureKind,
    computing: Computing,
    store: FeatureStore | None,
    title: str,
) -> dict[int, Tensor]:
    """Compute this process's share of the chunks; return those that no store keeps."""
    own = [chunk for chunk in todo if chunk % world_size() == rank()]
    batches = [
        paths[start : min(start + computing.batch, (chunk + 1) * CHUNK)]
        for chunk in own
        for start in range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(paths)), computing.batch)
    ]
    read = partial(read_picture, image_px=kind.image_px)
    pictures = read_batches(batches, read, workers=computing.workers)
    task = _start_bar(computing, title, total=sum(map(len, batches)))
    made: dict[int, Tensor] = {}
    for chunk in own:
        parts, left = [], chunk_rows(chunk, len(paths))
        while left:
            batch = next(pictures)
            parts.append(embed(evaluated.network, batch, kind=kind, computing=computing).cpu())
            left -= len(batch)
            if computing.progress is not None and task is not None:
                computing.progress.advance(task, len(batch))
        if store is not None:
            store.write(chunk, torch.cat(parts))
        else:
            made[chunk] = torch.cat(parts)
    return made


def embed(network: Frozen, pictures: Tensor, *, kind: FeatureKind, computing: Computing) -> Tensor:
    """Return the features of pictures, (M, 3, S, S) uint8, as (M, W) float32 on the device."""
    images = network.normalise(pictures.to(computing.device))
    with torch.inference_mode(), computing.autocast():
        return kind.of(network, images)


def _start_bar(computing: Computing, title: str, *, total: int) -> TaskID | None:
    if computing.progress is None or not total:
        return None
    return computing.progress.add_task(title, total=total)
