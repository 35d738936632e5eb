"""J and F of the objects of a sequence, as DAVIS's published tool takes them.

That of the semi-supervised task: per object, without the first and the last frame; figures of a
set are means over objects, whatever the lengths of their sequences.
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


@dataclass(frozen=True, kw_only=True)
class SequenceScore:
    """What is kept of one sequence."""

    objects: tuple[ObjectScore, ...]
    frames: int
    single: bool
    """Masks were of 0 and 255, taken for one object."""
    void_pixels: int
    """In the true masks of scored frames."""
    last_found: int
    """The highest object in the masks of scored frames: how many objects the published tool takes
    them to have. Where there are more, its versions before objects were padded stop; later ones
    count those objects as never found."""


def score_sequence(name: str, truth: Truth, masks: Sequence[LabelMap]) -> SequenceScore:
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
    return SequenceScore(
        objects=tuple(found),
        frames=len(scored),
        single=truth.single,
        void_pixels=sum(int((true == VOID).sum()) for true, _ in scored),
        last_found=max(int(mask.max()) for _, mask in scored),
    )


def score_object(truth: LabelMap, mask: LabelMap, *, number: int) -> tuple[float, float]:
    """Return J and F of one object in one frame; void does not count."""
    void = truth == VOID
    arguments = (truth == number, mask == number)
    some = void if void.any() else None
    return region_score(*arguments, void=some), boundary_score(*arguments, void=some)


def mean_over_objects(measures: Sequence[OverTime]) -> OverTime:
    """Return J or F of a set: means of the objects' means, recalls and decays."""
    mean, recall, decay = np.mean([(m.mean, m.recall, m.decay) for m in measures], axis=0).tolist()
    return OverTime(mean=mean, recall=recall, decay=decay)
