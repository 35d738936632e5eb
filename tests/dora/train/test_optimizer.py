import numpy as np
import pytest
import torch
from torch import nn

from dora.config import HeadConfig, ModelConfig, OptimConfig
from dora.model.pair import Network, Pair
from dora.train.optimizer import (
    build_optimizer,
    clip_each,
    drop_last_layer_gradients,
    parameter_groups,
    set_step_values,
)
from tests.references.optimizers import adamw_steps, lars_steps

PLAIN = {"adamw": adamw_steps, "lars": lars_steps}


def network(*, norm_last_layer: bool = False) -> Network:
    torch.manual_seed(0)
    return Pair(
        ModelConfig(width=24, depth=2, heads=6, patch_px=8, image_px=32),
        HeadConfig(outputs=20, hidden=16, bottleneck=8, norm_last_layer=norm_last_layer),
    ).student


def names_in(module: nn.Module, group: dict) -> set[str]:
    members = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in module.named_parameters() if id(parameter) in members}


def test_only_biases_and_one_dimensional_parameters_are_not_decayed() -> None:
    module = network()
    decayed, free = (names_in(module, group) for group in parameter_groups(module))
    assert decayed | free == {name for name, _ in module.named_parameters()}
    assert free == {
        name for name in decayed | free if name.endswith(".bias") or ".norm" in f".{name}"
    }
    assert {"backbone.cls_token", "backbone.pos_embed", "head.last_layer.weight_g"} <= decayed


def test_fixed_magnitudes_belong_to_no_group() -> None:
    module = network(norm_last_layer=True)
    held = set().union(*(names_in(module, group) for group in parameter_groups(module)))
    assert "head.last_layer.weight_g" not in held
    assert "head.last_layer.weight_v" in held


@pytest.mark.parametrize("name", PLAIN)
def test_optimiser_follows_its_papers_formulas(name: str) -> None:
    random = np.random.default_rng(0)
    module = nn.Linear(5, 4).double()
    optimizer = build_optimizer(module, OptimConfig(name=name))
    set_step_values(optimizer, lr=0.1, weight_decay=0.3)
    for parameter, decay in [(module.weight, 0.3), (module.bias, 0.0)]:
        gradients = [random.normal(size=parameter.shape) for _ in range(4)]
        expected = PLAIN[name](parameter.detach().numpy().copy(), gradients, lr=0.1, decay=decay)
        for gradient in gradients:
            optimizer.zero_grad()
            parameter.grad = torch.from_numpy(gradient)
            optimizer.step()
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("name", PLAIN)
def test_restored_optimiser_goes_on_as_the_unbroken_one(name: str) -> None:
    def trained(steps: int, *, restart_at: int | None) -> dict[str, torch.Tensor]:
        module = network()
        optimizer = build_optimizer(module, OptimConfig(name=name))
        for step in range(steps):
            if step == restart_at:
                saved = optimizer.state_dict()
                optimizer = build_optimizer(module, OptimConfig(name=name))
                optimizer.load_state_dict(saved)
            set_step_values(optimizer, lr=0.01 * step, weight_decay=0.1)
            for parameter in module.parameters():
                parameter.grad = torch.full_like(parameter, 0.1 * (step + 1))
            if step == 0:
                drop_last_layer_gradients(module)
            optimizer.step()
        return module.state_dict()

    unbroken = trained(4, restart_at=None)
    for restart_at in range(4):
        resumed = trained(4, restart_at=restart_at)
        assert all(torch.equal(value, unbroken[key]) for key, value in resumed.items())


@pytest.mark.parametrize("name", PLAIN)
def test_under_loss_scaling_a_step_is_the_same_or_where_gradients_overflow_none(name: str) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaled, plain = network(), network()
    optimizers = [build_optimizer(module, OptimConfig(name=name)) for module in (scaled, plain)]
    for overflows in (False, True, False):
        before = {key: value.clone() for key, value in scaled.state_dict().items()}
        scale = float(scaler.scale(torch.ones(())))
        for module, factor in ((scaled, scale), (plain, 1.0)):
            for parameter in module.parameters():
                parameter.grad = factor * torch.full_like(parameter, 0.1)
        if overflows:
            next(scaled.parameters()).grad[0] = torch.inf
        for optimizer in optimizers:
            set_step_values(optimizer, lr=0.1, weight_decay=0.2)
        scaler.unscale_(optimizers[0])
        scaler.step(optimizers[0])
        scaler.update()
        if overflows:
            assert all(
                torch.equal(value, before[key]) for key, value in scaled.state_dict().items()
            )
        else:
            optimizers[1].step()
        for one, other in zip(scaled.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(one, other)


def test_a_parameter_of_zeros_still_moves_under_lars() -> None:
    module = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(module.weight)
    optimizer = build_optimizer(module, OptimConfig(name="lars"))
    set_step_values(optimizer, lr=0.5, weight_decay=0.1)
    module.weight.grad = torch.ones_like(module.weight)
    optimizer.step()
    torch.testing.assert_close(module.weight.detach(), torch.full((2, 3), -0.5))
    module.weight.grad = torch.zeros_like(module.weight)
    optimizer.step()
    assert module.weight.isfinite().all()


@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3.0])
def test_every_gradient_is_clipped_by_its_own_norm(max_norm: float) -> None:
    module = network()
    for index, parameter in enumerate(module.parameters()):
        if index != 3:
            parameter.grad = torch.randn_like(parameter) * 10.0 ** (index % 5 - 3)
    before = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    joint = clip_each(module.parameters(), max_norm)
    expected = torch.stack([gradient.norm() for gradient in before.values()]).norm()
    torch.testing.assert_close(joint, expected)
    for name, gradient in before.items():
        factor = min(1.0, max_norm / (float(gradient.norm()) + 1e-6)) if max_norm else 1.0
        clipped = module.get_parameter(name).grad
        torch.testing.assert_close(clipped, gradient * factor)


def test_a_frozen_last_layer_neither_moves_nor_decays_nor_gets_state() -> None:
    module = network()
    optimizer = build_optimizer(module, OptimConfig())
    set_step_values(optimizer, lr=0.1, weight_decay=0.4)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    drop_last_layer_gradients(module)
    optimizer.step()
    for name, parameter in module.named_parameters():
        frozen = "last_layer" in name
        assert torch.equal(parameter, before[name]) == frozen, name
        assert (parameter in optimizer.state) != frozen, name
