"""Boxes, proposals, selection, backbone and pyramid, each against a plain version."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import batched_nms

from analysis.detectors.detic.backbones.resnet import ResNetBackbone, ResNetSizes
from analysis.detectors.detic.boxes import clip_boxes, refine_boxes, suppress_by_class
from analysis.detectors.detic.cascade import level_of_box
from analysis.detectors.detic.proposals import ProposalRule, propose
from analysis.detectors.detic.selection import SelectionRule, select
from tests.references import detic_plain


def random_boxes(count: int, seed: int, *, side: float = 100.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 4, generator=generator) * side
    first, size = corners[:, :2], corners[:, 2:] * 0.5 + 1
    return torch.cat([first, first + size], dim=1)


@given(seed=st.integers(0, 200), count=st.integers(0, 40), iou=st.sampled_from([0.3, 0.5, 0.9]))
def test_suppression_by_class_equals_plain_loops(seed: int, count: int, iou: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(count, seed)
    scores = torch.rand(count, generator=generator)
    classes = torch.randint(0, 3, (count,), generator=generator)
    expected = detic_plain.suppress_by_class(
        boxes.double().numpy(), scores.double().numpy(), classes.numpy(), iou
    )
    assert suppress_by_class(boxes, scores, classes, iou=iou).tolist() == expected


def test_suppression_is_as_sharp_for_class_22000_as_for_class_0() -> None:
    """Shifted in float32 a box of class 22,000 is known to 2 pixels only."""
    boxes = torch.tensor([[10, 10, 20, 20.6], [10, 10, 20, 15.1], [1300, 700, 1333, 750]])
    scores, late = torch.tensor([0.9, 0.8, 0.7]), torch.full((3,), 22_000)
    assert suppress_by_class(boxes, scores, late, iou=0.5).tolist() == [0, 1, 2]
    assert suppress_by_class(boxes, scores, late, iou=0.4).tolist() == [0, 2]
    assert batched_nms(boxes, scores, late, 0.5).tolist() == [0, 2], "no difference to tell of"


@given(seed=st.integers(0, 200))
def test_boxes_are_refined_as_written_out(seed: int) -> None:
    boxes = random_boxes(5, seed)
    deltas = 40 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    refined = refine_boxes(boxes, deltas, weights=(20.0, 10.0))
    expected = [
        detic_plain.refine_box(box, delta, (20.0, 10.0))
        for box, delta in zip(boxes.double().numpy(), deltas.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(refined.numpy(), np.array(expected), rtol=1e-4, atol=1e-2)


def test_a_stage_cannot_enlarge_a_box_beyond_bounds() -> None:
    refined = refine_boxes(
        torch.tensor([[0.0, 0, 16, 16]]), torch.tensor([[0.0, 0, 1e6, 1e6]]), weights=(10.0, 5.0)
    )
    assert (refined[0, 2:] - refined[0, :2]).tolist() == pytest.approx([1000, 1000], rel=1e-5)


def test_a_box_outside_becomes_empty_and_stays() -> None:
    clipped = clip_boxes(torch.tensor([[-5.0, 3, 7, 30], [50.0, 50, 60, 60]]), 20, 40)
    assert clipped.tolist() == [[0, 3, 7, 20], [40, 20, 40, 20]]


@pytest.mark.parametrize(
    ("side_px", "level"), [(0, 3), (1, 3), (111.9, 3), (112.1, 3), (223.9, 3), (224, 4)]
)
def test_level_of_a_box_follows_its_size(side_px: float, level: int) -> None:
    """Twice the size, one level higher; at least p3, at most p5."""
    boxes = torch.tensor([[0, 0, side_px, side_px], [0, 0, 448, 448], [0, 0, 5000, 5000]])
    assert level_of_box(boxes.float()).tolist() == [level, 5, 5]


def heat_maps(*hot: tuple[int, int, int, float]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Five levels of 8 x 8 down to 1 x 1 cells, cold but for (level, row, column, heat)."""
    maps = []
    for level in range(5):
        side = max(1, 8 >> level)
        heat = torch.full((1, 1, side, side), -20.0)
        for at, row, column, value in hot:
            if at == level:
                heat[0, 0, row, column] = math.log(value / (1 - value))
        maps.append((heat, torch.ones(1, 4, side, side)))
    return maps


def test_a_hot_cell_becomes_a_box_around_the_middle_of_the_cell() -> None:
    found = propose(heat_maps((0, 2, 5, 0.81), (3, 0, 0, 0.25)), 0, ProposalRule())
    assert found.boxes.tolist() == [[36, 12, 52, 28], [-32, -32, 96, 96]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])


def test_cold_maps_give_no_proposals() -> None:
    found = propose(heat_maps(), 0, ProposalRule())
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_proposals_of_equal_score_at_the_limit_all_stay() -> None:
    hot = [(0, row, column, 0.5) for row in (0, 4) for column in (0, 4)]
    found = propose(heat_maps((0, 7, 7, 0.9), *hot), 0, ProposalRule(kept=2))
    assert len(found.scores) == 5


def test_a_level_gives_its_thousand_hottest_cells() -> None:
    """So does each level for itself: none takes the place of another's."""
    heat = torch.linspace(-3, 3, 40 * 40).reshape(1, 1, 40, 40)
    maps = [(heat, torch.ones(1, 4, 40, 40)) for _ in range(5)]
    found = propose(maps, 0, ProposalRule(iou=1.0, kept=10_000))
    assert len(found.scores) == 5000
    assert found.scores.min() == pytest.approx(heat.flatten()[600].sigmoid().sqrt().item())


def test_boxes_without_a_distance_keep_a_hundredth_of_a_pixel() -> None:
    maps = [(heat, 0 * distances) for heat, distances in heat_maps((0, 0, 0, 0.5))]
    assert propose(maps, 0, ProposalRule()).boxes[0].tolist() == pytest.approx([4, 4, 4.01, 4.01])


def test_score_is_the_geometric_mean_of_class_and_proposal() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20.0, 20, 40, 40]])
    probabilities = torch.tensor([[0.2, 0.8], [0.9, 0.1]])
    found = select(boxes, probabilities, torch.tensor([0.5, 0.9]), SelectionRule(threshold=0))
    assert found.scores.tolist() == pytest.approx([0.9, math.sqrt(0.4)])
    assert found.classes.tolist() == [0, 1]


def test_a_proposal_may_be_several_classes_if_told_so() -> None:
    boxes, probabilities = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.49, 0.81]])
    both = SelectionRule(threshold=0.7, one_class_per_proposal=False)
    one = torch.ones(1)
    assert select(boxes, probabilities, one, both).classes.tolist() == [1]  # 0.7 is not above 0.7
    lower = SelectionRule(threshold=0.69, one_class_per_proposal=False)
    assert select(boxes, probabilities, one, lower).classes.tolist() == [1, 0]


def test_what_is_not_finite_is_dropped_with_its_row() -> None:
    boxes = torch.tensor([[0.0, 0, math.nan, 10], [0.0, 0, 9, 9], [0.0, 0, 8, 8]])
    probabilities = torch.tensor([[0.9, 0.1], [0.9, math.nan], [0.9, 0.1]])
    found = select(boxes, probabilities, torch.ones(3), SelectionRule())
    assert found.boxes.tolist() == [[0, 0, 8, 8]]


def test_at_most_300_boxes_are_kept() -> None:
    boxes = random_boxes(400, 5, side=20_000)
    found = select(boxes, torch.rand(400, 1), torch.ones(400), SelectionRule(threshold=0))
    assert len(found.scores) == 300
    assert bool((found.scores.diff() <= 0).all())


def test_resnet_equals_that_of_torchvision() -> None:
    theirs = ResNet(Bottleneck, [1, 2, 1, 1]).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for name, buffer in theirs.named_buffers():
        if "running" in name:
            buffer.copy_(1 + 0.3 * torch.rand(buffer.shape, generator=generator))
    ours = ResNetBackbone(ResNetSizes(depths=(1, 2, 1, 1))).requires_grad_(False)
    wanted = ours.base.state_dict()
    ours.base.load_state_dict({key: theirs.state_dict()[key] for key in wanted})
    image = torch.randn(1, 3, 64, 96, generator=generator)
    stem = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
    expected = theirs.layer1(stem)
    for found, layer in zip(ours(image), ("layer2", "layer3", "layer4"), strict=True):
        expected = getattr(theirs, layer)(expected)
        assert torch.allclose(found, expected, atol=1e-4, rtol=1e-4)
