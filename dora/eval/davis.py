"""DAVIS 2017: objects followed through videos from their first masks, by features alone.

The semi-supervised task, by DINO's protocol (`video_masks.py`), scored as the published tool does
(`davis_scores.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cattrs
from PIL import Image

from dora.eval.computing import Computing
from dora.eval.davis_folder import DavisSequence, Split, open_davis, read_truth
from dora.eval.davis_pictures import picture_paths, save_pictures
from dora.eval.davis_scores import ObjectScore, SequenceScore, mean_over_objects, score_sequence
from dora.eval.finished_parts import FinishedParts
from dora.eval.gathering import join_shares, own_share
from dora.eval.label_maps import write_labels
from dora.eval.loading import Evaluated
from dora.eval.networks import Colour
from dora.eval.region_scores import OverTime
from dora.eval.video_masks import VideoMaskConfig, follow_objects, require_patches, used_deviation

_NAMED = "named"
VERSION = 3
"""Of what is computed: with another one nothing that was kept is taken."""


@dataclass(frozen=True, kw_only=True)
class DavisResult:
    """Scores and everything that was chosen; becomes the JSON record."""

    benchmark: str = "davis"
    data: str
    split: str
    """train, val, or `named` for sequences asked for by name."""
    sequences: tuple[str, ...]
    frames: int
    j: OverTime
    """Means over all objects."""
    f: OverTime
    j_and_f: float
    """Mean of the two means."""
    objects: tuple[ObjectScore, ...]
    scored: str = "every frame but the first and the last of each sequence"
    settings: VideoMaskConfig
    patch_px: int
    deviation: Colour
    """What frames were divided by."""
    notes: tuple[str, ...] = field(default=())

    @property
    def measured(self) -> dict[str, float]:
        """Means of J and F over objects, per cent."""
        return {"DAVIS J": 100 * self.j.mean, "DAVIS F": 100 * self.f.mean}


def evaluate_davis(
    evaluated: Evaluated,
    folder: Path,
    *,
    config: VideoMaskConfig | None = None,
    split: Split = "val",
    names: Sequence[str] = (),
    masks: Path | None = None,
    pictures: Path | None = None,
    computing: Computing,
) -> DavisResult:
    """Score a frozen ViT on sequences of DAVIS 2017; processes share out the sequences.

    Sequences that were finished are kept in `computing.cache`, and not done again.

    Args:
        evaluated: the network.
        folder: DAVIS/, or where its archive was unpacked.
        config: None: DINO's protocol.
        split: which sequences.
        names: sequences, in place of a split.
        masks: folder for the masks, as the published tool reads them: SEQUENCE/00000.png.
        pictures: folder for a video and a contact sheet a sequence.
        computing: where and how.

    Raises:
        DoraError: a folder laid out otherwise, damaged files, a network without patches, or an
            object that is not in the first frame.
    """
    config = config or VideoMaskConfig()
    patch_px = require_patches(evaluated.network)
    sequences = open_davis(folder, split=split, names=names)
    kept = _kept_parts(evaluated, folder, config, computing)
    own = own_share(sequences)
    count = _counter(computing, total=sum(len(sequence.frames) for sequence in own))
    scores = []
    for sequence in own:
        files = sequence.frames + sequence.annotations
        score = kept.find(
            sequence.name,
            files,
            _read_score,
            outputs=_outputs(sequence, masks=masks, pictures=pictures),
        )
        if score is None:
            score = _evaluate_sequence(
                evaluated,
                sequence,
                config=config,
                masks=masks,
                pictures=pictures,
                computing=computing,
                count=count,
            )
            kept.keep(sequence.name, files, asdict(score))
        else:
            count(len(sequence.frames))
        scores.append(score)
    joined = join_shares(scores)
    objects = [score for sequence in joined for score in sequence.objects]
    j, f = (mean_over_objects([getattr(score, name) for score in objects]) for name in ("j", "f"))
    return DavisResult(
        data=str(folder),
        split=_NAMED if names else split,
        sequences=tuple(sequence.name for sequence in sequences),
        frames=sum(score.frames for score in joined),
        j=j,
        f=f,
        j_and_f=(j.mean + f.mean) / 2,
        objects=tuple(objects),
        settings=config,
        patch_px=patch_px,
        deviation=used_deviation(evaluated.network),
        notes=(
            *_notes_on_protocol(config, split=_NAMED if names else split),
            *_notes(sequences, joined, named=bool(names)),
        ),
    )


def _read_score(kept: dict[str, Any]) -> SequenceScore:
    return cattrs.structure(kept, SequenceScore)


def _evaluate_sequence(
    evaluated: Evaluated,
    sequence: DavisSequence,
    *,
    config: VideoMaskConfig,
    masks: Path | None,
    pictures: Path | None,
    computing: Computing,
    count: Callable[[int], None],
) -> SequenceScore:
    """Follow the objects of one sequence, score them, and write what was asked for."""
    with Image.open(sequence.frames[0]) as first:
        size = first.size
    truth = read_truth(sequence, size=size)
    found = []
    for labels in follow_objects(
        evaluated.network, sequence, truth.labels[0], config=config, computing=computing
    ):
        found.append(labels)
        count(1)
    score = score_sequence(sequence.name, truth, found)
    if masks is not None:
        for path, labels in zip(_mask_paths(sequence, masks), found, strict=True):
            write_labels(path, labels)
    if pictures is not None:
        save_pictures(sequence, truth, found, _title(score), out=pictures)
    return score


def _counter(computing: Computing, *, total: int) -> Callable[[int], None]:
    """Return what is told how many more frames are done."""
    progress = computing.progress
    if progress is None:
        return lambda frames: None
    task = progress.add_task("frames", total=total)
    return lambda frames: progress.advance(task, frames)


def _title(score: SequenceScore) -> str:
    """Return a sequence's scores for people."""
    name = score.objects[0].sequence
    parts = [
        f"object {one.number}: J {100 * one.j.mean:.1f}, F {100 * one.f.mean:.1f}"
        for one in score.objects
    ]
    return f"{name}: {'; '.join(parts)} (per cent)"


def _mask_paths(sequence: DavisSequence, masks: Path) -> list[Path]:
    return [masks / sequence.name / path.name for path in sequence.annotations]


def _outputs(sequence: DavisSequence, *, masks: Path | None, pictures: Path | None) -> list[Path]:
    """Return the files that a finished sequence has written."""
    written = [] if masks is None else _mask_paths(sequence, masks)
    return written + ([] if pictures is None else picture_paths(sequence.name, pictures))


def _kept_parts(
    evaluated: Evaluated, root: Path, config: VideoMaskConfig, computing: Computing
) -> FinishedParts:
    return FinishedParts(
        None if computing.cache is None else computing.cache / "davis",
        root=root,
        belongs_to={
            "version": VERSION,
            "network": evaluated.sha256,
            "settings": asdict(config),
            "precision": computing.precision,
        },
    )


def _notes_on_protocol(config: VideoMaskConfig, *, split: str) -> list[str]:
    """Return what was chosen otherwise than in DINO's protocol."""
    published = VideoMaskConfig()
    chosen = {"image_px": config.image_px, **asdict(config.propagation)}
    usual = {"image_px": published.image_px, **asdict(published.propagation)}
    notes = [
        f"{name} is {value}, and {usual[name]} in DINO's protocol"
        for name, value in chosen.items()
        if value != usual[name]
    ]
    if split == "train":
        notes.append("the paper's numbers are those of val, these of train")
    return notes


def _notes(
    sequences: Sequence[DavisSequence], scores: Sequence[SequenceScore], *, named: bool
) -> tuple[str, ...]:
    notes = []
    single = [
        sequence.name for sequence, score in zip(sequences, scores, strict=True) if score.single
    ]
    void = sum(score.void_pixels for score in scores)
    if single:
        notes.append(
            f"masks of {', '.join(single)} hold 0 and 255 alone, as in DAVIS 2016: one object each"
        )
    lost = [
        sequence.name
        for sequence, score in zip(sequences, scores, strict=True)
        if score.last_found < len(score.objects)
    ]
    if lost:
        notes.append(
            f"the last object of {', '.join(lost)} is in none of the masks found: versions of the "
            "published tool before objects were padded stop; later ones count the object as "
            "never found, as we do"
        )
    if void:
        notes.append(
            f"{void} void pixels were not counted; the published tool counts them as background"
        )
    if named:
        notes.append("sequences were named: the numbers are not those of a split")
    return tuple(notes)
