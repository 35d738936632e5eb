import pytest
import torch

from dora.config import HeadConfig
from dora.model.head import ProjectionHead
from tests.references import golden

CONFIGS = {
    "three_layers": (48, HeadConfig(outputs=96, hidden=64, bottleneck=32, norm_last_layer=True)),
    "free_norm": (24, HeadConfig(outputs=40, hidden=32, bottleneck=16)),
    "one_layer": (24, HeadConfig(outputs=40, layers=1, bottleneck=16, norm_last_layer=True)),
    "batch_norm": (
        24,
        HeadConfig(outputs=40, hidden=32, bottleneck=16, batch_norm=True, norm_last_layer=True),
    ),
}


def test_every_golden_case_is_tried() -> None:
    assert golden.names("dino_head.npz") == list(CONFIGS)


@pytest.mark.parametrize("case", CONFIGS)
def test_head_and_its_gradients_equal_the_published_head(case: str) -> None:
    arrays = golden.load("dino_head.npz", case)
    head = ProjectionHead(*CONFIGS[case])
    head.load_state_dict(golden.tensors(arrays, "w/"))
    trainable = {name for name, p in head.named_parameters() if p.requires_grad}
    assert trainable == set(arrays["requires_grad"].tolist())

    x = torch.from_numpy(arrays["x"]).requires_grad_()
    y = head(x)
    (y * torch.from_numpy(arrays["cotangent"])).sum().backward()

    assert golden.largest_difference(y, arrays["y"]) < 1e-5
    assert x.grad is not None
    assert golden.largest_difference(x.grad, arrays["grad_x"]) < 1e-4
    for name, gradient in golden.tensors(arrays, "grad/").items():
        ours = head.get_parameter(name).grad
        assert ours is not None
        assert golden.largest_difference(ours, gradient) < 1e-4, name
    if case == "batch_norm":
        for name, value in golden.tensors(arrays, "w_after/").items():
            assert golden.largest_difference(head.state_dict()[name], value) < 1e-5, name
        evaluated = head.eval()(torch.from_numpy(arrays["x"]))
        assert golden.largest_difference(evaluated, arrays["y_eval"]) < 1e-5


def test_last_layer_begins_with_magnitudes_of_one() -> None:
    head = ProjectionHead(24, HeadConfig(outputs=40, hidden=32, bottleneck=16))
    assert torch.equal(head.last_layer.weight_g, torch.ones(40, 1))
    bounded = head(torch.randn(50, 24)).abs() <= 1 + 1e-6  # cosines of unit vectors
    assert bounded.all()
