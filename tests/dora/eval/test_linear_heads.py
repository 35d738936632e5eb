import pytest
import torch
from torch import Tensor

from dora.eval.linear_heads import HeadBank
from tests.dora.eval.tiny_networks import CPU
from tests.references import linear_probe as plain

LRS = (0.01, 0.3, 2.0)


def make_steps(count: int, *, classes: int) -> list[tuple[Tensor, Tensor, float]]:
    generator = torch.Generator().manual_seed(3)
    sizes = [8, 5, 8, 1, 8, 8][:count]
    return [
        (
            torch.randn(size, 12, generator=generator),
            torch.randint(classes, (size,), generator=generator),
            1 / (1 + turn),
        )
        for turn, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("columns", [slice(0, 12), slice(4, 10)])
def test_every_head_is_trained_as_by_pytorchs_sgd(columns: slice) -> None:
    bank = HeadBank(columns, lrs=LRS, classes=4, seed=1, device=CPU)
    firsts = [(weight.clone(), bias.clone()) for weight, bias in zip(*begin(bank), strict=True)]
    steps = make_steps(6, classes=4)
    losses = torch.stack([bank.step(x, y, lr_factor=factor) for x, y, factor in steps])
    for row, (weight, bias) in enumerate(firsts):
        narrow = [(x[:, columns], y, factor) for x, y, factor in steps]
        layer, expected = plain.train(narrow, weight=weight, bias=bias, lr=LRS[row])
        torch.testing.assert_close(bank.weight[row], layer.weight.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(bank.bias[row], layer.bias.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses[:, row], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def begin(bank: HeadBank) -> tuple[Tensor, Tensor]:
    return bank.weight, bank.bias


def test_heads_begin_equal_and_as_published() -> None:
    bank = HeadBank(slice(0, 500), lrs=LRS, classes=40, seed=1, device=CPU)
    assert torch.equal(bank.weight[0], bank.weight[2])
    assert bank.weight.std() == pytest.approx(0.01, rel=0.05)
    assert bank.bias.abs().max() == 0
    other = HeadBank(slice(0, 500), lrs=LRS, classes=40, seed=2, device=CPU)
    assert not torch.equal(bank.weight, other.weight)


def test_hits_are_those_of_plain_sorting() -> None:
    bank = HeadBank(slice(0, 12), lrs=LRS, classes=9, seed=1, device=CPU)
    bank.weight.normal_(generator=torch.Generator().manual_seed(0))
    features = torch.randn(30, 12, generator=torch.Generator().manual_seed(5))
    labels = torch.arange(30) % 9
    found = bank.count_hits(features, labels)
    for row in range(len(LRS)):
        order = (features @ bank.weight[row].T + bank.bias[row]).argsort(dim=1, descending=True)
        assert found[row, 0] == sum(int(order[i, 0]) == int(labels[i]) for i in range(30))
        assert found[row, 1] == sum(int(labels[i]) in order[i, :5].tolist() for i in range(30))


def test_head_that_diverged_is_right_nowhere() -> None:
    bank = HeadBank(slice(0, 12), lrs=(0.01, 0.01), classes=3, seed=1, device=CPU)
    bank.weight[1] = torch.nan
    features, labels = torch.randn(20, 12), torch.zeros(20, dtype=torch.int64)
    hits = bank.count_hits(features, labels)
    assert hits[1].tolist() == [0, 0]
    assert hits[0, 1] == 20


def test_restored_heads_go_on_as_if_never_stopped() -> None:
    steps = make_steps(6, classes=4)
    banks = [HeadBank(slice(0, 12), lrs=LRS, classes=4, seed=s, device=CPU) for s in (1, 9)]
    for x, y, factor in steps[:3]:
        banks[0].step(x, y, lr_factor=factor)
    banks[1].restore(banks[0].state())
    for x, y, factor in steps[3:]:
        for bank in banks:
            bank.step(x, y, lr_factor=factor)
    for name, value in banks[0].state().items():
        assert torch.equal(value, banks[1].state()[name])
