"""The whole network against the published implementation, on weights made by a recipe."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.detectors.detector import Detections
from analysis.detectors.detic.boxes import refine_boxes
from analysis.detectors.detic.cascade import DELTA_WEIGHTS, pool_regions
from analysis.detectors.detic.loading import load_detic
from analysis.detectors.detic.model import DeticDetector, DeticSizes
from analysis.detectors.detic.picture import PictureSize, boxes_in_original, normalise, resize
from analysis.detectors.detic.proposals import ProposalRule, Proposals, propose
from analysis.detectors.detic.pyramid import STRIDES
from analysis.detectors.detic.selection import Found
from tests.references import detic_recipe

BOX_PX, SCORE = 0.02, 1e-4
"""What noise of 1e-4 grey levels may move; another version of torch does less."""


@cache
def golden(file: str) -> dict[str, NDArray[np.generic]]:
    with np.load(detic_recipe.GOLDEN / file, allow_pickle=False) as arrays:
        return dict(arrays)


TINY, SWIN = golden("detic_resmini.npz"), golden("detic_swinb.npz")
CASES = sorted({key.split("/")[1] for key in TINY if key.startswith("case/")} - {"e_batch"})


def detector_for(path: Path, arrays: dict[str, NDArray[np.generic]], case: str) -> DeticDetector:
    short_px, long_px, threshold, one_class = arrays[f"case/{case}/opts"].tolist()
    width = 64 if arrays is TINY else 512
    return load_detic(
        path,
        vocabulary=detic_recipe.vocabulary(width, seed=0),
        threshold=threshold,
        one_class_per_proposal=bool(one_class),
        size=PictureSize(short_px=int(short_px), long_px=int(long_px)),
    )


def picture_of(case: str, number: int = 0) -> NDArray[np.uint8]:
    return detic_recipe.picture(*TINY[f"case/{case}/{number}/size"].tolist())


def middle(name: str, arrays: dict[str, NDArray[np.generic]] = TINY) -> Tensor:
    return torch.from_numpy(arrays[f"mid/a_up/{name}"])


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) < tolerance


def assert_same(ours: Detections, arrays: dict[str, NDArray[np.generic]], case: str) -> None:
    assert ours.classes.tolist() == arrays[f"{case}/classes"].tolist()
    np.testing.assert_allclose(ours.boxes, arrays[f"{case}/boxes"], atol=BOX_PX, rtol=0)
    np.testing.assert_allclose(ours.scores, arrays[f"{case}/scores"], atol=SCORE, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_tiny_network_finds_what_the_published_one_finds(case: str, tiny_checkpoint: Path) -> None:
    detector = detector_for(tiny_checkpoint, TINY, case)
    ((found, masks),) = detector.detect_with_masks([picture_of(case)])
    assert_same(found, TINY, f"case/{case}/0")
    areas = np.array([mask.sum() for mask in masks])
    different = np.abs(areas - TINY[f"case/{case}/0/mask_area"]).sum()
    assert different <= 1e-3 * areas.sum()  # a value of just one half may fall on either side


def test_cases_cover_nothing_found_many_found_and_a_full_level() -> None:
    counts = {case: len(TINY[f"case/{case}/0/scores"]) for case in CASES}
    assert counts["f_empty"] == 0
    assert counts["d_multiclass"] == 300
    assert min(count for case, count in counts.items() if case != "f_empty") > 100


def test_padding_to_a_common_size_changes_what_is_found(tiny: DeticDetector) -> None:
    """Hence pictures of one size only: here two sizes are padded to one on purpose."""
    pictures = [picture_of("e_batch", number) for number in (0, 1)]
    sizes = [tiny.size.scaled(*picture.shape[:2]) for picture in pictures]
    inputs = [
        normalise(torch.from_numpy(resize(picture, *size)[None]))
        for picture, size in zip(pictures, sizes, strict=True)
    ]
    side = [max(given.shape[axis] for given in inputs) for axis in (2, 3)]
    batch = torch.zeros(2, 3, *side)
    for number, given in enumerate(inputs):
        batch[number, :, : given.shape[2], : given.shape[3]] = given[0]
    levels, proposals = tiny.model.see(batch)
    for number in (0, 1):
        own = [level[number : number + 1] for level in levels]
        (found,) = tiny.model.find(
            own, [proposals[number]], tiny.classifier, sizes[number], tiny.rule
        )
        original = pictures[number].shape[:2]
        boxes, kept = boxes_in_original(found.boxes, sizes[number], (original[0], original[1]))
        expected = TINY[f"case/e_batch/{number}/boxes"]
        np.testing.assert_allclose(boxes[kept].numpy(), expected, atol=BOX_PX, rtol=0)
    assert len(TINY["case/e_batch/0/boxes"]) != len(TINY["case/a_up/0/boxes"])


def test_every_step_of_the_tiny_network_gives_the_published_numbers(tiny: DeticDetector) -> None:
    """Each step starts from what the published one was given, where that is stored whole."""
    size = tiny.size.scaled(180, 250)
    scaled = resize(picture_of("a_up"), *size)
    assert np.array_equal(scaled[::4], TINY["mid/a_up/resized"])
    image = normalise(torch.from_numpy(scaled[None]))
    assert_close(image[0, :, ::4, ::4], middle("input"), 1e-5)

    levels = tiny.model.backbone(image)
    for number, level in enumerate(levels, start=3):
        assert_close(level[0, ::8], middle(f"p{number}"), 1e-4)
    maps = tiny.model.proposal_generator(levels)
    for number, (heat, distances) in enumerate(maps, start=3):
        assert_close(heat, middle(f"hm{number}"), 1e-4)
        assert_close(distances, middle(f"reg{number}"), 1e-4)
    stored = [(middle(f"hm{number}"), middle(f"reg{number}")) for number in range(3, 8)]
    proposals = propose(stored, 0, ProposalRule())
    assert_close(proposals.boxes, middle("proposal_boxes"), 1e-3)
    assert_close(proposals.scores, middle("proposal_scores"), 1e-6)

    picture = torch.zeros(256, dtype=torch.int64)
    for stage, weights in enumerate(DELTA_WEIGHTS):
        boxes = middle(f"stage{stage}_in_boxes")
        pooled = pool_regions(levels[:3], boxes, picture, side=7)
        probabilities, deltas = tiny.model.roi_heads.run_stage(stage, pooled, tiny.classifier)
        assert_close(probabilities[:, ::4], middle(f"stage{stage}_probs"), 1e-4)
        assert_close(deltas, middle(f"stage{stage}_deltas"), 1e-4)
        if stage < 2:
            refined = refine_boxes(boxes, middle(f"stage{stage}_deltas"), weights=weights)
            limit = torch.tensor([size[1], size[0], size[1], size[0]])
            refined = refined.clamp(min=0).minimum(limit)
            assert_close(refined, middle(f"stage{stage + 1}_in_boxes"), 1e-3)

    given = Proposals(boxes=middle("proposal_boxes"), scores=middle("proposal_scores"))
    (found,) = tiny.model.find(levels[:3], [given], tiny.classifier, size, tiny.rule)
    assert_close(found.boxes, middle("raw_boxes"), BOX_PX)
    some = Found(boxes=middle("raw_boxes")[:20], scores=torch.ones(20), classes=torch.arange(20))
    assert_close(tiny.model.outline(levels[:3], [some])[0], middle("mask28"), 1e-4)


@pytest.mark.parametrize("case", ["pre100", "th05", "nms5"])
def test_rules_of_proposals_hold_for_other_limits_too(case: str, tiny: DeticDetector) -> None:
    """The default limits are rarely reached by a small picture; these are."""
    cells, heat, iou = TINY[f"prop/{case}/opts"].tolist()
    size = PictureSize(short_px=320, long_px=448).scaled(300, 420)
    image = normalise(torch.from_numpy(resize(picture_of("c_pretopk"), *size)[None]))
    maps = tiny.model.proposal_generator(tiny.model.backbone(image))
    assert len(maps) == len(STRIDES)
    found = propose(maps, 0, ProposalRule(cells=int(cells), heat=heat, iou=iou))
    assert_close(found.boxes, torch.from_numpy(TINY[f"prop/{case}/boxes"]), BOX_PX)
    assert_close(found.scores, torch.from_numpy(TINY[f"prop/{case}/scores"]), SCORE)


@pytest.fixture(scope="module")
def swin_b(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Swin-B in full size: 141 million weights, 566 MB."""
    path = tmp_path_factory.mktemp("detic") / "swin_b.pth"
    torch.save({"model": detic_recipe.state_of(DeticSizes(), seed=0)}, path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def swin_detector(swin_b: Path) -> Callable[[str], DeticDetector]:
    """The detector of a case, read once: its weights are hashed and checked every time."""
    return cache(lambda case: detector_for(swin_b, SWIN, case))


@pytest.mark.parametrize("case", ["a_up", pytest.param("d_multiclass", marks=pytest.mark.slow)])
def test_swin_b_finds_what_the_published_one_finds(
    case: str, swin_detector: Callable[[str], DeticDetector]
) -> None:
    detector = swin_detector(case)
    picture = detic_recipe.picture(*SWIN[f"case/{case}/0/size"].tolist())
    ((found, masks),) = detector.detect_with_masks([picture])
    assert_same(found, SWIN, f"case/{case}/0")
    areas = np.array([mask.sum() for mask in masks])
    different = np.abs(areas - SWIN[f"case/{case}/0/mask_area"]).sum()
    assert different <= 1e-3 * areas.sum()


def test_maps_of_swin_b_are_the_published_ones(
    swin_detector: Callable[[str], DeticDetector],
) -> None:
    detector = swin_detector("a_up")
    scaled = resize(detic_recipe.picture(180, 250), *detector.size.scaled(180, 250))
    levels = detector.model.backbone(normalise(torch.from_numpy(scaled[None])))
    for number, level in enumerate(levels, start=3):
        assert_close(level[0, ::32, ::4, ::4], middle(f"p{number}_sub", SWIN), 1e-4)
    for number, maps in enumerate(detector.model.proposal_generator(levels), start=3):
        assert_close(maps[0], middle(f"hm{number}", SWIN), 1e-4)
        assert_close(maps[1], middle(f"reg{number}", SWIN), 1e-4)
