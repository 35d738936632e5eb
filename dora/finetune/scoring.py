"""How many of the test pictures a network in training gets right."""

from functools import partial

import torch

from dora.eval.computing import Computing
from dora.eval.networks import Frozen
from dora.eval.pictures import read_batches
from dora.eval.scoring import rank_own
from dora.eval.sharing import sum_over_ranks
from dora.finetune.network import Classifier
from dora.finetune.pictures import LabelledPictures, scored_crop
from dora.finetune.recipe import Recipe
from dora.train.distributed import rank, world_size

TOPS = (1, 5)


def score(
    network: Classifier,
    pictures: LabelledPictures,
    *,
    frozen: Frozen,
    recipe: Recipe,
    computing: Computing,
) -> tuple[float, float]:
    """Return the shares right at top 1 and at top 5; each process scores its own batches.

    Args:
        network: in training; it is in evaluation mode meanwhile.
        pictures: of the test part.
        frozen: the network it began as, for its way to normalise.
        recipe: side of the crops, and how pictures are resized for them.
        computing: where and how.

    Raises:
        DoraError: a file is no whole picture.
    """
    network.eval()
    numbers = range(len(pictures))
    batches = [numbers[at : at + computing.batch] for at in range(0, len(numbers), computing.batch)]
    own = batches[rank() :: world_size()]
    read = partial(scored_crop, image_px=recipe.image_px, resize=recipe.test_resize)
    sources = ([pictures.sources[number] for number in batch] for batch in own)
    labels = torch.tensor(pictures.labels)
    right = torch.zeros(len(TOPS), dtype=torch.float64)
    with torch.inference_mode():
        for batch, crops in zip(
            own, read_batches(sources, read, workers=computing.workers), strict=True
        ):
            images = frozen.normalise(crops.to(computing.device))
            with computing.autocast():
                logits = network(images)
            chosen = labels[batch.start : batch.stop]
            place, _ = rank_own(logits.float().cpu(), chosen)
            right += torch.stack([(place < top).sum() for top in TOPS])
    network.train()
    top1, top5 = (sum_over_ranks(right.to(computing.device)) / len(pictures)).tolist()
    return top1, top5
