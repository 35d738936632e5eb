"""`dora eval discovery`, `dora eval davis`: what a backbone knows of the places in a picture."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dora.commands.evaluation_options import AS_USUAL, Asked


def discovery(
    *,
    weights: str,
    data: Path,
    jaccard_split: Literal["train", "val", "trainval", "none"] = "val",
    corloc_split: Literal["train", "val", "trainval", "none"] = "trainval",
    image_px: int = 480,
    k_patches: int = 100,
    pictures: Path | None = None,
    asked: Annotated[Asked, Parameter(name="*")] = AS_USUAL,
) -> None:
    """Find objects in Pascal VOC 2012 without labels: by attention, and by LOST.

    Several processes: `torchrun --nproc-per-node 8 -m dora eval discovery ...`.

    Args:
        weights: a ViT, named as in `dora eval knn`.
        data: VOC2012/, VOCdevkit/, or where VOCtrainval_11-May-2012.tar was unpacked.
        jaccard_split: pictures for the Jaccard index of attention masks, or none.
        corloc_split: pictures for CorLoc, or none.
        image_px: side of the squares for attention masks.
        k_patches: patches among which LOST seeks those that join its seed.
        pictures: a folder for contact sheets of the best and the worst.
        asked: how to compute, what to keep.
    """
    from dora.eval.dense_tables import discovery_table
    from dora.eval.discovery import evaluate_discovery
    from dora.eval.records import require_folder

    require_folder(pictures, option="--pictures")
    with asked.session(weights) as session:
        result = evaluate_discovery(
            session.evaluated,
            data,
            jaccard_split=jaccard_split,
            corloc_split=corloc_split,
            image_px=image_px,
            k_patches=k_patches,
            pictures=pictures,
            computing=session.computing,
        )
        session.report(result, out=asked.out, table=discovery_table(result))


def davis(
    *,
    weights: str,
    data: Path,
    split: Literal["train", "val"] = "val",
    sequence: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006
    image_px: int = 480,
    last_frames: int = 7,
    top_k: int = 5,
    radius: int = 12,
    temperature: float = 0.1,
    masks: Path | None = None,
    pictures: Path | None = None,
    asked: Annotated[Asked, Parameter(name="*")] = AS_USUAL,
) -> None:
    """Follow the objects of DAVIS 2017 from their first masks, by features alone.

    Several processes: `torchrun --nproc-per-node 8 -m dora eval davis ...`.

    Args:
        weights: a ViT, named as in `dora eval knn`.
        data: DAVIS/, or where DAVIS-2017-trainval-480p.zip was unpacked.
        split: which sequences.
        sequence: sequences by name, in place of a split.
        image_px: shorter side of the frames for the network.
        last_frames: frames before the present one that lend their labels, beside the first.
        top_k: patches that lend theirs to a patch.
        radius: how far away they may lie, in patches.
        temperature: of their weights.
        masks: a folder for the masks, as the published tool of DAVIS reads them.
        pictures: a folder for a video and a contact sheet a sequence.
        asked: how to compute, what to keep.
    """
    from dora.eval.davis import evaluate_davis
    from dora.eval.dense_tables import davis_table
    from dora.eval.propagation import PropagationConfig
    from dora.eval.records import require_folder
    from dora.eval.video_masks import VideoMaskConfig

    require_folder(masks, option="--masks")
    require_folder(pictures, option="--pictures")
    propagation = PropagationConfig(
        last_frames=last_frames, top_k=top_k, radius=radius, temperature=temperature
    )
    with asked.session(weights) as session:
        result = evaluate_davis(
            session.evaluated,
            data,
            config=VideoMaskConfig(image_px=image_px, propagation=propagation),
            split=split,
            names=tuple(sequence),
            masks=masks,
            pictures=pictures,
            computing=session.computing,
        )
        session.report(result, out=asked.out, table=davis_table(result))
