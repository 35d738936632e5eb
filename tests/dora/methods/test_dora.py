from itertools import product

import pytest
import torch
from torch import Tensor

from dora.config import HeadConfig, LossConfig, ModelConfig, TrackerConfig
from dora.data.views import Views
from dora.methods.cross_entropy import weighted_cross_entropy
from dora.methods.dino import teacher_probabilities, update_centre
from dora.methods.dora import dora_loss, object_weights
from dora.model.pair import Pair
from tests.dora.methods.whole_step import StepOutcome, step_loss
from tests.references import golden, losses

CASES = ["t4_b3_m6_k3", "t1_b4_m6_k3", "t8_b2_m2_k1", "t2_b2_m8_k6"]
RELEASED = LossConfig()
PRINTED = LossConfig(pairs="cross", skip_first_crop=False, reduction="sum", carry_frame_sum=False)
MODEL = ModelConfig(width=24, depth=2, heads=6, patch_px=8, image_px=32)
HEAD = HeadConfig(outputs=20, hidden=16, bottleneck=8)


def loss_of_all_crops(
    masked_VKBTP: Tensor,
    local_LBTP: Tensor,
    teacher_VBTP: Tensor,
    centre_P: Tensor,
    *,
    config: LossConfig,
    teacher_temperature: float,
) -> Tensor:
    """The loss as the plain version takes it: all crops, and the teacher's logits."""
    targets = teacher_probabilities(teacher_VBTP, centre_P, temperature=teacher_temperature)
    counted = local_LBTP[1 if config.skip_first_crop else 0 :]
    student_XBTP = torch.cat([masked_VKBTP.flatten(0, 1), counted])
    return dora_loss(student_XBTP, targets, objects=masked_VKBTP.shape[1], config=config)


def test_every_golden_case_is_tried() -> None:
    assert golden.names("dora_loss.npz") == CASES


@pytest.mark.parametrize("case", CASES)
def test_loss_centre_and_gradients_equal_the_published_ones(case: str) -> None:
    found = golden.tensors(golden.load("dora_loss.npz", case))
    _, frames, clips, outputs = found["student_masked"].shape
    crops = found["student_local"].shape[1] // clips
    masked_KTBP = found["student_masked"].requires_grad_()
    local_TMP = found["student_local"].requires_grad_()  # M is crop-major
    local_LBTP = local_TMP.reshape(frames, crops, clips, outputs).permute(1, 2, 0, 3)
    teacher_BTP = found["teacher"].transpose(0, 1)
    temperature = float(found["teacher_temp"])
    assert temperature == found["temp_schedule"][int(found["epoch"])]
    assert float(found["student_temp"]) == RELEASED.student_temperature

    loss = loss_of_all_crops(
        masked_KTBP.transpose(1, 2)[None],
        local_LBTP,
        teacher_BTP[None],
        found["center"],
        config=RELEASED,
        teacher_temperature=temperature,
    )
    loss.backward()
    torch.testing.assert_close(loss, found["loss"], rtol=2e-5, atol=0)
    assert masked_KTBP.grad is not None
    assert local_TMP.grad is not None
    assert golden.largest_difference(masked_KTBP.grad, found["grad_masked"]) < 1e-6
    assert golden.largest_difference(local_TMP.grad, found["grad_local"]) < 1e-6
    centre = update_centre(found["center"], teacher_BTP, momentum=float(found["center_momentum"]))
    assert golden.largest_difference(centre, found["center_after"]) < 1e-6

    for skip, expected in [(True, "loss_plain_mean"), (False, "loss_plain_mean_all_local")]:
        plain = loss_of_all_crops(
            masked_KTBP.transpose(1, 2)[None],
            local_LBTP,
            teacher_BTP[None],
            found["center"],
            config=LossConfig(carry_frame_sum=False, skip_first_crop=skip),
            teacher_temperature=temperature,
        )
        torch.testing.assert_close(plain, found[expected], rtol=2e-5, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_cross_entropies_equal_the_published_ones(case: str) -> None:
    found = golden.tensors(golden.load("dora_loss.npz", case))
    objects, frames, clips, _ = found["student_masked"].shape
    targets_TBP = teacher_probabilities(
        found["teacher"], found["center"], temperature=float(found["teacher_temp"])
    )
    local_TLBP = found["student_local"].unflatten(1, (-1, clips))
    for student_TXBP, name in [
        (found["student_masked"].transpose(0, 1), "ce_object"),
        (local_TLBP, "ce_local"),
    ]:
        assert found[name].shape == student_TXBP.shape[:2]
        for t, x in product(range(frames), range(student_TXBP.shape[1])):
            ours = weighted_cross_entropy(
                student_TXBP[t, x : x + 1], targets_TBP[t : t + 1], [[1.0]], temperature=0.1
            )
            torch.testing.assert_close(ours, found[name][t, x], rtol=0, atol=1e-4)
    assert objects == found["ce_object"].shape[1]


GRID = [
    (views, pairs, skip, reduction, carry)
    for views, pairs, skip, reduction, carry in product(
        [1, 2], ["same", "cross"], [True, False], ["mean", "sum"], [True, False]
    )
    if (views, pairs) != (1, "cross")
]


@pytest.mark.parametrize(("views", "pairs", "skip", "reduction", "carry"), GRID)
def test_every_option_equals_loops_gradients_included(
    views: int, pairs: str, skip: bool, reduction: str, carry: bool
) -> None:
    random = torch.Generator().manual_seed(views)
    objects, clips, frames, crops, outputs = 3, 2, 3, 3, 7
    masked = torch.randn(views, objects, clips, frames, outputs, generator=random)
    local = torch.randn(crops, clips, frames, outputs, generator=random)
    teacher = torch.randn(views, clips, frames, outputs, generator=random)
    centre = torch.randn(outputs, generator=random)
    config = LossConfig(
        pairs=pairs, skip_first_crop=skip, reduction=reduction, carry_frame_sum=carry
    )
    outcomes = []
    for loss_of in (loss_of_all_crops, losses.dora_loss):
        inputs = [masked.clone().requires_grad_(), local.clone().requires_grad_()]
        loss = loss_of(*inputs, teacher, centre, config=config, teacher_temperature=0.05)
        outcomes.append([loss, *torch.autograd.grad(loss, inputs)])
    for ours, plain in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_carried_weights_are_the_published_ones() -> None:
    assert object_weights(3, 8) == pytest.approx([0.380, 0.375, 0.333], abs=5e-4)
    assert object_weights(3, 1) == pytest.approx([1, 2 / 3, 1 / 3])
    assert object_weights(4, None) == [0.25] * 4


def random_views(views: int, *, crops: int = 3, clips: int = 2, frames: int = 3) -> Views:
    random = torch.Generator().manual_seed(5)
    return Views(
        global_views=torch.randn(views, clips, frames, 3, 32, 32, generator=random),
        local_crops=torch.randn(crops, clips, frames, 3, 16, 16, generator=random),
        positions=torch.arange(clips),
    )


def outcome_of(pair: Pair, views: Views, config: LossConfig, tracker: TrackerConfig) -> StepOutcome:
    return step_loss(pair, views, config=config, tracker=tracker, model=MODEL)


@pytest.mark.parametrize(
    ("views", "config", "tracker"),
    [
        (1, RELEASED, TrackerConfig()),
        (2, RELEASED, TrackerConfig(upsampling="bilinear", heads_drawn="clip")),
        (2, PRINTED, TrackerConfig(mask="soft", tokens="raw", plan_mass="one", heads_drawn="clip")),
        (1, RELEASED, TrackerConfig(objects=6, sinkhorn=False, threshold="clip")),
        (2, RELEASED, TrackerConfig(mask="blocks")),
    ],
)
def test_a_step_reaches_every_parameter_of_the_student_and_none_of_the_teacher(
    views: int, config: LossConfig, tracker: TrackerConfig
) -> None:
    torch.manual_seed(0)
    pair = Pair(MODEL, HEAD)
    outcome = outcome_of(pair, random_views(views), config, tracker)
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert all(value.shape == () and value.isfinite() for value in outcome.figures.values())
    missing = [name for name, p in pair.student.named_parameters() if p.grad is None]
    assert not missing
    assert all(parameter.grad is None for parameter in pair.teacher.parameters())
    assert outcome.centre.shape == (HEAD.outputs,)
    assert not outcome.centre.requires_grad
    areas = [name for name in outcome.figures if name.startswith("mask_area/")]
    assert len(areas) == tracker.objects


def test_a_skipped_crop_has_no_influence() -> None:
    torch.manual_seed(0)
    pair = Pair(MODEL, HEAD).eval()
    views = random_views(1)
    other = Views(
        global_views=views.global_views,
        local_crops=torch.cat([torch.randn_like(views.local_crops[:1]), views.local_crops[1:]]),
        positions=views.positions,
    )
    losses_ = [outcome_of(pair, each, RELEASED, TrackerConfig()).loss for each in (views, other)]
    torch.testing.assert_close(*losses_)


def test_figures_show_both_collapses() -> None:
    torch.manual_seed(0)
    pair = Pair(MODEL, HEAD)
    views = random_views(1)
    alike = Views(
        global_views=views.global_views[:, :1, :1].expand(-1, 2, 3, -1, -1, -1).contiguous(),
        local_crops=views.local_crops,
        positions=views.positions,
    )
    figures = outcome_of(pair, alike, RELEASED, TrackerConfig()).figures
    assert figures["feature_std"] < 1e-6
    assert outcome_of(pair, views, RELEASED, TrackerConfig()).figures["feature_std"] > 1e-4
    with torch.no_grad():
        pair.teacher.head.last_layer.weight_g.zero_()
    uniform = outcome_of(pair, views, RELEASED, TrackerConfig()).figures
    log_outputs = torch.tensor(float(HEAD.outputs)).log()
    torch.testing.assert_close(uniform["teacher_entropy"], log_outputs)
    torch.testing.assert_close(uniform["teacher_kl_to_uniform"], torch.tensor(0.0))
    with torch.no_grad():
        pair.teacher.head.last_layer.weight_g[3] = 1e5
        pair.teacher.head.mlp[-1].weight.zero_()
        pair.teacher.head.mlp[-1].bias.copy_(pair.teacher.head.last_layer.weight_v[3])
    single = outcome_of(pair, views, RELEASED, TrackerConfig()).figures
    torch.testing.assert_close(single["teacher_entropy"], torch.tensor(0.0))
    torch.testing.assert_close(single["teacher_kl_to_uniform"], log_outputs)
