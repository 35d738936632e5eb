"""DAVIS 2017: objects followed through videos from their first masks, by features alone.

J and F as the published tool takes them for the semi-supervised task: per object, without the
first and the last frame; figures of the set are means over objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dora.eval.davis_folder import Truth
from dora.eval.label_maps import VOID, LabelMap
from dora.eval.region_scores import OverTime, boundary_score, region_score, summarise


@dataclass(frozen=True, kw_only=True)
class ObjectScore:
    """How well one object was followed."""

    sequence: str
    number: int
    """Its label, from 1."""
    j: OverTime
    f: OverTime
    frames: int
    """Frames scored."""


def score_sequence(name: str, truth: Truth, masks: Sequence[LabelMap]) -> tuple[ObjectScore, ...]:
    """Return the scores of all objects of a sequence.

    Args:
        name: of the sequence.
        truth: its true masks.
        masks: those found, one a frame, with the first.
    """
    assert len(masks) == len(truth.labels), "a mask for every frame"
    scored = list(zip(truth.labels, masks, strict=True))[1:-1]
    found = []
    for number in range(1, truth.objects + 1):
        pairs = [score_object(true, mask, number=number) for true, mask in scored]
        j, f = (summarise([pair[measure] for pair in pairs]) for measure in (0, 1))
        found.append(ObjectScore(sequence=name, number=number, j=j, f=f, frames=len(scored)))
    return tuple(found)


def score_object(truth: LabelMap, mask: LabelMap, *, number: int) -> tuple[float, float]:
    """Return J and F of one object in one frame; void does not count."""
    void = truth == VOID
    arguments = (truth == number, mask == number)
    some = void if void.any() else None
    return region_score(*arguments, void=some), boundary_score(*arguments, void=some)


def mean_over_objects(scores: Sequence[ObjectScore]) -> tuple[OverTime, OverTime]:
    """Return J and F of a set: means of the objects' means, recalls and decays."""
    return (
        _mean([score.j for score in scores]),
        _mean([score.f for score in scores]),
    )


def _mean(measures: Sequence[OverTime]) -> OverTime:
    mean, recall, decay = np.mean([(m.mean, m.recall, m.decay) for m in measures], axis=0).tolist()
    return OverTime(mean=mean, recall=recall, decay=decay)
